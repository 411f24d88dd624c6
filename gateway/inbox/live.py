"""Live events: what the projection changed, to every open stream that may see it (DESIGN section 6, GET /events)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Iterable, Mapping

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from redis.exceptions import RedisError

from gateway.bus.restore import group_less_consumer
from gateway.core.events import ConversationEvent
from gateway.inbox import metrics
from gateway.inbox.projection import writing
from gateway.inbox.projection.news import ONE_AGENT, News, changes_of, pack, unpack
from gateway.inbox.projection.store import RebuildingError, Store
from gateway.inbox.stream import Offsets, Stream, unpack_offsets
from gateway.wire.framing import decode

log = logging.getLogger(__name__)

RING = 5_000
"""Pieces of news kept per partition."""
REPLAY_AT_MOST = 20_000
"""Offsets that a stream may be behind, in all; beyond it loads everything again."""
RETRY_SECONDS = 0.5
READ_SECONDS = 20.0


class Live:
    """Hears the projection's news through Redis, fills what it missed from Kafka, and offers it to the streams."""

    def __init__(self, bootstrap: str, topic: str, store: Store) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._store = store
        self._next: Offsets = {}
        self._ring: dict[int, deque[News]] = {}
        self._streams: set[Stream] = set()
        self._seen = asyncio.Condition()
        self._started = asyncio.Event()

    @property
    def streams(self) -> frozenset[Stream]:
        """The open streams."""
        return frozenset(self._streams)

    async def started(self, seconds: float = 5.0) -> None:
        """Waits until the positions are known. Raises RebuildingError when it takes longer."""
        try:
            async with asyncio.timeout(seconds):
                await self._started.wait()
        except TimeoutError:
            raise RebuildingError from None

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set."""
        while not stop.is_set():
            try:
                await self._listen(stop)
            except (RedisError, OSError) as error:
                log.warning("live events wait for Redis: %r", error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _listen(self, stop: asyncio.Event) -> None:
        async with self._store.redis.pubsub(ignore_subscribe_messages=True) as heard:
            await heard.subscribe(self._store.channel)
            await self._catch_up()
            while not stop.is_set():
                message = await heard.get_message(timeout=1.0)
                if message is not None:
                    await self._take(unpack(message["data"]))

    async def _catch_up(self) -> None:
        """What was told while nobody listened."""
        await self._store.open_generation()
        for partition in range(self._store.partitions):
            position = await writing.position(self._store, str(partition))
            if partition not in self._next:
                self._next[partition] = position
                self._ring[partition] = deque(maxlen=RING)
            elif position > self._next[partition]:
                await self._fill(partition, position)
        self._started.set()

    async def _take(self, news: News) -> None:
        if news.partition == ONE_AGENT:
            self._offer([s for s in self._streams if s.agent_id == news.agent], news.changes)
            return
        following = self._next.get(news.partition, 0)
        if news.end <= following:
            return  # a rebuild passes by what was told before
        if news.start == following:
            self._pass_on(news)
        else:
            await self._fill(news.partition, news.end)
        async with self._seen:
            self._seen.notify_all()

    def _pass_on(self, news: News) -> None:
        self._next[news.partition] = news.end
        self._ring[news.partition].append(news)
        self._offer(self._streams, news.changes)
        for stream in self._streams:
            stream.reached(news.partition, news.end)

    @staticmethod
    def _offer(streams: Iterable[Stream], changes: Mapping[str, Iterable[str]]) -> None:
        for stream in streams:
            stream.offer(changes)

    async def _fill(self, partition: int, end: int) -> None:
        start = self._next[partition]
        changes = await self._changes(partition, start, end) if end - start <= REPLAY_AT_MOST else None
        if changes is not None:
            self._pass_on(News(partition, start, end, changes))
            return
        self._next[partition] = end
        self._ring[partition].clear()
        for stream in self._streams:
            self._afresh(stream)
            stream.reached(partition, end)

    async def _changes(self, partition: int, start: int, end: int) -> dict[str, tuple[str, ...]] | None:
        """Changes between two offsets, from the log itself; None when it cannot be read now."""
        try:
            async with asyncio.timeout(READ_SECONDS):
                return await self._read(partition, start, end)
        except (KafkaError, TimeoutError, OSError) as error:
            log.warning("missed events cannot be read; the streams load everything again: %r", error)
            return None

    async def _read(self, partition: int, start: int, end: int) -> dict[str, tuple[str, ...]]:
        tp = TopicPartition(self._topic, partition)
        events: list[ConversationEvent] = []
        async with group_less_consumer(self._bootstrap, "read_committed") as consumer:
            consumer.assign([tp])
            consumer.seek(tp, start)
            while await consumer.position(tp) < end:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    events += [decode(r.value, ConversationEvent) for r in records if r.offset < end]
        return changes_of(events)

    def open(self, agent_id: str) -> Stream:
        """A stream from now on. Close it with `close`."""
        stream = Stream(agent_id, dict(self._next))
        self._streams.add(stream)
        metrics.STREAMS.set(len(self._streams))
        return stream

    def close(self, stream: Stream) -> None:
        """The stream has ended."""
        self._streams.discard(stream)
        metrics.STREAMS.set(len(self._streams))

    def end_streams(self) -> None:
        """Ends every stream: the process stops, and the screens connect to another one."""
        for stream in self._streams:
            stream.end()

    async def resume(self, stream: Stream, last_event_id: str) -> None:
        """Offers the stream what happened since this event id; it may come twice, and nothing is left out."""
        now = dict(stream.offsets)
        since = unpack_offsets(last_event_id)
        if since is None or any(since.get(p, 0) > o for p, o in now.items()):
            self._afresh(stream)
            return
        behind = {p: since.get(p, 0) for p, o in now.items() if since.get(p, 0) < o}
        if sum(now[p] - o for p, o in behind.items()) > REPLAY_AT_MOST:
            self._afresh(stream)
            return
        for partition, offset in behind.items():
            ring = self._ring[partition]
            if ring and ring[0].start <= offset:
                for news in list(ring):
                    if news.end > offset:
                        stream.offer(news.changes)
                continue
            changes = await self._changes(partition, offset, now[partition])
            if changes is None:
                self._afresh(stream)
                return
            stream.offer(changes)

    @staticmethod
    def _afresh(stream: Stream) -> None:
        metrics.RESYNCS.inc()
        stream.start_afresh()

    async def tell_agent(self, agent_id: str, conversation: str) -> None:
        """Tells the agent's streams, on every instance, that they have read further."""
        news = News(ONE_AGENT, 0, 0, {conversation: ()}, agent_id)
        await self._store.redis.publish(self._store.channel, pack(news))

    def presence(self, agent_id: str, state: str, seen_by: Iterable[str]) -> None:
        """Tells the streams of these agents about a presence."""
        wanted = set(seen_by)
        for stream in self._streams:
            if stream.agent_id in wanted:
                stream.tell_presence(agent_id, state)

    async def moved(self, seconds: float) -> None:
        """Returns when something was projected, at the latest after `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._seen:
                await self._seen.wait()
