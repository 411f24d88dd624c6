"""The transactional loop on the real Kafka."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import OffsetAndMetadata

from gateway.bus.partition_loop import PartitionLoop
from gateway.bus.partitioner import partition_for
from tests.helpers import eventually

from .kit import (
    Deaths,
    Died,
    Worker,
    create,
    create_loop_topics,
    put,
    read_count,
    read_until,
    running,
    values,
    writer,
)
from .loop_worker import Counting, settings


@pytest.fixture
def worker(kafka: str, topic_prefix: str, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    started: list[Worker] = []

    def start(**given: Any) -> Worker:
        each = Worker(tmp_path / f"worker{len(started)}.log", kafka, topic_prefix, **given)
        started.append(each)
        return each

    yield start
    for each in started:
        each.kill()


async def exit_reason(loop: PartitionLoop) -> str:
    """Runs a loop that must end itself; returns the reason."""
    with pytest.raises(Died) as died:
        await asyncio.wait_for(loop.run(asyncio.Event()), 60)
    await bury(loop)
    return died.value.reason


async def bury(loop: PartitionLoop) -> None:
    """In a process of its own the loop would be gone; here its consumer must be made to leave the group."""
    for task in list(loop._tasks):
        task.cancel()
    if loop._consumer is not None:
        await loop._consumer.stop()


async def test_decides_in_order_and_goes_on_where_it_was(kafka: str, topic_prefix: str) -> None:
    await create_loop_topics(kafka, topic_prefix, 3)
    keys = [b"k%d" % i for i in range(7)]
    for part in range(2):
        async with running(kafka, topic_prefix):
            for topic in ("in", "rc", "cm"):
                await put(kafka, f"{topic_prefix}{topic}", *[(key, b"%d" % part) for key in keys])
            found = await read_count(kafka, f"{topic_prefix}out", 21 * (part + 1))
    per_key = sorted(int(v.split(b"|")[1]) for v in found)
    assert per_key == sorted(list(range(1, 7)) * 7)


async def test_outputs_state_and_position_share_the_partition(kafka: str, topic_prefix: str) -> None:
    await create_loop_topics(kafka, topic_prefix, 4)
    key = b"some conversation"
    async with running(kafka, topic_prefix) as loop:
        await put(kafka, f"{topic_prefix}in", (key, b"a"))
        out = await read_until(kafka, f"{topic_prefix}out", bool)
        state = await read_until(kafka, f"{topic_prefix}state", lambda r: len(r) == 2)
        await eventually(lambda: loop.ready)
    number = partition_for(key, 4)
    assert {r.partition for r in (*out, *state)} == {number}
    assert json.loads(state[1].value)["positions"] == {f"{topic_prefix}in": 1}


async def test_aborted_input_is_not_seen(kafka: str, topic_prefix: str) -> None:
    await create_loop_topics(kafka, topic_prefix, 1)
    async with writer(kafka, transactional_id=f"{topic_prefix}w") as producer:
        for text in (b"aborted", b"committed"):
            await producer.begin_transaction()
            await producer.send_and_wait(f"{topic_prefix}in", key=b"k", value=text)
            await (producer.abort_transaction() if text == b"aborted" else producer.commit_transaction())
    async with running(kafka, topic_prefix):
        assert await read_count(kafka, f"{topic_prefix}out", 1) == [b"committed|1|0"]


async def test_a_killed_worker_loses_and_doubles_nothing(
    kafka: str, topic_prefix: str, worker: Callable[..., Worker]
) -> None:
    await create_loop_topics(kafka, topic_prefix, 2)
    count = 3_000
    first = worker(max_poll_records=50)
    async with writer(kafka) as producer:
        for i in range(count):
            await producer.send(f"{topic_prefix}in", key=b"k%d" % (i % 20), value=b"%d" % i)
    await read_until(kafka, f"{topic_prefix}out", lambda r: len(r) > count // 10)
    first.signal(signal.SIGKILL)
    worker(max_poll_records=50)
    found = await read_count(kafka, f"{topic_prefix}out", count, seconds=60)
    assert len({v.split(b"|")[0] for v in found}) == count


async def test_sigterm_leaves_at_once(kafka: str, topic_prefix: str, worker: Callable[..., Worker]) -> None:
    await create_loop_topics(kafka, topic_prefix, 2)
    first = worker(instance="a", session_ms=30_000, rebalance_ms=40_000)
    await put(kafka, f"{topic_prefix}in", (b"k", b"a"))
    await read_count(kafka, f"{topic_prefix}out", 1)
    first.signal(signal.SIGTERM)
    assert await first.ended(15) == 0
    # Had it not left the group, the session of 30 s would have to pass first.
    async with running(kafka, topic_prefix, instance="b"):
        await put(kafka, f"{topic_prefix}in", (b"k", b"b"))
        assert (await read_count(kafka, f"{topic_prefix}out", 2, seconds=15))[1] == b"b|2|0"


async def test_a_batch_refused_inside_a_transaction_ends_the_process_and_nothing_is_lost(
    kafka: str, topic_prefix: str, worker: Callable[..., Worker]
) -> None:
    await create_loop_topics(kafka, topic_prefix, 1, out={"max.message.bytes": "2000"})
    await put(kafka, f"{topic_prefix}in", *[(b"k", b"a" * 500)] * 3, (b"k", b"b" * 3_000), (b"k", b"c" * 500))
    refused = worker()
    assert await refused.ended(60) == 75
    assert "MessageSizeTooLargeError" in refused.words()
    async with AIOKafkaAdmin(kafka) as admin:
        await admin.set_topic(f"{topic_prefix}out", {"max.message.bytes": "100000"})
    worker()
    found = await read_count(kafka, f"{topic_prefix}out", 5, seconds=60)
    assert [v.split(b"|")[1] for v in found] == [b"1", b"2", b"3", b"4", b"5"]


class AIOKafkaAdmin:
    """Changes a topic's settings."""

    def __init__(self, bootstrap: str) -> None:
        self.client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)

    async def __aenter__(self) -> AIOKafkaAdmin:
        await self.client.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()

    async def set_topic(self, topic: str, configs: dict[str, str]) -> None:
        from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

        await self.client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs)])

    async def cut(self, topic: str, partition: int, before: int) -> None:
        await self.client.delete_records({TopicPartition(topic, partition): RecordsToDelete(before)})


