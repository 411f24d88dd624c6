"""The process: one or several connectors on one producer, one directory replica and one HTTP port."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from connectors.contract import Connector
from connectors.runner.accounts import Accounts
from connectors.runner.alias_table import AliasTable, Shared
from connectors.runner.app import application, bind, make_server
from connectors.runner.feed import Feed, FeedPorts, FeedSettings
from connectors.runner.holding import Ledger
from connectors.runner.intake import Intake
from connectors.runner.records import dead_record, inbound_record
from connectors.runner.sender import Sender
from connectors.runner.watch import AccountWatch
from connectors.runner.webhook import Webhooks
from gateway.bus.admin import check_partition_counts
from gateway.bus.catalogue import Catalogue
from gateway.bus.dead_letters import DeadLetterLimit
from gateway.bus.producer import BrokerUnavailable, Producer
from gateway.bus.replica import Replica, ReplicaBehind
from gateway.core import ids
from gateway.core.clock import Clock, system_clock
from gateway.core.messages import DeadLetter, Receipt
from gateway.http import HttpClient
from gateway.settings import Settings, resolve_secret

log = structlog.get_logger(__name__)

START_SECONDS = 120.0
MISS_SECONDS = 5.0
RETRY_SECONDS = 1.0

Ready = Callable[[str], None]


@dataclass(slots=True)
class Options:
    """What tests and `gateway up` may set; `ready` gets the base URL once webhooks are taken."""

    clock: Clock = system_clock
    dice: Callable[[], float] = random.random
    resolve: Callable[[str], str] = resolve_secret
    allowed_origins: tuple[str, ...] = ()
    ready: Ready = lambda _url: None
    session: float = 10.0
    instance: str = ""


async def run(
    settings: Settings, connectors: Sequence[Connector], stop: asyncio.Event, options: Options | None = None
) -> None:
    """Serves the connectors until `stop` is set, then finishes what is on its way.

    Raises TopicProblem when the topics are not as they must be, OSError when the port is taken, and what
    ended the process otherwise.
    """
    options = options or Options(instance=settings.instance or "")
    bootstrap = settings.kafka_bootstrap_servers
    if bootstrap is None:
        raise ValueError("KAFKA_BOOTSTRAP_SERVERS is not set; `gateway up` brings its own Kafka.")
    channels = tuple(connector.channel for connector in connectors)
    catalogue = Catalogue(settings.topic_prefix, channels, settings.conversation_partitions)
    await check_partition_counts(bootstrap, _needed(catalogue))
    listening = bind(settings.host, settings.connectors_port)
    try:
        async with _parts(bootstrap, catalogue, connectors, options, settings) as parts:
            await _serve(parts, listening, stop, options)
    finally:
        listening.close()


def _needed(catalogue: Catalogue) -> dict[str, int]:
    names = {
        catalogue.inbound,
        catalogue.receipts,
        catalogue.dead,
        catalogue.directory,
        catalogue.health,
        catalogue.capabilities,
        catalogue.contact_aliases,
        *(catalogue.outbound(channel) for channel in catalogue.channels),
        *(catalogue.outbound_ledger(channel) for channel in catalogue.channels),
    }
    return {spec.name: catalogue.count(spec) for spec in catalogue.topics if spec.name in names}


@dataclass(slots=True)
class _Parts:
    producer: Producer
    watch: AccountWatch
    webhooks: Webhooks
    feeds: list[Feed]
    following: Callable[[], bool]
    failed: asyncio.Future[None]


@asynccontextmanager
async def _parts(
    bootstrap: str,
    catalogue: Catalogue,
    connectors: Sequence[Connector],
    options: Options,
    settings: Settings,
) -> AsyncIterator[_Parts]:
    """Everything that has to be opened and closed, opened."""
    by_channel = {connector.channel: connector for connector in connectors}
    producer = Producer(bootstrap)
    accounts = Accounts(by_channel, options.resolve)
    watch = AccountWatch(accounts, catalogue, producer.send, options.clock)
    table = AliasTable()
    directory = Replica(bootstrap, catalogue.directory, watch.take)
    aliases = Replica(bootstrap, catalogue.contact_aliases, table.take)
    origins = {*options.allowed_origins, f"http://127.0.0.1:{settings.simulators_port}"}
    caught_up = False
    try:
        await producer.start()
        await directory.start()
        await aliases.start()
        await directory.caught_up(START_SECONDS)
        await aliases.caught_up(START_SECONDS)
        caught_up = True
        intake = Intake(catalogue, producer.send, table.lookup, Shared(_believable(aliases)), table.learn)
        webhooks = Webhooks(by_channel, accounts, intake, options.clock, lambda: caught_up)
        async with HttpClient(origins, per_host=0, max_connections=0) as http:
            failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            feeds = [
                _feed(bootstrap, catalogue, connector, producer, watch, http, options, failed)
                for connector in connectors
            ]
            yield _Parts(producer, watch, webhooks, feeds, lambda: caught_up, failed)
    finally:
        await directory.stop()
        await aliases.stop()
        await producer.stop()


def _believable(aliases: Replica) -> Callable[[], Coroutine[Any, Any, None]]:
    async def wait() -> None:
        try:
            await aliases.caught_up(MISS_SECONDS)
        except ReplicaBehind as error:
            raise BrokerUnavailable(str(error)) from error

    return wait


def _feed(
    bootstrap: str,
    catalogue: Catalogue,
    connector: Connector,
    producer: Producer,
    watch: AccountWatch,
    http: HttpClient,
    options: Options,
    failed: asyncio.Future[None],
) -> Feed:
    # A name that stays over a restart gets the same partitions back; two processes must not share one.
    instance = options.instance or f"{socket.gethostname()}-{os.getpid()}"
    topic = catalogue.outbound(connector.channel)
    settings = FeedSettings(
        bootstrap=bootstrap,
        group=f"{catalogue.prefix}connector-{connector.channel}",
        instance=instance,
        topic=topic,
        ledger_topic=catalogue.outbound_ledger(connector.channel),
        session=options.session,
        heartbeat=options.session / 3.3,
    )

    async def report(receipt: Receipt) -> None:
        record = inbound_record(catalogue, receipt)
        await producer.send(record.topic, record.key, record.value, record.headers)

    limit = DeadLetterLimit()

    async def dead(record: Any, error: BaseException) -> None:
        letter = _dead_letter(record, error, options.clock())
        while True:
            try:
                out = dead_record(catalogue, letter)
                await producer.send(out.topic, out.key, out.value, out.headers)
                break
            except BrokerUnavailable:
                await asyncio.sleep(RETRY_SECONDS)
        limit.dead()

    def fail(error: BaseException) -> None:
        if not failed.done():
            failed.set_exception(error)

    ledger = Ledger(catalogue, connector.channel, instance, producer.send, options.clock)
    sender = Sender(connector, watch, http, report, options.clock, options.dice)
    return Feed(settings, sender, ledger, FeedPorts(report, dead, fail))


def _dead_letter(record: Any, error: BaseException, now: int) -> DeadLetter:
    return DeadLetter(
        dead_id=ids.derive("dead", record.topic, str(record.partition), str(record.offset)),
        origin_topic=record.topic,
        origin_partition=record.partition,
        origin_offset=record.offset,
        origin_key=record.key or b"",
        reason="undecodable",
        error=str(error),
        value=record.value or b"",
        headers=dict(record.headers),
        at=now,
    )


async def _serve(parts: _Parts, listening: socket.socket, stop: asyncio.Event, options: Options) -> None:
    """Runs server and feeds until `stop` or until one of them fails; then stops the rest politely."""
    stopping = asyncio.Event()

    def ready() -> Mapping[str, bool]:
        return {
            "directory": parts.following(),
            "broker": parts.producer.available,
            **{f"outbound.{feed.settings.topic}": feed.ready for feed in parts.feeds},
        }

    server = make_server(application(parts.webhooks, ready))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    feeding = [asyncio.create_task(feed.run(stopping)) for feed in parts.feeds]
    watching = asyncio.create_task(parts.watch.run())
    stopped = asyncio.create_task(stop.wait())
    announcing = asyncio.create_task(_announce(server, listening, options.ready))
    every: set[asyncio.Future[Any]] = {serving, *feeding, watching, stopped, announcing}
    try:
        await asyncio.wait(every - {announcing} | {parts.failed}, return_when=asyncio.FIRST_COMPLETED)
        stopping.set()
        server.should_exit = True
        ended = await asyncio.gather(serving, *feeding, return_exceptions=True)
    finally:
        for task in every:
            task.cancel()
        await asyncio.gather(*every, return_exceptions=True)
        for listener in server.servers if server.started else ():
            listener.close()  # before its socket; only a cancelled server has not done it itself
    _raise_first([*ended, *([parts.failed.exception()] if parts.failed.done() else [])])
    if not stop.is_set():
        raise RuntimeError("a part of the connector process ended by itself")


def _raise_first(results: Sequence[object]) -> None:
    for result in results:
        if isinstance(result, BaseException):
            raise result


async def _announce(server: Any, listening: socket.socket, ready: Ready) -> None:
    while not server.started:
        await asyncio.sleep(0.02)
    host, port = listening.getsockname()[:2]
    # What is there now stays; the collector need not look at it again and again.
    gc.freeze()
    log.info("webhooks are taken", port=port)
    ready(f"http://{host}:{port}")
