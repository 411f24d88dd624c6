"""Ends the process when a partition that the group gave us does not get on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from gateway.bus import metrics
from gateway.bus.restore import group_less_consumer

if TYPE_CHECKING:
    from gateway.bus.partition_loop import PartitionLoop

ASK_SECONDS = 10.0


class Stalled(Exception):
    """A partition of ours has input (or is being restored) and made no progress for too long."""


async def watch(loop: PartitionLoop) -> None:
    """Runs beside the loop. Raises Stalled."""
    limit = loop.settings.stall_seconds
    # Per partition: the last progress that was seen, and when it was first seen.
    seen: dict[int, tuple[object, float]] = {}
    async with group_less_consumer(loop.settings.bootstrap, "read_committed") as reader:
        while True:
            await asyncio.sleep(limit / 6)
            ends = await _stable_ends(loop, reader)
            if ends is None:
                continue  # no broker: nothing can get on, and nothing is gained by ending
            now = asyncio.get_running_loop().time()
            for number in list(loop.partitions):
                _judge(loop, number, ends, seen, now)


def _judge(
    loop: PartitionLoop,
    number: int,
    ends: dict[TopicPartition, int],
    seen: dict[int, tuple[object, float]],
    now: float,
) -> None:
    partition = loop.partitions[number]
    progress = _progress(loop, number, ends)
    if progress is None or (not partition.open and not partition.started):
        seen.pop(number, None)
        return
    last, since = seen.get(number, (None, now))
    if last != progress:
        seen[number] = (progress, now)
    elif now - since >= loop.settings.stall_seconds:
        doing = "read" if partition.open else "restored"
        raise Stalled(
            f"partition {number} is not being {doing}: no progress for {now - since:.0f} s ({progress})"
        )


def _progress(loop: PartitionLoop, number: int, ends: dict[TopicPartition, int]) -> object | None:
    """Something that changes when the partition gets on; None when there is nothing to do."""
    partition = loop.partitions[number]
    if not partition.open:
        return (id(partition), partition.progress)
    behind = {}
    for tp, end in ends.items():
        if tp.partition == number:
            position = _read_to(loop, tp)
            metrics.LOOP_LAG.labels(loop.settings.group, tp.topic, number).set(max(0, end - position))
            if position < end:
                behind[tp.topic] = position
    return tuple(sorted(behind.items())) or None


def _read_to(loop: PartitionLoop, tp: TopicPartition) -> int:
    """Where the consumer is: unlike our own position it also passes transaction markers."""
    try:
        state = loop.consumer._subscription.subscription.assignment.state_value(tp)  # noqa: SLF001 (`position()` may wait for ever)
    except (AttributeError, IllegalStateError):
        state = None
    decided = loop.partitions[tp.partition].position(tp.topic)
    if state is None or not state.has_valid_position:
        return decided
    return max(decided, int(state.position))


async def _stable_ends(loop: PartitionLoop, reader: AIOKafkaConsumer) -> dict[TopicPartition, int] | None:
    tps = [TopicPartition(topic, number) for number in loop.partitions for topic in loop.settings.inputs]
    if not tps:
        return {}
    try:
        async with asyncio.timeout(ASK_SECONDS):
            ends: dict[TopicPartition, int] = await reader.end_offsets(tps)
    except (KafkaError, TimeoutError):
        return None
    return ends