async def test_group_offsets_do_not_matter(kafka: str, topic_prefix: str) -> None:
    """Expired, or set by hand to nonsense: the position in the state topic decides."""
    await create_loop_topics(kafka, topic_prefix, 1)
    async with running(kafka, topic_prefix):
        await put(kafka, f"{topic_prefix}in", *[(b"k", b"%d" % i) for i in range(5)])
        await read_count(kafka, f"{topic_prefix}out", 5)
    from aiokafka import AIOKafkaConsumer

    other = AIOKafkaConsumer(bootstrap_servers=kafka, group_id=f"{topic_prefix}log", enable_auto_commit=False)
    await other.start()
    other.assign([TopicPartition(f"{topic_prefix}in", 0)])
    await other.commit({TopicPartition(f"{topic_prefix}in", 0): OffsetAndMetadata(2, "")})
    await other.stop()
    async with running(kafka, topic_prefix):
        await put(kafka, f"{topic_prefix}in", (b"k", b"5"))
        assert (await read_count(kafka, f"{topic_prefix}out", 6))[5] == b"5|6|0"


async def test_group_offsets_are_written_for_lag_tools(kafka: str, topic_prefix: str) -> None:
    await create_loop_topics(kafka, topic_prefix, 1)
    async with running(kafka, topic_prefix, group_commit_seconds=0.2) as loop:
        await put(kafka, f"{topic_prefix}in", (b"k", b"0"), (b"k", b"1"))
        await eventually(lambda: loop.ready)
        tp = TopicPartition(f"{topic_prefix}in", 0)

        async def committed() -> bool:
            return await loop.consumer.committed(tp) == 2

        await eventually(committed)


