"""`gateway tail`: a topic's records as JSON lines."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from gateway.bus.catalogue import Catalogue
from gateway.records_json import as_json
from gateway.wire.errors import WireError
from gateway.wire.framing import decode
from gateway.wire.records import RECORDS

_TYPES = {cls.__name__: cls for cls in RECORDS}


async def read_topic(
    bootstrap: str, catalogue: Catalogue, name: str, from_start: bool, follow: bool
) -> AsyncIterator[Any]:
    """The committed records of a topic; ends at its present end unless `follow`."""
    count = catalogue.count(catalogue.spec(name))
    tps = [TopicPartition(name, number) for number in range(count)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        enable_auto_commit=False,
        # Not by seeking: a look-up of the default place that is under way could come after it and win.
        auto_offset_reset="earliest" if from_start else "latest",
    )
    await consumer.start()
    try:
        consumer.assign(tps)
        ends = await consumer.end_offsets(tps)
        while follow or [tp for tp in tps if await consumer.position(tp) < ends[tp]]:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    yield record
    finally:
        await consumer.stop()


async def print_topic(
    bootstrap: str, catalogue: Catalogue, topic: str, from_start: bool, follow: bool
) -> None:
    """Print records as they come. Raises KeyError for a topic that the catalogue does not know."""
    name = topic if topic.startswith(catalogue.prefix) else catalogue.prefix + topic
    cls = _TYPES.get(catalogue.spec(name).record or "")
    async for record in read_topic(bootstrap, catalogue, name, from_start, follow):
        line = {
            "partition": record.partition,
            "offset": record.offset,
            "record": _readable(record.value, cls),
        }
        print(json.dumps(line, ensure_ascii=False), flush=True)  # noqa: T201


def _readable(value: bytes | None, cls: type | None) -> Any:
    if value is None or cls is None:
        return None if value is None else as_json(value)
    try:
        return as_json(decode(value, cls))
    except WireError as error:
        return {"unreadable": str(error), "bytes": as_json(value)}
