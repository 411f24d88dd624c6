"""Where a row is measured: the servers, a folder, and the gateway's services as the processes they really are."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from aiokafka.admin import NewTopic

from connectors.whatsapp import CONNECTOR
from gateway.bench import seed
from gateway.bus.admin import admin_client, apply_catalogue, partition_counts
from gateway.bus.catalogue import Catalogue
from gateway.bus.producer import Producer
from gateway.core.directory import DirectoryEntry, entry_key
from gateway.embedded import process
from gateway.settings import Settings, child_environment
from gateway.up import answers
from gateway.wire.framing import encode

Say = Callable[[str], None]
READY_SECONDS = 90.0
STOP_SECONDS = 15.0
LOOK_SECONDS = 0.05
QUICK = 0.1
SERVICES = ("log", "connectors", "processors", "inbox")


class CannotMeasure(Exception):
    """The row has no figure; the text says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """`scale` 1 = the sizes that count; less for a quick look."""

    settings: Settings
    bootstrap: str
    redis_url: str
    folder: Path
    say: Say
    scale: float = 1.0

    def count(self, full: int, least: int = 50) -> int:
        """How many of what a full run does `full` times."""
        return max(least, int(full * self.scale))

    def partitions(self, full: int) -> int:
        """How many partitions; a quick look spares the broker most of them."""
        return full if self.scale >= QUICK else 2

    def seconds(self, full: float) -> float:
        """How long to do what a full run does for `full` seconds."""
        return max(0.5, full * self.scale)

    async def deployment(self, partitions: int) -> Deployment:
        """A gateway of its own on these servers: topics and directory are there, nothing runs."""
        prefix = f"bench{uuid.uuid4().hex[:8]}."
        catalogue = Catalogue(prefix, ("whatsapp",), partitions)
        made = Deployment(self, catalogue, {name: process.free_port() for name in SERVICES})
        await apply_catalogue(self.bootstrap, catalogue)
        await made.publish_directory()
        return made

    async def bare_topics(self, partitions: int, *names: str) -> list[str]:
        """Topics for a bare loop, empty and led."""
        prefix = f"bench{uuid.uuid4().hex[:8]}."
        made = [prefix + name for name in names]
        async with admin_client(self.bootstrap) as client:
            await client.create_topics([NewTopic(name, partitions, 1) for name in made])
        async with asyncio.timeout(30):
            while len(await partition_counts(self.bootstrap, made)) < len(made):
                await asyncio.sleep(LOOK_SECONDS)
        return made

    def spawn(self, module: str, given: Mapping[str, Any]) -> Worker:
        """Starts `python -m gateway.bench.<module>` with `given` as JSON in a file."""
        name = f"{module}-{uuid.uuid4().hex[:6]}"
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps({**given, "bootstrap": self.bootstrap, "answer": f"{path}.out"}))
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            argv = (sys.executable, "-m", f"gateway.bench.{module}", str(path))
            return Worker(process.spawn(argv, output=output), Path(f"{path}.out"), log)

    async def ask(self, module: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Runs such a worker to its end and gives what it answered. Raises CannotMeasure."""
        worker = self.spawn(module, given)
        try:
            return await worker.answer()
        finally:
            await worker.stop()


@dataclass(frozen=True, slots=True)
class Worker:
    """A process of the benchmark's own."""

    process: subprocess.Popen[bytes]
    path: Path
    log: Path

    async def answer(self, seconds: float = 240.0) -> dict[str, Any]:
        """What it answers at its end. Raises CannotMeasure when it fails or takes too long."""
        ended = await process.wait_until(lambda: self.process.poll() is not None, seconds)
        if not ended or self.process.returncode or not self.path.exists():
            raise CannotMeasure(f"a worker ended with {self.process.poll()}{last_words(self)}")
        answered: dict[str, Any] = json.loads(self.path.read_text())
        return answered

    async def stop(self) -> None:
        """Ends it."""
        await process.stop(self.process, STOP_SECONDS)


def last_words(of: Worker | Service) -> str:
    """The end of its output, for a reason."""
    return f"; its last words:\n{process.last_lines(of.log, 6)}"


@dataclass(frozen=True, slots=True)
class Service:
    """A running service of the gateway."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    async def metric(self, name: str) -> float:
        """Sum of the samples of one metric."""
        return (await self.metrics(name))[name]

    async def metrics(self, *names: str) -> dict[str, float]:
        """Sums of the samples of these metrics, at one moment. Raises CannotMeasure when it does not answer."""
        found = dict.fromkeys(names, 0.0)
        try:
            page = await _page(self.port)
        except OSError as error:
            raise CannotMeasure(f"a service does not answer any more{last_words(self)}") from error
        for line in page.splitlines():
            name = line.partition("{")[0].partition(" ")[0]
            if name in found:
                found[name] += float(line.rpartition(" ")[2])
        return found

    def cpu_seconds(self) -> float:
        """Processor time it has used; 0 where /proc is missing."""
        return cpu_seconds(self.process.pid)

    def memory_bytes(self) -> int:
        """Resident memory; 0 where /proc is missing."""
        path = Path(f"/proc/{self.process.pid}/statm")
        pages = int(path.read_text().split()[1]) if path.exists() else 0
        return pages * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """Processor time of a process; 0 where /proc is missing."""
    path = Path(f"/proc/{pid}/stat")
    if not path.exists():
        return 0.0
    fields = path.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _page(port: int) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return (await reader.read()).decode()
    finally:
        writer.close()


@dataclass(frozen=True, slots=True)
class Deployment:
    """A gateway under a prefix of its own."""

    place: Place
    catalogue: Catalogue
    ports: Mapping[str, int]
    extra: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """The settings of its services."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.place.bootstrap,
            "REDIS_URL": self.place.redis_url,
            "GATEWAY_TOPIC_PREFIX": self.catalogue.prefix,
            "GATEWAY_PARTITIONS": str(self.catalogue.partitions),
            "GATEWAY_INSTANCE": "bench",
            "GATEWAY_LOG_LEVEL": "warning",
            **{f"GATEWAY_{name.upper()}_PORT": str(port) for name, port in self.ports.items()},
            **seed.SECRETS,
            **self.extra,
        }

    async def publish_directory(self) -> None:
        """Department, agent, account, and the account's profile."""
        producer = Producer(self.place.bootstrap)
        await producer.start()
        try:
            for entity in seed.entities():
                value = encode(DirectoryEntry(entity, 1))
                await producer.send(self.catalogue.directory, entry_key(entity).encode(), value)
            profile = encode(CONNECTOR.profile)
            await producer.send(self.catalogue.capabilities, seed.ACCOUNT.encode(), profile)
        finally:
            await producer.stop()

    @asynccontextmanager
    async def running(self, name: str, *arguments: str, ready: str = "/readyz") -> AsyncIterator[Service]:
        """`gateway run <arguments>`, listening on the port of `name`, until the block ends.

        Raises CannotMeasure when it ends or is not ready in time.
        """
        log = self.place.folder / f"{self.catalogue.prefix}{name}.log"
        argv = (sys.executable, "-m", "gateway.cli", "run", *arguments)
        with log.open("ab") as output:
            child = process.spawn(argv, output=output, env=child_environment(self.environment()))
        service = Service(child, self.ports[name], log)
        try:
            await _until_ready(service, name, ready)
            yield service
        finally:
            await process.stop(child, STOP_SECONDS)


async def _until_ready(service: Service, name: str, path: str) -> None:
    ready = partial(answers, service.port, path)
    if not await eventually(ready, READY_SECONDS, service.process):
        raise CannotMeasure(f"{name} did not become ready{last_words(service)}")


async def eventually(
    condition: Callable[[], Awaitable[bool]], seconds: float, child: subprocess.Popen[bytes] | None = None
) -> bool:
    """True as soon as the condition holds; False when the time is over, or the child is."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not await condition():
        dead = child is not None and child.poll() is not None
        if dead or asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(LOOK_SECONDS)
    return True
