"""One demo for all tests of the whole way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.whole.stack import AgentClient, Demo


@pytest.fixture(scope="package")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A running demo; nothing of it may be left afterwards (asserted by the test of Ctrl-C too)."""
    running = Demo(tmp_path_factory.mktemp("demo"))
    running.start()
    yield running
    if running.process is not None and running.process.poll() is None:
        running.stop()


@pytest.fixture
def agent(demo: Demo) -> AgentClient:
    """An agent who is signed in."""
    return AgentClient(demo.inbox, "misaki@example.com")
