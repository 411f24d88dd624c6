"""The bare loop of row `restore`: reads one partition to its end and keeps the last value of each key."""

from __future__ import annotations

from time import perf_counter

from aiokafka import TopicPartition

from gateway.bench.worker import Given, main
from gateway.bus.restore import group_less_consumer


async def work(given: Given) -> Given:
    """Answers with the seconds it took and the number of keys."""
    tp = TopicPartition(given["topic"], 0)
    data: dict[bytes, bytes] = {}
    async with group_less_consumer(given["bootstrap"], "read_committed") as consumer:
        consumer.assign([tp])
        end = (await consumer.end_offsets([tp]))[tp]
        begun = perf_counter()
        position = 0
        while position < end:
            for record in (await consumer.getmany(timeout_ms=200)).get(tp, ()):
                data[record.key] = record.value
            position = await consumer.position(tp)
        return {"seconds": perf_counter() - begun, "keys": len(data)}


if __name__ == "__main__":
    main(work)
