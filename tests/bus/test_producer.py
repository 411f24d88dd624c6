"""The producer: acknowledged or refused in time, and usable again after the broker came back."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from gateway.bus.producer import BrokerUnavailable, Producer, RecordTooLarge
from gateway.embedded.kafka import EmbeddedKafka
from gateway.settings import Settings
from tests.helpers import eventually

from .kit import crash, create, read_count, read_until


async def test_acknowledged_with_offset_headers_and_partition(kafka: str, topic_prefix: str) -> None:
    topic = f"{topic_prefix}t"
    await create(kafka, {topic: 3})
    producer = Producer(kafka)
    await producer.start()
    offsets = await asyncio.gather(
        *(producer.send(topic, b"k", b"%d" % i, (("h", b"1"),), 2) for i in range(5))
    )
    assert sorted(offsets) == list(range(5))
    await producer.send(topic, b"k", None, partition=2)
    await producer.stop()
    found = await read_until(kafka, topic, lambda r: len(r) == 6)
    assert {r.partition for r in found} == {2}
    assert found[0].headers == (("h", b"1"),)
    assert found[5].value is None


@pytest.mark.parametrize("size", [10_000, 2_000_000], ids=["refused by the broker", "refused by us"])
async def test_a_record_too_large_does_not_break_the_producer(
    kafka: str, topic_prefix: str, size: int
) -> None:
    topic = f"{topic_prefix}t"
    await create(kafka, {topic: 1}, {topic: {"max.message.bytes": "2000"}})
    producer = Producer(kafka)
    await producer.start()
    with pytest.raises(RecordTooLarge):
        await producer.send(topic, b"k", b"x" * size)
    await eventually(lambda: producer.available)
    for i in range(3):
        await producer.send(topic, b"k", b"%d" % i)
    await producer.stop()
    assert await read_count(kafka, topic, 3) == [b"0", b"1", b"2"]


async def test_no_broker_is_said_in_time() -> None:
    producer = Producer("127.0.0.1:1", delivery_seconds=1.0)
    begun = time.monotonic()
    with pytest.raises(BrokerUnavailable):
        await producer.start()
    with pytest.raises(BrokerUnavailable):
        await producer.send("t", b"k", b"v")
    await producer.stop()
    assert time.monotonic() - begun < 10


async def test_recovers_when_the_broker_comes_back(tmp_path: Path, topic_prefix: str) -> None:
    topic = f"{topic_prefix}t"
    cache = Settings().cache_dir
    broker = EmbeddedKafka(tmp_path / "kafka", cache)
    await broker.start()
    bootstrap = broker.bootstrap_servers
    producer = Producer(bootstrap, delivery_seconds=2.0)
    try:
        await create(bootstrap, {topic: 1})
        await producer.start()
        await producer.send(topic, b"k", b"before")
        await crash(broker)
        begun = time.monotonic()
        with pytest.raises(BrokerUnavailable):
            await producer.send(topic, b"k", b"while down")
        assert time.monotonic() - begun < 5
        with pytest.raises(BrokerUnavailable):  # at once: no producer meanwhile
            await producer.send(topic, b"k", b"while down")
        broker = EmbeddedKafka(tmp_path / "kafka", cache, port=broker.port)
        await broker.start()

        async def sent() -> bool:
            try:
                await producer.send(topic, b"k", b"after")
            except BrokerUnavailable:
                return False
            return True

        await eventually(sent, timeout=30)
        await producer.send(topic, b"k", b"after, too")
        found = [
            r.value for r in await read_until(bootstrap, topic, lambda r: r and r[-1].value == b"after, too")
        ]
        assert found[0] == b"before"
        # What was refused may have been written all the same; what was acknowledged is there once.
        assert found.count(b"after") == 1
        assert found.count(b"while down") <= 1
    finally:
        await producer.stop()
        await broker.stop()
