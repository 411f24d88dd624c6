"""Row `log`: the conversation log works a backlog off, beside a loop that copies bytes in the same transactions."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.bench import seed
from gateway.bench.fill import Fresh, fill
from gateway.bench.pace import Pace, follow, steady
from gateway.bench.place import Place
from gateway.bench.report import Row
from gateway.bus.catalogue import Catalogue
from gateway.bus.partition_state import POSITION_KEY, Meta
from gateway.bus.partitioner import partition_for
from gateway.conversation_log.logic import SOURCE
from gateway.core.clock import system_clock
from gateway.core.commands import Command
from gateway.core.messages import InboundEvent, Receipt
from gateway.wire.framing import encode
from gateway.wire.headers import headers_for, type_name

PARTITIONS = 12
RECORDS = 48_000
CONVERSATIONS = {"1x": 1_500, "10x": 15_000}
TARGET = 0.15
DECIDED = "gateway_loop_records_total"


async def measure(place: Place) -> Row:
    """The log at 1× and 10× the conversations, then the bare loop. Raises CannotMeasure."""
    growth: dict[str, float] = {}
    paces: list[Pace] = []
    for times, conversations in CONVERSATIONS.items():
        some = place.count(conversations)
        paces.append(await _log(place, some))
        growth[f"{times} ({some:,})"] = paces[-1].rate
    rate = paces[0].rate
    bare = await _bare(place)
    return Row(
        "log",
        "conversation log on a backlog: a third each of messages, receipts and commands to send",
        "records/s",
        rate,
        bare,
        "loop with send_batch that copies 600-byte records in the same transactions",
        f"ratio at least {TARGET:.0%}",
        rate >= TARGET * bare,
        {
            "records": place.count(RECORDS, 600),
            "processor ms a record at 1x and 10x": ", ".join(f"{pace.cpu_ms:.3f}" for pace in paces),
        },
        growth,
    )


async def _log(place: Place, conversations: int) -> Pace:
    count = place.count(RECORDS, 600) // 3 * 3
    place.say(f"log: {conversations} conversations, {count} records are written")
    partitions = place.partitions(PARTITIONS)
    deployment = await place.deployment(partitions)
    now = system_clock()
    catalogue = deployment.catalogue
    await fill(place.bootstrap, partitions, seeded_state(catalogue, conversations, now))
    await fill(place.bootstrap, partitions, _inputs(catalogue, conversations, count, now))
    place.say("log: runs")
    async with deployment.running("log", "log", ready="/healthz") as log:
        return steady(await follow(log, count, lambda: log.metric(DECIDED)))


def seeded_state(catalogue: Catalogue, conversations: int, now: int) -> Iterator[Fresh]:
    """The state of so many conversations, with a position in every partition."""
    topic = catalogue.conversation_state
    for key, value in seed.state_records(range(conversations), now):
        # Blocks lie in the partition of their conversation.
        number = partition_for(key.partition(b"|")[0], catalogue.partitions)
        yield Fresh(topic, key, value, (), number)
    for number in range(catalogue.partitions):
        yield Fresh(topic, POSITION_KEY, Meta().encode(), (), number)


def _inputs(catalogue: Catalogue, conversations: int, count: int, now: int) -> Iterator[Fresh]:
    for n in range(count // 3):
        number, turn = n % conversations, n // conversations
        yield _fresh(catalogue.inbound, seed.inbound(number, turn + 1, now))
        yield _fresh(catalogue.receipts, seed.receipt(number, turn, now))
        yield _fresh(catalogue.commands, seed.send(number, seed.SENT + turn, now))


def _fresh(topic: str, given: InboundEvent | Receipt | Command) -> Fresh:
    key, cls = given.conversation_id, type(given)
    headers = headers_for(key, type_name(cls), f"/{SOURCE}", key, 0)
    return Fresh(topic, key.encode(), encode(given), headers)


async def _bare(place: Place) -> float:
    count = place.count(3 * RECORDS, 600) // 3 * 3
    partitions = place.partitions(PARTITIONS)
    *inputs, out, state, outbound = await place.bare_topics(partitions, "a", "b", "c", "out", "state", "send")
    place.say(f"log: bare loop, {count} records")
    value = b"x" * 600
    records = (Fresh(inputs[n % 3], b"k%d" % (n // 3 % 5000), value) for n in range(count))
    await fill(place.bootstrap, partitions, records)
    given = {"inputs": inputs, "out": out, "state": state, "outbound": outbound}
    answer = await place.ask("log_bare", {**given, "partitions": partitions, "records": count})
    return float(answer["rate"])
