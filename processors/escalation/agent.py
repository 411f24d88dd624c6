"""The rule `escalation` on Faust: events in, table and wheel kept, proposals out. Decisions are in `rules`."""

from __future__ import annotations

from typing import Any

from aiokafka.partitioner import murmur2

from gateway import metrics
from gateway.bus.catalogue import Catalogue
from gateway.bus.faust_transport import App
from gateway.core.commands import Command
from gateway.core.events import ConversationEvent
from gateway.wire.framing import decode, encode
from processors.escalation import rules
from processors.escalation.rules import Watch
from processors.known import Known
from processors.ports import Ports, listen
from processors.wheel import Wheel

TABLE = "watches"
DUE_AT_ONCE = 500
TICK_SECONDS = 0.5

PROPOSED = metrics.counter("gateway_escalation_proposed_total", "Proposals of the rule", ["action"])
WATCHED = metrics.gauge("gateway_escalation_watched", "Conversations with an answer or an outcome awaited")


class EscalationAgent:
    """The rule in one process."""

    def __init__(self, app: App, catalogue: Catalogue, known: Known, ports: Ports) -> None:
        self._app = app
        self._catalogue = catalogue
        self._known = known
        self._ports = ports
        self._wheel = Wheel()
        self.recovered = False
        self._table = app.Table(
            TABLE,
            partitions=catalogue.partitions,
            key_type=bytes,
            value_type=bytes,
            on_recover=self._rebuild,
        )
        topic = app.topic(catalogue.conversations, partitions=catalogue.partitions)
        app.agent(topic, name="escalation", concurrency=1)(self._listen)
        app.timer(TICK_SECONDS)(self._tick)

    async def _listen(self, stream: Any) -> None:
        await listen(stream, self._handle, self._ports, self._app.die)

    async def _handle(self, message: Any) -> None:
        event = decode(message.value, ConversationEvent)
        key = message.key
        before = self._watch(key)
        after, proposals = rules.step(before, event, self._ports.clock(), self._known.directory)
        # First the proposals: after a crash the event comes again and proposes the same.
        await self._propose(proposals)
        if after == before:
            return
        if after is None:
            self._table.pop(key, None)
        else:
            self._table[key] = encode(after)
        self._wheel.set(key, rules.next_due(after, 0))

    async def _propose(self, proposals: list[Command]) -> None:
        for proposal in proposals:
            PROPOSED.labels(type(proposal.action).__name__).inc()
            await self._ports.command(proposal)

    def _watch(self, key: bytes) -> Watch | None:
        data = self._table.get(key)
        return None if data is None else decode(data, Watch)

    async def _tick(self) -> None:
        if not self.recovered or self._app.rebalancing:
            return
        try:
            await self._propose_due()
            WATCHED.set(len(self._wheel))
        except Exception as error:  # noqa: BLE001 (die ends the process)
            self._app.die(f"the timer of escalation failed: {error!r}", error)

    async def _propose_due(self) -> None:
        now = self._ports.clock()
        active = self._active()
        for key in self._wheel.pop_due(now, DUE_AT_ONCE):
            watch = self._watch(key)
            if watch is None or self._partition(key) not in active:
                continue
            _, proposals = rules.step(watch, None, now, self._known.directory)
            await self._propose(proposals)
            # Again only at the next deadline: the log's events, its own overdue timers, or a restart settle the rest.
            self._wheel.set(key, rules.next_due(watch, now))

    async def _rebuild(self) -> None:
        """The table is complete: the wheel from the partitions that are ours."""
        self._wheel.clear()
        active = self._active()
        for key, data in self._table.items():
            if self._partition(key) in active:
                self._wheel.set(key, rules.next_due(decode(data, Watch), 0))
        self.recovered = True

    def _partition(self, key: bytes) -> int:
        return int((murmur2(key) & 0x7FFFFFFF) % self._catalogue.partitions)

    def _active(self) -> set[int]:
        """The memory store keeps keys of partitions that went away, so what is ours has to be asked."""
        return {
            tp.partition
            for tp in self._app.assignor.assigned_actives()
            if tp.topic == self._catalogue.conversations
        }
