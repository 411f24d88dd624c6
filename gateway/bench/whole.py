"""Row `whole`: from the webhook to the inbox, every service a process of its own on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from gateway.bench.place import (
    LOOK_SECONDS,
    CannotMeasure,
    Deployment,
    Place,
    Service,
    eventually,
    last_words,
)
from gateway.bench.projection import PROJECTED
from gateway.bench.report import Row
from gateway.bench.webhook import send
from gateway.bench.worker import quantile

PARTITIONS = 4
CONVERSATIONS = 500
FLOOD = 12_000
HOLD_SECONDS = 6.0
HOLD_PARTS = (0.85, 0.7, 0.55, 0.4)
"""Of the flood's rate, which may be helped by large batches: the rates tried to be held, highest first."""
HELD_SECONDS = 1.0
"""A rate is held when everything is in the inbox so soon after the last webhook was answered."""
STALL_SECONDS = 30.0
CALM_RATE, CALM_SECONDS = 500, 8.0
TARGET_RATE, TARGET_P50, TARGET_P99 = 3_000, 50.0, 200.0
STARTS = {
    "log": ("log",),
    "processors": ("processor", "receipts"),
    "inbox": ("inbox",),
    "connectors": ("connector", "whatsapp"),
}


@dataclass(slots=True)
class Road:
    """The running services, and how many webhooks were sent so far."""

    place: Place
    services: dict[str, Service]
    conversations: int
    sent: int = 0
    projected: float = 0.0

    async def go(self, count: int, rate: float, **more: object) -> tuple[dict[str, Any], float]:
        """Sends; what the load says, and the seconds from its first webhook until the last is in the inbox."""
        before = self.projected
        working = asyncio.create_task(self._arrived(before + count))
        told = await send(
            self.place,
            self.services["connectors"].port,
            count=count,
            conversations=self.conversations,
            first=self.sent,
            rate=rate,
            **more,
        )
        self.sent += count
        arrived = await working
        return told, arrived - told["started"]

    async def _arrived(self, wanted: float) -> float:
        """When the projection reached this count of events."""
        inbox = self.services["inbox"]
        changed = perf_counter()
        while True:
            now, done = perf_counter(), await inbox.metric(PROJECTED)
            if done > self.projected:
                self.projected, changed = done, now
            if done >= wanted:
                return now
            if inbox.process.poll() is not None or now - changed > STALL_SECONDS:
                raise CannotMeasure(f"{wanted - done:.0f} events did not arrive{last_words(inbox)}")
            await asyncio.sleep(LOOK_SECONDS)


async def measure(place: Place) -> Row:
    """A flood, the highest rate that is held, then latencies at a calm rate. Raises CannotMeasure."""
    deployment = await place.deployment(place.partitions(PARTITIONS))
    async with _road(place, deployment) as road:
        place.say("whole: every conversation is opened")
        await _opened(road)
        latencies = await _calm(road)
        place.say("whole: flood")
        flood = place.count(FLOOD, 300)
        before = {name: s.cpu_seconds() for name, s in road.services.items()}
        told, seconds = await road.go(flood, 0)
        costs = {n: (s.cpu_seconds() - before[n]) * 1000 / flood for n, s in road.services.items()}
        held = await _held(road, flood / seconds)
    hop = await _hop(place)
    p50, p99 = quantile(latencies, 0.5), quantile(latencies, 0.99)
    return Row(
        "whole",
        "whole way, webhook to inbox event, all services on this machine: highest rate held",
        "messages/s",
        held,
        None,
        "",
        f"{TARGET_RATE:,}/s held; at {CALM_RATE}/s p50 {TARGET_P50:.0f} ms and p99 {TARGET_P99:.0f} ms at most",
        held >= TARGET_RATE and p50 <= TARGET_P50 and p99 <= TARGET_P99,
        {
            f"at {CALM_RATE}/s, webhook due to live event (SSE), ms": f"p50 {p50:.0f}, p99 {p99:.0f}",
            "bare produce to consume at the same rate, ms": f"p50 {hop['p50']:.0f}, p99 {hop['p99']:.0f}",
            "flood, messages/s until all are in the inbox": flood / seconds,
            "flood, webhooks accepted/s": told["rate"],
            "processor ms a message": ", ".join(f"{n} {c:.2f}" for n, c in costs.items()),
        },
    )


@asynccontextmanager
async def _road(place: Place, deployment: Deployment) -> AsyncIterator[Road]:
    place.say(f"whole: {len(STARTS)} services start")
    async with AsyncExitStack() as stack:
        opening = {
            name: asyncio.create_task(stack.enter_async_context(deployment.running(name, *arguments)))
            for name, arguments in STARTS.items()
        }
        await asyncio.wait(opening.values())
        services = {name: task.result() for name, task in opening.items()}
        yield Road(place, services, place.count(CONVERSATIONS, 20))


async def _opened(road: Road) -> None:
    """Each contact writes once: two events. Then the count of events tells the count of messages."""
    await road.go(road.conversations, 0)
    opened = 2 * road.conversations

    async def all_there() -> bool:
        road.projected = await road.services["inbox"].metric(PROJECTED)
        return road.projected >= opened

    if not await eventually(all_there, STALL_SECONDS):
        raise CannotMeasure(f"{road.projected:.0f} of {opened} first events arrived")


async def _calm(road: Road) -> list[float]:
    """Milliseconds from when each webhook was due to its live event on an agent's stream."""
    place, inbox = road.place, road.services["inbox"]
    count = int(CALM_RATE * place.seconds(CALM_SECONDS))
    listening = place.folder / "watch.listening"
    given = {"port": inbox.port, "first": road.sent, "count": count, "seconds": 90}
    watch = place.spawn("watch", {**given, "listening": str(listening)})
    try:

        async def open_() -> bool:
            return listening.exists()

        if not await eventually(open_, 30, watch.process):
            raise CannotMeasure(f"no live events{last_words(watch)}")
        place.say(f"whole: {count} webhooks at {CALM_RATE}/s")
        told, _ = await road.go(count, CALM_RATE, times=True)
        seen = (await watch.answer())["seen"]
    finally:
        await watch.stop()
    missing = sum(1 for at in seen if not at)
    if missing:
        raise CannotMeasure(f"{missing} of {count} messages did not appear as live events")
    return [(at - due) * 1000 for due, at in zip(told["begun"], seen, strict=True)]


async def _held(road: Road, flood: float) -> float:
    """The highest of some rates that the whole way keeps up with; 0 if none."""
    for part in HOLD_PARTS:
        rate = flood * part
        count = max(50, int(rate * road.place.seconds(HOLD_SECONDS)))
        road.place.say(f"whole: {rate:.0f}/s for {count / rate:.0f} s")
        told, seconds = await road.go(count, rate)
        behind = seconds - (told["ended"] - told["started"])
        if behind <= HELD_SECONDS and told["ended"] - told["started"] <= count / rate + HELD_SECONDS:
            return count / seconds
    return 0.0


async def _hop(place: Place) -> dict[str, Any]:
    (topic,) = await place.bare_topics(place.partitions(PARTITIONS), "hop")
    count = int(CALM_RATE * place.seconds(4))
    place.say("whole: bare hop")
    return await place.ask(
        "hop_bare",
        {"topic": topic, "partitions": place.partitions(PARTITIONS), "count": count, "rate": CALM_RATE},
    )
