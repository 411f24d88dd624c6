"""A small `gateway up` for the tests: `supervised.py DATA_DIR PORT KIND...` with one child of each kind."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from gateway.embedded.restart import RestartPolicy
from gateway.settings import Settings
from gateway.up import Child, Endpoints, answers, up

PYTHON = sys.executable
DATA, PORT, KINDS = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]

FENCED_ONCE = """
import pathlib, sys, time
mark = pathlib.Path(sys.argv[1])
if mark.exists():
    time.sleep(600)
mark.touch()
sys.exit(75)
"""


def children(_endpoints: Endpoints) -> list[Child]:
    server = [PYTHON, "-m", "http.server", str(PORT), "--bind", "127.0.0.1", "--directory", str(DATA)]
    return [
        {
            "web": Child("web", server, ready=lambda: answers(PORT, "/"), ports=[PORT]),
            "dying": Child("dying", [PYTHON, "-c", "print('these are my last words'); raise SystemExit(3)"]),
            "stubborn": Child(
                "stubborn",
                [
                    PYTHON,
                    "-c",
                    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
                ],
            ),
            "fenced": Child("fenced", [PYTHON, "-c", FENCED_ONCE, str(DATA / "fenced")]),
        }[kind]
        for kind in KINDS
    ]


async def ready(endpoints: Endpoints) -> None:
    print(f"READY {endpoints.kafka} {endpoints.redis}", flush=True)


def say(line: str) -> None:
    print(line, flush=True)


policy = RestartPolicy(first_delay=0.05, failures=3)
sys.exit(asyncio.run(up(Settings(data_dir=DATA), children, when_ready=ready, say=say, policy=policy)))
