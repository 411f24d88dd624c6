"""The inbox process: projection, live events and HTTP on one port."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

from gateway.bus.catalogue import Catalogue
from gateway.bus.producer import Producer
from gateway.core.clock import Clock, system_clock
from gateway.inbox.api.app import make_app
from gateway.inbox.api.context import Inbox
from gateway.inbox.commands import CommandDesk
from gateway.inbox.cursors import CursorTaker
from gateway.inbox.leases import TIMING, Timing
from gateway.inbox.live import Live
from gateway.inbox.presence import Leases, Presences
from gateway.inbox.projection.follower import Follower
from gateway.inbox.projection.store import CURSORS, RESULTS, Store
from gateway.inbox.projection.worker import Projector
from gateway.inbox.replicas import Replicas
from gateway.inbox.session import Sessions, SignInLimit
from gateway.ops import serving
from gateway.settings import Settings

log = logging.getLogger(__name__)

STOP_SECONDS = 5.0
DELIVERY_SECONDS = 5.0
"""How long an agent waits for the broker before they are told that it is away."""


@dataclass(frozen=True, slots=True)
class Where:
    """What an inbox connects to."""

    bootstrap: str
    redis_url: str
    catalogue: Catalogue
    loopback: bool = True
    timing: Timing = TIMING


@dataclass(frozen=True, slots=True)
class Running:
    """An inbox that works: its parts, and the task that ends with an exception if one of them cannot go on."""

    parts: Inbox
    work: asyncio.Task[None]


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Serves the inbox on `settings.inbox_port` until `stop` is set.

    Raises what makes going on impossible: a hole in the log, a record of a newer version, missing topics.
    """
    if settings.kafka_bootstrap_servers is None or settings.redis_url is None:
        raise ValueError("The inbox needs KAFKA_BOOTSTRAP_SERVERS and REDIS_URL.")
    catalogue = Catalogue(settings.topic_prefix, partitions=settings.conversation_partitions)
    where = Where(settings.kafka_bootstrap_servers, settings.redis_url, catalogue, is_loopback(settings.host))
    async with (
        running(where, system_clock) as inbox,
        serving(make_app(inbox.parts), settings.host, settings.inbox_port),
    ):
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({inbox.work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        # Open streams would hold the server back.
        inbox.parts.live.end_streams()
        if inbox.work.done():
            inbox.work.result()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextlib.asynccontextmanager
async def running(where: Where, clock: Clock) -> AsyncIterator[Running]:
    """Everything but the HTTP server, started and in the end stopped."""
    instance = secrets.token_hex(4)
    async with contextlib.AsyncExitStack() as stack:
        parts, workers = await _parts(where, clock, instance, stack)
        stop = asyncio.Event()
        work = asyncio.create_task(_work(workers, stop))
        try:
            yield Running(parts, work)
        finally:
            stop.set()
            await asyncio.wait({work}, timeout=STOP_SECONDS)
            work.cancel()
            await asyncio.wait({work}, timeout=STOP_SECONDS)


class Worker(Protocol):
    """What works until it is told to stop."""

    async def run(self, stop: asyncio.Event) -> None:
        """Raises only when going on would make it worse."""


async def _work(workers: Sequence[Worker], stop: asyncio.Event) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            for worker in workers:
                group.create_task(worker.run(stop))
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None  # the first one tells why; the others were cancelled


async def _parts(
    where: Where, clock: Clock, instance: str, stack: contextlib.AsyncExitStack
) -> tuple[Inbox, list[Worker]]:
    catalogue, bootstrap = where.catalogue, where.bootstrap
    redis = _redis(where.redis_url)
    stack.push_async_callback(redis.aclose)

    def store() -> Store:
        # Each user keeps its own idea of the current generation.
        return Store(redis, catalogue.prefix, catalogue.partitions)

    replicas = Replicas(bootstrap, catalogue)
    stack.push_async_callback(replicas.stop)
    await replicas.start()
    producer = Producer(bootstrap, delivery_seconds=DELIVERY_SECONDS)
    stack.push_async_callback(producer.stop)
    await producer.start()
    live = Live(bootstrap, catalogue.conversations, store())
    results = store()
    desk = CommandDesk(producer, catalogue.commands, results, instance, clock)
    held = Leases(redis, catalogue.prefix)
    presences = Presences(producer, catalogue.presence, replicas, live, clock, held, instance, where.timing)
    parts = Inbox(
        bootstrap=bootstrap,
        catalogue=catalogue,
        store=store(),
        sessions=Sessions(redis, catalogue.prefix, clock),
        limit=SignInLimit(redis, catalogue.prefix),
        replicas=replicas,
        live=live,
        desk=desk,
        presences=presences,
        producer=producer,
        clock=clock,
        secure_cookies=not where.loopback,
        looks=asyncio.Semaphore(2),
    )
    cursors = store()
    count = catalogue.count
    follow_cursors = Follower(
        bootstrap,
        catalogue.agent_cursors,
        count(catalogue.spec(catalogue.agent_cursors)),
        cursors,
        CURSORS,
        CursorTaker(cursors),
    )
    follow_results = Follower(
        bootstrap, catalogue.command_results, catalogue.partitions, results, RESULTS, desk.answered
    )
    projector = Projector(
        bootstrap,
        catalogue.conversations,
        f"{catalogue.prefix}inbox-projection",
        store(),
        instance=f"inbox-{instance}",
    )
    return parts, [projector, follow_cursors, follow_results, live, presences]


def _redis(url: str) -> Redis:
    return Redis.from_url(
        url,
        socket_timeout=5,
        socket_connect_timeout=2,
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.02), 2),
        health_check_interval=15,
    )
