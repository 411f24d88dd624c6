"""Writes the group's offsets, for lag tools only: nobody reads them to go on from, so a failure is only counted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from gateway.bus import metrics

if TYPE_CHECKING:
    from gateway.bus.partition_loop import PartitionLoop


async def follow(loop: PartitionLoop) -> None:
    """Runs beside the loop."""
    written: dict[TopicPartition, int] = {}
    while True:
        await asyncio.sleep(loop.settings.group_commit_seconds)
        await commit_offsets(loop, written)


async def commit_offsets(loop: PartitionLoop, written: dict[TopicPartition, int]) -> None:
    """Writes what differs from `written`, and notes it there."""
    offsets = {
        TopicPartition(topic, partition.number): partition.position(topic)
        for partition in loop.partitions.values()
        if partition.open
        for topic in loop.settings.inputs
    }
    changed = {tp: offset for tp, offset in offsets.items() if written.get(tp, 0) != offset}
    if not changed or not loop.settled:
        return
    try:
        async with asyncio.timeout(loop.settings.group_commit_seconds):
            await loop.consumer.commit(changed)
    except (KafkaError, TimeoutError):
        metrics.LOOP_OFFSET_COMMITS_FAILED.labels(loop.settings.group).inc()
    else:
        written.update(changed)
