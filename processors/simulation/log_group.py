"""The workers of the conversation log: the real logic, batches that commit whole or not at all, and what befalls them."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.bus.batch import BatchRules, Decided, decide_batch
from gateway.bus.catalogue import Catalogue
from gateway.bus.partition_state import PartitionState
from gateway.bus.records import Record
from gateway.conversation_log.deadlines import GRACE_MS
from gateway.conversation_log.facts import FactsSource
from gateway.conversation_log.logic import ConversationLogic
from gateway.conversation_log.process import encode_dead_letter
from processors.simulation.broker import Broker, Fenced, Write
from processors.simulation.replicas import Follower
from processors.simulation.schedule import Broken, Schedule

SKEW_MS = 1_500
"""How far a worker's clock is wrong at most."""
AT_ONCE = 8


@dataclass(slots=True)
class Held:
    """A partition as its worker believes to hold it."""

    state: PartitionState
    epoch: int
    busy: bool = False


class LogWorker:
    """One process of the log service, from its start to its end."""

    def __init__(self, group: LogGroup, name: str) -> None:
        self.group = group
        self.name = name
        self.held: dict[int, Held] = {}
        self.alive = True
        schedule = group.schedule
        self.skew = schedule.rng.randint(-SKEW_MS, SKEW_MS) if schedule.fault("clock skewed", 0.5) else 0
        self.facts = FactsSource()
        catalogue = group.catalogue
        self.replicas = Follower(
            group.broker,
            schedule,
            {
                catalogue.directory: self.facts.directory,
                catalogue.capabilities: self.facts.capabilities,
                catalogue.presence: self.facts.presence,
            },
        )
        self.logic = ConversationLogic(catalogue, self.facts)

    @property
    def clock(self) -> int:
        """The time by this worker's clock."""
        return self.group.schedule.now + self.skew

    def open(self, partition: int) -> None:
        """Fence the former owner, then restore."""
        if not self.alive or partition in self.held or self.group.owners.get(partition) is not self:
            return
        group = self.group
        epoch = group.broker.begin(group.transactional_id(partition))
        state = group.restored(partition, self.logic)
        self.logic.restored(partition, state.data.items())
        self.held[partition] = Held(state, epoch)
        group.schedule.hit("worker restored") if epoch > 1 else None
        group.schedule.say(f"{self.name} holds {partition} as producer {epoch}")
        self.wake(partition)

    def release(self, partition: int) -> None:
        """Give a partition up politely."""
        if self.held.pop(partition, None):
            self.logic.released(partition)

    def die(self, why: str) -> None:
        """The process ends; another takes its place after a while."""
        if self.alive:
            self.alive = False
            self.group.schedule.say(f"{self.name} ends: {why}")
            self.group.died(self)

    def wake(self, partition: int) -> None:
        """There may be something to do."""
        held = self.held.get(partition)
        if self.alive and held and not held.busy:
            held.busy = True
            self.group.schedule.after(self.group.schedule.soon() // 4, lambda: self._work(partition, held))

    def _work(self, partition: int, held: Held) -> None:
        if not self.alive or self.held.get(partition) is not held:
            return
        group, schedule = self.group, self.group.schedule
        self.replicas.catch_up(0.9)
        now = self.clock
        records = group.poll(partition, held.state)
        due = self.logic.due(partition, now, 100)
        decided = decide_batch(held.state, self.logic, group.rules, now, records, due)
        if decided.stop is not None:
            raise Broken(f"the log stops: {decided.stop}")
        if decided.empty:
            held.busy = False
            if group.behind(partition, held.state):
                self.wake(partition)
        elif schedule.fault("worker crashed before commit", 0.02):
            self.die("crashed, its batch is lost")
        else:
            delay = schedule.rng.randint(1, 20)
            if schedule.fault("worker frozen", 0.02):
                delay = schedule.rng.randint(3_000, 90_000)
                if schedule.rng.random() < 0.8:
                    schedule.after(delay // 2, lambda: group.move(partition, polite=False))
            schedule.after(delay, lambda: self._commit(partition, held, decided))

    def _commit(self, partition: int, held: Held, decided: Decided) -> None:
        # A zombie does not know that it is one: it commits whatever it decided on its stale state.
        if not self.alive or self.held.get(partition) is not held:
            return
        group = self.group
        try:
            group.commit(partition, held.epoch, decided)
        except Fenced:
            group.schedule.hit("worker fenced")
            self.die("fenced")
            return
        if group.schedule.fault("worker crashed after commit", 0.01):
            self.die("crashed after its commit")
            return
        held.state.commit(decided.overlay, decided.written)
        self.logic.committed(partition, decided.overlay.changed)
        held.busy = False
        if group.behind(partition, held.state) or self.logic.due(partition, self.clock, 1):
            self.wake(partition)


class LogGroup:
    """The group: which worker holds which partition; starts workers anew and moves partitions between them."""

    def __init__(self, broker: Broker, schedule: Schedule, catalogue: Catalogue, workers: int = 2) -> None:
        self.broker = broker
        self.schedule = schedule
        self.catalogue = catalogue
        self.rules = BatchRules(catalogue.dead, encode_dead_letter)
        self.inputs = (catalogue.inbound, catalogue.receipts, catalogue.commands)
        self.owners: dict[int, LogWorker] = {}
        self._started = 0
        self.workers: list[LogWorker] = []
        self._size = workers
        for topic in self.inputs:
            broker.listen(topic, lambda record: self.wake(record.partition))

    def start(self) -> None:
        """Start the workers and deal the partitions out."""
        for _ in range(self._size):
            self.add()
        for partition in range(self.catalogue.partitions):
            self.give(partition, self.workers[partition % len(self.workers)])

    def add(self) -> LogWorker:
        """One more worker; its replicas are at their ends before it decides anything."""
        self._started += 1
        worker = LogWorker(self, f"log-{self._started}")
        worker.replicas.catch_up(1.0)
        self.workers.append(worker)
        return worker

    def transactional_id(self, partition: int) -> str:
        """Who writes to this partition has this id."""
        return f"conversation-log-{partition}"

    def restored(self, partition: int, logic: ConversationLogic) -> PartitionState:
        """The partition's state from its topic."""
        state = PartitionState(partition, logic)
        for record in self.broker.read(self.catalogue.conversation_state, partition, 0):
            state.load(record.key, None if self.broker.is_tombstone(record) else record.value)
        state.restored()
        return state

    def give(self, partition: int, worker: LogWorker) -> None:
        """The group's coordinator gives a partition to a worker, which opens it a little later."""
        self.owners[partition] = worker
        self.schedule.after(self.schedule.rng.randint(1, 800), lambda: worker.open(partition))

    def move(self, partition: int, polite: bool) -> None:
        """A rebalance. Who is not asked politely goes on as a zombie until it is fenced."""
        former = self.owners[partition]
        others = [w for w in self.workers if w.alive and w is not former]
        if not others:
            return
        self.schedule.hit("rebalance")
        held = former.held.get(partition)
        if polite and held and not held.busy:
            former.release(partition)
        self.give(partition, self.schedule.rng.choice(others))

    def died(self, worker: LogWorker) -> None:
        """A new process starts after a while; meanwhile the others take over, or nobody does."""
        self.workers.remove(worker)
        lost = [p for p, owner in self.owners.items() if owner is worker]
        self.schedule.after(self.schedule.rng.randint(200, 8_000), lambda: self._replace(lost))
        for partition in lost:
            if self.workers and self.schedule.rng.random() < 0.5:
                self.give(partition, self.schedule.rng.choice(self.workers))

    def _replace(self, lost: list[int]) -> None:
        worker = self.add()
        for partition in lost:
            if not self.owners[partition].alive:
                self.give(partition, worker)

    def wake(self, partition: int) -> None:
        """Records came, or a deadline passed: whoever believes to hold the partition looks."""
        for worker in list(self.workers):
            worker.wake(partition)

    def wake_at(self, partition: int, deadline: int) -> None:
        """The net below the rules: look when this deadline is overdue, by every clock."""
        self.schedule.at(deadline + GRACE_MS + SKEW_MS + 1, lambda: self.wake(partition))

    def poll(self, partition: int, state: PartitionState) -> list[Record]:
        """What comes next, in each topic's order; the order between topics is the seed's."""
        rng = self.schedule.rng
        queues: list[list[Record]] = []
        for topic in self.inputs:
            start = state.meta.positions.get(topic, 0)
            if start and self.schedule.fault("record read again", 0.02):
                start = max(0, start - rng.randint(1, 5))
            found = self.broker.read(
                topic, partition, start, rng.randint(0 if not self.schedule.quiet else 1, AT_ONCE)
            )
            if found:
                queues.append(found[::-1])
        if len(queues) > 1:
            self.schedule.hit("topics interleaved")
        records: list[Record] = []
        while queues:
            queue = rng.choice(queues)
            records.append(queue.pop())
            if not queue:
                queues.remove(queue)
        return records

    def behind(self, partition: int, state: PartitionState) -> bool:
        """Whether there is input that is not decided yet."""
        positions = state.meta.positions
        return any(positions.get(t, 0) < self.broker.end(t, partition) for t in self.inputs)

    def commit(self, partition: int, epoch: int, decided: Decided) -> None:
        """One transaction: outputs, state and position. Raises Fenced."""
        writes = [
            Write(o.topic, partition if o.partition is None else o.partition, o.key, o.value, o.headers)
            for o in decided.outputs
        ]
        state_topic = self.catalogue.conversation_state
        writes += [Write(state_topic, partition, key, value) for key, value in decided.written.items()]
        self.broker.commit(self.transactional_id(partition), epoch, writes)
