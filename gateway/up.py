"""The supervisor behind `gateway up`: Kafka, Redis and the services as child processes of one command."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from gateway.embedded import process
from gateway.embedded.kafka import EmbeddedKafka
from gateway.embedded.process import EmbeddedError
from gateway.embedded.redis import EmbeddedRedis
from gateway.embedded.restart import ExitHistory, GiveUp, RestartPolicy, after_exit, describe_exit
from gateway.settings import Settings, child_environment

Say = Callable[[str], None]
WATCH_SECONDS = 0.1
STOP_SECONDS = 10.0
_PRINT: Say = partial(print, flush=True)
_POLICY = RestartPolicy()


@dataclass(frozen=True)
class Endpoints:
    """Where Kafka and Redis are."""

    kafka: str
    redis: str

    def environment(self) -> dict[str, str]:
        """The settings that lead a child there."""
        return {"KAFKA_BOOTSTRAP_SERVERS": self.kafka, "REDIS_URL": self.redis}


@dataclass(frozen=True)
class Child:
    """One service: its command, what it adds to the environment, when it is ready, the ports it will take."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], Awaitable[bool]] | None = None
    ready_seconds: float = 60.0
    ports: Sequence[int] = ()


class GaveUpError(RuntimeError):
    """A child cannot be kept running; the message says which, why, and its last words."""


async def answers(port: int, path: str = "/readyz", host: str = process.HOST) -> bool:
    """True when an HTTP server on this machine answers the path with 200."""
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


async def up(
    settings: Settings,
    children: Callable[[Endpoints], Sequence[Child]],
    *,
    prepare: Callable[[Endpoints], Awaitable[None]] | None = None,
    when_ready: Callable[[Endpoints], Awaitable[None]] | None = None,
    say: Say = _PRINT,
    policy: RestartPolicy = _POLICY,
) -> int:
    """Runs everything until SIGINT, SIGTERM or SIGHUP (returns 0) or until a child keeps dying (returns 1).

    `prepare` runs when Kafka and Redis answer (topics), `when_ready` when all children are ready; both are
    cancelled at the end. Nothing is left behind in either case.
    """
    work = asyncio.create_task(_run(settings, children, prepare, when_ready, say, policy))
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in signals:
        loop.add_signal_handler(number, lambda: _ask_to_stop(work, say))
    try:
        await work
    except asyncio.CancelledError:
        if not work.cancelled():
            raise
        say("Stopped.")
        return 0
    except Exception as error:
        cause = _cause(error)
        if not isinstance(cause, EmbeddedError | GaveUpError):
            raise
        say(f"Stopped: {cause}")
        return 1
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
    return 0


def _ask_to_stop(work: asyncio.Task[None], say: Say) -> None:
    if not work.cancelling():  # a second signal must not break the orderly end
        say("Stopping …")
        work.cancel()


async def _run(
    settings: Settings,
    children: Callable[[Endpoints], Sequence[Child]],
    prepare: Callable[[Endpoints], Awaitable[None]] | None,
    when_ready: Callable[[Endpoints], Awaitable[None]] | None,
    say: Say,
    policy: RestartPolicy,
) -> None:
    async with AsyncExitStack() as stack:
        endpoints, servers = await _start_servers(settings, stack, say)
        if prepare is not None:
            await prepare(endpoints)
        keepers = [
            Keeper(child, endpoints, settings.data_dir / "logs", policy, say) for child in children(endpoints)
        ]
        for keeper in keepers:
            keeper.require_ports()
        stack.push_async_callback(_stop_all, keepers)
        for keeper in keepers:
            keeper.start()
        async with asyncio.TaskGroup() as tasks:
            for server in servers:
                tasks.create_task(_keep_server(server, policy, say))
            for keeper in keepers:
                tasks.create_task(keeper.keep())
            tasks.create_task(_announce(keepers, endpoints, when_ready))


async def _announce(
    keepers: Sequence[Keeper], endpoints: Endpoints, when_ready: Callable[[Endpoints], Awaitable[None]] | None
) -> None:
    async with asyncio.TaskGroup() as tasks:
        for keeper in keepers:
            tasks.create_task(keeper.wait_ready())
    if when_ready is not None:
        await when_ready(endpoints)


