"""The process of `gateway run bots`: one consumer group over events and answers, driving webhook and menu bots."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiokafka import TopicPartition

from gateway.bots.driver import REPLY_TO, Driver
from gateway.bots.memory import MemoryBook
from gateway.bots.webhook import WebhookBots
from gateway.bus.admin import check_partition_counts
from gateway.bus.catalogue import Catalogue
from gateway.bus.consumer import ConsumerSettings, OrderedConsumer
from gateway.bus.dead_letters import DeadLetterLimit, dead_letter_id
from gateway.bus.exits import Die, exit_process
from gateway.bus.producer import BrokerUnavailable, Producer
from gateway.bus.records import Headers, Record
from gateway.bus.replica import Replica
from gateway.core.capabilities import CapabilityProfile
from gateway.core.clock import Clock, system_clock
from gateway.core.commands import Command
from gateway.core.directory import Directory, DirectoryEntry
from gateway.core.messages import DeadLetter
from gateway.http import HttpClient
from gateway.ops import serving_ops
from gateway.settings import Settings, resolve_secret
from gateway.wire.errors import WireError
from gateway.wire.framing import decode, encode
from gateway.wire.headers import headers_for, type_name

log = structlog.get_logger(__name__)

GROUP = "bots"
IN_FLIGHT = 2_000
"""Conversations that may wait for their webhook bot at a time; most records need none."""
BUFFERED = 4_000
RETRY_SECONDS = 1.0


@dataclass(slots=True)
class Options:
    """What tests set."""

    clock: Clock = system_clock
    resolve: Callable[[str], str] = resolve_secret
    die: Die = exit_process
    allowed_origins: tuple[str, ...] = ()
    consumer: Mapping[str, Any] = field(default_factory=dict)


class _Facts:
    """Directory and profiles, fed by replicas."""

    def __init__(self) -> None:
        self.directory = Directory()
        self.profiles: dict[str, CapabilityProfile] = {}

    def take_directory(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self.directory = self.directory.without(key.decode())
        else:
            self.directory = self.directory.with_entity(decode(value, DirectoryEntry).entity)

    def take_profile(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self.profiles.pop(key.decode(), None)
        else:
            self.profiles[key.decode()] = decode(value, CapabilityProfile)


class _Consumer(OrderedConsumer):
    """Says when the group gave out partitions anew, so that memories are read again before the next record."""

    def __init__(self, settings: ConsumerSettings, service: _Service, die: Die) -> None:
        super().__init__(settings, service.handle, die=die)
        self._service = service

    async def assigned(self, tps: Collection[TopicPartition]) -> None:
        self._service.reassigned()
        await super().assigned(tps)


class _Service:
    """The driver with what it writes to."""

    def __init__(self, catalogue: Catalogue, producer: Producer, options: Options) -> None:
        self._catalogue = catalogue
        self._producer = producer
        self._options = options
        self._limit = DeadLetterLimit()
        self.driver: Driver | None = None
        self.book: MemoryBook | None = None
        self.memories: Replica | None = None
        self.ready = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    def reassigned(self) -> None:
        """Called by the group: returns at once; records wait until the memories are complete."""
        self.ready.clear()
        if self._reading is not None:
            self._reading.cancel()
        self._reading = asyncio.create_task(self._read_memories())

    async def _read_memories(self) -> None:
        memories, book = self.memories, self.book
        assert memories is not None  # noqa: S101 (both set before the consumer runs)
        assert book is not None  # noqa: S101
        try:
            await memories.caught_up()
        except Exception as error:  # noqa: BLE001 (die ends the process)
            self._options.die(f"the bots' memories could not be read: {error!r}", error)
        book.reassigned()
        self.ready.set()

    async def handle(self, record: Record) -> None:
        """One record; an undecodable one is put aside. Raises TooManyDead."""
        await self.ready.wait()
        assert self.driver is not None  # noqa: S101 (set before the consumer runs)
        try:
            await self.driver.handle(record)
        except WireError as error:
            await self._dead(record, error)
        else:
            self._limit.good()

    async def propose(self, command: Command, reply_to: bytes) -> None:
        kind = type_name(Command, type(command.action))
        headers = headers_for(
            command.command_id, kind, "bots", command.conversation_id, self._options.clock()
        )
        key = command.conversation_id.encode()
        await self.send(self._catalogue.commands, key, encode(command), (*headers, (REPLY_TO, reply_to)))

    async def remember(self, key: bytes, value: bytes | None) -> None:
        await self.send(self._catalogue.bot_memory, key, value)

    async def send(self, topic: str, key: bytes, value: bytes | None, headers: Headers = ()) -> None:
        """Acknowledged; a broker that is away is waited for. Raises RecordTooLarge."""
        while True:
            try:
                await self._producer.send(topic, key, value, headers)
                return
            except BrokerUnavailable:
                await asyncio.sleep(RETRY_SECONDS)

    async def _dead(self, record: Record, error: WireError) -> None:
        log.error("record put aside", topic=record.topic, offset=record.offset, error=error.reason)
        letter = DeadLetter(
            dead_id=dead_letter_id(record),
            origin_topic=record.topic,
            origin_partition=record.partition,
            origin_offset=record.offset,
            origin_key=record.key,
            reason="bots_undecodable",
            error=str(error),
            value=record.value,
            headers=dict(record.headers),
            at=self._options.clock(),
        )
        headers = (("reason", letter.reason.encode()), ("origin_topic", record.topic.encode()))
        await self.send(self._catalogue.dead, record.key, encode(letter), headers)
        self._limit.dead()


async def run(
    settings: Settings, catalogue: Catalogue, stop: asyncio.Event, options: Options | None = None
) -> None:
    """Drives the bots until `stop` is set. Raises TopicProblem, BrokerUnavailable, ReplicaBehind, OSError."""
    options = options or Options()
    bootstrap = settings.kafka_bootstrap_servers or ""
    await check_partition_counts(bootstrap, _needed(catalogue))
    facts, producer = _Facts(), Producer(bootstrap)
    service = _Service(catalogue, producer, options)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(producer.stop)
        await producer.start()
        http = await stack.enter_async_context(
            HttpClient(_origins(settings, options), max_connections=0, per_host=0)
        )
        service.memories = Replica(bootstrap, catalogue.bot_memory, _arrived(service))
        service.book = MemoryBook(service.memories.get, service.remember)
        webhooks = WebhookBots(http, options.resolve, options.clock)
        service.driver = Driver(
            catalogue,
            lambda: facts.directory,
            facts.profiles,
            service.book,
            webhooks,
            service.propose,
            options.clock,
        )
        for replica in (
            Replica(bootstrap, catalogue.directory, facts.take_directory),
            Replica(bootstrap, catalogue.capabilities, facts.take_profile),
            service.memories,
        ):
            stack.push_async_callback(replica.stop)
            await replica.start()
            await replica.caught_up()
        await stack.enter_async_context(serving_ops(settings.host, settings.bots_port, service.ready.is_set))
        await _Consumer(_consumer_settings(settings, catalogue, options), service, options.die).run(stop)


def _arrived(service: _Service) -> Callable[[bytes, bytes | None], None]:
    def arrived(key: bytes, value: bytes | None) -> None:
        if service.book is not None:
            service.book.arrived(key, value)

    return arrived


def _origins(settings: Settings, options: Options) -> set[str]:
    given = (origin.strip() for origin in settings.bots_allowed_origins.split(","))
    return {*options.allowed_origins, *(origin for origin in given if origin)}


def _needed(catalogue: Catalogue) -> dict[str, int]:
    names = {
        catalogue.conversations,
        catalogue.commands,
        catalogue.command_results,
        catalogue.dead,
        catalogue.directory,
        catalogue.capabilities,
        catalogue.bot_memory,
    }
    return {spec.name: catalogue.count(spec) for spec in catalogue.topics if spec.name in names}


def _consumer_settings(settings: Settings, catalogue: Catalogue, options: Options) -> ConsumerSettings:
    return ConsumerSettings(
        bootstrap=settings.kafka_bootstrap_servers or "",
        group=f"{catalogue.prefix}{GROUP}",
        instance=settings.instance or f"{socket.gethostname()}-{os.getpid()}",
        topics=(catalogue.conversations, catalogue.command_results),
        in_flight=IN_FLIGHT,
        buffered=BUFFERED,
        **options.consumer,
    )
