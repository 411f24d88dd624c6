"""The alias replica of a process, and the wait until a miss may be believed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from gateway import metrics
from gateway.core.messages import ContactAlias
from gateway.wire.errors import WireError
from gateway.wire.framing import decode

log = structlog.get_logger(__name__)

UNREADABLE = metrics.counter("gateway_alias_unreadable_total", "Contact aliases that could not be read")


@dataclass(slots=True)
class AliasTable:
    """From an address's natural conversation to the one it belongs to. `take` is the replica's `on_change`."""

    _table: dict[str, str] = field(default_factory=dict)

    def take(self, key: bytes, value: bytes | None) -> None:
        """One record of the topic. One that cannot be read changes nothing and is counted."""
        if value is None:
            self._table.pop(key.decode(), None)
            return
        try:
            self._table[key.decode()] = decode(value, ContactAlias).conversation_id
        except (WireError, UnicodeDecodeError) as error:
            UNREADABLE.inc()
            log.error("contact alias cannot be read", error=type(error).__name__)  # noqa: TRY400

    def lookup(self, natural: str) -> str | None:
        """Where the address belongs, as far as is known."""
        return self._table.get(natural)

    def learn(self, natural: str, conversation: str) -> None:
        """What this process has just published and was acknowledged; the replica brings it again."""
        self._table.setdefault(natural, conversation)


class Shared:
    """One run of `work` at a time for many callers: each gets a run that began after it asked."""

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self._work = work
        self._running: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    async def __call__(self) -> None:
        """Raises what `work` raises."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run(None))
            await asyncio.shield(self._running)
            return
        if self._next is None:
            self._next = asyncio.create_task(self._run(self._running))
        await asyncio.shield(self._next)

    async def _run(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait({before})
            self._running, self._next = self._next, None
        await self._work()
