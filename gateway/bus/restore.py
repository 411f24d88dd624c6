"""Restores one partition's state from its topic, once its former owner can no longer write to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition

from gateway.bus.partition_state import PartitionState

RECORDS_AT_ONCE = 5_000
FETCH_BYTES = 4_194_304
CLOSE_SECONDS = 3.0

log = logging.getLogger(__name__)


class HangingTransaction(Exception):
    """A transaction on the state topic does not end, so its readable end stays behind."""


@asynccontextmanager
async def group_less_consumer(
    bootstrap: str, isolation: str, seconds: float = 30.0
) -> AsyncIterator[AIOKafkaConsumer]:
    """A started consumer that belongs to no group. Raises KafkaError or TimeoutError when no broker answers."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=None,
        isolation_level=isolation,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=100,
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    try:
        async with asyncio.timeout(seconds):
            await consumer.start()
        yield consumer
    finally:
        await _close(consumer)


async def _close(consumer: AIOKafkaConsumer) -> None:
    # aiokafka's stop may wait for ever, and an error raised here would take the place of what ended the block:
    # a cancellation turned into a TimeoutError looks like a broker's fault, and whoever cancelled waits for ever.
    closing = asyncio.ensure_future(consumer.stop())
    done, _ = await asyncio.wait({closing}, timeout=CLOSE_SECONDS)
    if not done:
        closing.cancel()
        log.warning("a consumer did not close in time and is left behind")
    elif error := closing.exception():
        log.warning("a consumer did not close well: %r", error)


async def readable_end(bootstrap: str, reader: AIOKafkaConsumer, tp: TopicPartition, seconds: float) -> int:
    """The end offset, once every transaction before it is decided.

    To be called only after the partition's transactional producer was initialised: that ends what the former
    owner left open. Raises HangingTransaction when the readable end stays behind for `seconds`.
    """
    async with group_less_consumer(bootstrap, "read_uncommitted") as raw:
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            stable = (await reader.end_offsets([tp]))[tp]
            end = (await raw.end_offsets([tp]))[tp]
            if stable >= end:
                return int(end)
            if asyncio.get_running_loop().time() > deadline:
                raise HangingTransaction(
                    f"{tp.topic}/{tp.partition}: a transaction is open at offset {stable} (the end is {end}) for more "
                    f"than {seconds:g} s, and it is not this worker's. Find it with `kafka-transactions.sh "
                    f"find-hanging --topic {tp.topic} --partition {tp.partition}` and abort it."
                )
            await asyncio.sleep(0.1)


async def restore(
    bootstrap: str, topic: str, state: PartitionState, hanging_seconds: float, progress: Callable[[int], None]
) -> None:
    """Reads the partition's state topic to its end. `progress` gets the number of records of each step.

    Raises HangingTransaction, StateBroken, KafkaError.
    """
    tp = TopicPartition(topic, state.number)
    async with group_less_consumer(bootstrap, "read_committed") as reader:
        reader.assign([tp])
        end = await readable_end(bootstrap, reader, tp, hanging_seconds)
        await reader.seek_to_beginning(tp)
        while await reader.position(tp) < end:
            read = await reader.getmany(timeout_ms=200, max_records=RECORDS_AT_ONCE)
            for record in read.get(tp, ()):
                state.load(record.key, record.value)
            progress(len(read.get(tp, ())))
            await asyncio.sleep(0)  # other partitions, heartbeats
    state.restored()
