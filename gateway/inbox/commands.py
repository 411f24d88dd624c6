"""Commands of agents: onto `cg.commands`, and the log's answer back from `cg.command-results`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

from gateway.bus.producer import Producer
from gateway.core.clock import Clock
from gateway.core.commands import Command, CommandResult
from gateway.inbox import metrics
from gateway.inbox.projection import writing
from gateway.inbox.projection.store import Store
from gateway.wire.framing import decode, encode
from gateway.wire.headers import headers_for, type_name

REPLY_TO = "reply_to"
OURS = b"inbox"
WAIT_SECONDS = 5.0


class CommandDesk:
    """Sends commands and hands out results. `answered` is fed with the records of `cg.command-results`."""

    def __init__(self, producer: Producer, topic: str, store: Store, instance: str, clock: Clock) -> None:
        self._producer = producer
        self._topic = topic
        self._store = store
        self._reply_to = f"inbox:{instance}".encode()
        self._clock = clock
        self._waiting: dict[str, set[asyncio.Future[CommandResult]]] = {}

    async def run(self, command: Command, seconds: float = WAIT_SECONDS) -> CommandResult | None:
        """Sends the command and waits for its result; None when it did not come in time.

        Raises BrokerUnavailable or RecordTooLarge.
        """
        headers = headers_for(
            command.command_id,
            type_name(Command, type(command.action)),
            "inbox",
            command.conversation_id,
            self._clock(),
        )
        with metrics.COMMAND_SECONDS.time():
            async with self._expecting(command.command_id) as result:
                await self._producer.send(
                    self._topic,
                    command.conversation_id.encode(),
                    encode(command),
                    (*headers, (REPLY_TO, self._reply_to)),
                )
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        return await result
        metrics.COMMANDS.labels("late").inc()
        return None

    @contextlib.asynccontextmanager
    async def _expecting(self, command_id: str) -> AsyncIterator[asyncio.Future[CommandResult]]:
        result: asyncio.Future[CommandResult] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(command_id, set()).add(result)
        try:
            yield result
        finally:
            waiting = self._waiting[command_id]
            waiting.discard(result)
            if not waiting:
                del self._waiting[command_id]

    async def answered(self, records: Sequence[Any]) -> None:
        """Takes records of `cg.command-results`: wakes who waits, and keeps them for a day."""
        kept: list[tuple[str, bytes]] = []
        for record in records:
            if not dict(record.headers).get(REPLY_TO, b"").startswith(OURS):
                continue
            result = decode(record.value, CommandResult)
            kept.append((result.command_id, record.value))
            for waiting in self._waiting.get(result.command_id, ()):
                if not waiting.done():
                    waiting.set_result(result)
        if kept:
            await writing.put_results(self._store, kept)
