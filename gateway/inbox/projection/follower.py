"""Follows a side topic (read cursors, command results) into Redis. Every instance does; repeats are harmless."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from redis.exceptions import RedisError

from gateway.bus.restore import group_less_consumer
from gateway.inbox.projection import writing
from gateway.inbox.projection.store import LostError, Store

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.5

Take = Callable[[Sequence[Any]], Awaitable[None]]


class Follower:
    """Hands the records of all partitions of `topic` to `take` and keeps the positions in Redis under `name`.

    When Redis has lost its rows it begins again. `take` may raise LostError.
    """

    def __init__(
        self, bootstrap: str, topic: str, partitions: int, store: Store, name: str, take: Take
    ) -> None:
        self._bootstrap = bootstrap
        self._tps = [TopicPartition(topic, n) for n in range(partitions)]
        self._store = store
        self._name = name
        self._take = take
        self._ready = False

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set."""
        while not stop.is_set():
            try:
                async with group_less_consumer(self._bootstrap, "read_committed") as consumer:
                    await self._follow(consumer, stop)
            except (KafkaError, RedisError, TimeoutError, OSError) as error:
                log.warning("%s waits: %r", self._name, error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _follow(self, consumer: AIOKafkaConsumer, stop: asyncio.Event) -> None:
        consumer.assign(self._tps)
        while not stop.is_set():
            await self._store.open_generation()
            self._ready = False
            for tp in self._tps:
                consumer.seek(tp, await writing.position(self._store, self._member(tp)))
            ends = await consumer.end_offsets(self._tps)
            try:
                while not stop.is_set():
                    await self._step(consumer, ends)
            except LostError:
                log.info("%s are read again", self._name)

    async def _step(self, consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> None:
        read = await consumer.getmany(timeout_ms=200, max_records=2_000)
        if not await self._store.current():
            raise LostError
        for tp, records in read.items():
            await self._take(records)
            await writing.reach(self._store, self._member(tp), records[-1].offset + 1)
        if not self._ready and await self._at_end(consumer, ends):
            if await writing.advance(self._store, self._name, 0, 0, ready=True, news=b"") == "lost":
                raise LostError
            self._ready = True

    async def _at_end(self, consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> bool:
        return all([await consumer.position(tp) >= end for tp, end in ends.items()])

    def _member(self, tp: TopicPartition) -> str:
        return f"{self._name}:{tp.partition}"
