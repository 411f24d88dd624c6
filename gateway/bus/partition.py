"""One partition that this worker owns: its producer, its state, and how both are opened."""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from gateway.bus import metrics
from gateway.bus.loop_settings import LoopSettings
from gateway.bus.partition_state import PartitionState
from gateway.bus.records import Logic
from gateway.bus.restore import restore
from gateway.bus.transaction import open_producer

log = logging.getLogger(__name__)

CLOSE_SECONDS = 3.0
INDEXED_AT_ONCE = 500


class LostInput(Exception):
    """The input topic no longer holds what comes next; the text says what is missing and what to do."""


class Partition:
    """`open` = restored, and its records are read. `progress` grows while it is being opened."""

    def __init__(self, number: int, settings: LoopSettings, logic: Logic) -> None:
        self.number = number
        self.state = PartitionState(number, logic, settings.cache_size)
        self.open = False
        self.started = False
        self.progress = 0
        self.next_timers = 0.0
        self._settings = settings
        self._logic = logic
        self._producer: AIOKafkaProducer | None = None

    @property
    def producer(self) -> AIOKafkaProducer:
        """The transactional producer; exists from the beginning of the restoring."""
        assert self._producer is not None  # noqa: S101 (open implies it)
        return self._producer

    @property
    def has_producer(self) -> bool:
        return self._producer is not None

    def position(self, topic: str) -> int:
        """The offset of the next record to decide."""
        return self.state.meta.positions.get(topic, 0)

    async def restore(self, consumer: AIOKafkaConsumer) -> None:
        """Fences the former owner, then reads the state, then checks that the input is still there.

        Raises LostInput, HangingTransaction, StateBroken, KafkaError, TimeoutError.
        """
        s = self._settings
        self.started = True
        begun = asyncio.get_running_loop().time()
        transactional_id = f"{s.group}-{self.number}"
        self._producer = open_producer(
            s.bootstrap, transactional_id, transaction_timeout_ms=s.transaction_timeout_ms
        )
        try:
            async with asyncio.timeout(s.start_seconds):
                await self._producer.start()
        except TimeoutError as error:
            raise TimeoutError(f"{transactional_id} was not initialised in {s.start_seconds:g} s") from error
        await restore(s.bootstrap, s.state_topic, self.state, s.hanging_seconds, self._progressed)
        await self._check_input(consumer)
        metrics.LOOP_RESTORE.labels(s.group).observe(asyncio.get_running_loop().time() - begun)

    async def index(self) -> None:
        """Hands the restored state to the logic, in pieces, so that heartbeats are sent in between."""
        items = iter(list(self.state.data.items()))
        while piece := list(itertools.islice(items, INDEXED_AT_ONCE)):
            self._logic.restored(self.number, piece)
            self._progressed(len(piece))
            await asyncio.sleep(0)

    async def close(self) -> None:
        """Closes the producer, within a time limit."""
        if self._producer is not None:
            await close_producer(self._producer)

    def _progressed(self, count: int) -> None:
        self.progress += count

    async def _check_input(self, consumer: AIOKafkaConsumer) -> None:
        tps = [TopicPartition(topic, self.number) for topic in self._settings.inputs]
        begins = await consumer.beginning_offsets(tps)
        ends = await consumer.end_offsets(tps)
        for tp in tps:
            self._check_range(tp, begins[tp], ends[tp])

    def _check_range(self, tp: Any, begin: int, end: int) -> None:
        position = self.position(tp.topic)
        if begin <= position <= end:
            return
        where = f"{tp.topic}/{tp.partition}"
        if position > end:
            raise LostInput(
                f"{where} ends at {end}, but the next record should be {position}: the topic was made anew or "
                "restored from an older copy. Reset the state topic together with it."
            )
        if not self._settings.accept_lost_input:
            raise LostInput(
                f"{where} begins at {begin}, but the next record should be {position}: {begin - position} records "
                "were deleted before they were read. Raise the topic's retention; to go on without them, start once "
                "with accept_lost_input."
            )
        log.error("%s: %d input records were deleted before they were read", where, begin - position)
        metrics.LOOP_LOST_INPUT.labels(self._settings.group, tp.topic).inc(begin - position)
        # Written with the next transaction.
        self.state.meta.lost.append({"topic": tp.topic, "from": position, "to": begin})
        self.state.meta.positions[tp.topic] = begin


async def close_producer(producer: AIOKafkaProducer) -> None:
    """Closes a producer that is not in a transaction; what cannot be closed in time is left to the process's end."""
    await asyncio.wait({asyncio.create_task(producer.stop())}, timeout=CLOSE_SECONDS)
