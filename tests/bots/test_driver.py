"""The driver without Kafka: what it proposes, remembers, leaves out, and does again after a crash."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from gateway.bots.driver import Driver
from gateway.bots.memory import HISTORY_AT_MOST, TEXT_AT_MOST, Memory, MemoryBook
from gateway.bots.proposing import fitted
from gateway.bots.webhook import BotFailed
from gateway.bus.catalogue import Catalogue
from gateway.bus.records import Record
from gateway.core import commands as k
from gateway.core.capabilities import Limit
from gateway.core.commands import Command, CommandResult
from gateway.core.content import Choice, ChoiceStyle, Clear, Option, Sealed, Text
from gateway.core.directory import Account, Bot, BotKind, Directory
from gateway.core.events import ConversationEvent
from gateway.core.facts import Facts
from gateway.core.messages import InboundKind
from gateway.wire.framing import encode
from tests.core.build import ACCOUNT, ANN, CHANNEL, CONVERSATION, PROFILE, T0, TENANT, Talk, command, inbound

CATALOGUE = Catalogue("x.", (), 4)
KEY = CONVERSATION.encode()
MENU = (Path(__file__).parents[2] / "examples" / "menu_en.yaml").read_text(encoding="utf-8")
GUIDE = Bot("guide", TENANT, "Guide", BotKind.MENU, menu=MENU)
HOOK = Bot("hook", TENANT, "Hook", BotKind.WEBHOOK, url="http://x/", secret="env:X")
RICH = replace(
    PROFILE, content=(*PROFILE.content, "list"), limits=tuple(replace(n, value=999) for n in PROFILE.limits)
)


@dataclass
class Webhooks:
    """Stands for the calls to a bot's URL."""

    acts: list[Any] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)
    fails: bool = False

    async def ask(self, bot: Bot, told: dict[str, Any], deadline: int) -> list[Any]:
        self.told.append(told)
        if self.fails:
            raise BotFailed("late")
        return self.acts


class World:
    """The core's decisions, a driver, and a topic of memories in a dictionary."""

    def __init__(self, bot: Bot) -> None:
        account = Account(ACCOUNT, TENANT, CHANNEL, "support", "Acme", bot=bot.id)
        base = Talk().facts.directory
        self.facts = Facts(base.with_entity(account).with_entity(bot), {ACCOUNT: RICH}, frozenset({"ann"}))
        self.talk = Talk(self.facts)
        self.directory: Directory = self.facts.directory
        self.topic: dict[bytes, bytes] = {}
        self.proposed: list[tuple[Command, bytes]] = []
        self.webhooks = Webhooks()
        self.now = T0 + 1
        self.memory_breaks = False
        self.read = 0
        self.restart()

    def restart(self) -> None:
        self.book = MemoryBook(self.topic.get, self.write)
        self.driver = Driver(
            CATALOGUE,
            lambda: self.directory,
            {ACCOUNT: RICH},
            self.book,
            self.webhooks,  # type: ignore[arg-type]
            self.propose,
            lambda: self.now,
        )

    async def write(self, key: bytes, value: bytes | None) -> None:
        if self.memory_breaks:
            raise ConnectionError
        if value is None:
            self.topic.pop(key, None)
        else:
            self.topic[key] = value
        self.book.arrived(key, value)

    async def propose(self, command: Command, reply_to: bytes) -> None:
        self.proposed.append((command, reply_to))

    async def feed(self, *given: Any) -> list[Command]:
        """What the log writes goes to the driver; what it proposes comes back."""
        self.talk(*given)
        events = self.talk.events[self.read :]
        self.read = len(self.talk.events)
        return await self.see(*events)

    async def see(self, *events: ConversationEvent) -> list[Command]:
        before = len(self.proposed)
        for event in events:
            await self.driver.handle(Record(CATALOGUE.conversations, 0, 0, KEY, encode(event)))
        return [command for command, _ in self.proposed[before:]]

    async def refuse(self, number: int, code: str) -> list[Command]:
        """The log's refusal of a proposal."""
        before = len(self.proposed)
        command, reply_to = self.proposed[number]
        result = CommandResult(command.command_id, CONVERSATION, False, self.now, code=code, detail="No.")
        headers = (("reply_to", reply_to),)
        await self.driver.handle(Record(CATALOGUE.command_results, 0, 0, KEY, encode(result), headers))
        return [command for command, _ in self.proposed[before:]]


