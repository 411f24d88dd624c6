"""The plain consumer: order per key, nobody held, nothing left out."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from gateway.bus.consumer import ConsumerSettings, OrderedConsumer
from gateway.bus.records import Record
from tests.helpers import eventually

from .kit import Deaths, create, put, writer


class Running:
    """A consumer at work in this process."""

    def __init__(self, consumer: OrderedConsumer) -> None:
        self.consumer = consumer
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(consumer.run(self.stop))

    async def end(self) -> None:
        self.stop.set()
        await asyncio.wait_for(self.task, 30)


@contextlib.asynccontextmanager
async def consuming(
    kafka: str, prefix: str, handler: Callable[[Record], Awaitable[None]], **changed: Any
) -> AsyncIterator[Running]:
    values = {"instance": "one", "session_ms": 6_000, "heartbeat_ms": 200, "commit_seconds": 0.1} | changed
    settings = ConsumerSettings(kafka, f"{prefix}group", topics=(f"{prefix}t",), **values)
    running = Running(OrderedConsumer(settings, handler, die=Deaths()))
    try:
        yield running
    finally:
        if not running.task.done():
            await running.end()


async def committed(kafka: str, prefix: str, partitions: int) -> int:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, group_id=f"{prefix}group", enable_auto_commit=False)
    await consumer.start()
    tps = [TopicPartition(f"{prefix}t", n) for n in range(partitions)]
    consumer.assign(tps)
    found = [await consumer.committed(tp) for tp in tps]
    await consumer.stop()
    return sum(offset or 0 for offset in found)


async def test_in_order_per_key_and_committed(kafka: str, topic_prefix: str) -> None:
    await create(kafka, {f"{topic_prefix}t": 3})
    seen: defaultdict[bytes, list[int]] = defaultdict(list)

    async def handler(record: Record) -> None:
        await asyncio.sleep(0.002 if record.key < b"k3" else 0)
        seen[record.key].append(int(record.value))

    async with writer(kafka) as producer:
        for i in range(300):
            await producer.send(f"{topic_prefix}t", key=b"k%d" % (i % 6), value=b"%d" % i)
    async with consuming(kafka, topic_prefix, handler):
        await eventually(lambda: sum(map(len, seen.values())) == 300, timeout=30)
    assert all(numbers == sorted(numbers) for numbers in seen.values())
    assert await committed(kafka, topic_prefix, 3) == 300
    async with consuming(kafka, topic_prefix, handler):
        await put(kafka, f"{topic_prefix}t", (b"k0", b"300"))
        await eventually(lambda: 300 in seen[b"k0"], timeout=30)
    assert sum(map(len, seen.values())) == 301


async def test_a_slow_key_holds_nobody_and_nothing_behind_it_is_committed(
    kafka: str, topic_prefix: str
) -> None:
    await create(kafka, {f"{topic_prefix}t": 1})
    free = asyncio.Event()
    seen: list[bytes] = []

    async def handler(record: Record) -> None:
        if record.key == b"slow":
            await free.wait()
        seen.append(record.value)

    await put(kafka, f"{topic_prefix}t", (b"a", b"0"), (b"slow", b"1"), (b"slow", b"2"), *[(b"a", b"3")] * 50)
    async with consuming(kafka, topic_prefix, handler):
        await eventually(lambda: len(seen) == 51, timeout=30)

        async def at_the_slow_one() -> bool:
            return await committed(kafka, topic_prefix, 1) == 1

        await eventually(at_the_slow_one)
        free.set()
        await eventually(lambda: len(seen) == 53)
        assert seen[-2:] == [b"1", b"2"]
    assert await committed(kafka, topic_prefix, 1) == 53


async def test_a_partition_with_too_much_in_hand_is_paused(kafka: str, topic_prefix: str) -> None:
    await create(kafka, {f"{topic_prefix}t": 1})
    free = asyncio.Event()
    seen: list[bytes] = []

    async def handler(record: Record) -> None:
        if record.key == b"slow":
            await free.wait()
        seen.append(record.value)

    await put(kafka, f"{topic_prefix}t", *[(b"slow", b"%d" % i) for i in range(100)])
    async with consuming(kafka, topic_prefix, handler, buffered=20) as running:
        await eventually(lambda: bool(running.consumer.consumer.paused()), timeout=30)
        progress = running.consumer._progress[TopicPartition(f"{topic_prefix}t", 0)]
        assert len(progress) <= 40
        free.set()
        await eventually(lambda: len(seen) == 100, timeout=30)
    assert seen == [b"%d" % i for i in range(100)]


async def test_at_most_in_flight_at_a_time(kafka: str, topic_prefix: str) -> None:
    await create(kafka, {f"{topic_prefix}t": 1})
    at_once = most = done = 0

    async def handler(record: Record) -> None:
        nonlocal at_once, most, done
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.005)
        at_once -= 1
        done += 1

    await put(kafka, f"{topic_prefix}t", *[(b"k%d" % i, b"") for i in range(60)])
    async with consuming(kafka, topic_prefix, handler, in_flight=4):
        await eventually(lambda: done == 60, timeout=30)
    assert most == 4


async def test_a_handler_that_raises_ends_the_process_and_its_record_comes_again(
    kafka: str, topic_prefix: str
) -> None:
    await create(kafka, {f"{topic_prefix}t": 1})
    seen: list[bytes] = []

    async def handler(record: Record) -> None:
        if record.value == b"1" and b"again" not in seen:
            raise ValueError("a fault of ours")
        seen.append(record.value)

    await put(kafka, f"{topic_prefix}t", *[(b"k", b"%d" % i) for i in range(3)])
    async with consuming(kafka, topic_prefix, handler) as running:
        deaths = running.consumer._die
        await eventually(lambda: deaths.reasons, timeout=30)  # type: ignore[attr-defined]
        assert "t/0@1: the handler failed: a fault of ours" in deaths.reasons[0]  # type: ignore[attr-defined]
    seen.append(b"again")
    async with consuming(kafka, topic_prefix, handler):
        await eventually(lambda: seen[-2:] == [b"1", b"2"], timeout=30)


async def test_a_second_worker_takes_half_and_nothing_is_left_out(kafka: str, topic_prefix: str) -> None:
    await create(kafka, {f"{topic_prefix}t": 4})
    seen: defaultdict[bytes, list[int]] = defaultdict(list)

    async def handler(record: Record) -> None:
        await asyncio.sleep(0.01)
        seen[record.key].append(int(record.value))

    async with consuming(kafka, topic_prefix, handler, instance="a") as first, writer(kafka) as producer:
        for i in range(400):
            await producer.send(f"{topic_prefix}t", key=b"k%d" % (i % 20), value=b"%d" % i)
        await eventually(lambda: sum(map(len, seen.values())) > 20, timeout=30)
        async with consuming(kafka, topic_prefix, handler, instance="b") as second:
            await eventually(
                lambda: len(second.consumer._owned) == 2 == len(first.consumer._owned), timeout=30
            )
            await eventually(
                lambda: {n for each in seen.values() for n in each} == set(range(400)), timeout=30
            )
    for numbers in seen.values():
        assert sorted(set(numbers)) == list(dict.fromkeys(numbers)), "out of order"
    assert await committed(kafka, topic_prefix, 4) == 400


async def test_a_polite_stop_finishes_what_is_in_hand(kafka: str, topic_prefix: str) -> None:
    await create(kafka, {f"{topic_prefix}t": 1})
    begun, done = asyncio.Event(), 0

    async def handler(record: Record) -> None:
        nonlocal done
        begun.set()
        await asyncio.sleep(0.3)
        done += 1

    await put(kafka, f"{topic_prefix}t", *[(b"k", b"")] * 5)
    async with consuming(kafka, topic_prefix, handler) as running:
        await asyncio.wait_for(begun.wait(), 30)
        await running.end()
    assert done == 1
    assert await committed(kafka, topic_prefix, 1) == 1


async def test_the_age_of_the_last_heartbeat(kafka: str, topic_prefix: str) -> None:
    await create(kafka, {f"{topic_prefix}t": 1})

    async def handler(record: Record) -> None: ...

    async with consuming(kafka, topic_prefix, handler) as running:
        consumer = running.consumer
        await eventually(lambda: consumer.owns(f"{topic_prefix}t", 0), timeout=30)
        first = consumer._last_heartbeat
        await eventually(lambda: consumer._last_heartbeat > first)
        assert consumer.last_heartbeat_age() < 0.5
        # The connection is there, the broker's answers are not good any more.
        consumer.consumer._coordinator.coordinator_dead()
        send = consumer.consumer._coordinator._send_req

        async def refused(request: Any) -> Any:
            raise ConnectionError if type(request).__name__ == "HeartbeatRequest" else await send(request)

        consumer.consumer._coordinator._send_req = refused
        await eventually(lambda: consumer.last_heartbeat_age() > 1.0, timeout=10)
