"""Runs the connector process against a real Kafka, and reads what it wrote."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from connectors.contract import Connector
from connectors.runner import Options, run
from gateway.bus.admin import apply_catalogue
from gateway.bus.catalogue import Catalogue
from gateway.core.clock import system_clock
from gateway.core.content import Clear, Text
from gateway.core.directory import Account, DirectoryEntry, entry_key
from gateway.core.messages import SendRequest
from gateway.settings import Settings
from gateway.wire.framing import decode, encode
from tests.runner.fake import FakeChannel

T = TypeVar("T")
SECRETS = {"env:TOKEN": "s3cret", "env:OTHER": "other"}


def resolve(reference: str) -> str:
    if reference not in SECRETS:
        raise ValueError(f"The secret {reference} is not set.")
    return SECRETS[reference]


def account(identifier: str = "acc", **changes: Any) -> Account:
    settings = {"tenant": "t", "channel": "fake", "department": "d", "credentials": {"token": "env:TOKEN"}}
    return Account(identifier, **{**settings, **changes})


@dataclass
class Bench:
    """One prefix on one broker."""

    bootstrap: str
    catalogue: Catalogue
    connectors: Sequence[Connector] = (FakeChannel(),)
    origins: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    url: str = ""

    async def put(self, *entities: Account, version: int = 1) -> None:
        records = [(entry_key(e).encode(), encode(DirectoryEntry(e, version))) for e in entities]
        await self.produce(self.catalogue.directory, records)

    async def produce(self, topic: str, records: Sequence[tuple[bytes, bytes]]) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap)
        await producer.start()
        try:
            for key, value in records:
                await producer.send_and_wait(topic, value, key=key)
        finally:
            await producer.stop()

    async def ask(self, *requests: SendRequest) -> None:
        topic = self.catalogue.outbound("fake")
        await self.produce(topic, [(r.conversation_id.encode(), encode(r)) for r in requests])

    async def raw(self, topic: str) -> list[Any]:
        """Every record of the topic, by partition and offset."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        try:
            count = self.catalogue.count(self.catalogue.spec(topic))
            tps = [TopicPartition(topic, p) for p in range(count)]
            consumer.assign(tps)
            ends = await consumer.end_offsets(tps)
            found: list[Any] = []
            while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    found += records
        finally:
            await consumer.stop()
        return sorted(found, key=lambda r: (r.partition, r.offset))

    async def read(self, topic: str, cls: type[T]) -> list[T]:
        return [decode(r.value, cls) for r in await self.raw(topic) if r.value is not None]

    async def ledger(self) -> set[str]:
        """Ids that the ledger still holds."""
        held: dict[str, Any] = {}
        for record in await self.raw(self.catalogue.outbound_ledger("fake")):
            held[record.key.decode()] = record.value
        return {key for key, value in held.items() if value is not None}

    @asynccontextmanager
    async def running(self, **options: Any) -> AsyncIterator[Bench]:
        """The process, until the block ends; then it is stopped politely."""
        stop = asyncio.Event()
        task = await self.start(stop, **options)
        try:
            yield self
        finally:
            stop.set()
            await asyncio.wait_for(task, 60)

    async def start(self, stop: asyncio.Event, **options: Any) -> asyncio.Task[None]:
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        settings = Settings(
            KAFKA_BOOTSTRAP_SERVERS=self.bootstrap,
            topic_prefix=self.catalogue.prefix,
            partitions=self.catalogue.partitions,
            connectors_port=0,
        )
        told = {
            "resolve": resolve,
            "ready": ready.set_result,
            "allowed_origins": self.origins,
            **self.options,
            **options,
        }
        task = asyncio.create_task(run(settings, self.connectors, stop, Options(**told)))
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        self.url = ready.result()
        return task

    async def post(
        self, body: Any, token: str = "s3cret", account_id: str = "acc", **extra: Any
    ) -> aiohttp.ClientResponse:
        url = f"{self.url}/webhooks/fake/{account_id}"
        async with aiohttp.ClientSession() as session:
            kind = "data" if isinstance(body, bytes) else "json"
            async with session.post(url, **{kind: body}, headers={"x-token": token}, **extra) as answer:
                await answer.read()
                return answer

    async def get(self, path: str) -> tuple[int, str]:
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as answer:
            return answer.status, await answer.text()


async def bench(bootstrap: str, prefix: str, **changes: Any) -> Bench:
    """Topics made, nothing running."""
    catalogue = Catalogue(prefix, ("fake",), 2)
    await apply_catalogue(bootstrap, catalogue)
    return Bench(bootstrap, catalogue, **changes)


def request(text: str, address: str = "491", conversation: str | None = None, **changes: Any) -> SendRequest:
    now = system_clock()
    fields: dict[str, Any] = {
        "request_id": str(uuid.uuid4()),
        "conversation_id": conversation or f"c-{address}",
        "tenant": "t",
        "channel": "fake",
        "account_id": "acc",
        "address": address,
        "address_kind": "phone",
        "message_id": str(uuid.uuid4()),
        "part": 0,
        "parts": 1,
        "attempt": 1,
        "content": Clear(Text(text)),
        "created_at": now,
        "not_after": now + 60_000,
        "cause": "cmd",
    }
    return SendRequest(**{**fields, **changes})