async def test_input_cut_off_before_it_was_read_is_refused_unless_accepted(
    kafka: str, topic_prefix: str
) -> None:
    await create_loop_topics(kafka, topic_prefix, 1)
    async with running(kafka, topic_prefix):
        await put(kafka, f"{topic_prefix}in", (b"k", b"0"), (b"k", b"1"))
        await read_count(kafka, f"{topic_prefix}out", 2)
    await put(kafka, f"{topic_prefix}in", *[(b"k", b"%d" % i) for i in range(2, 6)])
    async with AIOKafkaAdmin(kafka) as admin:
        await admin.cut(f"{topic_prefix}in", 0, 5)
    config = settings(kafka, topic_prefix)
    assert "3 records were deleted before they were read" in await background_death(config, topic_prefix)
    async with running(kafka, topic_prefix, accept_lost_input=True):
        assert (await read_count(kafka, f"{topic_prefix}out", 3))[2] == b"5|3|0"
    state = await read_until(
        kafka, f"{topic_prefix}state", lambda r: b'"lost":[{' in r[-1].value if r else False
    )
    lost = json.loads(state[-1].value)["lost"]
    assert lost == [{"topic": f"{topic_prefix}in", "from": 2, "to": 5}]
    async with running(kafka, topic_prefix):
        await put(kafka, f"{topic_prefix}in", (b"k", b"6"))
        assert (await read_count(kafka, f"{topic_prefix}out", 4))[3] == b"6|4|0"


async def background_death(config: Any, prefix: str) -> str:
    """The reason why a loop ends that finds out while it opens a partition."""
    deaths = Deaths()
    loop = PartitionLoop(config, Counting(f"{prefix}out"), die=deaths)
    stop = asyncio.Event()
    task = asyncio.create_task(loop.run(stop))
    await eventually(lambda: deaths.reasons, timeout=60)
    stop.set()
    await task
    return deaths.reasons[0]


async def test_state_without_position_is_refused(kafka: str, topic_prefix: str) -> None:
    await create_loop_topics(kafka, topic_prefix, 1)
    await put(kafka, f"{topic_prefix}state", (b"k", b"1 0"))
    assert "no @position" in await background_death(settings(kafka, topic_prefix), topic_prefix)


async def test_a_topic_made_anew_is_refused(kafka: str, topic_prefix: str) -> None:
    await create_loop_topics(kafka, topic_prefix, 1)
    position = {"v": 1, "positions": {f"{topic_prefix}in": 7}, "counters": {}, "dead": {}, "lost": []}
    await put(kafka, f"{topic_prefix}state", (b"@position", json.dumps(position).encode()))
    assert "made anew" in await background_death(settings(kafka, topic_prefix), topic_prefix)


async def test_a_hanging_transaction_on_the_state_topic_is_named(kafka: str, topic_prefix: str) -> None:
    await create_loop_topics(kafka, topic_prefix, 1)
    async with writer(
        kafka, transactional_id=f"{topic_prefix}stranger", transaction_timeout_ms=60_000
    ) as stranger:
        await stranger.begin_transaction()
        await stranger.send_and_wait(f"{topic_prefix}state", key=b"k", value=b"1 0")
        reason = await background_death(settings(kafka, topic_prefix, hanging_seconds=1.0), topic_prefix)
        assert f"{topic_prefix}state/0: a transaction is open at offset 0" in reason
        await stranger.abort_transaction()
    async with running(kafka, topic_prefix):
        await put(kafka, f"{topic_prefix}in", (b"k", b"a"))
        await read_count(kafka, f"{topic_prefix}out", 1)


@pytest.mark.parametrize("odd", ["in", "state", "out"])
async def test_another_partition_count_is_refused(kafka: str, topic_prefix: str, odd: str) -> None:
    counts = {f"{topic_prefix}{name}": 2 for name in ("in", "rc", "cm", "out", "dead", "state")}
    await create(kafka, counts | {f"{topic_prefix}{odd}": 3})
    loop = PartitionLoop(settings(kafka, topic_prefix), Counting("out"), die=Deaths())
    assert "partitions, not" in await exit_reason(loop)


