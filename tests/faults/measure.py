"""How fast the log service works off a backlog, and where its time goes.

Usage: python -m tests.faults.measure [--records N] [--conversations N] [--kind messages|mix] [--profile FILE]

Records per second by the clock, and by the process's own CPU time: what one core would do if nothing else ran.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import random
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import uvloop
from aiokafka import AIOKafkaProducer

from gateway.bus.metrics import LOOP_RECORDS
from gateway.conversation_log.process import GROUP
from gateway.core.commands import Command
from gateway.core.messages import InboundEvent, Receipt
from gateway.embedded.kafka import EmbeddedKafka
from gateway.settings import Settings
from gateway.wire.framing import encode
from tests.conversation_log.harness import Bench, bench
from tests.core.build import FACTS
from tests.faults.traffic import Channel, Mix, Sent, wrote

TOPICS: dict[type, str] = {InboundEvent: "inbound", Receipt: "receipts", Command: "commands"}


def messages(count: int, conversations: int) -> list[Sent]:
    """Texts only, conversations in turn."""
    return [Sent(wrote(n, n % conversations)) for n in range(count)]


def mixed(count: int, conversations: int) -> list[Sent]:
    """The mix of the fault tests, and receipts for what a log without faults would have sent."""
    from gateway.core.decide import decide

    chance = random.Random(1)
    mix, channel = Mix(chance, conversations), Channel(random.Random(2))
    states: dict[str, Any] = {}
    found: list[Sent] = []
    while len(found) < count:
        waiting = len(channel.pending) > 60
        one = channel.pending.pop(0) if waiting and chance.random() < 0.5 else mix.next()
        decision = decide(
            states.get(one.given.conversation_id), one.given, time.time_ns() // 1_000_000, FACTS
        )
        states[one.given.conversation_id] = decision.conversation
        for request in decision.outbound:
            channel.take(request)
        found.append(one)
    return found


async def put(b: Bench, sent: list[Sent]) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=b.settings.kafka_bootstrap_servers, linger_ms=5, max_batch_size=262_144
    )
    await producer.start()
    for one in sent:
        topic = f"{b.catalogue.prefix}{TOPICS[type(one.given)]}"
        key = one.given.conversation_id.encode()
        await producer.send(topic, encode(one.given), key=key, headers=list(one.headers))
    await producer.stop()


def decided(b: Bench) -> float:
    """How many inputs the loop in this process has decided, by its own count."""
    group = f"{b.settings.topic_prefix}{GROUP}"
    return sum(LOOP_RECORDS.labels(group, f"{b.catalogue.prefix}{t}")._value.get() for t in TOPICS.values())


async def work_off(b: Bench, count: int, profile: cProfile.Profile | None) -> tuple[float, float]:
    """Inputs per second by the clock and per second of CPU, once every partition is at work."""
    async with b.running(session_ms=30_000, rebalance_ms=30_000):
        while decided(b) < count / 10:
            await asyncio.sleep(0.02)
        if profile:
            profile.enable()
        begun, cpu, first = time.perf_counter(), time.process_time(), decided(b)
        while decided(b) < count:
            await asyncio.sleep(0.1)
        seconds, used = time.perf_counter() - begun, time.process_time() - cpu
        if profile:
            profile.disable()
    return (count - first) / seconds, (count - first) / used


async def main(given: argparse.Namespace) -> None:
    sent = {"messages": messages, "mix": mixed}[given.kind](given.records, given.conversations)
    profile = cProfile.Profile() if given.profile else None
    with tempfile.TemporaryDirectory() as folder:
        async with EmbeddedKafka(Path(folder), Settings().cache_dir) as kafka:
            prefix = f"m{uuid.uuid4().hex[:8]}."
            async with bench(kafka.bootstrap_servers, prefix, given.partitions) as b:
                await put(b, sent)
                by_clock, by_cpu = await work_off(b, len(sent), profile)
    print(
        f"{given.kind}: {len(sent)} inputs, {given.conversations} conversations, {given.partitions} partitions: "
        f"{by_clock:,.0f}/s by the clock, {by_cpu:,.0f} per CPU second"
    )
    if profile:
        profile.dump_stats(given.profile)
        pstats.Stats(profile).sort_stats("tottime").print_stats(45)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=60_000)
    parser.add_argument("--conversations", type=int, default=5_000)
    parser.add_argument("--partitions", type=int, default=12)
    parser.add_argument("--kind", choices=("messages", "mix"), default="messages")
    parser.add_argument("--profile")
    uvloop.run(main(parser.parse_args()))
