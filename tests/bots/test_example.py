"""examples/bot_kafka.py as its own process, with the log on the real Kafka."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from gateway.core.actors import OwnerKind
from gateway.core.directory import Bot
from tests.bots.test_process import owned, prepare, present, said, wrote
from tests.conversation_log.harness import Bench, bench
from tests.core.build import TENANT
from tests.helpers import eventually

EXAMPLE = Path(__file__).parents[2] / "examples" / "bot_kafka.py"


@asynccontextmanager
async def example(b: Bench, kafka: str) -> AsyncIterator[None]:
    env = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": kafka, "GATEWAY_TOPIC_PREFIX": b.catalogue.prefix}
    process = await asyncio.create_subprocess_exec(sys.executable, str(EXAMPLE), "robo", env=env)
    try:
        await eventually(lambda: _reads(kafka, f"{b.catalogue.prefix}bot-robo"), 60, every=0.3)
        yield
        assert process.returncode is None
    finally:
        process.terminate()
        await process.wait()


async def _reads(kafka: str, group: str) -> bool:
    """Whether the bot's group has settled: it begins at the newest event."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        [answer] = await admin.describe_consumer_groups([group])
        _, _, state, *_ = answer.groups[0]
        return bool(state == "Stable")
    except GroupCoordinatorNotAvailableError:
        return False  # the first group of a young broker
    finally:
        await admin.close()


async def test_the_example_talks_and_hands_over(kafka: str, topic_prefix: str) -> None:
    async with bench(kafka, topic_prefix) as b, b.running():
        await prepare(b, Bot("robo", TENANT, "Robo"))
        async with example(b, kafka):
            await b.feed(wrote(1, "hello"))
            assert await said(b, 1) == ["What is it about?"]
            await b.feed(wrote(2, "Where is my parcel?"))
            assert (await said(b, 2))[1:] == ["It is on its way."]
            await b.feed(wrote(3, "person"))
            assert (await said(b, 3))[2:] == ["Nobody is here just now. Can I help?"]
            await present(b, "ann", "ann")
            await b.feed(wrote(4, "person"))
            assert (await owned(b, OwnerKind.QUEUE)).reason == "bot_asked"
