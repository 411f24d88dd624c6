"""The broker goes away in the middle of commits, politely and killed, and comes back on its port and data."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from gateway.embedded.kafka import EmbeddedKafka
from gateway.settings import Settings
from tests.conversation_log.harness import bench
from tests.faults.audit import audit
from tests.faults.fleet import fleet
from tests.faults.progress import all_decided
from tests.faults.test_random_faults import seed
from tests.faults.traffic import Feeder
from tests.helpers import LONG_RUN

INPUTS, PER_SECOND = (12_000, 150) if LONG_RUN else (1_000, 150)
WAYS = ("polite", "killed")
RESTARTS = 5 if LONG_RUN else 1
# `exit 1`: no broker answered while the program started.
EXITS = {"exit 75", "exit 1"}


class Broker:
    """A broker of this test's own, which comes back where it was."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.server = EmbeddedKafka(folder, Settings().cache_dir)

    async def restart(self, how: str, away_seconds: float) -> None:
        """Stops it, one way or the other, and starts it after a while."""
        port, process = self.server.port, self.server.process
        if how == "killed" and process is not None:
            process.kill()
        await self.server.stop()
        await asyncio.sleep(away_seconds)
        self.server = EmbeddedKafka(self._folder, Settings().cache_dir, port=port)
        await self.server.start()


async def test_the_broker_is_restarted_in_the_middle_of_commits(topic_prefix: str, tmp_path: Path) -> None:
    chosen = seed()
    chance = random.Random(chosen)
    broker = Broker(tmp_path / "kafka")
    await broker.server.start()
    try:
        async with bench(broker.server.bootstrap_servers, topic_prefix) as b:
            feeder = Feeder(b, chosen, 100)
            async with fleet(b, tmp_path, "w0", "w1") as workers, feeder.answering():
                feeding = asyncio.create_task(feeder.feed(INPUTS, PER_SECOND))
                for _ in range(RESTARTS):
                    await asyncio.sleep(chance.uniform(3.0, 6.0))
                    await broker.restart(chance.choice(WAYS), chance.choice((0.0, 1.0, 8.0)))
                await feeding
                await all_decided(b, 180, feeder)
                assert set(workers.exits) <= EXITS, workers.exits
            await audit(b, feeder.acknowledged)
    finally:
        await broker.server.stop()
