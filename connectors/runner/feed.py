"""Reads `cg.outbound.<channel>`: in order per conversation, many conversations at a time, nothing sent twice.

Not `gateway.bus.consumer`: here a partition is taken over with a ledger, what only waits (for hours, on a
stopped account) is dropped when the partition goes, and what is on its way to the provider is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from connectors.runner.heartbeat import Heartbeat
from connectors.runner.holding import Holding, InHand, Ledger
from connectors.runner.lanes import Lanes
from connectors.runner.sender import Sender
from connectors.runner.takeover import take_over
from gateway import metrics
from gateway.bus.producer import BrokerUnavailable
from gateway.core.messages import Receipt, SendRequest
from gateway.wire.errors import WireError
from gateway.wire.framing import decode

log = structlog.get_logger(__name__)

WAITING = metrics.gauge("gateway_outbound_waiting", "Send requests read and not finished", ["channel"])
UNKNOWN = metrics.counter(
    "gateway_outbound_settled_unknown_total", "Requests found started after a restart", ["channel"]
)


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """`buffered` = requests in hand per partition before it is paused; times in seconds."""

    bootstrap: str
    group: str
    instance: str
    topic: str
    ledger_topic: str
    buffered: int = 10_000
    session: float = 10.0
    heartbeat: float = 3.0
    commit_every: float = 1.0
    finish_within: float = 25.0
    retry: float = 1.0


@dataclass(slots=True)
class FeedPorts:
    """What the feed does to the world besides reading: receipts, unreadable records, a failure that ends it."""

    report: Callable[[Receipt], Awaitable[None]]
    dead: Callable[[Any, BaseException], Awaitable[None]]
    fail: Callable[[BaseException], None]


class Feed:
    """The outbound half of one connector in this process."""

    def __init__(self, settings: FeedSettings, sender: Sender, ledger: Ledger, ports: FeedPorts) -> None:
        self.settings = settings
        self._sender = sender
        self._ledger = ledger
        self._ports = ports
        self._holdings: dict[int, Holding] = {}
        self._former: dict[int, Holding] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._heartbeat = Heartbeat()
        self._lanes = Lanes(sender, self._spawn, self._holdings.get)
        self._consumer: AIOKafkaConsumer | None = None
        self.assigned_once = asyncio.Event()

    @property
    def consumer(self) -> AIOKafkaConsumer:
        """The consumer, once `run` has begun."""
        if self._consumer is None:
            raise RuntimeError("the feed is not running")
        return self._consumer

    @property
    def ready(self) -> bool:
        """Whether every partition that is ours may send."""
        return self.assigned_once.is_set() and all(h.active for h in self._holdings.values())

    def alive(self) -> bool:
        """Whether the last good heartbeat is younger than half the session."""
        return self._heartbeat.age() < self.settings.session / 2

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop`; then finishes what is on its way to the provider, commits and leaves.

        Raises KafkaError when the broker cannot be reached at the start.
        """
        s = self.settings
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=s.bootstrap,
            group_id=s.group,
            client_id=s.instance,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=100,
            max_poll_records=500,
            session_timeout_ms=int(s.session * 1000),
            heartbeat_interval_ms=int(s.heartbeat * 1000),
            rebalance_timeout_ms=int(s.session * 1000),
        )
        await self._consumer.start()
        self._heartbeat.watch(self._consumer)
        self._consumer.subscribe([s.topic], listener=_Listener(self))
        try:
            await self._work(stop)
            await self._finish()
        finally:
            await self._leave()

    async def _work(self, stop: asyncio.Event) -> None:
        stopped = asyncio.create_task(stop.wait())
        next_commit = 0.0
        try:
            while not stop.is_set():
                polling = asyncio.create_task(self.consumer.getmany(timeout_ms=200))
                await asyncio.wait({polling, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if not polling.done():
                    polling.cancel()
                    break
                for tp, records in polling.result().items():
                    await self._take(tp, records)
                self._balance()
                if asyncio.get_running_loop().time() >= next_commit:
                    await self._commit()
                    next_commit = asyncio.get_running_loop().time() + self.settings.commit_every
        finally:
            stopped.cancel()

    # Partitions come and go.

    async def revoked(self) -> None:
        """The group is being divided anew: nothing more is begun; what is known is committed and marked."""
        calling = self._lanes.release([*self._holdings.values(), *self._former.values()])
        if calling:
            await asyncio.wait(calling, timeout=self.settings.session / 4)
        for holding in self._holdings.values():
            holding.active = False
        await self._commit()
        self._former = dict(self._holdings)
        self._holdings.clear()

    def assigned(self, numbers: Collection[int], partitions: int) -> None:
        """These partitions are ours from now on; each sends once its ledger is settled."""
        self._heartbeat.good()
        self._sender.set_share(len(numbers) / max(1, partitions))
        for number in numbers:
            holding = Holding(number, self._ledger, self.alive)
            self._holdings[number] = holding
            self.consumer.pause(TopicPartition(self.settings.topic, number))
            self._spawn(self._take_over(holding))
        self.assigned_once.set()

    async def _take_over(self, holding: Holding) -> None:
        tp = TopicPartition(self.settings.topic, holding.number)
        former = self._former.get(holding.number)
        while self._holdings.get(holding.number) is holding:
            try:
                committed = await self.consumer.committed(tp)
                known = {*self._sender.calling, *(former.open.finished if former else ())}
                lost = await take_over(
                    holding,
                    self.settings.bootstrap,
                    self.settings.ledger_topic,
                    committed,
                    known,
                    self._ports.report,
                    self._ledger.clock,
                )
                position = await self.consumer.position(tp)
            except (KafkaError, IllegalStateError, BrokerUnavailable, TimeoutError, OSError) as error:
                # Also when the partition is being taken away at this moment.
                log.warning("ledger not settled yet", partition=holding.number, error=type(error).__name__)
                await asyncio.sleep(self.settings.retry)
                continue
            UNKNOWN.labels(self._sender.connector.channel).inc(lost)
            if self._holdings.get(holding.number) is holding:
                holding.next_offset = holding.committed = position
                holding.active = True
                self.consumer.resume(tp)
            return

    # Records.

    async def _take(self, tp: TopicPartition, records: Collection[Any]) -> None:
        holding = self._holdings.get(tp.partition)
        if holding is None or not holding.active or holding.lost:
            return
        for record in records:
            holding.next_offset = record.offset + 1
            holding.pending.add(record.offset)
            try:
                request = decode(record.value or b"", SendRequest)
            except WireError as error:
                await self._ports.dead(record, error)
                holding.finish(record.offset)
                continue
            self._lanes.add(holding, record.key or b"", InHand(record.offset, request))
        self._gauge()

    def _balance(self) -> None:
        """Pauses partitions with too much in hand, so that slow contacts cost memory within bounds."""
        paused = self.consumer.paused()
        for number, holding in self._holdings.items():
            tp = TopicPartition(self.settings.topic, number)
            if not holding.active:
                continue
            if len(holding.pending) >= self.settings.buffered and tp not in paused:
                self.consumer.pause(tp)
            elif len(holding.pending) < self.settings.buffered // 2 and tp in paused:
                self.consumer.resume(tp)
        self._gauge()

    def _gauge(self) -> None:
        waiting = sum(len(holding.pending) for holding in self._holdings.values())
        WAITING.labels(self._sender.connector.channel).set(waiting)

    async def _commit(self) -> None:
        """Commits up to the oldest unfinished record of each partition, then tidies the ledger."""
        moved = {
            number: holding.to_commit
            for number, holding in self._holdings.items()
            if holding.to_commit > holding.committed >= 0
        }
        try:
            if moved:
                offsets = {TopicPartition(self.settings.topic, n): offset for n, offset in moved.items()}
                async with asyncio.timeout(self.settings.session / 2):
                    await self.consumer.commit(offsets)
                for number, offset in moved.items():
                    self._holdings[number].committed = offset
            await asyncio.gather(*(h.tidy() for h in self._holdings.values() if h.open.finished))
        except (KafkaError, IllegalStateError, TimeoutError, BrokerUnavailable) as error:
            # Said again a second later. A tombstone that is missing is found at the next take-over.
            log.warning("not committed yet", topic=self.settings.topic, error=type(error).__name__)

    # The end.

    async def _finish(self) -> None:
        """The polite end: what is on its way to the provider is reported and committed."""
        calling = self._lanes.release([*self._holdings.values(), *self._former.values()])
        if calling:
            await asyncio.wait(calling, timeout=self.settings.finish_within)
        await self._commit()

    async def _leave(self) -> None:
        self._holdings.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.consumer.stop()

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._ports.fail(error)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        if revoked:
            await self._feed.revoked()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        topic = self._feed.settings.topic
        count = len(self._feed.consumer.partitions_for_topic(topic) or assigned)
        self._feed.assigned({tp.partition for tp in assigned}, count)
