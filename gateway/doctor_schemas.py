"""Whether this version of the gateway reads what lies on the topics, and still reads every released schema."""

from __future__ import annotations

from aiokafka import AIOKafkaConsumer, TopicPartition

from gateway.bus.catalogue import Catalogue
from gateway.schemas_cli import broken_versions
from gateway.settings import Settings
from gateway.wire.errors import WireError
from gateway.wire.framing import decode
from gateway.wire.records import RECORDS

NEWEST = 20
"""How many offsets from the end a record is looked for: markers of transactions and gaps hold none."""
QUIET_MS = 1000

_TYPES = {cls.__name__: cls for cls in RECORDS}


async def check_schemas(settings: Settings, catalogue: Catalogue) -> list[tuple[str, str]]:
    """What is wrong, as (topic or schema, text): the newest records of every partition are decoded."""
    problems = [("schemas", text) for text in broken_versions()]
    topics = {
        spec.name: _TYPES[spec.record]
        for spec in catalogue.topics
        # The log's own state holds positions and parked records too, in a form of its own.
        if spec.record in _TYPES and spec.name != catalogue.conversation_state
    }
    told: set[str] = set()
    for name, value in await _newest(settings, catalogue, list(topics)):
        try:
            decode(value, topics[name])
        except WireError as error:
            if name not in told:
                text = f"Its newest records cannot be read ({error}): a newer version of the gateway writes them?"
                problems.append((name, text))
            told.add(name)
    return problems


async def _newest(settings: Settings, catalogue: Catalogue, names: list[str]) -> list[tuple[str, bytes]]:
    tps = [TopicPartition(n, p) for n in names for p in range(catalogue.count(catalogue.spec(n)))]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        isolation_level="read_committed",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        consumer.assign(tps)
        begins, ends = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
        for tp in tps:
            consumer.seek(tp, max(begins[tp], ends[tp] - NEWEST))
        found: list[tuple[str, bytes]] = []
        while [tp for tp in tps if await consumer.position(tp) < ends[tp]]:
            for tp, records in (await consumer.getmany(timeout_ms=QUIET_MS)).items():
                found += [(tp.topic, record.value) for record in records if record.value is not None]
        return found
    finally:
        await consumer.stop()
