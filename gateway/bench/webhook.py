"""Row `webhook`: from the provider's POST to our 200, beside a bare handler."""

from __future__ import annotations

import uuid
from functools import partial
from importlib.util import find_spec
from typing import Any

from gateway.bench import seed
from gateway.bench.place import QUICK, CannotMeasure, Place, cpu_seconds, eventually, last_words
from gateway.bench.report import Row
from gateway.core.clock import system_clock
from gateway.embedded import process
from gateway.up import answers

PARTITIONS = 12
WEBHOOKS = 10_000
CONVERSATIONS = 500
CONNECTIONS = 64
ROUNDS = 2
TARGET = 0.70

Figures = dict[str, Any]


async def measure(place: Place) -> Row:
    """Both servers take the same webhooks in turns; the better round of each counts. Raises CannotMeasure."""
    count, conversations = place.count(WEBHOOKS, 200), place.count(CONVERSATIONS, 20)
    deployment = await place.deployment(place.partitions(PARTITIONS))
    (topic,) = await place.bare_topics(place.partitions(PARTITIONS), "raw")
    port = process.free_port()
    bare = place.spawn("webhook_bare", {"topic": topic, "port": port})
    try:
        if not await eventually(partial(answers, port), 60, bare.process):
            raise CannotMeasure(f"the bare handler is not ready{last_words(bare)}")
        async with deployment.running("connectors", "connector", "whatsapp") as ours:
            pids = {"bare": (bare.process.pid, port), "ours": (ours.process.pid, ours.port)}
            for pid, where in pids.values():  # every conversation is known, every path is warm
                await _round(place, pid, where, conversations, conversations)
            found: dict[str, list[Figures]] = {"bare": [], "ours": []}
            rounds = ROUNDS if place.scale >= QUICK else 1
            for turn in range(rounds):
                for name, (pid, where) in pids.items():
                    place.say(f"webhook: round {turn + 1} of {rounds}, {count} webhooks, {name}")
                    found[name].append(await _round(place, pid, where, count, conversations))
            return _row(found, count)
    finally:
        await bare.stop()


async def _round(place: Place, pid: int, port: int, count: int, conversations: int) -> Figures:
    before = cpu_seconds(pid)
    told = await send(place, port, count=count, conversations=conversations)
    return told | {"cpu_ms": (cpu_seconds(pid) - before) * 1000 / count}


async def send(place: Place, port: int, *, count: int, conversations: int, **more: Any) -> Figures:
    """Sends webhooks; `more` as in `load.work`. Raises CannotMeasure unless every one got its 200."""
    given = {
        "port": port,
        "path": f"/webhooks/{seed.CHANNEL}/{seed.ACCOUNT}",
        "run": uuid.uuid4().hex[:8],
        "time": system_clock() // 1000,
        "count": count,
        "first": 0,
        "conversations": conversations,
        "connections": CONNECTIONS,
        "rate": 0,
        "user_id": True,
    }
    told = await place.ask("load", {**given, **more})
    if told["statuses"] != {"200": count}:
        raise CannotMeasure(f"not every webhook was accepted: {told['statuses']}")
    return told


def _row(found: dict[str, list[Figures]], count: int) -> Row:
    best = {name: max(rounds, key=lambda r: r["rate"]) for name, rounds in found.items()}
    ours, bare = best["ours"], best["bare"]
    costs = {name: min(r["cpu_ms"] for r in rounds) for name, rounds in found.items()}
    more: Figures = {"webhooks a round": count, "p50 ms": ours["p50"], "p99 ms": ours["p99"]}
    if costs["ours"]:
        more["server processor ms a webhook"] = (
            f"{costs['ours']:.3f}, bare {costs['bare']:.3f}; ratio {costs['bare'] / costs['ours']:.2f}"
        )
    more["HTTP parser"] = "httptools" if find_spec("httptools") else "h11"
    return Row(
        "webhook",
        "webhook to acknowledged: signature, parse, normalize, Avro, produce, 200",
        "webhooks/s",
        ours["rate"],
        bare["rate"],
        "ASGI handler that verifies and produces the raw body",
        f"ratio at least {TARGET:.0%}",
        ours["rate"] >= TARGET * bare["rate"],
        more,
    )
