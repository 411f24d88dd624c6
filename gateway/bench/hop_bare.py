"""The bare figure beside row `whole`: one record from produce to a consumer, at a steady rate, in one process."""

from __future__ import annotations

import asyncio
from time import perf_counter

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from gateway.bench.worker import Given, main, quantile


async def work(given: Given) -> Given:
    """Answers with latencies in milliseconds."""
    bootstrap, topic, count, rate = given["bootstrap"], given["topic"], given["count"], given["rate"]
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, linger_ms=2)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=None, auto_offset_reset="earliest", fetch_max_wait_ms=100
    )
    await producer.start()
    await consumer.start()
    consumer.assign([TopicPartition(topic, n) for n in range(given["partitions"])])
    times: list[float] = []
    reading = asyncio.create_task(_read(consumer, count, times))
    begun = perf_counter()
    for n in range(count):
        due = begun + n / rate
        await asyncio.sleep(max(0.0, due - perf_counter()))
        await producer.send(topic, b"%f" % due + b" " * 600, key=b"k%d" % (n % 500))
    async with asyncio.timeout(30):
        await reading
    await consumer.stop()
    await producer.stop()
    return {"p50": quantile(times, 0.5), "p99": quantile(times, 0.99)}


async def _read(consumer: AIOKafkaConsumer, count: int, times: list[float]) -> None:
    while len(times) < count:
        for records in (await consumer.getmany(timeout_ms=100)).values():
            now = perf_counter()
            times += [(now - float(record.value.split(b" ", 1)[0])) * 1000 for record in records]


if __name__ == "__main__":
    main(work)
