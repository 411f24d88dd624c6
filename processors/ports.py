"""What a rule's agent does to the world: commands, dead letters, health. Every record is acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from gateway.bus.catalogue import Catalogue
from gateway.bus.dead_letters import DeadLetterLimit
from gateway.bus.exits import Die
from gateway.bus.producer import BrokerUnavailable, Producer
from gateway.core import ids
from gateway.core.clock import Clock
from gateway.core.commands import Command
from gateway.core.messages import ConnectorHealth, DeadLetter
from gateway.wire.framing import encode
from gateway.wire.headers import RawHeaders, headers_for, type_name

log = structlog.get_logger(__name__)

RETRY_SECONDS = 1.0


class Ports:
    """Writes for one rule. A broker that is away is waited for: nothing a rule found may get lost."""

    def __init__(self, rule: str, catalogue: Catalogue, producer: Producer, clock: Clock) -> None:
        self._rule = rule
        self._catalogue = catalogue
        self._producer = producer
        self._limit = DeadLetterLimit()
        self.clock = clock

    async def command(self, command: Command) -> None:
        """Proposes; repeating it is harmless."""
        kind = type_name(Command, type(command.action))
        source = f"/processors/{self._rule}"
        headers = headers_for(command.command_id, kind, source, command.conversation_id, self.clock())
        key = command.conversation_id.encode()
        await self._send(self._catalogue.commands, key, encode(command), headers)

    async def health(self, health: ConnectorHealth) -> None:
        """Health of a channel account as this rule sees it, beside the connector's own record."""
        key = f"{health.account_id}/{self._rule}".encode()
        await self._send(self._catalogue.health, key, encode(health))

    async def dead(self, message: Any, error: BaseException) -> None:
        """Puts a record that cannot be handled aside. Raises TooManyDead when there are too many."""
        log.error("record put aside", rule=self._rule, offset=message.offset, error=type(error).__name__)
        letter = DeadLetter(
            dead_id=ids.derive(
                "dead", self._rule, message.topic, str(message.partition), str(message.offset)
            ),
            origin_topic=message.topic,
            origin_partition=message.partition,
            origin_offset=message.offset,
            origin_key=message.key or b"",
            reason=f"processor_{self._rule}",
            error=type(error).__name__,
            value=message.value or b"",
            headers={},
            at=self.clock(),
        )
        headers = (("reason", letter.reason.encode()), ("origin_topic", letter.origin_topic.encode()))
        await self._send(self._catalogue.dead, letter.origin_key, encode(letter), headers)
        self._limit.dead()

    def good(self) -> None:
        """A record was handled."""
        self._limit.good()

    async def _send(self, topic: str, key: bytes, value: bytes, headers: RawHeaders = ()) -> None:
        while True:
            try:
                await self._producer.send(topic, key, value, headers)
                return
            except BrokerUnavailable:
                await asyncio.sleep(RETRY_SECONDS)


async def listen(stream: Any, handle: Callable[[Any], Awaitable[None]], ports: Ports, die: Die) -> None:
    """The body of every rule's agent: each record is handled, or put aside, or the process ends.

    An exception that leaves an agent is acknowledged and lost, so none may.
    """
    async for event in stream.events():
        try:
            await handle(event.message)
            ports.good()
        except Exception as error:  # noqa: BLE001 (put aside, or the process ends)
            try:
                await ports.dead(event.message, error)
            except Exception as worse:  # noqa: BLE001 (die ends the process)
                die(f"a record could not be put aside: {worse!r}", worse)
