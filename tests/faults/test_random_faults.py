"""The log service under random faults: killed, stopped, frozen, workers joining and leaving.

Long form (40,000 inputs) with `./run faults`. The seed is printed; GATEWAY_TEST_SEED repeats its choices.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from pathlib import Path

from tests.conversation_log.harness import bench
from tests.faults.audit import audit
from tests.faults.fleet import Fleet, fleet
from tests.faults.progress import all_decided, configure
from tests.faults.traffic import Feeder
from tests.helpers import LONG_RUN

INPUTS, PER_SECOND, CONVERSATIONS = (40_000, 150, 800) if LONG_RUN else (6_000, 300, 120)
FREEZES = (3, 9, 14) if LONG_RUN else (3, 9)
PAUSE = (2.0, 6.0) if LONG_RUN else (1.0, 2.5)
KINDS = ("kill", "term", "freeze", "join", "leave")
# SIGTERM before the program has its own handler is -15.
EXITS = {"exit 0", "exit 75", "exit -9", "exit -15"}
PARTITIONS = 12 if LONG_RUN else 6
# The state topic is compacted while it is used and restored.
COMPACTING = {"segment.ms": "5000", "min.cleanable.dirty.ratio": "0.1", "max.compaction.lag.ms": "5000"}


def seed() -> int:
    """A new one for each run, or the one that is to be repeated."""
    chosen = int(os.environ.get("GATEWAY_TEST_SEED") or time.time_ns() % 1_000_000)
    print("GATEWAY_TEST_SEED =", chosen)
    return chosen


async def hurt(workers: Fleet, chance: random.Random, feeding: asyncio.Task[None]) -> None:
    """Each kind of fault at least once, then any, as long as inputs come."""
    first = chance.sample(KINDS, len(KINDS))
    while not feeding.done():
        await asyncio.sleep(chance.uniform(*PAUSE))
        workers.hurt(first.pop() if first else chance.choice(KINDS), chance, FREEZES)
    await workers.thawed()


async def test_nothing_lost_nothing_doubled(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    chosen = seed()
    async with bench(kafka, topic_prefix, PARTITIONS) as b:
        await configure(b, b.catalogue.conversation_state, COMPACTING)
        feeder = Feeder(b, chosen, CONVERSATIONS)
        async with fleet(b, tmp_path, "w0", "w1", "w2") as workers, feeder.answering():
            feeding = asyncio.create_task(feeder.feed(INPUTS, PER_SECOND))
            await asyncio.gather(feeding, hurt(workers, random.Random(chosen), feeding))
            await all_decided(b, 240 if LONG_RUN else 120, feeder)
            assert set(workers.exits) <= EXITS, workers.exits
        topics = await audit(b, feeder.acknowledged)
    assert len(feeder.acknowledged) >= INPUTS
    assert not topics.dead
    assert not topics.undecodable
    print(len(topics.events), "events", len(topics.requests), "requests", len(topics.results), "results")
