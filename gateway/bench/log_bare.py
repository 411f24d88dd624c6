"""The bare loop of row `log`: reads three topics and writes their bytes on, one transaction per partition and batch.

As in the prototype that the design was decided by: `create_batch` and `send_batch`, a state record per key, a
position record, one outbound record; no decoding, no decision.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from gateway.bench.worker import Given, main

STATE_BYTES, OUTBOUND_BYTES = b"s" * 500, b"o" * 300


async def work(given: Given) -> Given:
    """Works the backlog off; answers with records a second."""
    bootstrap, count = given["bootstrap"], given["partitions"]
    producers = [_producer(bootstrap, f"{given['inputs'][0]}-{n}") for n in range(count)]
    await asyncio.gather(*(p.start() for p in producers))
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=None,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_poll_records=2000,
        fetch_max_wait_ms=100,
    )
    await consumer.start()
    consumer.assign([TopicPartition(topic, n) for topic in given["inputs"] for n in range(count)])
    done, begun = 0, 0.0
    while done < given["records"]:
        read = await consumer.getmany(timeout_ms=100)
        begun = begun or perf_counter()
        by_partition: defaultdict[int, dict[str, Sequence[Any]]] = defaultdict(dict)
        for tp, records in read.items():
            by_partition[tp.partition][tp.topic] = records
            done += len(records)
        await asyncio.gather(*(_write(producers[n], n, r, given) for n, r in by_partition.items()))
    seconds = perf_counter() - begun
    await consumer.stop()
    await asyncio.gather(*(p.stop() for p in producers))
    return {"rate": done / seconds}


def _producer(bootstrap: str, transactional_id: str) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        transactional_id=transactional_id,
        acks="all",
        linger_ms=0,
        max_batch_size=1_000_000,
        max_request_size=2_000_000,
        retry_backoff_ms=10,
    )


async def _write(
    producer: AIOKafkaProducer, partition: int, read: Mapping[str, Sequence[Any]], given: Given
) -> None:
    out, state, outbound = given["out"], given["state"], given["outbound"]
    records = [record for found in read.values() for record in found]
    await producer.begin_transaction()
    futures = []
    events = producer.create_batch()
    for record in records:
        if events.append(key=record.key, value=record.value, timestamp=None) is None:
            futures.append(await producer.send_batch(events, out, partition=partition))
            events = producer.create_batch()
            events.append(key=record.key, value=record.value, timestamp=None)
    states = producer.create_batch()
    for key in {record.key for record in records}:
        states.append(key=key, value=STATE_BYTES, timestamp=None)
    position = repr({topic: found[-1].offset + 1 for topic, found in read.items()}).encode()
    states.append(key=b"@position", value=position, timestamp=None)
    sends = producer.create_batch()
    sends.append(key=records[0].key, value=OUTBOUND_BYTES, timestamp=None)
    for batch, topic in ((events, out), (states, state), (sends, outbound)):
        futures.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*futures)
    await producer.commit_transaction()


if __name__ == "__main__":
    main(work)
