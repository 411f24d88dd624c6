"""One partition of the outbound topic while this worker owns it: what is in hand, and its ledger."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from connectors.runner.ledger import Open
from connectors.runner.records import Send, ledger_record
from gateway.bus.catalogue import Catalogue
from gateway.bus.producer import BrokerUnavailable
from gateway.core.clock import Clock
from gateway.core.messages import LedgerEntry, LedgerState, SendRequest


@dataclass(frozen=True, slots=True)
class Ledger:
    """Writes the ledger of one channel. Every write is acknowledged; else BrokerUnavailable."""

    catalogue: Catalogue
    channel: str
    worker: str
    send: Send
    clock: Clock

    async def write(self, partition: int, request: SendRequest, offset: int, state: LedgerState) -> None:
        """Enters the request."""
        entry = LedgerEntry(request, state, offset, self.clock(), self.worker)
        await self._put(partition, request.request_id, entry)

    async def forget(self, partition: int, request_id: str) -> None:
        """Writes the tombstone."""
        await self._put(partition, request_id, None)

    async def _put(self, partition: int, request_id: str, entry: LedgerEntry | None) -> None:
        record = ledger_record(self.catalogue, self.channel, partition, request_id, entry)
        await self.send(record.topic, record.key, record.value, record.headers, record.partition)


@dataclass(slots=True)
class InHand:
    """A record that was read and is not finished."""

    offset: int
    request: SendRequest


@dataclass(slots=True)
class Holding:
    """A partition from assignment to loss. It is the `Turn` of the requests in it.

    `lost`: nothing new is begun; `active`: what was begun may still call the provider.
    `skip`: requests that the ledger knew when we took over; they are never sent. `alive` says whether
    the worker's last good heartbeat is young enough.
    """

    number: int
    ledger: Ledger
    alive: Callable[[], bool]
    next_offset: int = 0
    active: bool = False
    lost: bool = False
    skip: frozenset[str] = frozenset()
    open: Open = field(default_factory=Open)
    pending: set[int] = field(default_factory=set)
    lanes: dict[bytes, deque[InHand]] = field(default_factory=dict)
    tasks: dict[bytes, asyncio.Task[None]] = field(default_factory=dict)
    committed: int = -1

    @property
    def to_commit(self) -> int:
        """The offset below which everything is finished."""
        return min(self.pending, default=self.next_offset)

    def may_call(self) -> bool:
        """Whether the partition is ours and the last good heartbeat young enough for what cannot be undone."""
        return self.active and self.alive()

    async def started(self, request: SendRequest, offset: int) -> None:
        """Enters the request into the ledger. Raises BrokerUnavailable."""
        await self.ledger.write(self.number, request, offset, LedgerState.STARTED)

    async def not_started(self, request: SendRequest) -> None:
        """Takes it out again: it certainly did not leave. Raises BrokerUnavailable."""
        await self.ledger.forget(self.number, request.request_id)

    def finish(self, offset: int) -> None:
        """Nothing more is to be done for the record at `offset`."""
        self.pending.discard(offset)

    async def settled(self, request: SendRequest, offset: int) -> None:
        """Marks the request in the ledger. When the broker is away it stays `started`: safe, but `unknown` after a crash."""
        with contextlib.suppress(BrokerUnavailable):
            await self.ledger.write(self.number, request, offset, LedgerState.SETTLED)

    async def tidy(self) -> None:
        """Writes the tombstones of what lies below the committed offset. Raises BrokerUnavailable."""
        forget = self.open.below(self.committed)
        await asyncio.gather(*(self.ledger.forget(self.number, key) for key in forget))