def _cause(error: BaseException) -> BaseException:
    """The first error of a task group: the others are its followers."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _stop_all(keepers: Sequence[Keeper]) -> None:
    await asyncio.gather(*(keeper.stop() for keeper in keepers))


async def _start_servers(
    settings: Settings, stack: AsyncExitStack, say: Say
) -> tuple[Endpoints, list[EmbeddedKafka | EmbeddedRedis]]:
    """Starts what is not given from outside; both at the same time."""
    servers: list[EmbeddedKafka | EmbeddedRedis] = []
    kafka, redis = settings.kafka_bootstrap_servers, settings.redis_url
    if kafka is None:
        embedded_kafka = EmbeddedKafka(
            settings.data_dir / "kafka",
            settings.cache_dir,
            port=settings.kafka_port,
            heap=settings.kafka_heap,
            java_home=settings.java_home,
            progress=say,
        )
        servers.append(embedded_kafka)
    if redis is None:
        embedded_redis = EmbeddedRedis(settings.data_dir / "redis", port=settings.redis_port)
        servers.append(embedded_redis)
    for server in servers:
        stack.push_async_callback(server.stop)
    async with asyncio.TaskGroup() as tasks:
        for server in servers:
            tasks.create_task(_start_server(server, say))
    endpoints = Endpoints(kafka or embedded_kafka.bootstrap_servers, redis or embedded_redis.url)
    for name, given, place in (("Kafka", kafka, endpoints.kafka), ("Redis", redis, "REDIS_URL")):
        if given:
            say(f"{name}: using {place}")
    return endpoints, servers


async def _start_server(server: EmbeddedKafka | EmbeddedRedis, say: Say) -> None:
    began = time.monotonic()
    name = type(server).__name__.removeprefix("Embedded")
    say(f"{name}: starting, data in {server.data_dir}")
    await server.start()
    say(f"{name}: ready on {process.HOST}:{server.port} after {time.monotonic() - began:.1f} s")


async def _keep_server(server: EmbeddedKafka | EmbeddedRedis, policy: RestartPolicy, say: Say) -> None:
    """Starts it again on the same port when it ends. Raises GaveUpError when it keeps dying."""
    name = type(server).__name__.removeprefix("Embedded")
    history = ExitHistory()
    server.wanted_port = server.port
    while server.process is not None:
        code = server.process.poll()
        if code is None:
            await asyncio.sleep(WATCH_SECONDS)
            continue
        history, verdict = after_exit(policy, history, code, time.monotonic())
        words = f"its last words, from {server.log_file}:\n{process.last_lines(server.log_file)}"
        if isinstance(verdict, GiveUp):
            raise GaveUpError(f"{name} keeps dying: {verdict.reason}; {words}")
        say(f"{name} ended ({describe_exit(code)}), starts again; {words}")
        await server.stop()
        await asyncio.sleep(verdict.delay)
        await _start_server(server, say)


class Keeper:
    """Keeps one child running; its output goes to `<logs>/<name>.log`."""

    def __init__(
        self, child: Child, endpoints: Endpoints, logs: Path, policy: RestartPolicy, say: Say
    ) -> None:
        self.child = child
        self.policy = policy
        self.say = say
        self.log_file = logs / f"{child.name}.log"
        self.env = child_environment({"PYTHONUNBUFFERED": "1", **endpoints.environment(), **child.env})
        self.process: subprocess.Popen[bytes] | None = None

    def require_ports(self) -> None:
        """Raises PortTakenError when another process listens where the child wants to."""
        for port in self.child.ports:
            process.require_free_port(port, self.child.name)

    def start(self) -> None:
        """Starts the child; the log file of the last time is replaced."""
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        self.log_file.unlink(missing_ok=True)
        self._spawn()

    def _spawn(self) -> None:
        with self.log_file.open("ab") as log:
            self.process = process.spawn(self.child.argv, output=log, env=self.env)

    async def wait_ready(self) -> None:
        """Returns when the child says that it is ready. Raises GaveUpError when its time is over."""
        began = time.monotonic()
        while self.child.ready is not None and not await self.child.ready():
            if time.monotonic() - began > self.child.ready_seconds:
                raise GaveUpError(self._words(f"was not ready within {self.child.ready_seconds:.0f} s"))
            await asyncio.sleep(WATCH_SECONDS)
        self.say(f"{self.child.name}: ready after {time.monotonic() - began:.1f} s")

    async def keep(self) -> None:
        """Starts the child again whenever it exits. Raises GaveUpError when it keeps dying."""
        history = ExitHistory()
        while True:
            code = await self._exit_code()
            history, verdict = after_exit(self.policy, history, code, time.monotonic())
            if isinstance(verdict, GiveUp):
                raise GaveUpError(self._words(f"keeps dying: {verdict.reason}"))
            self.say(self._words(f"ended ({describe_exit(code)}), starts again in {verdict.delay:.1f} s"))
            await asyncio.sleep(verdict.delay)
            self._spawn()

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL after 10 s."""
        if self.process is not None:
            await process.stop(self.process, STOP_SECONDS)

    async def _exit_code(self) -> int:
        while self.process is None or (code := self.process.poll()) is None:
            await asyncio.sleep(WATCH_SECONDS)
        return code

    def _words(self, what: str) -> str:
        return f"{self.child.name} {what}; its last words, from {self.log_file}:\n{process.last_lines(self.log_file)}"
