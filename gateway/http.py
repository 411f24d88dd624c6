"""The only place that opens outgoing HTTP connections.

Guard against server-side request forgery: a host is resolved once, every address found is checked, and the
connection goes to a checked address; private, loopback, link-local, metadata and other special addresses are
refused unless the URL's origin is allow-listed by the operator. Redirects are never followed: a redirect is
handed back as the answer. Answers have a size limit, requests a time limit.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Collection
from types import SimpleNamespace, TracebackType
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from connectors.contract import HttpRequest, HttpResponse, Next, NoAnswer, Sending, SendOutcome

MAX_ANSWER_BYTES = 4 * 1024 * 1024
CONNECT_SECONDS = 10.0
# Shorter than any provider keeps an idle connection open: one that the provider closes at the moment of our
# request would make its outcome unknown.
KEEP_ALIVE_SECONDS = 10.0

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class ForbiddenAddress(OSError):
    """The URL leads to an address that outgoing requests must not reach."""


class SendingBroke(Exception):
    """The send generator failed with an error of its own (the cause). `left`: a request may have gone out."""

    def __init__(self, left: bool) -> None:
        super().__init__("the send generator failed")
        self.left = left


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a URL. Raises ForbiddenAddress for anything but http and https with a host."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (ValueError, KeyError):
        raise ForbiddenAddress("only http and https URLs can be called") from None
    if not parts.hostname:
        raise ForbiddenAddress("the URL names no host")
    return parts.scheme, parts.hostname.lower().rstrip("."), port


def is_public(address: Address) -> bool:
    """Whether the address belongs to the public Internet, also seen through IPv6's ways to write IPv4 ones."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or _nat64(address)
        if inner is not None:
            return is_public(inner)
        if address.teredo is not None:
            return False
    return address.is_global and not address.is_multicast


def _nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in ipaddress.ip_network("64:ff9b::/96"):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


class _CheckedResolver(AbstractResolver):
    """Resolves and checks in one step; aiohttp connects to exactly what is returned here."""

    def __init__(self, allowed: frozenset[tuple[str, int]]) -> None:
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        results: list[ResolveResult] = []
        for found_family, _type, proto, _name, place in found:
            address = str(place[0])
            if (host, port) not in self._allowed and not is_public(ipaddress.ip_address(address)):
                # One bad address is enough: a name that points inside as well is not to be trusted.
                raise ForbiddenAddress(f"{host} leads to an address that is not public")
            results.append(
                ResolveResult(
                    hostname=host,
                    host=address,
                    port=port,
                    family=found_family,
                    proto=proto,
                    flags=socket.AI_NUMERICHOST,
                )
            )
        return results

    async def close(self) -> None:
        """Nothing is held open."""


class HttpClient:
    """Outgoing requests of one process. Use as an async context manager.

    `allowed_origins` are URLs whose scheme, host and port may be private, for example a simulator's.
    """

    def __init__(
        self, allowed_origins: Collection[str] = (), *, max_connections: int = 200, per_host: int = 100
    ) -> None:
        self._allowed = frozenset(origin(url) for url in allowed_origins)
        self._limits = (max_connections, per_host)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> HttpClient:
        places = frozenset((host, port) for _, host, port in self._allowed)
        connector = aiohttp.TCPConnector(
            resolver=_CheckedResolver(places),
            use_dns_cache=False,
            limit=self._limits[0],
            limit_per_host=self._limits[1],
            keepalive_timeout=KEEP_ALIVE_SECONDS,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            trace_configs=[_departures()],
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=True,
            trust_env=False,
            headers={"User-Agent": "channel-gateway/1"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def request(self, request: HttpRequest) -> HttpResponse:
        """The answer, whatever its status.

        Raises NoAnswer when none came whole in `request.timeout` seconds or 4 MiB; its `left` is False only
        if not a byte went out. Raises ForbiddenAddress when the URL must not be called.
        """
        if self._session is None:
            raise RuntimeError("use HttpClient with `async with`")
        self._check(request.url)
        trace = SimpleNamespace(left=False)
        limits = aiohttp.ClientTimeout(
            total=request.timeout, sock_connect=min(CONNECT_SECONDS, request.timeout)
        )
        try:
            async with self._session.request(
                request.method,
                request.url,
                headers=request.headers,
                data=request.body or None,
                timeout=limits,
                allow_redirects=False,
                trace_request_ctx=trace,
            ) as answer:
                body = await _read(answer)
                headers = {name.lower(): value for name, value in answer.headers.items()}
                return HttpResponse(answer.status, headers, body)
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, ForbiddenAddress):
                raise error.os_error from None
            raise NoAnswer(left=False) from error
        except aiohttp.InvalidURL:
            raise ForbiddenAddress("the URL cannot be called") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NoAnswer(left=trace.left) from error

    async def drive(self, sending: Sending) -> SendOutcome:
        """Runs a send generator to its outcome; a NoAnswer that it lets pass counts as retry or unknown.

        Raises ForbiddenAddress when a URL must not be called, and SendingBroke.
        """
        left = False
        try:
            request = next(sending)
            while True:
                try:
                    answer = await self.request(request)
                except NoAnswer as none:
                    left = left or none.left
                    request = sending.throw(none)
                else:
                    left = True
                    request = sending.send(answer)
        except StopIteration as end:
            outcome: SendOutcome = end.value
            return outcome
        except NoAnswer as none:
            return SendOutcome(Next.UNKNOWN if none.left else Next.RETRY)
        except ForbiddenAddress:
            raise
        except Exception as error:
            raise SendingBroke(left) from error
        finally:
            sending.close()

    def _check(self, url: str) -> None:
        scheme, host, port = origin(url)
        if (scheme, host, port) in self._allowed:
            return
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return  # a name: checked when it is resolved
        if not is_public(address):
            raise ForbiddenAddress(f"{host} is not a public address")


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in answer.content.iter_any():
        size += len(piece)
        if size > MAX_ANSWER_BYTES:
            raise aiohttp.ClientPayloadError(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
        pieces.append(piece)
    return b"".join(pieces)


def _departures() -> aiohttp.TraceConfig:
    """Notes when a request has a connection: from then on bytes may have gone out."""

    async def connected(_session: Any, context: SimpleNamespace, _params: Any) -> None:
        if context.trace_request_ctx is not None:
            context.trace_request_ctx.left = True

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(connected)
    trace.on_connection_reuseconn.append(connected)
    return trace
