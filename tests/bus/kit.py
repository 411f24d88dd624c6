"""What the bus tests share: topics, writing, reading, workers as processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from gateway.bus import admin
from gateway.bus.partition_loop import PartitionLoop
from gateway.embedded.kafka import EmbeddedKafka

from .loop_worker import Counting, settings

WORKER = Path(__file__).with_name("loop_worker.py")
INPUTS = ("in", "rc", "cm")
STATE_CONFIG = {"cleanup.policy": "compact"}


class Died(BaseException):
    """What a test's `die` raises; a BaseException, as the end of a process would be."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Deaths:
    """A `die` for loops inside the test's process."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def __call__(self, reason: str, error: BaseException | None = None) -> Any:
        self.reasons.append(reason)
        raise Died(reason)


async def create(
    bootstrap: str, topics: Mapping[str, int], configs: Mapping[str, dict[str, str]] | None = None
) -> None:
    wanted = [admin.Wanted(name, count, (configs or {}).get(name, {})) for name, count in topics.items()]
    await admin.apply(bootstrap, admin.plan({}, wanted))


async def create_loop_topics(bootstrap: str, prefix: str, count: int, **configs: dict[str, str]) -> None:
    names = [*INPUTS, "out", "dead", "state"]
    given = {f"{prefix}{name}": config for name, config in ({"state": STATE_CONFIG} | configs).items()}
    await create(bootstrap, {f"{prefix}{name}": count for name in names}, given)


@contextlib.asynccontextmanager
async def writer(bootstrap: str, **changed: Any) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, **({"acks": "all", "linger_ms": 2} | changed))
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def put(
    bootstrap: str, topic: str, *records: tuple[bytes, bytes], partition: int | None = None
) -> None:
    async with writer(bootstrap) as producer:
        for key, value in records:
            await producer.send_and_wait(topic, key=key, value=value, partition=partition)


async def read_until(
    bootstrap: str,
    topic: str,
    done: Callable[[list[Any]], bool],
    seconds: float = 30.0,
    isolation: str = "read_committed",
) -> list[Any]:
    """Records of a topic from its beginning, until `done` says so; fails when it does not in time."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=None,
        auto_offset_reset="earliest",
        isolation_level=isolation,
        fetch_max_wait_ms=50,
    )
    await consumer.start()
    found: list[Any] = []
    try:
        deadline = time.monotonic() + seconds
        while not done(found):
            assert time.monotonic() < deadline, (
                f"{topic}: only {len(found)} records: {[r.value for r in found][-20:]}"
            )
            for records in (await consumer.getmany(timeout_ms=100)).values():
                found.extend(records)
    finally:
        await consumer.stop()
    return found


async def read_count(bootstrap: str, topic: str, count: int, seconds: float = 30.0) -> list[bytes]:
    """The values of exactly so many records; fails when there are more."""
    found = await read_until(bootstrap, topic, lambda r: len(r) >= count, seconds)
    assert len(found) == count, [r.value for r in found]
    return [r.value for r in found]


async def ends(bootstrap: str, topic: str, count: int) -> dict[int, int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None)
    await consumer.start()
    try:
        found = await consumer.end_offsets([TopicPartition(topic, n) for n in range(count)])
    finally:
        await consumer.stop()
    return {tp.partition: end for tp, end in found.items()}


@contextlib.asynccontextmanager
async def running(bootstrap: str, prefix: str, **changed: Any) -> AsyncIterator[PartitionLoop]:
    """A loop in this process; stopped politely at the end."""
    loop = PartitionLoop(settings(bootstrap, prefix, **changed), Counting(f"{prefix}out"), die=Deaths())
    stop = asyncio.Event()
    task = asyncio.create_task(loop.run(stop))
    try:
        yield loop
    finally:
        stop.set()
        await asyncio.wait_for(task, 20)


class Worker:
    """A loop as a process."""

    def __init__(self, log: Path, bootstrap: str, prefix: str, **given: Any) -> None:
        self.log = log
        self._arguments = json.dumps({"bootstrap": bootstrap, "prefix": prefix} | given)
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as out:
            return subprocess.Popen(
                [sys.executable, str(WORKER), self._arguments],
                stdout=out,
                stderr=subprocess.STDOUT,
                env=dict(os.environ),
            )

    def restart_if_ended(self) -> int | None:
        """Starts it again if it ended; returns the exit code then."""
        code = self.process.poll()
        if code is not None:
            self.process = self._start()
        return code

    async def ended(self, seconds: float = 30.0) -> int:
        """The exit code."""
        return await asyncio.to_thread(self.process.wait, seconds)

    def signal(self, number: signal.Signals) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)

    def words(self) -> str:
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGKILL)
        self.process.wait(10)


async def crash(broker: EmbeddedKafka) -> None:
    """Ends a broker without a farewell."""
    assert broker.process is not None
    broker.process.kill()
    await broker.stop()


def values(records: Sequence[Any]) -> list[bytes]:
    return [r.value for r in records]