def kinds(commands: list[Command]) -> list[str]:
    return [type(c.action).__name__ for c in commands]


async def test_ids_epoch_and_hops_come_from_the_event() -> None:
    world = World(GUIDE)
    [proposal] = await world.feed(inbound(1))
    received = world.talk.events[1]
    assert (proposal.cause, proposal.epoch, proposal.hops) == (received.event_id, 1, 1)
    assert (proposal.actor.kind.value, proposal.actor.id) == ("bot", "guide")
    assert world.talk(proposal).outcome == "accepted"


async def test_a_crash_before_the_memory_is_kept_proposes_the_same_again() -> None:
    world = World(GUIDE)
    world.memory_breaks = True
    with pytest.raises(ConnectionError):
        await world.feed(inbound(1))
    world.memory_breaks = False
    world.restart()
    [again] = await world.see(world.talk.events[1])
    assert again == world.proposed[0][0]
    world.restart()
    assert await world.see(world.talk.events[1]) == [], "kept by now"


async def test_the_memory_goes_when_the_turn_ends() -> None:
    for end in (command(1, ANN, k.Assign("ann")), command(1, ANN, k.Block())):
        world = World(GUIDE)
        await world.feed(inbound(1))
        assert list(world.topic) == [KEY]
        await world.feed(end)
        assert world.topic == {}
        assert await world.feed(inbound(2)) == []


async def test_a_kafka_bot_drives_itself_and_a_removed_bot_hands_over() -> None:
    world = World(Bot("robo", TENANT, "Robo"))
    assert await world.feed(inbound(1)) == []
    assert world.topic == {}
    world.directory = world.directory.without("bot:robo")
    [proposal] = await world.feed(inbound(2))
    assert proposal.action == k.HandOver(k.HandOverReason.BOT_FAILED, anyway=True)
    assert world.talk(proposal).outcome == "accepted"


async def test_a_menu_that_is_none_hands_over() -> None:
    world = World(replace(GUIDE, menu="greeting: x"))
    assert kinds(await world.feed(inbound(1))) == ["HandOver"]


async def test_what_is_too_old_is_not_asked_about() -> None:
    world = World(HOOK)
    world.now = T0 + 60_000
    assert await world.feed(inbound(1)) == []
    assert world.webhooks.told == []
    world.now = T0 + 1
    await world.feed(inbound(2))
    assert [h["text"] for h in world.webhooks.told[0]["history"]] == ["hello 1"]


async def test_opening_the_chat_and_sealed_content_are_told() -> None:
    world = World(HOOK)
    await world.feed(inbound(1, kind=InboundKind.OPENED, content=None))
    await world.feed(inbound(2))
    await world.feed(replace(inbound(3), content=Sealed("k", b"n", b"d")))
    opened, first, sealed = world.webhooks.told
    assert (opened["type"], opened["first"], first["first"]) == ("chat_opened", True, False)
    assert sealed["message"]["content"] == {"type": "hidden"}
    assert sealed["message"]["text"] == ""


async def test_a_webhook_bot_that_fails_hands_over_with_or_without_somebody_there() -> None:
    world = World(HOOK)
    world.webhooks.fails = True
    [proposal] = await world.feed(inbound(1))
    assert proposal.action == k.HandOver(k.HandOverReason.BOT_FAILED, anyway=True)


@pytest.mark.parametrize(
    "code", ["nobody_available", "unsupported_content", "window_closed", "unknown_department"]
)
async def test_a_refusal_is_told_while_it_is_the_bots_turn(code: str) -> None:
    world = World(HOOK)
    world.webhooks.acts = [k.HandOver(k.HandOverReason.BOT_ASKED)]
    [asked] = await world.feed(inbound(1))
    world.webhooks.acts = [k.End()]
    [then] = await world.refuse(0, code)
    assert world.webhooks.told[-1]["refused"] == {"action": "hand_over", "code": code, "detail": "No."}
    assert (then.action, then.hops, then.cause) == (k.End(), asked.hops + 1, asked.command_id)


