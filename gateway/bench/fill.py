"""Fills topics quickly: whole batches to their partitions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer

from gateway.bus.partitioner import partition_for
from gateway.bus.transaction import MAX_BATCH_BYTES

BATCHES_AT_ONCE = 8


class Fresh(NamedTuple):
    """A record to write; `partition` None = by the key."""

    topic: str
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]] = ()
    partition: int | None = None


async def fill(bootstrap: str, partitions: int, records: Iterable[Fresh]) -> int:
    """Writes the records, each acknowledged, and returns their number. Raises KafkaError."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", max_batch_size=MAX_BATCH_BYTES, max_request_size=2_000_000
    )
    await producer.start()
    builders: dict[tuple[str, int], Any] = {}
    sent: list[Any] = []
    count = 0

    async def flush(place: tuple[str, int]) -> None:
        sent.append(await producer.send_batch(builders.pop(place), place[0], partition=place[1]))
        if len(sent) >= BATCHES_AT_ONCE:
            await asyncio.gather(*sent)
            sent.clear()

    try:
        for record in records:
            number = partition_for(record.key, partitions) if record.partition is None else record.partition
            place = (record.topic, number)
            while not _append(producer, builders, place, record):
                await flush(place)
            count += 1
        for place in list(builders):
            await flush(place)
        await asyncio.gather(*sent)
    finally:
        await producer.stop()
    return count


def _append(
    producer: AIOKafkaProducer, builders: dict[tuple[str, int], Any], place: tuple[str, int], record: Fresh
) -> bool:
    builder = builders.get(place)
    if builder is None:
        builder = builders[place] = producer.create_batch()
    added = builder.append(key=record.key, value=record.value, timestamp=None, headers=list(record.headers))
    return added is not None
