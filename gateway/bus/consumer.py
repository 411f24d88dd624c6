"""A plain consumer, at least once: in order per key, many keys at a time, committed up to the oldest unfinished."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from gateway.bus import metrics
from gateway.bus.admin import wait_for_broker
from gateway.bus.assignor import Copartition
from gateway.bus.exits import Die, exit_process, words
from gateway.bus.progress import Progress
from gateway.bus.records import Record, as_record

log = logging.getLogger(__name__)

Handler = Callable[[Record], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ConsumerSettings:
    """`in_flight` = records handled at a time, over all keys; `buffered` = read and not finished, per partition,
    before the partition is paused. `start_at` holds for a group that never committed."""

    bootstrap: str
    group: str
    instance: str
    topics: tuple[str, ...]
    in_flight: int = 64
    buffered: int = 500
    start_at: str = "earliest"
    session_ms: int = 10_000
    heartbeat_ms: int = 3_000
    rebalance_ms: int = 12_000
    commit_seconds: float = 1.0
    start_seconds: float = 60.0
    stop_seconds: float = 10.0


class OrderedConsumer:
    """Calls `handler` once per record and, after a crash or a reassignment, perhaps once more.

    Records of one key are handled one after the other; a slow key holds nobody else. A handler that raises ends
    the process (`die`), so it must itself decide what is worth a retry and what is a dead letter.
    """

    def __init__(self, settings: ConsumerSettings, handler: Handler, *, die: Die = exit_process) -> None:
        self.settings = settings
        self._handler = handler
        self._die = die
        self._consumer: AIOKafkaConsumer | None = None
        self._progress: dict[TopicPartition, Progress] = {}
        # Per key the records that wait for the one before; the first one is being handled.
        self._lanes: dict[tuple[str, bytes], deque[Record]] = {}
        self._slots = asyncio.Semaphore(settings.in_flight)
        self._handling: set[asyncio.Task[None]] = set()
        self._running: set[tuple[TopicPartition, int]] = set()
        self._owned: frozenset[TopicPartition] = frozenset()
        self._held: frozenset[int] = (
            frozenset()
        )  # the numbers of the last assignment, told when joining again
        self._settled = False  # False while the group is reassigning
        self._last_heartbeat = 0.0

    def owns(self, topic: str, partition: int) -> bool:
        """True while the group says that the partition is ours (as far as we know: see `last_heartbeat_age`)."""
        return TopicPartition(topic, partition) in self._owned

    def last_heartbeat_age(self) -> float:
        """Seconds since the sending of the last heartbeat that the broker answered well.

        Older than half the session = others may own our partitions soon: do nothing that cannot be undone.
        """
        return asyncio.get_running_loop().time() - self._last_heartbeat

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set, then finishes what is being handled (within the time limit), commits, leaves."""
        try:
            await self._start()
            await self._work(stop)
        except Exception as error:  # noqa: BLE001 (die ends the process)
            self._die(f"the consumer of {self.settings.group} failed: {words(error)}", error)
        await self._stop()

    @property
    def consumer(self) -> AIOKafkaConsumer:
        assert self._consumer is not None  # noqa: S101 (set first by run)
        return self._consumer

    async def _start(self) -> None:
        s = self.settings
        await wait_for_broker(s.bootstrap, s.start_seconds)
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=s.bootstrap,
            group_id=s.group,
            client_id=s.instance,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset=s.start_at,
            partition_assignment_strategy=[Copartition(s.instance, self._owned_numbers)],
            fetch_max_wait_ms=100,
            max_poll_records=s.buffered,
            session_timeout_ms=s.session_ms,
            heartbeat_interval_ms=s.heartbeat_ms,
            rebalance_timeout_ms=s.rebalance_ms,
        )
        async with asyncio.timeout(s.start_seconds):
            await self._consumer.start()
        self._watch_heartbeats()
        self._consumer.subscribe(list(s.topics), listener=_Listener(self))

    def _owned_numbers(self) -> Collection[int]:
        return self._held

    def _watch_heartbeats(self) -> None:
        """aiokafka keeps the time of the last good heartbeat to itself, so its sending is wrapped."""
        coordinator = self.consumer._coordinator  # noqa: SLF001
        send = coordinator._do_heartbeat  # noqa: SLF001

        async def noted() -> bool:
            sent = asyncio.get_running_loop().time()
            good: bool = await send()
            if good:
                self._last_heartbeat = sent
            return good

        coordinator._do_heartbeat = noted  # noqa: SLF001

    async def _work(self, stop: asyncio.Event) -> None:
        stopped = asyncio.create_task(stop.wait())
        next_commit = 0.0
        while not stop.is_set():
            polling = asyncio.create_task(self.consumer.getmany(timeout_ms=100))
            await asyncio.wait({polling, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not polling.done():
                polling.cancel()
                break
            self._take(polling.result())
            self._balance()
            if asyncio.get_running_loop().time() >= next_commit:
                await self._commit()
                next_commit = asyncio.get_running_loop().time() + self.settings.commit_seconds

    def _take(self, read: Mapping[TopicPartition, Sequence[Any]]) -> None:
        if not self._settled:
            return  # read again, from the committed offsets, after the reassignment
        for tp, found in read.items():
            progress = self._progress.setdefault(tp, Progress())
            for r in found:
                # Read again after a reassignment while it was being handled, or after it was done: not twice.
                if tp in self._owned and progress.begin(r.offset):
                    self._enqueue(as_record(tp, r))

    def _enqueue(self, record: Record) -> None:
        lane = (record.topic, record.key or b"@%d" % record.offset)
        waiting = self._lanes.get(lane)
        if waiting is not None:
            waiting.append(record)
            return
        self._lanes[lane] = deque([record])
        task = asyncio.create_task(self._run_lane(lane))
        self._handling.add(task)
        task.add_done_callback(self._handling.discard)

    async def _run_lane(self, lane: tuple[str, bytes]) -> None:
        waiting = self._lanes[lane]
        while waiting:
            record = waiting[0]
            async with self._slots:
                await self._handle(record)
            waiting.popleft()
        del self._lanes[lane]

    async def _handle(self, record: Record) -> None:
        tp = TopicPartition(record.topic, record.partition)
        progress = self._progress[tp]
        if not progress.wanted(record.offset):
            return  # the partition went away while it waited
        self._running.add((tp, record.offset))
        metrics.CONSUMER_IN_FLIGHT.labels(self.settings.group).set(len(self._running))
        try:
            await self._handler(record)
        except Exception as error:  # noqa: BLE001 (die ends the process)
            self._die(
                f"{record.topic}/{record.partition}@{record.offset}: the handler failed: {words(error)}",
                error,
            )
        finally:
            self._running.discard((tp, record.offset))
        progress.finish(record.offset)
        metrics.CONSUMER_HANDLED.labels(self.settings.group, record.topic).inc()

    def _balance(self) -> None:
        """Pauses partitions with too much in hand, so that one slow key costs memory within bounds."""
        limit = self.settings.buffered
        assigned = self.consumer.assignment()
        paused = self.consumer.paused()
        for tp in assigned:
            progress = self._progress.get(tp)
            count = len(progress) if progress is not None else 0
            if count >= limit and tp not in paused:
                self.consumer.pause(tp)
            elif count < limit // 2 and tp in paused:
                self.consumer.resume(tp)

    async def _commit(self) -> None:
        offsets = {
            tp: progress.commit
            for tp, progress in self._progress.items()
            if tp in self._owned and progress.uncommitted
        }
        if not offsets:
            return
        try:
            async with asyncio.timeout(self.settings.session_ms / 1000):
                await self.consumer.commit(offsets)
        except (KafkaError, IllegalStateError, TimeoutError) as error:
            # Said again a second later; after a reassignment the new owner handles these once more.
            log.warning("%s: offsets not committed: %r", self.settings.group, error)
            return
        for tp, offset in offsets.items():
            self._progress[tp].committed(offset)

    async def revoked(self) -> None:
        """What only waits is dropped; what is being handled gets a moment to finish, so that it can be committed."""
        self._settled = False
        self._drop_waiting()
        if self._handling:
            await asyncio.wait(set(self._handling), timeout=self.settings.rebalance_ms / 3000)
        await self._commit()
        self._owned = frozenset()

    def _drop_waiting(self) -> None:
        for tp, progress in self._progress.items():
            progress.drop_waiting({offset for running, offset in self._running if running == tp})

    async def assigned(self, tps: Collection[TopicPartition]) -> None:
        """The group gave us these; reading goes on at the committed offsets."""
        for progress in self._progress.values():
            progress.reassigned()
        self._owned = frozenset(tps)
        self._held = frozenset(tp.partition for tp in tps)
        self._last_heartbeat = asyncio.get_running_loop().time()
        self._settled = True

    async def _stop(self) -> None:
        limit = self.settings.stop_seconds
        self._drop_waiting()
        if self._handling:
            await asyncio.wait(set(self._handling), timeout=limit)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self._commit()
        await asyncio.wait({asyncio.create_task(self.consumer.stop())}, timeout=limit)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, consumer: OrderedConsumer) -> None:
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        if revoked:
            await self._consumer.revoked()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        await self._consumer.assigned(assigned)
