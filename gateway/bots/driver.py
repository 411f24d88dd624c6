"""What happens in conversations that a bot of ours holds: each event and each answer of the log, one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from weakref import WeakValueDictionary

import structlog

from gateway import metrics
from gateway.bots.memory import Memory, MemoryBook
from gateway.bots.menu import Act, ChatOpened, Given, Refused, Wrote, step
from gateway.bots.menu_text import MenuError, parse_menu
from gateway.bots.proposing import Occasion, commands, fitted
from gateway.bots.webhook import BotFailed, WebhookBots, deadline_of
from gateway.bots.webhook_json import body_text, told_event, told_refusal
from gateway.bus.catalogue import Catalogue
from gateway.bus.records import Record
from gateway.core import events as e
from gateway.core.actors import Owner, OwnerKind
from gateway.core.capabilities import CapabilityProfile
from gateway.core.clock import Clock
from gateway.core.commands import Command, CommandResult, End, HandOver, HandOverReason, SendMessage
from gateway.core.content import Clear
from gateway.core.directory import Bot, BotKind, Directory
from gateway.core.errors import Code
from gateway.wire.framing import decode

log = structlog.get_logger(__name__)

REPLY_TO = "reply_to"
OURS = b"bots:"
GONE = {
    Code.STALE_EPOCH,
    Code.NOT_OWNER,
    Code.NOT_ASSIGNED,
    Code.ALREADY_COMPLETED,
    Code.BLOCKED,
    Code.TOO_MANY_HOPS,
    Code.UNKNOWN_CONVERSATION,
}
"""Refusals after which the bot has no say any more; it is told of all others."""
FAILED = HandOver(HandOverReason.BOT_FAILED, anyway=True)

LATE = metrics.counter("gateway_bot_late_total", "Messages that were too old to ask the bot about", ["bot"])

Propose = Callable[[Command, bytes], Awaitable[None]]


class Driver:
    """Drives webhook and menu bots. `propose` writes a command with the header `reply_to`, acknowledged."""

    def __init__(
        self,
        catalogue: Catalogue,
        directory: Callable[[], Directory],
        profiles: Mapping[str, CapabilityProfile],
        book: MemoryBook,
        webhooks: WebhookBots,
        propose: Propose,
        clock: Clock,
    ) -> None:
        self._results = catalogue.command_results
        self._directory = directory
        self._profiles = profiles
        self._book = book
        self._webhooks = webhooks
        self._propose = propose
        self._clock = clock
        # Events and answers of one conversation come on two topics and are handled one after the other.
        self._locks: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    async def handle(self, record: Record) -> None:
        """One record of `cg.conversations` or `cg.command-results`. Raises WireError."""
        lock = self._locks.setdefault(record.key, asyncio.Lock())
        async with lock:
            if record.topic == self._results:
                asked = dict(record.headers).get(REPLY_TO, b"")
                if asked.startswith(OURS):
                    await self._answered(record.key, decode(record.value, CommandResult), asked)
            else:
                await self._happened(record.key, decode(record.value, e.ConversationEvent))

    async def _happened(self, key: bytes, event: e.ConversationEvent) -> None:
        over = event.blocked or isinstance(event.happening, e.ConversationCompleted)
        if event.owner.kind is not OwnerKind.BOT or over:
            if self._book.get(key) is not None:
                await self._book.put(key, None)
            return
        bot = self._directory().bots.get(event.owner.id)
        if bot is not None and bot.kind is BotKind.KAFKA:
            return
        memory = self._memory(key, event)
        if memory.seq >= event.seq:
            return  # handled before a restart
        match event.happening:
            case e.MessageReceived(counted=True, content=content):
                given: Given = Wrote(content.content if isinstance(content, Clear) else None)
                memory = await self._turn(bot, memory, event, given)
                memory = memory.with_message(event.seq, "contact", event.occurred_at, body_text(content))
            case e.ChatOpened():
                memory = replace(await self._turn(bot, memory, event, ChatOpened()), seq=event.seq)
            case e.MessageQueued(content=content) | e.MessageEchoed(content=content):
                sender = event.actor.kind.value
                memory = memory.with_message(event.seq, sender, event.occurred_at, body_text(content))
            case _:
                return
        await self._book.put(key, memory)

    def _memory(self, key: bytes, event: e.ConversationEvent) -> Memory:
        known = self._book.get(key)
        if known is not None and (known.bot, known.epoch) == (event.owner.id, event.epoch):
            return known
        owner = event.owner
        return Memory(owner.id, owner.name, event.epoch, event.tenant, event.account_id, event.channel)

    async def _turn(
        self, bot: Bot | None, memory: Memory, event: e.ConversationEvent, given: Given
    ) -> Memory:
        """The bot's acts are proposed; the memory after them."""
        occasion = Occasion(
            event.event_id, event.conversation_id, event.tenant, event.owner, event.epoch, event.hops
        )
        if bot is None:  # removed from the directory while it holds the conversation
            await self._act(occasion, memory, [FAILED])
            return memory
        deadline = deadline_of(bot, event.occurred_at)
        if self._clock() >= deadline:
            LATE.labels(bot.id).inc()
            return memory  # the timer `bot_answer` has handed over, or will
        if bot.kind is BotKind.MENU:
            node, acts = _menu(bot, memory.node, given)
        else:
            node, acts = None, await self._ask(bot, told_event(event, memory, deadline), deadline)
        await self._act(occasion, memory, acts)
        return replace(memory, node=node, told=True)

    async def _answered(self, key: bytes, result: CommandResult, asked: bytes) -> None:
        """The log's answer to a command of a bot: what was refused, the bot is told."""
        memory = self._book.get(key)
        if result.accepted or result.code in GONE or memory is None:
            return
        bot = self._directory().bots.get(memory.bot)
        _, action, epoch, hops = asked.decode().split(":")
        deadline = deadline_of(bot, result.at) if bot else 0
        if bot is None or int(epoch) != memory.epoch or self._clock() >= deadline:
            return
        owner = Owner(OwnerKind.BOT, memory.bot, memory.bot_name)
        occasion = Occasion(
            result.command_id, result.conversation_id, memory.tenant, owner, memory.epoch, int(hops)
        )
        if bot.kind is BotKind.MENU:
            node, acts = _menu(bot, memory.node, Refused(result.code or ""))
        else:
            refusal = {"action": action, "code": result.code, "detail": result.detail}
            told = told_refusal(result.command_id, memory, result.conversation_id, deadline, refusal)
            node, acts = None, await self._ask(bot, told, deadline)
        await self._act(occasion, memory, acts)
        if node != memory.node:
            await self._book.put(key, replace(memory, node=node))

    async def _ask(self, bot: Bot, told: dict[str, object], deadline: int) -> Sequence[Act]:
        try:
            return await self._webhooks.ask(bot, told, deadline)
        except BotFailed as failed:
            log.warning("bot failed", bot=bot.id, reason=failed.reason, conversation=told["conversation"])
            return [FAILED]

    async def _act(self, occasion: Occasion, memory: Memory, acts: Sequence[Act]) -> None:
        profile = self._profiles.get(memory.account_id)
        for command in commands(occasion, [fitted(act, profile) for act in acts], self._clock()):
            action = _ACTION_NAMES[type(command.action)]
            reply_to = f"bots:{action}:{occasion.epoch}:{command.hops}".encode()
            await self._propose(command, reply_to)


_ACTION_NAMES: dict[type, str] = {SendMessage: "send", HandOver: "hand_over", End: "end"}


def _menu(bot: Bot, at: str | None, given: Given) -> tuple[str | None, Sequence[Act]]:
    try:
        return step(parse_menu(bot.menu or ""), at, given)
    except MenuError as error:
        log.warning("bot has no valid menu", bot=bot.id, faults=str(error))
        return at, [FAILED]
