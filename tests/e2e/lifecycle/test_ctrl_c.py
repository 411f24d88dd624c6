"""The demo comes and goes: Ctrl-C leaves nothing behind, and a second start finds what was said.

Not beside the demo of the other tests: two at once are too much for two cores.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

from tests.e2e.whole.stack import AgentClient, Demo


def test_ctrl_c_leaves_no_process_and_no_port(tmp_path: Path) -> None:
    own = Demo(tmp_path)
    own.start()
    assert own.process is not None
    mark = str(tmp_path)
    assert own.stop() == 0
    left = [p for p in Path("/proc").iterdir() if p.name.isdigit() and _mentions(p, mark)]
    assert left == []
    for name, port in own.ports.items():
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, f"{name} is still open"
    # A second start on the same data knows what was said.
    own.start()
    try:
        names = {
            c["contact"]["name"]
            for c in AgentClient(own.inbox, "alex@example.com")("GET", "/conversations?view=all")[
                "conversations"
            ]
        }
        assert {"田中 由紀", "Lena Vogt", "Maria Costa"} <= names
    finally:
        assert own.stop() == 0


def _mentions(process: Path, mark: str) -> bool:
    try:
        environment = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
    except OSError:
        return False
    return mark.encode() in environment and process.name != str(os.getpid())
