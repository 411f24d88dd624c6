"""Outgoing HTTP: what may be called, and whether a request may have left when no answer came."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from connectors.contract import HttpRequest, Next, NoAnswer, Sending, SendOutcome
from gateway import http
from gateway.http import ForbiddenAddress, HttpClient, SendingBroke, is_public, origin


@pytest.fixture
async def server() -> AsyncIterator[str]:
    async def slow(_request: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    async def big(_request: web.Request) -> web.Response:
        return web.Response(body=b"x" * (http.MAX_ANSWER_BYTES + 1))

    async def away(_request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "http://169.254.169.254/"})

    async def slam(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/ok", _ok)
    for name, handler in {"slow": slow, "big": big, "away": away, "slam": slam}.items():
        app.router.add_route("*", f"/{name}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[union-attr]
    await runner.cleanup()


async def _ok(_request: web.Request) -> web.Response:
    return web.Response(text="fine", headers={"X-Thing": "1"})


def get(url: str, timeout: float = 5) -> HttpRequest:
    return HttpRequest("POST", url, {}, b"{}", timeout)


async def test_an_answer_comes_with_lower_case_headers_and_redirects_are_not_followed(server: str) -> None:
    async with HttpClient([server]) as client:
        answer = await client.request(get(f"{server}/ok"))
        assert (answer.status, answer.body, answer.headers["x-thing"]) == (200, b"fine", "1")
        assert (await client.request(get(f"{server}/away"))).status == 302


@pytest.mark.parametrize(("path", "left"), [("/slow", True), ("/slam", True), ("/big", True)], ids=str)
async def test_what_had_a_connection_may_have_left(server: str, path: str, left: bool) -> None:
    async with HttpClient([server]) as client:
        with pytest.raises(NoAnswer) as caught:
            await client.request(get(server + path, timeout=0.5))
    assert caught.value.left is left


async def test_what_had_no_connection_never_left() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        async with HttpClient([url, "http://no-such-host.invalid"]) as client:
            for place in (url, "http://no-such-host.invalid"):
                with pytest.raises(NoAnswer) as caught:
                    await client.request(get(place))
                assert caught.value.left is False


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/",
        "http://localhost:1/",
        "http://[::1]:1/",
        "http://169.254.169.254/latest/meta-data",
        "http://10.1.2.3/",
        "http://192.168.0.1/",
        "http://172.16.0.1/",
        "http://100.64.0.1/",
        "http://0.0.0.0:1/",
        "http://[::ffff:127.0.0.1]/",
        "http://[fd00::1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://2130706433/",
        "http://0x7f.1/",
        "ftp://example.org/",
        "file:///etc/passwd",
        "http:///nowhere",
    ],
)
async def test_private_places_are_refused(url: str) -> None:
    async with HttpClient() as client:
        with pytest.raises(ForbiddenAddress):
            await client.request(get(url))


async def test_an_allowed_place_does_not_allow_its_neighbour(server: str) -> None:
    port = int(server.rsplit(":", 1)[1])
    async with HttpClient([server]) as client:
        with pytest.raises(ForbiddenAddress):
            await client.request(get(f"http://127.0.0.1:{port + 1}/ok"))


@pytest.mark.parametrize(
    ("text", "public"), [("8.8.8.8", True), ("2606:4700::1111", True), ("224.0.0.1", False)]
)
def test_public(text: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(text)) is public


def test_origin() -> None:
    assert origin("https://Graph.Example./v1?x") == ("https", "graph.example", 443)


async def test_the_generator_is_driven_to_its_outcome(server: str) -> None:
    def two_steps() -> Sending:
        first = yield get(f"{server}/ok")
        try:
            yield get(f"{server}/slam", timeout=2)
        except NoAnswer as none:
            return SendOutcome(Next.UNKNOWN if none.left else Next.RETRY, first.body.decode())
        raise AssertionError

    def passes() -> Sending:
        yield get(f"{server}/slam", timeout=2)
        raise AssertionError

    def breaks(after: bool) -> Sending:
        if after:
            yield get(f"{server}/ok")
        raise RuntimeError("bug")

    async with HttpClient([server]) as client:
        assert await client.drive(two_steps()) == SendOutcome(Next.UNKNOWN, "fine")
        assert (await client.drive(passes())).next is Next.UNKNOWN
        for after in (False, True):
            with pytest.raises(SendingBroke) as caught:
                await client.drive(breaks(after))
            assert caught.value.left is after
