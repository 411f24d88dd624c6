"""The webhook bot's JSON, signature and calls, against a bot server on 127.0.0.1."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from gateway.bots.signature import headers, signature, verify
from gateway.bots.webhook import BotFailed, WebhookBots, deadline_of
from gateway.bots.webhook_json import InvalidAnswer, content_json, parse_answer
from gateway.core import content as c
from gateway.core.clock import system_clock
from gateway.core.commands import End, HandOver, HandOverReason, SendMessage
from gateway.core.content import Clear, Text
from gateway.core.directory import Bot, BotKind
from gateway.http import HttpClient
from gateway.settings import SecretError

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
REPLY = {"actions": [{"type": "send", "content": {"type": "text", "body": "hi"}}]}
HI = SendMessage(Clear(Text("hi")))


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """The vector that the project's own libraries test with; also in docs/bots.md."""
    body = b'{"test": 2432232314}'
    signed = signature(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("change", "right"),
    [
        ({}, True),
        ({"body": b"{}"}, False),
        ({"secret": "another"}, False),
        ({"now": 1301}, False),
        ({"now": 1299}, True),
        ({"webhook-id": "x"}, False),
        ({"webhook-timestamp": "1001"}, False),
        ({"webhook-timestamp": "soon"}, False),
        ({"webhook-signature": "v1,AAAA"}, False),
        ({"webhook-signature": None}, False),
    ],
)
def test_a_receiver_tells_a_wrong_signature(change: dict[str, Any], right: bool) -> None:
    body = b'{"a":1}'
    given = headers("plain secret", "id1", 1000, body)
    if change.get("webhook-signature", "") is None:
        del given["webhook-signature"]
    given |= {k: v for k, v in change.items() if k in given}
    secret = change.get("secret", "plain secret")
    assert verify(secret, given, change.get("body", body), change.get("now", 1000)) is right


def test_a_secret_that_is_no_base64_is_told() -> None:
    with pytest.raises(ValueError, match="base64"):
        signature("whsec_!", "i", 1, b"")


def acts(*given: dict[str, Any]) -> bytes:
    return json.dumps({"actions": list(given)}).encode()


CHOICE = {"type": "choice", "body": "Which?", "options": [{"id": "1", "title": "A"}], "style": "list"}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"", []),
        (b'{"actions": []}', []),
        (acts({"type": "send", "content": {"type": "text", "body": "hi"}}), [HI]),
        (
            acts({"type": "send", "content": {"type": "text", "body": "eh"}, "not_understood": True}),
            [SendMessage(Clear(Text("eh")), not_understood=True)],
        ),
        (
            acts({"type": "send", "content": {"type": "text", "body": "bye"}, "end": True}),
            [SendMessage(Clear(Text("bye")), complete=True)],
        ),
        (
            acts({"type": "send", "content": CHOICE}, {"type": "hand_over"}),
            [
                SendMessage(Clear(c.Choice("Which?", (c.Option("1", "A"),), c.ChoiceStyle.LIST))),
                HandOver(HandOverReason.BOT_ASKED),
            ],
        ),
        (
            acts({"type": "hand_over", "department": "sales", "anyway": True}),
            [HandOver(HandOverReason.BOT_ASKED, "sales", anyway=True)],
        ),
        (acts({"type": "end"}), [End()]),
    ],
)
def test_good_answers(body: bytes, found: list[object]) -> None:
    assert parse_answer(body) == found


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"hello", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", "`actions` is a list"),
        (b'{"actions": {}}', "`actions` is a list"),
        (acts(*[{"type": "end"}] * 11), "at most 10"),
        (acts({"type": "shout"}), r"actions\[0\].type"),
        (acts({"type": ["end"]}), r"actions\[0\].type"),
        (acts({"type": "end", "now": 1}), "does not know"),
        (acts({"type": "send"}), r"actions\[0\].content.type"),
        (acts({"type": "send", "content": {"type": "note", "body": "x"}}), "content.type"),
        (acts({"type": "send", "content": {"type": ["text"], "body": "x"}}), "content.type"),
        (acts({"type": "send", "content": {"type": "text", "body": 1}}), "content.body"),
        (acts({"type": "send", "content": {"type": "text", "body": "x", "bold": 1}}), "does not know"),
        (acts({"type": "send", "content": {**CHOICE, "options": []}}), "at least one"),
        (acts({"type": "send", "content": {"type": "text", "body": "x"}, "end": 1}), "true or false"),
        (acts({"type": "hand_over", "department": 7}), "department"),
        (b" " * 10 + b"x" * 256_001, "bytes"),
    ],
)
def test_bad_answers(body: bytes, words: str) -> None:
    with pytest.raises(InvalidAnswer, match=words):
        parse_answer(body)


