"""Writes one decided batch of one partition in one Kafka transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer

from gateway.bus.partitioner import partition_for
from gateway.bus.records import Output

# Below the broker's message.max.bytes (1,048,588), which counts a whole batch.
MAX_BATCH_BYTES = 1_000_000


class Batch(NamedTuple):
    """Records for one topic partition, in their order."""

    topic: str
    partition: int
    builder: Any


def open_producer(
    bootstrap: str, transactional_id: str, *, transaction_timeout_ms: int = 15_000
) -> AIOKafkaProducer:
    """Not started yet. Starting it fences whoever used the id before and ends what they left open."""
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        transactional_id=transactional_id,
        acks="all",
        linger_ms=0,
        max_batch_size=MAX_BATCH_BYTES,
        max_request_size=2 * MAX_BATCH_BYTES,
        transaction_timeout_ms=transaction_timeout_ms,
        request_timeout_ms=40_000,
        # Kafka verifies the first write of each transaction and answers with an error to be repeated;
        # aiokafka's default of 100 ms would show in every message's latency.
        retry_backoff_ms=10,
    )


def target(output: Output, cause: int, other_topics: Mapping[str, int]) -> int:
    """The partition an output goes to: the one it names, by key in a topic of `other_topics`, else its cause's."""
    if output.partition is not None:
        return output.partition
    count = other_topics.get(output.topic)
    return cause if count is None else partition_for(output.key, count)


def build_batches(
    producer: AIOKafkaProducer,
    partition: int,
    outputs: Iterable[Output],
    state: tuple[str, Mapping[bytes, bytes | None]],
    other_topics: Mapping[str, int],
    now: int,
) -> list[Batch]:
    """Outputs and state records as batches, as few as fit. Records of one topic partition keep their order."""
    filled: list[Batch] = []
    open_ones: dict[tuple[str, int], Any] = {}

    def append(topic: str, number: int, key: bytes, value: bytes | None, headers: Sequence[Any]) -> None:
        builder = open_ones.get((topic, number))
        if builder is None:
            builder = open_ones[topic, number] = producer.create_batch()
            filled.append(Batch(topic, number, builder))
        if builder.append(key=key, value=value, timestamp=now, headers=list(headers)) is None:
            del open_ones[topic, number]
            append(topic, number, key, value, headers)

    for output in outputs:
        append(
            output.topic, target(output, partition, other_topics), output.key, output.value, output.headers
        )
    state_topic, written = state
    for key, value in written.items():
        append(state_topic, partition, key, value, ())
    return filled


async def write(producer: AIOKafkaProducer, batches: Sequence[Batch], seconds: float) -> None:
    """Begins, sends everything, waits for every acknowledgement, commits; all within `seconds`.

    Raises whatever went wrong. The caller must then end the process: aborting can hang, and a zombie that opens
    its producer again would fence the true owner.
    """
    try:
        async with asyncio.timeout(seconds):
            await producer.begin_transaction()
            sent = [await producer.send_batch(b.builder, b.topic, partition=b.partition) for b in batches]
            # A batch that the broker refused does not stop aiokafka's commit, so each is looked at first.
            await asyncio.gather(*sent)
            await producer.commit_transaction()
    except TimeoutError as error:
        raise TimeoutError(f"a transaction was not committed in {seconds:g} s") from error
