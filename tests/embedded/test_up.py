"""The supervisor as a whole: what it says, and that it leaves no process and no open port."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from gateway.embedded import process
from tests.helpers import eventually

SCRIPT = Path(__file__).with_name("supervised.py")
ROOT = SCRIPT.parent.parent.parent


class Run:
    """One started supervisor and what it printed so far."""

    def __init__(self, data: Path, port: int, *kinds: str, **env: str) -> None:
        self.output = data.with_suffix(".out")
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(SCRIPT), str(data), str(port), *kinds],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONPATH": str(ROOT)} | env,
            )

    def text(self) -> str:
        return self.output.read_text()

    async def until(self, words: str) -> str:
        def said() -> str:
            assert self.process.poll() is None or words in self.text(), self.text()
            return self.text() if words in self.text() else ""

        return await eventually(said, 60)

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    async def exit_code(self) -> int:
        await eventually(lambda: self.process.poll() is not None, 60)
        return self.process.returncode


Start = Callable[..., Run]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    runs: list[Run] = []

    def begin(*kinds: str, port: int, data: str = "data", **env: str) -> Run:
        (tmp_path / data).mkdir(exist_ok=True)
        runs.append(Run(tmp_path / data, port, *kinds, **env))
        return runs[-1]

    yield begin
    for run in runs:
        if run.process.poll() is None:
            run.process.kill()
            run.process.wait()


@pytest.fixture
def external(kafka: str, redis_url: str) -> dict[str, str]:
    """With these nothing embedded starts."""
    return {"KAFKA_BOOTSTRAP_SERVERS": kafka, "REDIS_URL": redis_url}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_no_process_and_no_port_is_left(start: Start, how: signal.Signals) -> None:
    port = process.free_port()
    run = start("web", port=port)
    ready = re.search(r"READY 127.0.0.1:(\d+) redis://127.0.0.1:(\d+)", await run.until("READY"))
    assert ready is not None
    ports = [port, *(int(found) for found in ready.groups())]
    assert all(process.listening(port) for port in ports)
    family = run.family()
    assert {"java", "redis-server"} <= {member.name() for member in family}

    run.process.send_signal(how)

    assert await run.exit_code() == (-signal.SIGKILL if how == signal.SIGKILL else 0)
    await eventually(lambda: not any(member.is_running() for member in family))
    assert not any(process.listening(port) for port in ports)


async def test_nothing_embedded_starts_with_external_clusters(start: Start, external: dict[str, str]) -> None:
    run = start("web", port=process.free_port(), **external)
    said = await run.until("READY")
    assert f"READY {external['KAFKA_BOOTSTRAP_SERVERS']} {external['REDIS_URL']}" in said
    assert len(run.family()) == 1


async def test_a_stop_during_the_start_leaves_nothing(start: Start) -> None:
    run = start("web", port=process.free_port())
    await eventually(lambda: any(member.name() == "java" for member in run.family()), 60)
    family = run.family()
    run.process.send_signal(signal.SIGINT)
    assert await run.exit_code() == 0
    assert not any(member.is_running() for member in family)


async def test_a_child_that_keeps_dying_stops_the_whole(start: Start, external: dict[str, str]) -> None:
    port = process.free_port()
    run = start("web", "dying", port=port, **external)
    assert await run.exit_code() == 1
    said = run.text()
    assert said.count("dying ended (exit code 3), starts again in") == 2
    assert "Stopped: dying keeps dying: it ended 3 times within 120 s, last with exit code 3" in said
    assert said.rstrip().endswith("these are my last words")
    assert not process.listening(port)


async def test_a_killed_child_comes_back(start: Start, external: dict[str, str]) -> None:
    port = process.free_port()
    run = start("web", port=port, **external)
    await run.until("READY")
    run.family()[0].kill()
    await run.until("web ended (killed by signal 9), starts again in 0.1 s")
    await eventually(lambda: process.listening(port))


async def test_a_fenced_child_starts_again_at_once(start: Start, external: dict[str, str]) -> None:
    run = start("fenced", port=process.free_port(), **external)
    await run.until("fenced ended (exit code 75), starts again in 0.0 s")
    await eventually(lambda: len(run.family()) == 1)


async def test_a_child_that_ignores_sigterm_is_killed(
    start: Start, external: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    child = process.spawn(
        [
            sys.executable,
            "-c",
            "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
        ],
        output=subprocess.DEVNULL,
    )
    mask = Path(f"/proc/{child.pid}/status")
    await eventually(
        lambda: int(mask.read_text().split("SigIgn:")[1].split()[0], 16) & (1 << (signal.SIGTERM - 1))
    )
    assert await process.stop(child, 0.2) == -signal.SIGKILL


async def test_a_taken_port_is_told_before_anything_runs_on_it(
    start: Start, external: dict[str, str]
) -> None:
    port = process.free_port()
    server = await asyncio.start_server(lambda _reader, _writer: None, process.HOST, port)
    async with server:
        run = start("web", port=port, **external)
        assert await run.exit_code() == 1
    assert f"Stopped: Port {port} on 127.0.0.1, wanted for web, is taken by another process." in run.text()


async def test_a_second_instance_on_the_same_data_is_refused(start: Start) -> None:
    first = start("web", port=process.free_port())
    await first.until("READY")
    second = start("web", port=process.free_port())
    assert await second.exit_code() == 1
    assert re.search(r"Stopped: Another (Kafka|Redis) \(process \d+\) uses ", second.text())
    assert first.process.poll() is None
