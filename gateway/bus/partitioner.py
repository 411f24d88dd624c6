"""Which partition a key belongs to: murmur2, as Kafka's Java client computes it."""

from __future__ import annotations

from aiokafka.partitioner import murmur2


def partition_for(key: bytes, partitions: int) -> int:
    """The partition number of `key` in a topic of `partitions` partitions, the same in every client language."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)
