"""A short fault run of the loop: workers are killed, stopped politely and frozen at random moments.

The long runs (40,000 records, up to five workers, broker restarts) are in tests/faults.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from pathlib import Path

from .kit import INPUTS, Worker, create_loop_topics, ends, read_until, writer

RECORDS = 5_000
KEYS = 60
PARTITIONS = 6
FAULTS = ("kill", "term", "freeze", "kill", "freeze", "term")


async def write_input(kafka: str, prefix: str, seconds: float) -> None:
    """Spread over the time of the faults."""
    async with writer(kafka) as producer:
        for i in range(RECORDS):
            await producer.send(f"{prefix}{INPUTS[i % 3]}", key=b"k%d" % (i % KEYS), value=b"%d" % i)
            if i % 50 == 0:
                await asyncio.sleep(50 * seconds / RECORDS)


async def restart_ended(workers: list[Worker], exits: Counter[str]) -> None:
    while True:
        for worker in workers:
            code = worker.restart_if_ended()
            if code is not None:
                exits[f"exit {code}"] += 1
        await asyncio.sleep(0.3)


async def hurt(workers: list[Worker], chance: random.Random) -> None:
    for fault in FAULTS:
        await asyncio.sleep(chance.uniform(2.0, 4.0))
        worker = chance.choice(workers)
        if fault == "freeze":
            worker.signal(signal.SIGSTOP)
            await asyncio.sleep(chance.choice([3, 9]))
            worker.signal(signal.SIGCONT)
        else:
            worker.signal(signal.SIGKILL if fault == "kill" else signal.SIGTERM)


async def test_nothing_lost_nothing_doubled(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    seed = int(time.time())
    print("seed", seed)
    await create_loop_topics(
        kafka,
        topic_prefix,
        PARTITIONS,
        state={"cleanup.policy": "compact", "segment.ms": "5000", "min.cleanable.dirty.ratio": "0.1"},
    )
    workers = [
        Worker(tmp_path / f"w{i}.log", kafka, topic_prefix, instance=f"w{i}", max_poll_records=100)
        for i in range(3)
    ]
    exits: Counter[str] = Counter()
    restarting = asyncio.create_task(restart_ended(workers, exits))
    try:
        await asyncio.gather(write_input(kafka, topic_prefix, 25), hurt(workers, random.Random(seed)))
        found = await read_until(kafka, f"{topic_prefix}out", lambda r: len(r) >= RECORDS, seconds=60)
        before = await ends(kafka, f"{topic_prefix}out", PARTITIONS)
    finally:
        restarting.cancel()
        for worker in workers:
            worker.kill()
    print(dict(exits))
    words = "\n".join(w.words() for w in workers)
    assert len(found) == RECORDS, f"{len(found)} records; {words[-3000:]}"
    assert len({r.value.split(b"|")[0] for r in found}) == RECORDS
    counts: Counter[bytes] = Counter()
    for record in found:  # per key the state counted 1, 2, 3, … whoever owned it
        counts[record.key] += 1
        assert int(record.value.split(b"|")[1]) == counts[record.key]
    assert before == await ends(kafka, f"{topic_prefix}out", PARTITIONS), (
        "something was written after all was done"
    )
    # -15: told to stop before its handler was there.
    assert set(exits) <= {"exit 0", "exit 75", "exit -9", "exit -15"}, words[-3000:]
