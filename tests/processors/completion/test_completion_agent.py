"""The rule `completion` and the log's own net on the real Kafka: deadlines of many, a killed worker, no worker."""

from __future__ import annotations

import statistics
from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from gateway.core.clock import system_clock
from tests.conversation_log.harness import Bench, bench
from tests.core.build import HOUR
from tests.helpers import LONG_RUN, eventually
from tests.processors.completion.crowd import (
    COMPLETED,
    WITH_BOT,
    Clock,
    Watcher,
    Worker,
    answered_in,
    awaiting,
    proposals,
    the_log,
    traffic,
    watching,
)

MANY, RATE = (100_000, 500) if LONG_RUN else (2_000, 200)
PATIENCE = 60 + MANY / 100
FRESH = 1_000_000


@pytest.fixture
async def here(kafka: str, topic_prefix: str) -> AsyncIterator[Bench]:
    async with bench(kafka, topic_prefix) as made:
        made.directory = WITH_BOT
        await made.publish_directory()
        yield made


def waiting_clock() -> Clock:
    """An hour ago, for ten seconds: whatever is done by it gets a deadline within the next ten seconds."""
    return Clock(offset=-HOUR, ceiling=system_clock() - HOUR + 10_000)


def once_each(watcher: Watcher, keys: Sequence[bytes]) -> bool:
    completed = watcher.seen[COMPLETED]
    return {key: completed[key] for key in keys} == dict.fromkeys(keys, 1)


def keeps_the_rate(times: Sequence[int], rate: int) -> bool:
    """In every second at most what one second allows, and what a starved worker had asked for or saved up before."""
    return all(bisect_right(times, at + 1_000) - n <= 2 * rate for n, at in enumerate(times))


async def test_a_killed_worker_completes_nobody_twice_and_holds_nobody_up(
    here: Bench, tmp_path: Path
) -> None:
    clock = waiting_clock()
    async with watching(here) as watcher, the_log(here, clock):
        keys = await awaiting(here, watcher, MANY, PATIENCE)
        async with traffic(here, RATE):
            usual = [await answered_in(here, watcher, FRESH + n) for n in range(10)]
        # All deadlines are reached, and stay within the grace of the log's own net: what completes is the rule.
        clock.offset, clock.ceiling = 0, (clock.ceiling or 0) + HOUR + 30_000
        worker = Worker(here, RATE, tmp_path)
        await eventually(lambda: watcher.count(COMPLETED) > MANY // 4, PATIENCE)
        busy = [await answered_in(here, watcher, FRESH + n) for n in range(10, 14)]
        worker.kill()
        first = await proposals(here)
        assert len(first) < MANY
        worker = Worker(here, RATE, tmp_path)
        await eventually(lambda: watcher.count(COMPLETED) > len(first), PATIENCE)
        busy += [await answered_in(here, watcher, FRESH + n) for n in range(14, 18)]
        await eventually(lambda: watcher.count(COMPLETED) >= MANY, PATIENCE)
        worker.kill()
        every = [record.timestamp for record in await proposals(here)]
    assert once_each(watcher, keys)
    assert sum(watcher.seen[COMPLETED].values()) == MANY
    assert keeps_the_rate(every[: len(first)], RATE)
    assert keeps_the_rate(every[len(first) :], RATE)
    # Usual is what it takes while so many people write as conversations are completed now.
    assert statistics.median(busy) <= 2 * statistics.median(usual) + 0.5, (usual, busy)


async def test_without_its_worker_the_log_completes_them_by_itself(here: Bench, tmp_path: Path) -> None:
    count, rate = MANY // 5, 100
    here.settings = here.settings.model_copy(update={"completion_rate": rate})
    clock = waiting_clock()
    async with watching(here) as watcher, the_log(here, clock):
        keys = await awaiting(here, watcher, count, PATIENCE)
        clock.offset, clock.ceiling = 0, (clock.ceiling or 0) + HOUR + 30_000
        worker = Worker(here, rate, tmp_path)
        await eventually(lambda: watcher.count(COMPLETED) > count // 4, PATIENCE)
        worker.kill()  # for good
        left = count - watcher.count(COMPLETED)
        assert left > count // 4
        clock.offset, clock.ceiling = 100_000, None
        begun = system_clock()
        busy = [await answered_in(here, watcher, FRESH + n) for n in range(5)]
        await eventually(lambda: watcher.count(COMPLETED) >= count, PATIENCE)
        took = system_clock() - begun
    assert once_each(watcher, keys)
    assert took >= (left / rate - 2) * 1_000, "not faster than the set rate"
    assert statistics.median(busy) <= 2, busy


async def test_a_log_that_restarts_still_knows_the_deadlines(here: Bench) -> None:
    clock = waiting_clock()
    async with watching(here) as watcher:
        async with the_log(here, clock):
            keys = await awaiting(here, watcher, 40, PATIENCE)
        async with the_log(here, Clock(offset=120_000)):
            await eventually(lambda: watcher.count(COMPLETED) >= 40, PATIENCE)
        assert once_each(watcher, keys)
