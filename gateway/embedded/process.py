"""Start, watch and stop one child process; find and check ports; keep a directory to one instance."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import fcntl
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

HOST = "127.0.0.1"
POLL_SECONDS = 0.05
# Below the kernel's range for outgoing connections, so that a chosen port is not taken between choice and bind.
FREE_PORTS = range(20_000, 32_000)

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform.startswith("linux") else None


class EmbeddedError(RuntimeError):
    """An embedded service cannot run; the message says why and what to do."""


class PortTakenError(EmbeddedError):
    """Somebody else listens on the port that was asked for."""


def port_is_free(port: int, host: str = HOST) -> bool:
    """True when a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def require_free_port(port: int, what: str, host: str = HOST) -> None:
    """Refuse early and plainly. Raises PortTakenError."""
    if not port_is_free(port, host):
        raise PortTakenError(
            f"Port {port} on {host}, wanted for {what}, is taken by another process. "
            f"Stop that process (`ss -ltnp 'sport = :{port}'` shows it) or choose another port."
        )


def free_port(host: str = HOST) -> int:
    """A port that nobody listens on. Raises EmbeddedError when 200 tries find none."""
    for _ in range(200):
        port = random.choice(FREE_PORTS)  # noqa: S311 (no secret)
        if port_is_free(port, host):
            return port
    raise EmbeddedError(f"No free port found on {host} between {FREE_PORTS.start} and {FREE_PORTS.stop}.")


def _guard(parent: int) -> Callable[[], None]:
    """Runs in the child before exec: the kernel kills it when its parent dies.

    Linux only. Elsewhere a parent that is killed outright leaves the child behind; a polite stop never does.
    """

    def die_with_parent() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

    return die_with_parent


def spawn(
    argv: Sequence[str | Path],
    *,
    output: IO[bytes] | int,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    keep_open: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own (Ctrl-C reaches only us) that cannot outlive us.

    Call it from the main thread: the kernel's guard is bound to the thread that starts the child.
    `output` takes stdout and stderr; `keep_open` are file descriptors that the child inherits.
    """
    return subprocess.Popen(
        [str(part) for part in argv],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=None if env is None else dict(env),
        cwd=cwd,
        pass_fds=tuple(keep_open),
        start_new_session=True,
        preexec_fn=_guard(os.getpid()),  # noqa: PLW1509 (two system calls, no lock)
    )


async def stop(process: subprocess.Popen[bytes], grace_seconds: float) -> int:
    """SIGTERM, wait up to the grace, then SIGKILL. Returns the exit code (negative = signal)."""
    if process.poll() is None:
        process.terminate()
        if not await wait_until(lambda: process.poll() is not None, grace_seconds):
            # The child leads a session of its own: what it started goes with it.
            os.killpg(process.pid, signal.SIGKILL)
    while (code := process.poll()) is None:
        await asyncio.sleep(POLL_SECONDS)
    return code


async def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """True as soon as the condition holds, False when the time is over."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)
    return True


def listening(port: int, host: str = HOST) -> bool:
    """True when something accepts a connection on the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) == 0


def last_lines(path: Path, count: int = 15) -> str:
    """The end of a log file, for an error message; empty when there is none."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 16_384))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-count:])


class DirectoryLock:
    """Keeps a data directory to one instance, as long as we or a child that inherited `fd` live."""

    def __init__(self, directory: Path, what: str) -> None:
        """Takes the lock. Raises EmbeddedError when another instance has it."""
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / "lock"
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(self.fd, 32).decode(errors="replace").strip() or "unknown"
            os.close(self.fd)
            raise EmbeddedError(
                f"Another {what} (process {owner}) uses {directory}. "
                "Stop it, or give this one a directory of its own with GATEWAY_DATA_DIR."
            ) from None
        self.write_owner(os.getpid())

    def write_owner(self, pid: int) -> None:
        """Names the process that the error message shows to a second instance."""
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, str(pid).encode(), 0)

    def release(self) -> None:
        """Gives the directory free."""
        os.close(self.fd)
