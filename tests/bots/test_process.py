"""Bots with the log on the real Kafka: menu, webhook, a bot of its own, and answers that come too late."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.registry import discover
from gateway.bots import process
from gateway.bus.admin import apply_catalogue
from gateway.bus.catalogue import Catalogue
from gateway.core import commands as k
from gateway.core import ids
from gateway.core.actors import OwnerKind
from gateway.core.clock import system_clock
from gateway.core.commands import CommandResult
from gateway.core.content import Choice, Clear, Content, Postback, Text, plain_text
from gateway.core.directory import Account, Bot, BotKind
from gateway.core.events import ConversationEvent, MessageQueued, OwnerChanged
from gateway.core.messages import InboundEvent, Presence, PresenceState, SendRequest
from gateway.settings import Settings
from gateway.up import answers
from gateway.wire.framing import encode
from tests.bots.test_webhook import REPLY, SECRET, BotServer
from tests.conversation_log.harness import QUICK, Bench, bench, died
from tests.core.build import (
    ACCOUNT,
    ANN,
    CHANNEL,
    CONVERSATION,
    PROFILE,
    ROBO,
    TENANT,
    command,
    inbound,
    send,
)
from tests.e2e.whole.stack import free_ports
from tests.helpers import eventually

ASK = (("reply_to", b"bot:robo"),)
MENU = (Path(__file__).parents[2] / "examples" / "menu_en.yaml").read_text(encoding="utf-8")


async def prepare(b: Bench, bot: Bot, *, online: bool = False) -> None:
    """The account has the bot; an inbox lives; Ann is there or not."""
    account = Account(ACCOUNT, TENANT, CHANNEL, "support", "Acme", bot=bot.id)
    b.directory = b.directory.with_entity(account).with_entity(bot)
    await b.publish_directory()
    limits = tuple(replace(limit, value=1_000) for limit in PROFILE.limits)
    profile = replace(PROFILE, content=(*PROFILE.content, "list"), limits=limits)
    await b.producer.send(b.catalogue.capabilities, ACCOUNT.encode(), encode(profile))
    await present(b, "@inbox1", "@inbox1")
    if online:
        await present(b, "ann", "ann")


async def present(b: Bench, key: str, agent: str) -> None:
    now = system_clock()
    presence = Presence(agent, TENANT, PresenceState.ONLINE, now, now + 3_600_000)
    await b.producer.send(b.catalogue.presence, key.encode(), encode(presence))


def wrote(n: int, content: Content | str) -> InboundEvent:
    body = Text(content) if isinstance(content, str) else content
    return inbound(n, body, at=system_clock())


@asynccontextmanager
async def bots(b: Bench, *origins: str, name: str = "one") -> AsyncIterator[None]:
    """The bots service, running in this process."""
    stop = asyncio.Event()
    options = process.Options(
        resolve=lambda _reference: SECRET, die=died, allowed_origins=origins, consumer=QUICK
    )
    settings = b.settings.model_copy(update={"bots_port": 0, "instance": name})
    task = asyncio.create_task(process.run(settings, b.catalogue, stop, options))
    try:
        yield
        assert not task.done() or task.result() is None
    finally:
        stop.set()
        await asyncio.wait_for(task, 30)


async def events(b: Bench) -> list[ConversationEvent]:
    found = await b.read(b.catalogue.conversations, ConversationEvent)
    return [event for event in found if event.conversation_id == CONVERSATION]


async def said(b: Bench, count: int) -> list[str]:
    """First lines of what the bot said, once there are so many."""

    async def enough() -> list[str]:
        queued = [ev for ev in await events(b) if isinstance(ev.happening, MessageQueued)]
        assert len(queued) >= count, queued
        return [plain_text(ev.happening.content.content).splitlines()[0] for ev in queued]  # type: ignore[union-attr]

    return await eventually(enough, 40, every=0.3)


async def owned(b: Bench, kind: OwnerKind) -> OwnerChanged:
    async def so() -> OwnerChanged:
        changes = [ev.happening for ev in await events(b) if isinstance(ev.happening, OwnerChanged)]
        assert changes
        assert changes[-1].owner.kind is kind
        return changes[-1]

    return await eventually(so, 40, every=0.3)


async def requests(b: Bench) -> list[SendRequest]:
    return await b.read(b.catalogue.outbound(CHANNEL), SendRequest)


async def refusals(b: Bench, count: int = 1) -> list[str | None]:
    async def enough() -> list[str | None]:
        codes = [r.code for r in await b.read(b.catalogue.command_results, CommandResult) if not r.accepted]
        assert len(codes) >= count
        return codes

    return await eventually(enough, 40, every=0.3)


async def test_a_bot_that_answers_after_an_agent_took_over_is_refused(kafka: str, topic_prefix: str) -> None:
    async with bench(kafka, topic_prefix) as b, b.running():
        await prepare(b, Bot("robo", TENANT, "Robo"))
        await b.feed(wrote(1, "hello"))
        await b.count(b.catalogue.conversations, 3)  # opened, received, timers
        await b.feed(command(1, ANN, k.Assign("ann")))
        await owned(b, OwnerKind.AGENT)
        await b.feed(send(2, "late", ROBO, epoch=1), send(3, "no epoch", ROBO), headers=ASK)
        await b.feed(command(4, ROBO, k.End(), epoch=1), headers=ASK)
        assert await refusals(b, 3) == ["stale_epoch"] * 3
        assert await requests(b) == []


async def test_a_bot_that_hands_over_to_nobody_is_told(kafka: str, topic_prefix: str) -> None:
    async with bench(kafka, topic_prefix) as b, b.running():
        await prepare(b, Bot("robo", TENANT, "Robo"))
        await b.feed(wrote(1, "hello"))
        await b.count(b.catalogue.conversations, 3)
        await b.feed(command(1, ROBO, k.HandOver(k.HandOverReason.BOT_ASKED), epoch=1), headers=ASK)
        assert await refusals(b) == ["nobody_available"]
        anyway = k.HandOver(k.HandOverReason.BOT_ASKED, anyway=True)
        await b.feed(command(2, ROBO, anyway, epoch=1), headers=ASK)
        assert (await owned(b, OwnerKind.QUEUE)).reason == "bot_asked"


async def test_a_menu_conversation_through_a_restart(kafka: str, topic_prefix: str) -> None:
    async with bench(kafka, topic_prefix) as b, b.running():
        await prepare(b, Bot("menu", TENANT, "Guide", BotKind.MENU, menu=MENU))
        async with bots(b):
            await b.feed(wrote(1, "hello"))
            assert await said(b, 1) == ["Welcome to Acme! I am the automatic assistant."]
            await b.feed(wrote(2, "２"))
            assert (await said(b, 2))[1:] == ["What about your order?"]
        async with bots(b):
            # It still knows which question the number answers, and says nothing twice.
            await b.feed(wrote(3, "1"))
            assert (await said(b, 4))[2:] == [
                "You find the parcel's number in the e-mail that we sent you.",
                "What about your order?",
            ]
            await b.feed(wrote(4, Postback("main/person", "Talk to a person")))
            assert (await said(b, 6))[4:] == [
                "One moment, please.",
                "Nobody is here just now. Perhaps I can help?",
            ]
            await present(b, "ann", "ann")
            await eventually(lambda: _handed_over(b), 40, every=0.5)  # as soon as the log has heard of Ann
            assert (await owned(b, OwnerKind.QUEUE)).reason == "bot_asked"
            await eventually(lambda: _memories(b, 0), 20, every=0.3)
        sent = [r.content.content for r in await requests(b) if isinstance(r.content, Clear)]
        assert isinstance(sent[0], Choice)
        assert all(ev.actor.id == "menu" for ev in await events(b) if isinstance(ev.happening, MessageQueued))


async def _handed_over(b: Bench) -> bool:
    known = await events(b)
    await b.feed(wrote(1_000 + len(known), "4"))
    return any(isinstance(ev.happening, OwnerChanged) for ev in known)


async def _memories(b: Bench, count: int) -> bool:
    """How many conversations are remembered."""
    kept: dict[bytes, Any] = {}
    for record in await b.records(b.catalogue.bot_memory):
        kept[record.key] = record.value
    return len([v for v in kept.values() if v is not None]) == count


async def test_workers_come_and_go_and_every_question_is_remembered(kafka: str, topic_prefix: str) -> None:
    people = [ids.conversation_id(TENANT, CHANNEL, ACCOUNT, f"address{n}") for n in range(8)]

    async def all_said(b: Bench, n: int, text: str, last: str) -> None:
        await b.feed(*(replace(wrote(n, text), conversation_id=person) for person in people))

        async def so() -> None:
            found: dict[str, list[str]] = {}
            for request in await requests(b):
                assert isinstance(request.content, Clear)
                body = plain_text(request.content.content).splitlines()[0]
                found.setdefault(request.conversation_id, []).append(body)
            assert {
                person: (len(found.get(person, [])), found.get(person, [""])[-1]) for person in people
            } == dict.fromkeys(people, (n, last))

        await eventually(lambda: _true(so), 60, every=0.3)

    async with bench(kafka, topic_prefix) as b, b.running():
        await prepare(b, Bot("menu", TENANT, "Guide", BotKind.MENU, menu=MENU))
        async with AsyncExitStack() as first:
            await first.enter_async_context(bots(b))
            await all_said(b, 1, "hello", "Welcome to Acme! I am the automatic assistant.")
            async with bots(b, name="two"):
                await all_said(b, 2, "2", "What about your order?")
                await first.aclose()
                await all_said(b, 3, "3", "What is it about?")


async def _true(check: Callable[[], Awaitable[None]]) -> bool:
    await check()
    return True


async def test_the_command_line_runs_it(kafka: str, topic_prefix: str) -> None:
    settings = Settings(kafka_bootstrap_servers=kafka, topic_prefix=topic_prefix, partitions=2)
    await apply_catalogue(kafka, Catalogue(topic_prefix, tuple(discover()), 2))
    [port] = free_ports(1)
    env = {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "GATEWAY_TOPIC_PREFIX": settings.topic_prefix,
        "GATEWAY_PARTITIONS": "2",
        "GATEWAY_BOTS_PORT": str(port),
    }
    process_ = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.cli", "run", "bots", env=env
    )
    try:
        await eventually(lambda: answers(port), 60, every=0.3)
    finally:
        process_.terminate()
        code = await process_.wait()
    assert code == 0


def webhook(url: str, **changes: Any) -> Bot:
    fields: dict[str, Any] = {"url": url, "secret": "env:BOT"}
    return Bot("hook", TENANT, "Hook", BotKind.WEBHOOK, **{**fields, **changes})


async def test_a_webhook_bot_talks_is_told_of_refusals_and_hands_over(kafka: str, topic_prefix: str) -> None:
    def answer(told: dict[str, Any], _n: int) -> Any:
        if told["type"] == "refused":
            assert told["refused"]["code"] == "nobody_available"
            return {"actions": [{"type": "hand_over", "anyway": True}]}
        if told["message"]["text"] == "person":
            return {"actions": [{"type": "hand_over"}]}
        return REPLY

    async with BotServer(answer).serving() as server, bench(kafka, topic_prefix) as b, b.running():
        await prepare(b, webhook(server.url))
        async with bots(b, server.url):
            await b.feed(wrote(1, "hello"))
            assert await said(b, 1) == ["hi"]
            await b.feed(wrote(2, "person"))
            assert (await owned(b, OwnerKind.QUEUE)).reason == "bot_asked"
        first, second, third = server.told
        assert (first["type"], first["first"], first["history"], first["epoch"]) == ("message", True, [], 1)
        assert second["first"] is False
        assert [(h["from"], h["text"]) for h in second["history"]] == [("contact", "hello"), ("bot", "hi")]
        assert (third["type"], third["refused"]["action"]) == ("refused", "hand_over")
        assert server.signed == [True] * 3


@pytest.mark.parametrize("answer", [500, b"no json", 401], ids=["500", "invalid", "signature refused"])
async def test_a_webhook_bot_that_fails_hands_over(kafka: str, topic_prefix: str, answer: Any) -> None:
    async with BotServer(lambda _told, _n: answer).serving() as server, bench(kafka, topic_prefix) as b:
        await prepare(b, webhook(server.url, answer_within=4_000))
        async with b.running(), bots(b, server.url):
            await b.feed(wrote(1, "hello"))
            assert (await owned(b, OwnerKind.QUEUE)).reason == "bot_failed"
            assert await requests(b) == []


async def test_a_slow_webhook_bot_holds_nobody_and_its_late_answer_is_refused(
    kafka: str, topic_prefix: str
) -> None:
    def answer(told: dict[str, Any], _n: int) -> Any:
        return "slow" if told["conversation"] == CONVERSATION else REPLY

    other = ids.conversation_id(TENANT, CHANNEL, ACCOUNT, "other")
    async with BotServer(answer).serving() as server, bench(kafka, topic_prefix) as b, b.running():
        await prepare(b, webhook(server.url, answer_within=60_000))
        async with bots(b, server.url):
            await b.feed(wrote(1, "hello"))
            await eventually(lambda: server.told, 30)
            await b.feed(replace(wrote(2, "hello"), conversation_id=other))

            async def answered() -> bool:
                return [r.conversation_id for r in await requests(b)] == [other]

            await eventually(answered, 30, every=0.3)
            await b.feed(command(1, ANN, k.Assign("ann")))
            await owned(b, OwnerKind.AGENT)
            server.slow.set()
            assert await refusals(b) == ["stale_epoch"]
            assert [r.conversation_id for r in await requests(b)] == [other]
