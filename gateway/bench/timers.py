"""Row `timers`: what a million idle timers cost in the completion rule and in the log, beside a heap of tuples."""

from __future__ import annotations

from gateway.bench.place import Place
from gateway.bench.report import Row

COUNTS = {"1x": 100_000, "10x": 1_000_000}
TARGET_MIB = 300.0
MIB = 2**20


async def measure(place: Place) -> Row:
    """Memory with 1× and 10× the timers, and how long the indexes take to build. Raises CannotMeasure."""
    growth: dict[str, float] = {}
    answers: dict[str, dict[str, float]] = {}
    count = 0
    for times, full in COUNTS.items():
        count = place.count(full)
        for what in ("bare", "deadlines", "wheel"):
            place.say(f"timers: {count} of them, {what}")
            answers[what] = await place.ask("timers_fill", {"what": what, "count": count})
        growth[f"{times} ({count:,})"] = answers["wheel"]["bytes"] / MIB
    bare, log, rule = answers["bare"], answers["deadlines"], answers["wheel"]
    return Row(
        "timers",
        f"memory of {count:,} idle timers in the completion rule, table and keys included",
        "MiB",
        rule["bytes"] / MIB,
        bare["bytes"] / MIB,
        "a heap of tuples, without keys",
        f"1 M idle timers in at most {TARGET_MIB:.0f} MiB",
        max(rule["bytes"], log["bytes"]) / MIB <= TARGET_MIB if count >= COUNTS["10x"] else None,
        {
            "of that the agenda, MiB": rule["agenda"] / MIB,
            "the log's deadlines, keys are the state's, MiB": log["bytes"] / MIB,
            "rebuild of the rule's agenda, s": rule["seconds"],
            "rebuild of the log's deadlines, s": log["seconds"],
            "bare heap, s": bare["seconds"],
        },
        growth,
    )
