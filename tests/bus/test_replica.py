"""The replica of a compacted topic."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.bus.producer import Producer
from gateway.bus.replica import Replica, ReplicaBehind
from gateway.embedded.kafka import EmbeddedKafka
from gateway.settings import Settings
from tests.helpers import eventually

from .kit import crash, create, put, writer

COMPACTED = {"cleanup.policy": "compact"}


async def test_holds_the_last_value_and_follows(kafka: str, topic_prefix: str) -> None:
    topic = f"{topic_prefix}t"
    await create(kafka, {topic: 3}, {topic: COMPACTED})
    seen: list[tuple[bytes, bytes | None]] = []
    await put(kafka, topic, (b"a", b"1"), (b"b", b"1"), (b"a", b"2"))
    replica = Replica(kafka, topic, lambda key, value: seen.append((key, value)))
    await replica.start()
    await replica.caught_up()
    assert dict(replica.data) == {b"a": b"2", b"b": b"1"}
    producer = Producer(kafka)
    await producer.start()
    await producer.send(topic, b"b", None)
    await producer.send(topic, b"c", b"3")
    await replica.caught_up()  # what was written before this call is there after it
    assert dict(replica.data) == {b"a": b"2", b"c": b"3"}
    assert replica.get(b"c") == b"3"
    assert seen[-2:] in ([(b"b", None), (b"c", b"3")], [(b"c", b"3"), (b"b", None)])
    await producer.stop()
    await replica.stop()


async def test_an_empty_topic_is_caught_up_at_once(kafka: str, topic_prefix: str) -> None:
    topic = f"{topic_prefix}t"
    await create(kafka, {topic: 2}, {topic: COMPACTED})
    replica = Replica(kafka, topic)
    await replica.start()
    await replica.caught_up(10)
    assert not replica.data
    await replica.stop()


async def test_aborted_records_are_not_seen_and_markers_do_not_hold_it(kafka: str, topic_prefix: str) -> None:
    topic = f"{topic_prefix}t"
    await create(kafka, {topic: 1}, {topic: COMPACTED})
    async with writer(kafka, transactional_id=f"{topic_prefix}w") as producer:
        for value, end in ((b"1", producer.commit_transaction), (b"2", producer.abort_transaction)):
            await producer.begin_transaction()
            await producer.send_and_wait(topic, key=b"k", value=value)
            await end()
    replica = Replica(kafka, topic)
    await replica.start()
    await replica.caught_up(15)
    assert replica.get(b"k") == b"1"
    await replica.stop()


async def test_a_failing_callback_ends_it_and_is_raised(kafka: str, topic_prefix: str) -> None:
    topic = f"{topic_prefix}t"
    await create(kafka, {topic: 1}, {topic: COMPACTED})
    await put(kafka, topic, (b"k", b"1"))

    def fail(key: bytes, value: bytes | None) -> None:
        raise ValueError("cannot be used")

    replica = Replica(kafka, topic, fail)
    await replica.start()
    with pytest.raises(ValueError, match="cannot be used"):
        await replica.caught_up()
    with pytest.raises(ValueError, match="cannot be used"):
        await replica.stop()


async def test_a_callback_that_fails_later_ends_the_process(kafka: str, topic_prefix: str) -> None:
    topic = f"{topic_prefix}t"
    await create(kafka, {topic: 1}, {topic: COMPACTED})
    deaths: list[str] = []

    def fail(key: bytes, value: bytes | None) -> None:
        raise ValueError("cannot be used")

    replica = Replica(kafka, topic, fail, die=lambda reason, error: deaths.append(reason))  # type: ignore[arg-type, return-value]
    await replica.start()
    await replica.caught_up()
    await put(kafka, topic, (b"k", b"1"))
    await eventually(lambda: deaths)
    assert deaths == [f"the replica of {topic} failed: cannot be used"]


async def test_a_missing_topic_is_named(kafka: str, topic_prefix: str) -> None:
    from gateway.bus.admin import TopicProblem

    replica = Replica(kafka, f"{topic_prefix}nothing")
    await replica.start()
    with pytest.raises(TopicProblem, match="nothing does not exist"):
        await replica.caught_up(20)
    with pytest.raises(TopicProblem):
        await replica.stop()


async def test_reads_on_after_the_broker_came_back(tmp_path: Path, topic_prefix: str) -> None:
    topic = f"{topic_prefix}t"
    cache = Settings().cache_dir
    broker = EmbeddedKafka(tmp_path / "kafka", cache)
    await broker.start()
    replica = Replica(broker.bootstrap_servers, topic)
    try:
        await create(broker.bootstrap_servers, {topic: 1}, {topic: COMPACTED})
        await put(broker.bootstrap_servers, topic, (b"a", b"1"))
        await replica.start()
        await replica.caught_up()
        await crash(broker)
        with pytest.raises(ReplicaBehind):
            await replica.caught_up(0.5)
        broker = EmbeddedKafka(tmp_path / "kafka", cache, port=broker.port)
        await broker.start()
        await put(broker.bootstrap_servers, topic, (b"b", b"2"))

        async def current() -> bool:
            await asyncio.wait_for(replica.caught_up(20), 25)
            return dict(replica.data) == {b"a": b"1", b"b": b"2"}

        assert await eventually(current, timeout=40)
    finally:
        await replica.stop()
        await broker.stop()
