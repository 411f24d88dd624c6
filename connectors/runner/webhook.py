"""The HTTP side: `GET|POST /webhooks/<channel>/<account_id>`, as a plain ASGI application.

Plain, because this is the busiest path of the gateway (DESIGN section 7): no router, no request object.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import cache
from time import perf_counter
from typing import Any
from urllib.parse import parse_qsl

import structlog
from starlette.types import Message, Receive, Scope
from starlette.types import Send as AsgiSend

from connectors.contract import Answer, Connector, Refused, WebhookRequest
from connectors.runner.accounts import Accounts
from connectors.runner.faults import where
from connectors.runner.intake import Intake, Tally
from gateway import metrics
from gateway.bus.producer import BrokerUnavailable
from gateway.core.clock import Clock

log = structlog.get_logger(__name__)

PREFIX = "/webhooks/"
BODY_SECONDS = 30.0
RETRY_AFTER = {"retry-after": "5"}

WEBHOOKS = metrics.counter("gateway_webhooks_total", "Webhooks by how they ended", ["channel", "outcome"])
ENTRIES = metrics.counter(
    "gateway_webhook_entries_total",
    "What accepted webhooks held: accepted = event + receipt + dead + ignored",
    ["channel", "outcome"],
)
IGNORED = metrics.counter(
    "gateway_webhook_ignored_total", "Entries left out on purpose, by reason", ["channel", "reason"]
)
SECONDS = metrics.histogram(
    "gateway_webhook_seconds", "From the first byte to the answer, of accepted webhooks", ["channel"]
)


# Finding a metric's child takes a lock and is done several times per webhook.
@cache
def _child(metric: Any, *labels: str) -> Any:
    return metric.labels(*labels)


class TooLarge(Exception):
    """The body is larger than the channel's limit."""


class Webhooks:
    """Receives the webhooks of every account of this process."""

    def __init__(
        self,
        connectors: Mapping[str, Connector],
        accounts: Accounts,
        intake: Intake,
        clock: Clock,
        following: Callable[[], bool],
    ) -> None:
        self._connectors = connectors
        self._accounts = accounts
        self._intake = intake
        self._clock = clock
        self._following = following

    async def __call__(self, scope: Scope, receive: Receive, send: AsgiSend) -> None:
        begun = perf_counter()
        channel, _, account_id = scope["path"][len(PREFIX) :].partition("/")
        connector = self._connectors.get(channel)
        if connector is None:
            await _respond(send, Answer(404, b"unknown channel"))
            return
        answer, outcome = await self._answer(connector, account_id, scope, receive)
        _child(WEBHOOKS, channel, outcome).inc()
        if outcome == "accepted":
            _child(SECONDS, channel).observe(perf_counter() - begun)
        await _respond(send, answer)

    async def _answer(
        self, connector: Connector, account_id: str, scope: Scope, receive: Receive
    ) -> tuple[Answer, str]:
        """The answer, and how the webhook is counted."""
        key = (connector.channel, account_id)
        account = self._accounts.open.get(key)
        if account is None:
            if key in self._accounts.closed or not self._following():
                return Answer(503, b"account not ready", headers=RETRY_AFTER), "unavailable"
            return Answer(404, b"unknown account"), "unknown_account"
        if scope["method"] not in ("GET", "POST"):
            return Answer(405, headers={"allow": "GET, POST"}), "method"
        try:
            body = await _body(scope, receive, connector.max_body)
            request = _request(scope, body)
            early = connector.verify(request, account)
            if early is not None:
                return early, "handshake"
            if request.method == "GET":
                return Answer(405, headers={"allow": "POST"}), "method"
            tally = await self._intake.take(connector, account, request, self._clock(), scope["query_string"])
        except Refused as refused:
            log.warning(
                "webhook refused", channel=connector.channel, account=account_id, reason=refused.reason
            )
            return Answer(refused.status, refused.reason.encode()), f"refused_{refused.reason}"
        except TooLarge:
            return Answer(413, b"too large"), "too_large"
        except TimeoutError:
            return Answer(408, b"too slow"), "too_slow"
        except BrokerUnavailable:
            return Answer(503, b"not stored, repeat it", headers=RETRY_AFTER), "unavailable"
        except Exception as error:  # noqa: BLE001 (the provider repeats it; another webhook must not suffer)
            fault = where(error)
            log.error("webhook crashed", channel=connector.channel, account=account_id, fault=fault)  # noqa: TRY400
            return Answer(500, b"not stored, repeat it"), "crashed"
        _count(connector.channel, tally)
        return Answer(200), "accepted"


def _request(scope: Scope, body: bytes) -> WebhookRequest:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    raw = scope["query_string"]
    query = dict(parse_qsl(raw.decode("latin-1"), keep_blank_values=True)) if raw else {}
    return WebhookRequest(scope["method"], headers, query, body)


async def _body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The body as it came. Raises TooLarge as soon as that is certain, TimeoutError for one that dribbles."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > limit:
            raise TooLarge
    first = await receive()
    body: bytes = first.get("body", b"")
    if first.get("more_body"):
        async with asyncio.timeout(BODY_SECONDS):
            body = await _rest(body, receive, limit)
    if len(body) > limit:
        raise TooLarge
    return body


async def _rest(begun: bytes, receive: Receive, limit: int) -> bytes:
    pieces = [begun]
    size = len(begun)
    more = True
    while more:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            raise TimeoutError
        piece: bytes = message.get("body", b"")
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raise TooLarge
        more = message.get("more_body", False)
    return b"".join(pieces)


def _count(channel: str, tally: Tally) -> None:
    for outcome, number in (
        ("accepted", tally.accepted),
        ("event", tally.events),
        ("receipt", tally.receipts),
        ("dead", tally.dead),
        ("ignored", sum(tally.ignored.values()) if tally.ignored else 0),
    ):
        if number:
            _child(ENTRIES, channel, outcome).inc(number)
    for reason, number in tally.ignored.items():
        _child(IGNORED, channel, reason).inc(number)


async def _respond(send: AsgiSend, answer: Answer) -> None:
    headers: list[tuple[bytes, bytes]] = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(answer.body)).encode()),
    ]
    headers += [(name.encode(), value.encode()) for name, value in answer.headers.items()]
    start: dict[str, Any] = {"type": "http.response.start", "status": answer.status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": answer.body})
