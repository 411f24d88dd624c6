"""The transactional loop: reads several topics, decides, writes outputs, state and position in one transaction.

DESIGN section 4, "The transactional loop", says why each step is as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError

from gateway.bus import metrics
from gateway.bus.admin import TopicProblem, count_problems, partition_counts, wait_for_broker
from gateway.bus.assignor import Copartition
from gateway.bus.batch import decide_batch
from gateway.bus.exits import Die, exit_process, words
from gateway.bus.group_offsets import commit_offsets, follow
from gateway.bus.loop_settings import LoopSettings
from gateway.bus.partition import LostInput, Partition, close_producer
from gateway.bus.records import Logic, Record, as_record
from gateway.bus.transaction import build_batches, write
from gateway.bus.watchdog import watch
from gateway.core.clock import Clock, system_clock


class PartitionLoop:
    """One worker of a group. `run` returns after a polite stop; anything wrong ends the process by `die`."""

    def __init__(
        self, settings: LoopSettings, logic: Logic, *, clock: Clock = system_clock, die: Die = exit_process
    ) -> None:
        self.settings = settings
        self.logic = logic
        self.partitions: dict[int, Partition] = {}
        self._clock = clock
        self._die = die
        self._settled = False  # False while the group is reassigning
        self._generation = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._restoring = asyncio.Semaphore(settings.restores_at_once)
        self._tasks: set[asyncio.Task[None]] = set()
        self._consumer: AIOKafkaConsumer | None = None

    @property
    def consumer(self) -> AIOKafkaConsumer:
        """The group's consumer; exists while running."""
        assert self._consumer is not None  # noqa: S101 (set first by run)
        return self._consumer

    @property
    def settled(self) -> bool:
        """False while the group is reassigning."""
        return self._settled

    @property
    def ready(self) -> bool:
        """True when this worker is a settled member of the group and every partition it owns is open."""
        return self._settled and all(p.open for p in self.partitions.values())

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set; then finishes the transaction, leaves the group and returns."""
        try:
            await self._start()
            await self._work(stop)
        except Exception as error:  # noqa: BLE001 (die ends the process)
            self._die(f"the loop of {self.settings.group} failed: {words(error)}", error)
        await self._stop()

    async def _start(self) -> None:
        s = self.settings
        await wait_for_broker(s.bootstrap, s.start_seconds)
        await self._check_topics()
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=s.bootstrap,
            group_id=s.group,
            client_id=s.instance,
            isolation_level="read_committed",
            enable_auto_commit=False,
            # The position is in the state topic; the group's offsets are never read.
            auto_offset_reset="none",
            partition_assignment_strategy=[Copartition(s.instance, self._owned)],
            max_poll_records=s.max_poll_records,
            fetch_max_wait_ms=100,
            session_timeout_ms=s.session_ms,
            heartbeat_interval_ms=s.heartbeat_ms,
            rebalance_timeout_ms=s.rebalance_ms,
        )
        async with asyncio.timeout(s.start_seconds):
            await self._consumer.start()
        self._consumer.subscribe(list(s.inputs), listener=_Listener(self))
        self._spawn(watch(self))
        self._spawn(follow(self))

    async def _check_topics(self) -> None:
        s = self.settings
        shared = (*s.inputs, s.state_topic, *s.outputs)
        counts = await partition_counts(s.bootstrap, [*shared, *s.other_topics])
        count = counts.get(s.inputs[0]) or max(counts.values(), default=1)
        problems = count_problems(counts, {**dict.fromkeys(shared, count), **s.other_topics})
        if problems:
            raise TopicProblem("\n".join(problems))

    def _owned(self) -> Collection[int]:
        return [number for number, partition in self.partitions.items() if partition.open]

    def _spawn(self, work: Any) -> None:
        async def guarded() -> None:
            try:
                await work
            except Exception as error:  # noqa: BLE001 (die ends the process)
                self._die(f"{self.settings.group}: {words(error)}", error)

        task = asyncio.create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Reading

    async def _work(self, stop: asyncio.Event) -> None:
        stopped = asyncio.create_task(stop.wait())
        busy = False
        while not stop.is_set():
            if busy and self.settings.gather_seconds:
                # Transactions come back to back: let input gather, one transaction costs as much as fifty records.
                await asyncio.sleep(self.settings.gather_seconds)
            generation = self._generation
            polling = asyncio.create_task(self._poll())
            await asyncio.wait({polling, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not polling.done():
                polling.cancel()
                break
            read = polling.result()
            if generation != self._generation or not self._settled:
                self._seek_again(read)
                continue
            count = await self._round(read)
            busy = 0 < count < self.settings.max_poll_records // 2

    async def _poll(self) -> Mapping[TopicPartition, Sequence[Any]]:
        try:
            read: Mapping[TopicPartition, Sequence[Any]] = await self.consumer.getmany(timeout_ms=100)
        except NoOffsetForPartitionError:
            # Asked for in the moment between an assignment and our seek; the watchdog sees it if it stays.
            await asyncio.sleep(0.05)
            return {}
        except OffsetOutOfRangeError as error:
            raise LostInput(f"the input was cut off at our position: {error}") from error
        return read

    def _seek_again(self, read: Collection[TopicPartition]) -> None:
        """Records read across a reassignment are dropped, because they may not be ours; read them again."""
        assigned = self.consumer.assignment()
        for tp in read:
            partition = self.partitions.get(tp.partition)
            if partition is not None and partition.open and tp in assigned:
                self.consumer.seek(tp, partition.position(tp.topic))

    async def _round(self, read: Mapping[TopicPartition, Sequence[Any]]) -> int:
        records: defaultdict[int, list[Record]] = defaultdict(list)
        for tp, found in read.items():
            records[tp.partition].extend(as_record(tp, r) for r in found)
        now = asyncio.get_running_loop().time()
        numbers = set(records) | {n for n, p in self.partitions.items() if p.next_timers <= now}
        mine = [self.partitions[n] for n in numbers if n in self.partitions and self.partitions[n].open]
        self._idle.clear()
        try:
            await asyncio.gather(*(self._one(p, records.get(p.number, ()), now) for p in mine))
        finally:
            self._idle.set()
        return sum(len(found) for found in records.values())

    # One transaction

    async def _one(self, partition: Partition, records: Sequence[Record], moment: float) -> None:
        s = self.settings
        now = self._clock()
        due: Sequence[bytes] = ()
        if partition.next_timers <= moment:
            partition.next_timers = moment + s.timer_seconds
            due = self._due(partition, now)
        decided = decide_batch(partition.state, self.logic, s.rules, now, records, due)
        if decided.stop is not None:
            raise TooManyDeadLetters(
                f"partition {partition.number}: {decided.stop}. Nothing of this batch was written. Look at "
                f"{s.rules.dead_topic}, mend the cause, then start again."
            )
        if decided.empty:
            return
        started = asyncio.get_running_loop().time()
        batches = build_batches(
            partition.producer,
            partition.number,
            decided.outputs,
            (s.state_topic, decided.written),
            s.other_topics,
            now,
        )
        await write(partition.producer, batches, s.transaction_seconds)
        partition.state.commit(decided.overlay, decided.written)
        self.logic.committed(partition.number, decided.overlay.changed)
        seconds = asyncio.get_running_loop().time() - started
        metrics.count_batch(s.group, decided.records, decided.dead, seconds)
        metrics.LOOP_PARKED.labels(s.group, partition.number).set(len(partition.state.parked))

    def _due(self, partition: Partition, now: int) -> Sequence[bytes]:
        # Timers of parked conversations stay overdue in the index; they must not hide the others.
        return self.logic.due(partition.number, now, self.settings.timer_limit + len(partition.state.parked))

    # Partitions come and go

    def assigned(self, numbers: Collection[int]) -> None:
        """Only pauses, seeks and returns: no heartbeat is sent while the group's callback runs."""
        for number in [n for n in self.partitions if n not in numbers]:
            self._release(self.partitions.pop(number))
        for number in numbers:
            partition = self.partitions.get(number)
            if partition is None:
                partition = self.partitions[number] = Partition(number, self.settings, self.logic)
                self._spawn(self._open(partition))
            self._point(partition)
        self._generation += 1
        self._settled = True

    async def revoked(self) -> None:
        """Heartbeats go on meanwhile, so what is being written may be finished: it spares us being fenced."""
        self._settled = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.settings.rebalance_ms / 3000):
                await self._idle.wait()

    def _point(self, partition: Partition) -> None:
        """Pauses a partition that is not open yet; seeks one that is to its position."""
        tps = [TopicPartition(topic, partition.number) for topic in self.settings.inputs]
        for tp in tps:
            self.consumer.seek(tp, partition.position(tp.topic) if partition.open else 0)
        (self.consumer.resume if partition.open else self.consumer.pause)(*tps)

    async def _open(self, partition: Partition) -> None:
        async with self._restoring:
            if partition.number in self.partitions and self.partitions[partition.number] is partition:
                await partition.restore(self.consumer)
        if self.partitions.get(partition.number) is not partition:
            await partition.close()  # given to another worker meanwhile
            return
        await partition.index()
        gc.freeze()  # the restored state lives on; the collector need not look at it again
        if self.partitions.get(partition.number) is not partition:
            self.logic.released(partition.number)
            await partition.close()
            return
        partition.open = True
        if self._settled:
            self._point(partition)

    def _release(self, partition: Partition) -> None:
        if partition.open:
            partition.open = False
            self.logic.released(partition.number)
            self._spawn(partition.close())

    def fail(self, reason: str, error: BaseException) -> None:
        """Ends the process."""
        self._die(reason, error)

    async def _stop(self) -> None:
        limit = self.settings.stop_seconds
        await asyncio.gather(asyncio.wait_for(commit_offsets(self, {}), limit / 2), return_exceptions=True)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.wait({asyncio.create_task(self.consumer.stop())}, timeout=limit)
        closing = [
            asyncio.create_task(close_producer(p.producer))
            for p in self.partitions.values()
            if p.has_producer
        ]
        if closing:
            await asyncio.wait(closing, timeout=limit)


class TooManyDeadLetters(Exception):
    """Stops a worker rather than drain a topic into the dead letters."""


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """aiokafka only logs what is raised here, so it ends the process instead."""

    def __init__(self, loop: PartitionLoop) -> None:
        self._loop = loop

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        await self._loop.revoked()

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        try:
            self._loop.assigned({tp.partition for tp in assigned})
        except Exception as error:  # noqa: BLE001 (die ends the process)
            self._loop.fail("an assignment could not be taken over", error)
