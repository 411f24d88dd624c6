"""How far the log is, told by `@position` alone; and topic settings changed while it runs."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from gateway.bus.admin import Change, apply
from gateway.bus.partition_state import POSITION_KEY, Meta
from tests.conversation_log.harness import Bench
from tests.faults.traffic import Feeder
from tests.helpers import eventually


class Progress:
    """Follows the state topic; `behind` = input records that are not decided yet."""

    def __init__(self, bench: Bench, consumer: AIOKafkaConsumer) -> None:
        c = bench.catalogue
        self._consumer = consumer
        self._state = [TopicPartition(c.conversation_state, n) for n in range(c.partitions)]
        self._inputs = [
            TopicPartition(t, n) for t in (c.inbound, c.receipts, c.commands) for n in range(c.partitions)
        ]
        self._positions: dict[int, dict[str, int]] = {}
        consumer.assign(self._state)

    async def behind(self) -> int:
        """Asked at one moment. Raises KafkaError when no broker answers."""
        ends = await self._consumer.end_offsets(self._state)
        while any([await self._consumer.position(tp) < ends[tp] for tp in self._state]):
            for tp, records in (await self._consumer.getmany(timeout_ms=200)).items():
                for record in records:
                    if record.key == POSITION_KEY:
                        self._positions[tp.partition] = Meta.decode(record.value).positions
        inputs = await self._consumer.end_offsets(self._inputs)
        return sum(end - self._positions.get(tp.partition, {}).get(tp.topic, 0) for tp, end in inputs.items())


@contextlib.asynccontextmanager
async def following(bench: Bench) -> AsyncIterator[Progress]:
    """A `Progress` while the block runs."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bench.settings.kafka_bootstrap_servers,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        yield Progress(bench, consumer)
    finally:
        await consumer.stop()


async def all_decided(bench: Bench, seconds: float, feeder: Feeder | None = None) -> None:
    """Every input is decided, and (with a feeder) every answer to what the inputs led to."""
    async with following(bench) as progress:

        async def done() -> bool:
            try:
                behind = await progress.behind()
            except KafkaError as error:
                raise AssertionError("no broker") from error
            assert not behind, f"{behind} inputs are not decided"
            return feeder is None or await feeder.drain()

        await eventually(done, seconds, every=0.5)


async def configure(bench: Bench, topic: str, changes: Mapping[str, str]) -> None:
    """The topic's settings with these changed; without changes, as they were."""
    configs = {**bench.catalogue.spec(topic).configs, **changes}
    await apply(
        bench.settings.kafka_bootstrap_servers or "", [Change("configure", topic, "a test", configs=configs)]
    )
