"""The processes of the rules: at least once, with tables that may be behind, ahead or built anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.bus.catalogue import Catalogue
from gateway.bus.records import Record
from gateway.core.capabilities import CapabilityProfile
from gateway.core.commands import Command
from gateway.core.directory import Directory, DirectoryEntry
from gateway.core.events import ConversationEvent
from gateway.core.messages import Presence
from gateway.wire.framing import decode
from processors.simulation.adapters import Adapter, Place
from processors.simulation.broker import Broker
from processors.simulation.log_group import SKEW_MS
from processors.simulation.replicas import Follower
from processors.simulation.schedule import Schedule
from processors.wheel import Wheel

AT_ONCE = 5


class Knowledge:
    """Directory and presence by replicas of their topics."""

    def __init__(self, broker: Broker, schedule: Schedule, catalogue: Catalogue) -> None:
        self.directory = Directory()
        self.presences: dict[str, Presence] = {}
        takes = {catalogue.directory: self._take_directory, catalogue.presence: self._take_presence}
        self.replicas = Follower(broker, schedule, takes)

    def _take_directory(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self.directory = self.directory.without(key.decode())
        else:
            self.directory = self.directory.with_entity(decode(value, DirectoryEntry).entity)

    def _take_presence(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self.presences.pop(key.decode(), None)
        else:
            self.presences[key.decode()] = decode(value, Presence)


class RuleWorker:
    """One rule: reads the log's events, keeps a table, proposes. A crash takes it back to what was committed."""

    def __init__(
        self,
        adapter: Adapter,
        broker: Broker,
        schedule: Schedule,
        catalogue: Catalogue,
        profile: CapabilityProfile,
        events: Callable[[Record], ConversationEvent],
        propose: Callable[[Command], None],
    ) -> None:
        self._adapter = adapter
        self._broker = broker
        self._schedule = schedule
        self._profile = profile
        self._events = events
        self._propose = propose
        self._topic = catalogue.queue if adapter.reads_queue else catalogue.conversations
        self._partitions = range(catalogue.partitions)
        self._knowledge = Knowledge(broker, schedule, catalogue)
        self._table: dict[bytes, Any] = {}
        self._positions = dict.fromkeys(self._partitions, 0)
        self._committed = (dict(self._positions), dict(self._table))
        self._wheel = Wheel()
        self._busy: set[int] = set()
        self._skew = schedule.rng.randint(-SKEW_MS, SKEW_MS)
        self.alive = True
        self.stopped = False
        broker.listen(self._topic, lambda record: self._wake(record.partition))
        if adapter.reads_queue:
            broker.listen(catalogue.presence, lambda record: self._look_again())

    def start(self) -> None:
        """Its replicas must be at their ends before it decides anything."""
        self._knowledge.replicas.catch_up(1.0)

    @property
    def _place(self) -> Place:
        return Place(self._knowledge.directory, self._knowledge.presences, self._profile)

    @property
    def _clock(self) -> int:
        return self._schedule.now + self._skew

    def _wake(self, partition: int) -> None:
        if self.alive and not self.stopped and partition not in self._busy:
            self._busy.add(partition)
            self._schedule.after(self._schedule.soon(), lambda: self._work(partition))

    def _work(self, partition: int) -> None:
        self._busy.discard(partition)
        if not self.alive or self.stopped:
            return
        self._knowledge.replicas.catch_up(0.9)
        for record in self._broker.read(self._topic, partition, self._positions[partition], AT_ONCE):
            if self._schedule.fault("rule crashed", 0.002):
                self._crash()
                return
            self._handle(record)
            self._positions[partition] = record.offset + 1
        rng = self._schedule.rng
        if rng.random() < 0.3:
            self._committed = (dict(self._positions), dict(self._table))
        if self._schedule.fault("rule replayed", 0.004):
            self._positions[partition] = rng.randint(0, self._positions[partition])
        if self._positions[partition] < self._broker.end(self._topic, partition):
            self._wake(partition)

    def _handle(self, record: Record) -> None:
        event, key = self._events(record), record.key
        before = self._table.get(key) or self._adapter.begin(key.decode())
        after, proposals = self._adapter.step(before, event, self._clock, self._place)
        self._propose_all(proposals)
        if self._schedule.fault("rule doubled", 0.01):
            # A second process that does not know yet that the partition is not its own any more.
            self._schedule.after(self._schedule.rng.randint(1, 20_000), lambda: self._again(before, event))
        if self._schedule.fault("rule crashed", 0.001):
            self._crash()
            return
        self._keep(key, after)

    def _again(self, before: Any, event: ConversationEvent) -> None:
        if not self.stopped:
            _, proposals = self._adapter.step(before, event, self._clock, self._place)
            self._propose_all(proposals)

    def _propose_all(self, proposals: list[Any]) -> None:
        for proposal in proposals:
            if isinstance(proposal, Command):
                self._propose(proposal)

    def _keep(self, key: bytes, state: Any) -> None:
        if state is None:
            self._table.pop(key, None)
        else:
            self._table[key] = state
        self._set(key, self._adapter.next_due(state, 0, self._place))

    def _set(self, key: bytes, at: int | None) -> None:
        self._wheel.set(key, at)
        if at is not None:
            self._schedule.at(at - self._skew + self._schedule.rng.randint(0, 1_000), self._tick)

    def _tick(self) -> None:
        if not self.alive or self.stopped:
            return
        for key in self._wheel.pop_due(self._clock, 100):
            self._time_went_by(key)

    def _time_went_by(self, key: bytes) -> None:
        now, state = self._clock, self._table.get(key)
        if state is not None:
            after, proposals = self._adapter.step(state, None, now, self._place)
            self._propose_all(proposals)
            self._table[key] = after
            self._set(key, self._adapter.next_due(after, now, self._place))

    def _look_again(self) -> None:
        def look() -> None:
            if self.alive and not self.stopped:
                self._knowledge.replicas.catch_up(0.9)
                for key in list(self._table):
                    self._time_went_by(key)

        self._schedule.after(self._schedule.rng.randint(1, 2_000), look)

    def _crash(self) -> None:
        self.alive = False
        self._schedule.say(f"rule {self._adapter.name} crashed")
        self._schedule.after(self._schedule.rng.randint(100, 30_000), self._restart)

    def _restart(self) -> None:
        """Positions as committed; the table's changelog may have got further than they did."""
        positions, table = self._committed
        if self._schedule.fault("rule table rebuilt", 0.3):
            positions, table = dict.fromkeys(self._partitions, 0), {}
        elif self._schedule.rng.random() < 0.5:
            table = self._table
        self._positions = dict(positions)
        self._table = {key: self._adapter.restored(state) for key, state in table.items()}
        self._wheel.clear()
        self.alive = True
        self._busy.clear()
        self._knowledge.replicas.catch_up(1.0)
        for key, state in self._table.items():
            self._set(key, self._adapter.next_due(state, 0, self._place))
        for partition in self._partitions:
            self._wake(partition)