def test_content_is_told_without_where_files_lie() -> None:
    media = c.Media(c.MediaKind.IMAGE, c.MediaRef(c.MediaState.READY, "image/png", "p1", None, "s1", size=3))
    told = content_json(Clear(media))
    assert told["type"] == "media"
    assert told["kind"] == "image"
    assert set(told["media"]) == {"state", "mime", "url", "filename", "size", "reason"}
    assert content_json(c.Sealed("k", b"n", b"d")) == {"type": "hidden"}


@dataclass
class BotServer:
    """A bot on 127.0.0.1 that answers as the test says and keeps what it was told."""

    answer: Callable[[dict[str, Any], int], Any] = lambda told, n: REPLY
    told: list[dict[str, Any]] = field(default_factory=list)
    signed: list[bool] = field(default_factory=list)
    url: str = ""
    slow: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        given = {name.lower(): value for name, value in request.headers.items()}
        self.signed.append(verify(SECRET, given, body, system_clock() // 1000))
        told = json.loads(body)
        self.told.append(told)
        found = self.answer(told, len(self.told))
        if found == "slow":
            await self.slow.wait()
            found = REPLY
        if isinstance(found, int):
            return web.Response(status=found, headers={"location": "http://127.0.0.1:1/"})
        return web.Response(body=found if isinstance(found, bytes) else json.dumps(found).encode())

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[BotServer]:
        app = web.Application()
        app.router.add_post("/bot", self.handle)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/bot"
        try:
            yield self
        finally:
            self.slow.set()
            await runner.cleanup()


def bot(url: str, **changes: Any) -> Bot:
    fields: dict[str, Any] = {"url": url, "secret": "env:BOT", "answer_within": 3_000}
    return Bot("robo", "acme", "Robo", BotKind.WEBHOOK, **{**fields, **changes})


def resolve(reference: str) -> str:
    if reference != "env:BOT":
        raise SecretError("not set")
    return SECRET


async def ask(server: BotServer, *, allowed: bool = True, **changes: Any) -> Any:
    origins = (server.url,) if allowed else ()
    made = bot(**{"url": server.url, **changes})
    async with HttpClient(origins) as http:
        bots = WebhookBots(http, resolve, system_clock)
        try:
            return await bots.ask(made, {"id": "e1", "type": "message"}, deadline_of(made, system_clock()))
        except BotFailed as failed:
            return failed.reason


async def test_a_good_answer_to_a_signed_request() -> None:
    async with BotServer().serving() as server:
        assert await ask(server) == [HI]
        assert server.signed == [True]
        assert server.told == [{"id": "e1", "type": "message"}]


async def test_it_is_tried_again_until_it_answers() -> None:
    async with BotServer(lambda _told, n: REPLY if n == 3 else 503 if n == 1 else 429).serving() as server:
        assert await ask(server) == [HI]
        assert [told["id"] for told in server.told] == ["e1"] * 3


@pytest.mark.parametrize(
    ("answer", "changes", "reason", "calls"),
    [
        ("slow", {"answer_within": 400}, "late", 1),
        (500, {"answer_within": 500}, "late", None),
        (404, {}, "status_404", 1),
        (302, {}, "status_302", 1),
        (b"<html>", {}, "invalid_answer", 1),
        (REPLY, {"url": None}, "not_configured", 0),
        (REPLY, {"secret": None}, "not_configured", 0),
        (REPLY, {"secret": "env:GONE"}, "no_secret", 0),
        (REPLY, {"allowed": False}, "forbidden_address", 0),
        (
            REPLY,
            {"url": "http://127.0.0.1:1/", "answer_within": 300, "allowed": False},
            "forbidden_address",
            0,
        ),
        (REPLY, {"url": "file:///etc/passwd"}, "forbidden_address", 0),
    ],
)
async def test_failures(answer: Any, changes: dict[str, Any], reason: str, calls: int | None) -> None:
    async with BotServer(lambda _told, _n: answer).serving() as server:
        assert await ask(server, **changes) == reason
        assert calls is None or len(server.told) == calls
        assert calls is not None or len(server.told) > 1


async def test_the_time_is_over_however_the_timers_meet() -> None:
    """The request's own time limit and ours end together; both orders must end the tries."""
    async with BotServer(lambda _told, _n: "slow").serving() as server:
        answers = await asyncio.gather(*(ask(server, answer_within=300 + n) for n in range(60)))
        assert answers == ["late"] * 60


async def test_nobody_listens() -> None:
    async with BotServer().serving() as server:
        pass
    assert await ask(server, answer_within=400) == "late"


def test_the_deadline_leaves_the_answer_time_to_reach_the_log() -> None:
    assert deadline_of(bot("", answer_within=15_000), 1_000) == 15_500
    assert deadline_of(bot("", answer_within=1_000), 1_000) == 1_900