@pytest.mark.parametrize(
    "code", ["stale_epoch", "not_owner", "already_completed", "blocked", "too_many_hops"]
)
async def test_a_refusal_after_the_turn_is_not_told(code: str) -> None:
    world = World(HOOK)
    world.webhooks.acts = [k.End()]
    await world.feed(inbound(1))
    assert await world.refuse(0, code) == []
    assert len(world.webhooks.told) == 1


async def test_answers_of_others_and_of_a_former_turn_are_left_alone() -> None:
    world = World(HOOK)
    world.webhooks.acts = [k.End()]
    await world.feed(inbound(1))
    command, _ = world.proposed[0]
    for number, reply_to in enumerate((b"inbox:1", b"bots:end:7:1"), 1):
        world.proposed.append((command, reply_to))
        assert await world.refuse(number, "nobody_available") == []


def test_a_choice_takes_a_form_that_the_channel_has() -> None:
    options = tuple(Option(str(n), title) for n, title in enumerate(("Short", "A title too long for it")))
    few = k.SendMessage(Clear(Choice("Q", options)))

    def limit(name: str, value: int) -> tuple[Limit, ...]:
        return (Limit(name, value, "test", "2026-11-21"),)

    cases = (
        (("buttons",), (), ChoiceStyle.BUTTONS),
        (("buttons",), limit("button_title", 23), ChoiceStyle.BUTTONS),
        (("quick_replies",), (), ChoiceStyle.QUICK_REPLIES),
        (("buttons", "list"), limit("button_title", 20), ChoiceStyle.LIST),
        (("buttons", "list"), limit("buttons", 1), ChoiceStyle.LIST),
        (("buttons", "list"), limit("buttons_body", 0), ChoiceStyle.LIST),
        (("buttons", "list"), limit("button_id", 0), ChoiceStyle.LIST),
        (("list",), limit("list_rows", 1), None),
        (("buttons",), limit("button_title", 20), None),
        (("text",), (), None),
    )
    for content, limits, style in cases:
        act = fitted(few, replace(PROFILE, content=content, limits=limits))
        assert isinstance(act, k.SendMessage)
        assert isinstance(act.content, Clear)
        found = act.content.content
        assert (found.style if isinstance(found, Choice) else None) is style
        if style is None:
            assert found == Text("Q\n1. Short\n2. A title too long for it")
    assert fitted(few, None) == few
    assert fitted(k.End(), PROFILE) == k.End()


def test_the_history_is_bounded() -> None:
    memory = Memory("b", "B", 1, TENANT, ACCOUNT, CHANNEL)
    for n in range(HISTORY_AT_MOST + 5):
        memory = memory.with_message(n, "contact", n, "x" * (TEXT_AT_MOST + 1))
    assert len(memory.history) == HISTORY_AT_MOST
    assert memory.history[-1]["seq"] == memory.seq == HISTORY_AT_MOST + 4
    assert len(memory.history[0]["text"]) == TEXT_AT_MOST


async def test_an_own_write_counts_until_the_topic_has_it() -> None:
    topic: dict[bytes, bytes] = {}
    written: list[bytes | None] = []

    async def write(key: bytes, value: bytes | None) -> None:
        written.append(value)

    book = MemoryBook(topic.get, write)
    one, two = (Memory("b", "B", epoch, TENANT, ACCOUNT, CHANNEL) for epoch in (1, 2))
    await book.put(KEY, one)
    await book.put(KEY, two)
    topic[KEY] = written[0] or b""
    book.arrived(KEY, written[0])
    assert book.get(KEY) == two, "the topic is behind"
    topic[KEY] = written[1] or b""
    book.arrived(KEY, written[1])
    assert book.get(KEY) == two
    await book.put(KEY, None)
    assert book.get(KEY) is None
    book.reassigned()
    assert book.get(KEY) == two, "another worker's truth is the topic"
