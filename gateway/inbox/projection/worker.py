"""The projection's worker: reads the log's partitions that the group gives it and keeps their rows up to date.

Offsets live in Redis beside the rows, not in the group: what was flushed is read again from the beginning.
Rows are written before the position, and a row takes each event once, so a crash between the two is harmless.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from redis.exceptions import RedisError

from gateway.core.events import ConversationEvent
from gateway.inbox import metrics
from gateway.inbox.projection import writing
from gateway.inbox.projection.news import UNKNOWN, News, changes_of, pack
from gateway.inbox.projection.project import GapError, apply, needed
from gateway.inbox.projection.store import LostError, Store
from gateway.inbox.projection.views import lists
from gateway.wire.framing import decode

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
CHECK_SECONDS = 0.5
BATCH = 1_000
STOP_SECONDS = 3.0


class _MovedError(Exception):
    """Another worker wrote meanwhile: read the position again."""


@dataclass(slots=True)
class _Partition:
    """`end` = offset up to which must be read before the partition is ready; None once it is."""

    position: int
    end: int | None


class Projector:
    """Projects `topic` into `store`. `run` ends with an exception only when going on would make it worse."""

    def __init__(self, bootstrap: str, topic: str, group: str, store: Store, *, instance: str) -> None:
        self._topic = topic
        self._store = store
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=group,
            client_id=instance,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=100,
            session_timeout_ms=10_000,
            heartbeat_interval_ms=3_000,
            max_partition_fetch_bytes=4_194_304,
        )
        self._assigned: frozenset[TopicPartition] = frozenset()
        self._settled: dict[TopicPartition, _Partition] = {}
        self._last_gap: tuple[str, int] | None = None
        self._checked_at = 0.0
        self._cleaned = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set. Raises GapError for a hole in the log, WireError for a record of a newer kind."""
        await self._start(stop)
        try:
            while not stop.is_set():
                await self._step()
        finally:
            await self._leave()

    async def _leave(self) -> None:
        # aiokafka's stop may wait for ever for a broker; the group then notices by itself.
        leaving = asyncio.create_task(self._consumer.stop())
        done, _ = await asyncio.wait({leaving}, timeout=STOP_SECONDS)
        if not done:
            leaving.cancel()
            log.warning("the projection left its group without saying so")

    async def _start(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self._consumer.start()
                break
            except (KafkaError, OSError) as error:
                log.warning("no broker for the projection yet: %r", error)
                await asyncio.sleep(RETRY_SECONDS)
        self._consumer.subscribe([self._topic], listener=_Listener(self))

    def assigned(self, tps: Collection[TopicPartition]) -> None:
        """The group gave us these; `_settle` finds their positions."""
        self._consumer.pause(*tps)
        self._assigned = frozenset(tps)
        self._settled.clear()

    def revoked(self) -> None:
        """The group takes them away; Redis refuses what would come too late."""
        self._assigned = frozenset()
        self._settled.clear()

    async def _step(self) -> None:
        try:
            await self._check_generation()
            await self._settle()
            read = await self._consumer.getmany(timeout_ms=200, max_records=BATCH)
            for tp, records in read.items():
                if tp in self._settled:
                    await self._take(tp, records)
            await self._mark_ready()
            metrics.REDIS_UP.set(1)
        except LostError:
            self._lost()
        except (_MovedError, IllegalStateError):
            self._settled.clear()
        except GapError as gap:
            await self._mend(gap)
        except RedisError as error:
            metrics.REDIS_UP.set(0)
            log.warning("the projection waits for Redis: %r", error)
            self._settled.clear()
            await asyncio.sleep(RETRY_SECONDS)
        except (KafkaError, TimeoutError, OSError) as error:
            log.warning("the projection waits for the broker: %r", error)
            self._settled.clear()
            await asyncio.sleep(RETRY_SECONDS)

    async def _check_generation(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._store.generation and now - self._checked_at < CHECK_SECONDS:
            return
        if not await self._store.current():
            if self._store.generation:
                self._lost()
            await self._store.open_generation()
        self._checked_at = now

    def _lost(self) -> None:
        log.warning("Redis has lost the rows; they are rebuilt from the log")
        metrics.REBUILDS.inc()
        metrics.READY.set(0)
        self._settled.clear()
        self._checked_at = 0.0

    async def _settle(self) -> None:
        """Finds the position of partitions that are new to us, and the end that they must reach to be ready."""
        fresh = sorted(self._assigned - set(self._settled))
        if not fresh:
            return
        self._consumer.pause(*fresh)
        ends = await self._consumer.end_offsets(fresh)
        for tp in fresh:
            position = await writing.position(self._store, str(tp.partition))
            if position > ends[tp]:
                log.error("Redis knows more of %s than the log has: it is another log's", tp)
                await self._store.begin_generation()
                raise LostError
            self._consumer.seek(tp, position)
            self._settled[tp] = _Partition(position, ends[tp])
        self._consumer.resume(*fresh)

    async def _take(self, tp: TopicPartition, records: Sequence[Any]) -> None:
        events = [decode(record.value, ConversationEvent) for record in records]
        await self._project(events)
        partition = self._settled[tp]
        after = records[-1].offset + 1
        caught_up = partition.end is None
        # While rebuilding nobody needs news: what was shown is still true.
        news = pack(News(tp.partition, partition.position, after, changes_of(events))) if caught_up else b""
        await self._advance(tp, after, news, ready=caught_up)
        metrics.PROJECTED.inc(len(events))
        lag = (self._consumer.highwater(tp) or after) - after
        metrics.LAG.labels(str(tp.partition)).set(lag)

    async def _project(self, events: Sequence[ConversationEvent]) -> None:
        wanted: dict[str, set[str]] = {}
        for event in events:
            refs = wanted.setdefault(event.conversation_id, set())
            ref = needed(event)
            if ref is not None:
                refs.add(ref)
        loaded = await writing.load(self._store, wanted)
        before = {c: (rows.seq, lists(rows.summary)) for c, rows in loaded.items()}
        for event in events:
            apply(loaded[event.conversation_id], event)
        changes = [(*before[c], rows) for c, rows in loaded.items() if rows.seq > before[c][0]]
        answers = await writing.save(self._store, changes) if changes else []
        if "lost" in answers:
            raise LostError
        if "moved" in answers:
            raise _MovedError
        for rows in loaded.values():
            metrics.ORPHANS.inc(rows.orphans)

    async def _mark_ready(self) -> None:
        for tp, partition in list(self._settled.items()):
            if partition.end is None:
                continue
            position = await self._consumer.position(tp)
            if tp in self._settled and position >= partition.end:
                # The end may lie behind markers of transactions, which are no records.
                partition.end = None
                news = pack(News(tp.partition, UNKNOWN, partition.position, {}))
                await self._advance(tp, partition.position, news, ready=True)
                await self._clean()

    async def _advance(self, tp: TopicPartition, after: int, news: bytes, *, ready: bool) -> None:
        partition = self._settled.get(tp)
        if partition is None:
            raise _MovedError
        answer = await writing.advance(
            self._store, str(tp.partition), partition.position, after, ready=ready, news=news
        )
        if answer == "lost":
            raise LostError
        if answer == "moved":
            raise _MovedError
        partition.position = after

    async def _clean(self) -> None:
        if any(p.end is not None for p in self._settled.values()):
            return
        metrics.READY.set(1)
        if self._cleaned != self._store.generation:
            self._cleaned = self._store.generation
            removed = await self._store.remove_old()
            log.info("the projection has reached the end of the log; %d old keys removed", removed)

    async def _mend(self, gap: GapError) -> None:
        metrics.GAPS.inc()
        log.error("the rows do not fit the log: %s", gap)
        if self._last_gap == gap.place:
            raise gap  # a rebuild met it again: the hole is in the log itself
        self._last_gap = gap.place
        await self._store.begin_generation()
        self._lost()


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, projector: Projector) -> None:
        self._projector = projector

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self._projector.revoked()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._projector.assigned(assigned)
