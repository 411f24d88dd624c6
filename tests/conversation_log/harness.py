"""The conversation log on a real Kafka, in this process: topics, directory, feeding and reading."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition

from gateway.bus.admin import apply_catalogue
from gateway.bus.catalogue import Catalogue
from gateway.bus.producer import Producer
from gateway.conversation_log import process
from gateway.core.commands import Command
from gateway.core.directory import Directory, DirectoryEntry, entry_key
from gateway.core.messages import InboundEvent, Receipt
from gateway.settings import Settings
from gateway.wire.framing import decode, encode
from tests.core.build import ACCOUNT, CHANNEL, DIRECTORY, PROFILE
from tests.helpers import eventually

T = TypeVar("T")
QUICK = {"session_ms": 6_000, "heartbeat_ms": 1_000, "rebalance_ms": 8_000}


def died(reason: str, error: BaseException | None = None) -> NoReturn:
    """What a test's loop does instead of ending the process."""
    raise AssertionError(f"the log died: {reason}") from error


@dataclass
class Bench:
    """One cluster's topics under one prefix, and a producer."""

    settings: Settings
    catalogue: Catalogue
    producer: Producer
    directory: Directory = field(default_factory=lambda: DIRECTORY)

    async def feed(self, *given: InboundEvent | Receipt | Command, headers: Any = ()) -> None:
        """Put records on their topics, acknowledged."""
        await asyncio.gather(*(self._send(one, headers) for one in given))

    async def _send(self, one: InboundEvent | Receipt | Command, headers: Any) -> None:
        topic = {InboundEvent: "inbound", Receipt: "receipts", Command: "commands"}[type(one)]
        await self.producer.send(
            getattr(self.catalogue, topic), one.conversation_id.encode(), encode(one), headers
        )

    async def publish_directory(self) -> None:
        """Directory and profile as the log needs them."""
        d = self.directory
        for entity in (*d.departments.values(), *d.agents.values(), *d.accounts.values(), *d.bots.values()):
            key = entry_key(entity).encode()
            await self.producer.send(self.catalogue.directory, key, encode(DirectoryEntry(entity, 1)))
        await self.producer.send(self.catalogue.capabilities, ACCOUNT.encode(), encode(PROFILE))

    async def read(self, topic: str, cls: type[T]) -> list[T]:
        """Every committed record of a topic so far, per partition in order."""
        return [decode(r.value, cls) for r in await self.records(topic)]

    async def records(self, topic: str) -> list[Any]:
        """Every committed record of a topic so far, raw."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.settings.kafka_bootstrap_servers,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        await consumer.start()
        try:
            tps = [TopicPartition(topic, p) for p in range(self.catalogue.count(self.catalogue.spec(topic)))]
            consumer.assign(tps)
            ends = await consumer.end_offsets(tps)
            await consumer.seek_to_beginning(*tps)
            found: list[Any] = []
            for tp in tps:
                while await consumer.position(tp) < ends[tp]:
                    for records in (await consumer.getmany(timeout_ms=200)).values():
                        found.extend(records)
            return sorted(found, key=lambda r: (r.partition, r.offset))
        finally:
            await consumer.stop()

    async def count(self, topic: str, number: int, timeout: float = 30.0) -> list[Any]:
        """Wait until a topic holds this many committed records, and give them."""

        async def enough() -> list[Any]:
            found = await self.records(topic)
            assert len(found) >= number, f"{len(found)} of {number}"
            return found

        return await eventually(enough, timeout, every=0.2)

    @contextlib.asynccontextmanager
    async def running(self, **changes: object) -> AsyncIterator[None]:
        """The log, running in this process."""
        stop = asyncio.Event()
        task = asyncio.create_task(
            process.run(
                self.settings, self.catalogue, stop, instance="one", die=died, changes={**QUICK, **changes}
            )
        )
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait_for(task, 30)


@contextlib.asynccontextmanager
async def bench(kafka: str, prefix: str, partitions: int = 4) -> AsyncIterator[Bench]:
    """Topics made, directory published, producer open."""
    settings = Settings(kafka_bootstrap_servers=kafka, topic_prefix=prefix, partitions=partitions)
    catalogue = Catalogue(prefix, (CHANNEL,), partitions)
    await apply_catalogue(kafka, catalogue)
    producer = Producer(kafka)
    await producer.start()
    try:
        made = Bench(settings, catalogue, producer)
        await made.publish_directory()
        yield made
    finally:
        await producer.stop()
