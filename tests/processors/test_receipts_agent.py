"""The rule `receipts` on Faust and the real Kafka, from events to proposals, through a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway import metrics
from gateway.bus.admin import apply_catalogue
from gateway.bus.catalogue import Catalogue
from gateway.core.clock import system_clock
from gateway.core.commands import Command, ReportOverdue
from gateway.core.events import ConversationEvent
from gateway.core.messages import ConnectorHealth, DeadLetter, HealthState
from gateway.core.receipts import Rung
from gateway.settings import Settings
from gateway.wire.framing import encode
from processors.app import Options, run
from tests.helpers import eventually
from tests.processors.histories import MINUTE, History, profile
from tests.runner.harness import Bench


@dataclass
class Clock:
    """The system's, moved by `offset` milliseconds."""

    offset: int = 0

    def __call__(self) -> int:
        return system_clock() + self.offset


def fatal(reason: str, error: BaseException | None = None) -> None:
    raise AssertionError(reason) from error


@pytest.fixture
async def here(kafka: str, topic_prefix: str) -> Bench:
    catalogue = Catalogue(topic_prefix, (), 2)
    await apply_catalogue(kafka, catalogue)
    return Bench(kafka, catalogue)


@asynccontextmanager
async def running(here: Bench, clock: Clock, tmp_path: Path) -> AsyncIterator[None]:
    settings = Settings(
        KAFKA_BOOTSTRAP_SERVERS=here.bootstrap,
        topic_prefix=here.catalogue.prefix,
        partitions=2,
        processors_port=0,
    )
    stop = asyncio.Event()
    options = Options(clock, {"fake": profile()}, tmp_path, fatal)  # type: ignore[arg-type]
    task = asyncio.create_task(run(settings, ["receipts"], stop, options))
    try:
        yield
        assert not task.done()
    finally:
        stop.set()
        await asyncio.wait_for(task, 60)


async def write(here: Bench, *events: ConversationEvent) -> None:
    records = [(e.conversation_id.encode(), encode(e)) for e in events]
    await here.produce(here.catalogue.conversations, records)


async def commands(here: Bench) -> list[Command]:
    return await here.read(here.catalogue.commands, Command)


async def commands_of(here: Bench, count: int) -> list[Command]:
    async def enough() -> list[Command] | None:
        found = await commands(here)
        return found if len({c.command_id for c in found}) >= count else None

    return await eventually(enough, timeout=60, every=0.3)


async def test_from_events_to_proposals_through_a_restart(here: Bench, tmp_path: Path) -> None:
    clock = Clock()
    late, fine, lost = History("c-late", "a1"), History("c-fine", "a2"), History("c-lost", "a2")
    now = system_clock()
    before = metrics.value("gateway_receipts_unmatched_total", channel="fake")
    async with running(here, clock, tmp_path):
        await write(
            here,
            late.queued(now),
            late.status(now, provider_id="p"),
            fine.queued(now),
            fine.status(now, provider_id="q"),
            fine.status(now, Rung.SENT),
            lost.parked(now),
        )
        await here.produce(here.catalogue.conversations, [(b"c-bad", b"rubbish")])
        await eventually(lambda: _dead(here), timeout=60, every=0.3)
        assert await commands(here) == []

        clock.offset = 6 * MINUTE
        [found] = await commands_of(here, 1)
        assert found.action == ReportOverdue("m", 1, 0, Rung.SENT)
        assert found.conversation_id == "c-late"

        clock.offset = 31 * MINUTE
        states = await eventually(lambda: _health(here), timeout=30, every=0.3)
        assert states == [("a1", HealthState.DEGRADED)]
        unmatched = metrics.value("gateway_receipts_unmatched_total", channel="fake") - before
        assert unmatched == 1

    async with running(here, clock, tmp_path):
        # The table came back: both rungs are overdue now; what was proposed before has the same id.
        clock.offset = 61 * MINUTE
        found_all = await commands_of(here, 3)
        assert {(c.conversation_id, c.action.rung) for c in found_all} == {  # type: ignore[union-attr]
            ("c-late", Rung.SENT),
            ("c-late", Rung.DELIVERED),
            ("c-fine", Rung.DELIVERED),
        }
        await write(here, late.status(system_clock() + clock.offset, Rung.SENT))

        async def healthy() -> bool:
            return (await _health(here))[-1] == ("a1", HealthState.HEALTHY)

        await eventually(healthy, timeout=30, every=0.3)


async def _dead(here: Bench) -> list[DeadLetter]:
    return await here.read(here.catalogue.dead, DeadLetter)


async def _health(here: Bench) -> list[tuple[str, HealthState]]:
    found: list[Any] = await here.read(here.catalogue.health, ConnectorHealth)
    return [(h.account_id, h.state) for h in found]