async def test_a_group_with_other_topics_is_refused_with_the_reason(kafka: str, topic_prefix: str) -> None:
    await create_loop_topics(kafka, topic_prefix, 2)
    inputs = tuple(f"{topic_prefix}{t}" for t in ("in", "rc", "cm"))
    loops = [
        PartitionLoop(
            settings(kafka, topic_prefix, instance=f"w{n}", inputs=inputs[:n]), Counting("out"), die=Deaths()
        )
        for n in (2, 3)
    ]
    tasks = [asyncio.create_task(loop.run(asyncio.Event())) for loop in loops]
    # The group's leader ends with the reason; either of the two may be it.
    ended, _ = await asyncio.wait(tasks, timeout=30, return_when=asyncio.FIRST_COMPLETED)
    assert "different topics" in str(ended.pop().exception())
    for task, loop in zip(tasks, loops, strict=True):
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await bury(loop)


async def test_poison_parks_one_conversation_and_an_operator_frees_it(kafka: str, topic_prefix: str) -> None:
    await create_loop_topics(kafka, topic_prefix, 1)
    async with running(kafka, topic_prefix):
        await put(kafka, f"{topic_prefix}in", (b"bad", b"poison"), (b"bad", b"b"), (b"good", b"a"))
        assert await read_count(kafka, f"{topic_prefix}out", 1) == [b"a|1|0"]
        dead = await read_until(kafka, f"{topic_prefix}dead", bool)
        letter = json.loads(dead[0].value)
        assert (letter["reason"], letter["topic"], letter["offset"]) == ("poison", f"{topic_prefix}in", 0)
        assert dead[0].key == b"bad"
    async with running(kafka, topic_prefix):  # what is parked survives a restart
        await put(kafka, f"{topic_prefix}cm", (b"bad", b"control:discard"), (b"bad", b"control:retry"))
        found = await read_count(kafka, f"{topic_prefix}out", 4)
        assert found[1:] == [b"discard 0 1 1", b"b|1|0", b"retry 1 0 0"]


async def test_timers_that_are_due_are_decided_once_and_not_while_parked(
    kafka: str, topic_prefix: str
) -> None:
    await create_loop_topics(kafka, topic_prefix, 1)
    async with running(kafka, topic_prefix, timer_seconds=0.1) as loop:
        await put(kafka, f"{topic_prefix}in", (b"a", b"x"), (b"bad", b"poison"))
        await read_count(kafka, f"{topic_prefix}dead", 1)
        loop.logic.overdue.extend([b"a", b"bad"])  # type: ignore[attr-defined]
        assert (await read_count(kafka, f"{topic_prefix}out", 2))[1] == b"timer|1"
        await put(kafka, f"{topic_prefix}in", (b"a", b"y"))
        assert (await read_count(kafka, f"{topic_prefix}out", 3))[2] == b"y|102|0"


async def test_more_than_one_batch_in_a_transaction(kafka: str, topic_prefix: str) -> None:
    await create_loop_topics(kafka, topic_prefix, 1)
    await put(
        kafka, f"{topic_prefix}in", *[(b"k%d" % (i % 3), b"%03d" % i + b"x" * 100_000) for i in range(30)]
    )
    async with running(kafka, topic_prefix):
        found = await read_count(kafka, f"{topic_prefix}out", 30)
    assert [v[:3] for v in found] == [b"%03d" % i for i in range(30)]


async def test_an_output_to_a_topic_with_another_count_goes_by_key(kafka: str, topic_prefix: str) -> None:
    await create_loop_topics(kafka, topic_prefix, 1)
    other = f"{topic_prefix}other"
    await create(kafka, {other: 5})
    loop = PartitionLoop(
        settings(kafka, topic_prefix, other_topics={other: 5}), Counting(other), die=Deaths()
    )
    stop = asyncio.Event()
    task = asyncio.create_task(loop.run(stop))
    await put(kafka, f"{topic_prefix}in", *[(b"k%d" % i, b"a") for i in range(20)])
    for record in await read_until(kafka, other, lambda r: len(r) == 20):
        assert record.partition == partition_for(record.key, 5)
    stop.set()
    await task


