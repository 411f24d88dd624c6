"""Row `processor`: the receipts processor reads a backlog of events, beside a bare Faust agent."""

from __future__ import annotations

from collections.abc import Iterator

from aiokafka.admin import AIOKafkaAdminClient

from gateway.bench import seed
from gateway.bench.fill import Fresh, fill
from gateway.bench.pace import Pace, between, follow
from gateway.bench.place import Place, Service, Worker
from gateway.bench.report import Row
from gateway.bus.admin import admin_client
from gateway.core.clock import system_clock
from gateway.core.receipts import Rung
from gateway.wire.framing import encode

PARTITIONS = 4
EVENTS = 30_000
TARGET = 0.70
RUNGS = (Rung.SENT, Rung.DELIVERED)


async def measure(place: Place) -> Row:
    """The processor, then the bare agent, on the same events. Raises CannotMeasure."""
    ours = await _ours(place)
    bare = await _bare(place)
    more = {}
    if ours.cpu_ms:
        more["processor ms an event"] = (
            f"{ours.cpu_ms:.3f}, bare {bare.cpu_ms:.3f}; ratio {bare.cpu_ms / ours.cpu_ms:.2f}"
        )
    return Row(
        "processor",
        "the processor `receipts` on a backlog of conversation events",
        "events/s",
        ours.rate,
        bare.rate,
        "Faust agent with one table write, same transport",
        f"ratio at least {TARGET:.0%}",
        ours.rate >= TARGET * bare.rate,
        more,
    )


def _events(topic: str, count: int) -> Iterator[Fresh]:
    now = system_clock()
    told = seed.story(now, RUNGS).events
    for number in range(count // len(told) + 1):
        for event in seed.story_records(number, told):
            yield Fresh(topic, event.conversation_id.encode(), encode(event))


async def _ours(place: Place) -> Pace:
    deployment = await place.deployment(place.partitions(PARTITIONS))
    topic = deployment.catalogue.conversations
    count = await fill(
        place.bootstrap, place.partitions(PARTITIONS), _events(topic, place.count(EVENTS, 1_000))
    )
    place.say(f"processor: {count} events, receipts")
    async with deployment.running("processors", "processor", "receipts") as service:
        return await _followed(place, service, deployment.catalogue.prefix, topic, count)


async def _bare(place: Place) -> Pace:
    topic, changelog = await place.bare_topics(place.partitions(PARTITIONS), "events", "bare-seen-changelog")
    app = changelog.removesuffix("-seen-changelog")
    count = await fill(
        place.bootstrap, place.partitions(PARTITIONS), _events(topic, place.count(EVENTS, 1_000))
    )
    place.say(f"processor: {count} events, bare agent")
    given = {"topic": topic, "app": app, "table": "seen", "partitions": place.partitions(PARTITIONS)}
    worker = place.spawn("processor_bare", given)
    try:
        return await _followed(place, worker, app, topic, count)
    finally:
        await worker.stop()


async def _followed(place: Place, child: Service | Worker, prefix: str, topic: str, count: int) -> Pace:
    """Between commits: a committed offset is the one thing that both tell in the same way."""
    async with admin_client(place.bootstrap) as client:
        looks = await follow(child, count, lambda: _committed(client, prefix, topic))
    # The last commit waits for its second, so the one before it says more about the pace.
    return between(looks[1], looks[-2]) if len(looks) > 4 else between(looks[0], looks[-1])


async def _committed(client: AIOKafkaAdminClient, prefix: str, topic: str) -> int:
    """Sum of the offsets that groups with this prefix committed on the topic."""
    groups = [name for name, *_ in await client.list_consumer_groups() if name.startswith(prefix)]
    total = 0
    for group in groups:
        offsets = await client.list_consumer_group_offsets(group)
        total += sum(found.offset for tp, found in offsets.items() if tp.topic == topic and found.offset > 0)
    return total
