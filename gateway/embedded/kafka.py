"""The real Apache Kafka (KRaft, one node) as a child process."""

from __future__ import annotations

import asyncio
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path
from types import TracebackType

from aiokafka import AIOKafkaClient
from aiokafka.errors import KafkaError

from gateway.embedded import process
from gateway.embedded.jars import Progress, class_path
from gateway.embedded.java import StartupCache, find_java
from gateway.embedded.process import HOST, DirectoryLock, EmbeddedError

START_SECONDS = 60.0
STOP_SECONDS = 20.0
# A port chosen by us can still be taken by another process before Java binds it.
CHOSEN_PORT_TRIES = 3

BROKER_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    # `gateway topics apply` creates topics with the right counts; nothing else may.
    "auto.create.topics.enable": "false",
    "num.partitions": "4",
    # One node: one replica of everything.
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # A quick first start: fewer internal partitions, no wait for more group members.
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    # A small machine.
    "num.network.threads": "2",
    "num.io.threads": "4",
    "log.cleaner.threads": "1",
    "log.cleaner.dedupe.buffer.size": "16777216",
    "log.cleaner.io.buffer.size": "262144",
    # The controller takes a killed broker for alive so long, and does not let the next start in before.
    "broker.heartbeat.interval.ms": "1000",
    "broker.session.timeout.ms": "5000",
}


class EmbeddedKafka:
    """One broker on 127.0.0.1, its records in `data_dir`. Use as an async context manager, or start and stop.

    `port` None = a free one is chosen. `heap` as Java's -Xmx takes it. `progress` gets lines for a person.
    """

    def __init__(
        self,
        data_dir: Path,
        cache_dir: Path,
        *,
        port: int | None = None,
        heap: str = "512m",
        java_home: Path | None = None,
        progress: Progress = lambda _line: None,
    ) -> None:
        self.data_dir = data_dir
        self.cache_dir = cache_dir
        self.wanted_port = port
        self.heap = heap
        self.java_home = java_home
        self.progress = progress
        self.log_file = data_dir / "kafka.log"
        self.port = port or 0
        self.process: subprocess.Popen[bytes] | None = None
        self._lock: DirectoryLock | None = None
        self._startup_cache: StartupCache | None = None

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect, `host:port`."""
        return f"{HOST}:{self.port}"

    async def start(self) -> None:
        """Returns when a metadata request succeeds. Raises EmbeddedError (PortTakenError) with what to do."""
        if self.wanted_port is not None:
            process.require_free_port(self.wanted_port, "Kafka")
        self._lock = DirectoryLock(self.data_dir, "Kafka")
        try:
            java = find_java(self.java_home)
            self._startup_cache = StartupCache(java, self.cache_dir)
            command = self._java_command(java.binary, await class_path(self.cache_dir, self.progress))
            for tries_left in reversed(range(1 if self.wanted_port else CHOSEN_PORT_TRIES)):
                if await self._try_start(command, last=not tries_left):
                    return
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL after 20 s; the port and the directory are free afterwards."""
        if self.process is not None:
            if self._startup_cache is not None and self._startup_cache.records:
                self.progress("Kafka: saving a cache for quicker starts while it stops (once, a few seconds)")
            await process.stop(self.process, STOP_SECONDS)
            self.process = None
            if self._startup_cache is not None:
                self._startup_cache.finish()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    async def __aenter__(self) -> EmbeddedKafka:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def healthy(self) -> bool:
        """True when the broker answers a metadata request and names itself."""
        if self.process is None or self.process.poll() is not None or not process.listening(self.port):
            return False
        client = AIOKafkaClient(bootstrap_servers=self.bootstrap_servers, request_timeout_ms=5_000)
        try:
            await client.bootstrap()
            return bool(client.cluster.brokers())
        except KafkaError:
            return False
        finally:
            await client.close()

    def _java_command(self, java: Path, jars: str) -> list[str]:
        return [
            str(java),
            f"-Xmx{self.heap}",
            "-XX:+ExitOnOutOfMemoryError",
            "-Djava.awt.headless=true",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-cp",
            jars,
        ]

    async def _try_start(self, command: list[str], *, last: bool) -> bool:
        """One attempt. False = the chosen port was taken meanwhile and another may be tried."""
        self.port = self.wanted_port or process.free_port()
        config = self._write_config()
        if not (self.data_dir / "records" / "meta.properties").exists():
            await self._format(command, config)
        assert self._lock is not None and self._startup_cache is not None  # noqa: S101, PT018 (start() set both)
        cache = self._startup_cache.arguments()
        with self.log_file.open("ab") as log:
            self.process = process.spawn(
                [*command, *cache, "kafka.Kafka", str(config)],
                output=log,
                cwd=self.data_dir,
                keep_open=[self._lock.fd],
            )
        self._lock.write_owner(self.process.pid)
        if await self._wait_ready():
            return True
        words = process.last_lines(self.log_file)
        if not last and "Address already in use" in words:
            return False
        raise EmbeddedError(f"Kafka did not start; its last words (all of them in {self.log_file}):\n{words}")

    async def _wait_ready(self) -> bool:
        assert self.process is not None  # noqa: S101 (just started)
        deadline = time.monotonic() + START_SECONDS
        while not await self.healthy():
            if self.process.poll() is not None or time.monotonic() > deadline:
                return False
            await asyncio.sleep(process.POLL_SECONDS)
        return True

    def _write_config(self) -> Path:
        controller = process.free_port()
        settings = BROKER_SETTINGS | {
            "listeners": f"PLAINTEXT://{HOST}:{self.port},CONTROLLER://{HOST}:{controller}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{self.port}",
            "controller.quorum.voters": f"1@{HOST}:{controller}",
            "log.dirs": str((self.data_dir / "records").resolve()),
        }
        path = (self.data_dir / "server.properties").resolve()
        path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        return path

    async def _format(self, command: list[str], config: Path) -> None:
        # An id may begin with a dash: then `-t ID` would be two options.
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        with self.log_file.open("ab") as log:
            format_run = process.spawn(
                [*command, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(config)],
                output=log,
            )
        try:
            await process.wait_until(lambda: format_run.poll() is not None, START_SECONDS)
        finally:
            code = await process.stop(format_run, 0)
        if code != 0:
            raise EmbeddedError(
                f"Java could not prepare {self.data_dir} for Kafka (exit {code}):\n{process.last_lines(self.log_file)}"
            )
