"""A compacted topic as a dictionary in memory that follows the topic."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from gateway.bus import metrics
from gateway.bus.admin import TopicProblem, partition_counts
from gateway.bus.exits import Die, exit_process, words
from gateway.bus.restore import group_less_consumer

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
ASK_SECONDS = 10.0
CANCEL_SECONDS = 1.0

# Key, value (None = removed).
Changed = Callable[[bytes, bytes | None], None]


class ReplicaBehind(Exception):
    """The replica did not reach the topic's end in time."""


class Replica:
    """Reads every partition of a topic from the beginning (`read_committed`) and keeps the last value per key.

    `on_change` is called for every record in order, also while catching up. An error of the broker makes it read
    on after a second. Any other error (one that `on_change` raises) ends it: `caught_up` raises it, and once the
    replica was complete and nobody waits there, it ends the process (`die`), because old data look like good ones.
    """

    def __init__(
        self, bootstrap: str, topic: str, on_change: Changed | None = None, *, die: Die = exit_process
    ) -> None:
        self.topic = topic
        self._bootstrap = bootstrap
        self._on_change = on_change
        self._data: dict[bytes, bytes] = {}
        self._positions: dict[TopicPartition, int] = {}
        self._moved = asyncio.Condition()
        self._consumer: AIOKafkaConsumer | None = None
        self._task: asyncio.Task[None] | None = None
        self._die = die
        self._waiting = 0
        self._complete = False

    @property
    def data(self) -> Mapping[bytes, bytes]:
        """The last value of every key; live, so do not keep it across an await."""
        return self._data

    def get(self, key: bytes) -> bytes | None:
        """The last value, or None."""
        return self._data.get(key)

    async def start(self) -> None:
        """Begins to read; returns at once. Use `caught_up` to wait."""
        self._task = asyncio.create_task(self._follow())
        self._task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and self._complete and not self._waiting:
            self._die(f"the replica of {self.topic} failed: {words(error)}", error)
        self._notifying = asyncio.ensure_future(self._notify())

    async def stop(self) -> None:
        """Ends the reading. Raises what `on_change` raised, if it did."""
        if self._task is None:
            return
        # A library may take a cancellation for its own time limit (asyncio.wait_for before Python 3.12 loses one
        # that comes as it ends), so it is said until it is heard.
        while not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=CANCEL_SECONDS)
        if not self._task.cancelled():
            self._task.result()

    async def caught_up(self, seconds: float = 30.0) -> None:
        """Waits until everything that was readable when this was called has been read.

        Raises ReplicaBehind after `seconds`, or what ended the replica.
        """
        self._waiting += 1
        try:
            async with asyncio.timeout(seconds):
                while (ends := await self._ends()) is None:
                    await asyncio.sleep(0.05)
                async with self._moved:
                    await self._moved.wait_for(lambda: self._ended() or self._reached(ends))
        except TimeoutError as error:
            raise ReplicaBehind(f"{self.topic}: its end was not reached in {seconds:g} s") from error
        finally:
            self._waiting -= 1
        if self._task is not None and self._task.done():
            self._task.result()
            raise ReplicaBehind(f"{self.topic}: the replica was stopped")
        self._complete = True

    def _ended(self) -> bool:
        return self._task is None or self._task.done()

    def _reached(self, ends: Mapping[TopicPartition, int]) -> bool:
        return all(self._positions.get(tp, 0) >= end for tp, end in ends.items())

    async def _ends(self) -> dict[TopicPartition, int] | None:
        """The readable ends now; None while there is no broker."""
        if self._ended():
            return {}
        consumer = self._consumer
        if consumer is None:
            return None
        try:
            ends: dict[TopicPartition, int] = await consumer.end_offsets(sorted(consumer.assignment()))
        except KafkaError:
            return None
        return ends

    async def _notify(self) -> None:
        async with self._moved:
            self._moved.notify_all()

    async def _follow(self) -> None:
        while True:
            try:
                await self._read()
            except (KafkaError, TimeoutError, OSError) as error:
                metrics.REPLICA_RESTARTS.labels(self.topic).inc()
                log.warning("replica of %s reads on after an error: %r", self.topic, error)
                await asyncio.sleep(RETRY_SECONDS)
            finally:
                self._consumer = None

    async def _read(self) -> None:
        async with group_less_consumer(self._bootstrap, "read_committed") as consumer:
            tps = await _partitions(self._bootstrap, self.topic)
            consumer.assign(tps)
            for tp in tps:
                # After an error: on from where we were. A position that is gone makes aiokafka begin anew.
                consumer.seek(tp, self._positions.get(tp, 0))
            self._consumer = consumer
            while True:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        self._take(record.key, record.value)
                await self._advance(consumer, tps)

    def _take(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self._data.pop(key, None)
        else:
            self._data[key] = value
        if self._on_change is not None:
            self._on_change(key, value)

    async def _advance(self, consumer: AIOKafkaConsumer, tps: list[TopicPartition]) -> None:
        async with asyncio.timeout(ASK_SECONDS):
            positions = {tp: await consumer.position(tp) for tp in tps}
        if positions != self._positions:
            self._positions = positions
            metrics.REPLICA_RECORDS.labels(self.topic).set(len(self._data))
            await self._notify()


async def _partitions(bootstrap: str, topic: str) -> list[TopicPartition]:
    """Raises TopicProblem when there is no such topic."""
    # Not by the consumer: what it reads of all topics does not reach its own view of the cluster.
    count = (await partition_counts(bootstrap, [topic])).get(topic, 0)
    if not count:
        raise TopicProblem(f"{topic} does not exist. Run `gateway topics apply`.")
    return [TopicPartition(topic, number) for number in range(count)]