async def test_restores_what_compaction_left(kafka: str, topic_prefix: str) -> None:
    compacting = {
        "cleanup.policy": "compact",
        "segment.ms": "500",
        "min.cleanable.dirty.ratio": "0.01",
        "max.compaction.lag.ms": "100",
        "segment.bytes": "1048576",
    }
    await create_loop_topics(kafka, topic_prefix, 1, state=compacting)
    for part in range(4):
        async with running(kafka, topic_prefix):
            await put(kafka, f"{topic_prefix}in", *[(b"k%d" % (i % 5), b"a") for i in range(25)])
            found = await read_count(kafka, f"{topic_prefix}out", 25 * (part + 1))
    assert found[-5:] == [b"a|20|0"] * 5


async def test_too_many_dead_letters_stop_the_worker_and_not_the_topic(kafka: str, topic_prefix: str) -> None:
    await create_loop_topics(kafka, topic_prefix, 1)
    await put(kafka, f"{topic_prefix}in", *[(b"k%d" % i, b"poison") for i in range(30)])
    config = settings(kafka, topic_prefix, limits={"in_a_row": 20})
    for _ in range(2):  # a restart does not begin to count anew
        loop = PartitionLoop(config, Counting(f"{topic_prefix}out"), die=Deaths())
        assert "20 records in a row" in await exit_reason(loop)
    async with running(kafka, topic_prefix, limits={"in_a_row": 40}):
        assert len(await read_count(kafka, f"{topic_prefix}dead", 30)) == 30


async def test_two_workers_share_and_take_over(kafka: str, topic_prefix: str) -> None:
    await create_loop_topics(kafka, topic_prefix, 4)
    async with running(kafka, topic_prefix, instance="a") as first:
        await eventually(lambda: first.ready and len(first.partitions) == 4)
        async with running(kafka, topic_prefix, instance="b") as second:
            await eventually(lambda: first.ready and second.ready and len(second.partitions) == 2, timeout=30)
            assert set(first.partitions) | set(second.partitions) == set(range(4))
            await put(kafka, f"{topic_prefix}in", *[(b"k%d" % i, b"a") for i in range(40)])
            await read_count(kafka, f"{topic_prefix}out", 40)
        await eventually(lambda: first.ready and len(first.partitions) == 4, timeout=30)
        await put(kafka, f"{topic_prefix}in", *[(b"k%d" % i, b"b") for i in range(40)])
        found = await read_count(kafka, f"{topic_prefix}out", 80)
    assert sorted(v for v in found if v.startswith(b"b")) == [b"b|2|0"] * 40


async def test_a_fenced_worker_ends_itself(kafka: str, topic_prefix: str) -> None:
    await create_loop_topics(kafka, topic_prefix, 1)
    loop = PartitionLoop(settings(kafka, topic_prefix), Counting(f"{topic_prefix}out"), die=Deaths())
    dying = asyncio.create_task(exit_reason(loop))
    await eventually(lambda: loop.ready and loop.partitions)
    other = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=f"{topic_prefix}log-0")
    await other.start()
    await put(kafka, f"{topic_prefix}in", (b"k", b"a"))
    assert "the loop of" in await dying
    await other.stop()
    assert not values(await read_until(kafka, f"{topic_prefix}out", lambda _: True))


async def test_a_stalled_partition_ends_the_process(kafka: str, topic_prefix: str) -> None:
    await create_loop_topics(kafka, topic_prefix, 1)
    deaths = Deaths()
    loop = PartitionLoop(
        settings(kafka, topic_prefix, stall_seconds=1.0), Counting(f"{topic_prefix}out"), die=deaths
    )
    stop = asyncio.Event()
    task = asyncio.create_task(loop.run(stop))
    await eventually(lambda: loop.ready and loop.partitions)
    # As if aiokafka had forgotten to fetch it.
    loop.consumer.pause(*[TopicPartition(f"{topic_prefix}{t}", 0) for t in ("in", "rc", "cm")])
    await put(kafka, f"{topic_prefix}in", (b"k", b"a"))
    await eventually(lambda: deaths.reasons, timeout=20)
    assert "partition 0 is not being read" in deaths.reasons[0]
    stop.set()
    await task
