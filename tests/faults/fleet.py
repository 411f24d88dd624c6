"""Workers of the log as processes, a supervisor that starts the ended ones again, and faults done to them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.embedded import process as child
from tests.conversation_log.harness import QUICK, Bench

WORKER = Path(__file__).with_name("log_worker.py")
RESTART_SECONDS = 0.3
AT_MOST = 5


@dataclass
class Worker:
    """One instance and its running process. `leaving` = it ends on purpose and is not started again."""

    name: str
    process: subprocess.Popen[bytes]
    leaving: bool = False


class Fleet:
    """`exits` counts how processes ended: `exit 0` polite, `exit 75` on their own, `exit -9` killed."""

    def __init__(self, bench: Bench, folder: Path, **given: Any) -> None:
        self.workers: dict[str, Worker] = {}
        self.exits: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self._folder = folder
        self._given = {
            "bootstrap": bench.settings.kafka_bootstrap_servers,
            "prefix": bench.settings.topic_prefix,
            "partitions": bench.settings.partitions,
            "changes": {**QUICK, **given.pop("changes", {})},
        } | given
        self._freezes: set[asyncio.Task[None]] = set()

    def start(self, *names: str) -> None:
        for name in names:
            self.workers[name] = Worker(name, self._spawn(name))

    def _spawn(self, name: str) -> subprocess.Popen[bytes]:
        argv = [sys.executable, str(WORKER), json.dumps({**self._given, "instance": name})]
        with self._log(name).open("ab") as out:
            return child.spawn(argv, output=out)

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def signal(self, name: str, number: signal.Signals) -> None:
        """To one worker, if it runs."""
        process = self.workers[name].process
        if process.poll() is None:
            process.send_signal(number)

    def leave(self, *names: str) -> None:
        """Ask workers to stop for good, politely."""
        for name in names:
            self.workers[name].leaving = True
            self.signal(name, signal.SIGTERM)

    async def gone(self, seconds: float = 40.0) -> None:
        """Every worker that was told to leave has ended."""
        async with asyncio.timeout(seconds):
            while any(worker.leaving for worker in self.workers.values()):
                await asyncio.sleep(0.1)

    async def supervise(self) -> None:
        """Starts again what ended, until cancelled."""
        while True:
            for worker in list(self.workers.values()):
                code = worker.process.poll()
                if code is None:
                    continue
                self.exits[f"exit {code}"] += 1
                if worker.leaving:
                    del self.workers[worker.name]
                else:
                    worker.process = self._spawn(worker.name)
            await asyncio.sleep(RESTART_SECONDS)

    def words(self, characters: int = 4_000) -> str:
        """The end of every worker's log."""
        found = (f"--- {log.name}\n{log.read_text(errors='replace')}" for log in self._folder.glob("*.log"))
        return "\n".join(text[-characters:] for text in found)

    async def end(self) -> None:
        """Ends all of them, for the end of a test."""
        for task in self._freezes:
            task.cancel()
        for worker in self.workers.values():
            self.signal(worker.name, signal.SIGCONT)
            self.signal(worker.name, signal.SIGKILL)
            await asyncio.to_thread(worker.process.wait, 10)

    # Faults

    def hurt(self, fault: str, chance: random.Random, freezes: tuple[int, ...]) -> None:
        """One fault to a worker chosen by chance; what is not possible now is left out."""
        name = chance.choice(sorted(self.workers))
        self.done[fault] += 1
        match fault:
            case "kill":
                self.signal(name, signal.SIGKILL)
            case "term":
                self.signal(name, signal.SIGTERM)
            case "freeze":
                task = asyncio.create_task(self._freeze(name, chance.choice(freezes)))
                self._freezes.add(task)
                task.add_done_callback(self._freezes.discard)
            case "join" if len(self.workers) < AT_MOST:
                self.start(next(n for n in (f"w{i}" for i in range(AT_MOST)) if n not in self.workers))
            case "leave" if sum(not w.leaving for w in self.workers.values()) > 1:
                if not self.workers[name].leaving:
                    self.leave(name)
            case _:
                self.done[fault] -= 1

    async def _freeze(self, name: str, seconds: float) -> None:
        process = self.workers[name].process
        if process.poll() is not None:
            return
        process.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)

    async def thawed(self) -> None:
        """No worker is frozen any more."""
        await asyncio.gather(*self._freezes)


@contextlib.asynccontextmanager
async def fleet(bench: Bench, folder: Path, *names: str, **given: Any) -> AsyncIterator[Fleet]:
    """Workers with these names, supervised while the block runs."""
    made = Fleet(bench, folder, **given)
    made.start(*names)
    supervisor = asyncio.create_task(made.supervise())
    try:
        yield made
    except BaseException:
        print(dict(made.done), dict(made.exits), made.words())
        raise
    finally:
        supervisor.cancel()
        await made.end()
    print(dict(made.done), dict(made.exits))
