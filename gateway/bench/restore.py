"""Row `restore`: how long a worker takes to open one partition with many conversations, beside reading its topic."""

from __future__ import annotations

from gateway.bench.fill import fill
from gateway.bench.log import seeded_state
from gateway.bench.place import CannotMeasure, Place
from gateway.bench.report import Row
from gateway.core.clock import system_clock

CONVERSATIONS = {"1x": 10_000, "10x": 100_000}
TARGET_SECONDS = 10.0
RESTORED = "gateway_loop_restore_seconds_sum"


async def measure(place: Place) -> Row:
    """One partition with 1× and 10× the conversations. Raises CannotMeasure."""
    growth: dict[str, float] = {}
    seconds, bare, memory, some = 0.0, 0.0, 0.0, 0
    for times, conversations in CONVERSATIONS.items():
        some = place.count(conversations)
        place.say(f"restore: {some} conversations are written to one partition")
        deployment = await place.deployment(1)
        records = await fill(place.bootstrap, 1, seeded_state(deployment.catalogue, some, system_clock()))
        place.say("restore: the log starts")
        async with deployment.running("log", "log") as log:
            seconds = growth[f"{times} ({some:,})"] = await log.metric(RESTORED)
            memory = log.memory_bytes() / 2**20
        answer = await place.ask("restore_bare", {"topic": deployment.catalogue.conversation_state})
        if answer["keys"] != records:
            raise CannotMeasure(f"the bare loop read {answer['keys']} of {records} records")
        bare = answer["seconds"]
    return Row(
        "restore",
        f"restore of one partition with {some:,} conversations, {records:,} records",
        "s",
        seconds,
        bare,
        "reading the partition into a dict; above 1 = slower than that",
        f"100,000 conversations in at most {TARGET_SECONDS:.0f} s",
        seconds <= TARGET_SECONDS if some >= CONVERSATIONS["10x"] else None,
        {
            "memory of the log afterwards, MiB": memory,
            "1 M idle timers in at most 300 MB": "see row timers",
        },
        growth,
    )
