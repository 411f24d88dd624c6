"""The demo comes and goes: Ctrl-C leaves nothing behind, and a second start finds what was said.

Not beside the demo of the other tests: two at once are too much for two cores.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

from tests.e2e.whole.stack import AgentClient, Demo, until


def _said(demo: Demo) -> int:
    """How many messages the first scripted contact's conversation holds, once all three have written."""
    until(lambda: "Maria Costa wrote" in demo.output.read_text(encoding="utf-8"))
    agent = AgentClient(demo.inbox, "alex@example.com")
    for name in ("Lena Vogt", "Maria Costa"):
        agent.conversation(name)
    conversation = agent.conversation("田中 由紀")["id"]
    until(lambda: len(agent.messages(conversation)) % 2 == 0)  # she writes two at each start
    return len(agent.messages(conversation))


def test_ctrl_c_leaves_no_process_and_no_port(tmp_path: Path) -> None:
    own = Demo(tmp_path)
    own.start()
    assert own.process is not None
    assert _said(own) == 2
    assert own.stop() == 0
    left = [p for p in Path("/proc").iterdir() if p.name.isdigit() and _mentions(p, str(tmp_path))]
    assert left == []
    for name, port in own.ports.items():
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, f"{name} is still open"
    # A second start on the same data knows what was said.
    own.start()
    try:
        assert until(lambda: _said(own) == 4)
    finally:
        assert own.stop() == 0


def _mentions(process: Path, mark: str) -> bool:
    try:
        environment = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
    except OSError:
        return False
    return mark.encode() in environment and process.name != str(os.getpid())
