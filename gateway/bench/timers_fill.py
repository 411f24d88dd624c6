"""The workers of row `timers`: one structure each, filled with idle timers in a process of its own."""

from __future__ import annotations

import gc
import heapq
import random
import resource
from collections.abc import Callable, Iterable
from pathlib import Path
from time import perf_counter
from typing import Any

from gateway.bench.worker import Given, main
from gateway.conversation_log.deadlines import Deadlines
from gateway.core import ids
from gateway.core.agenda import Agenda
from gateway.core.timers import Timer, TimerKind
from processors.completion import rules

NOW = 1_795_257_600_000
DAY = 24 * 3_600_000
PARTITIONS = 12

Keys = list[bytes]


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def times(count: int) -> Iterable[int]:
    """Deadlines over a day, the same in every worker."""
    draw = random.Random(4)  # noqa: S311 (figures, no secrets)
    return (NOW + draw.randrange(DAY) for _ in range(count))


def bare(keys: Keys) -> Any:
    """A heap of tuples."""
    heap = list(zip(times(len(keys)), keys, strict=True))
    heapq.heapify(heap)
    return heap


def deadlines(keys: Keys) -> Any:
    """The log's own net, as a restore builds it."""
    index = Deadlines()
    for n, (at, key) in enumerate(zip(times(len(keys)), keys, strict=True)):
        index.put(n % PARTITIONS, key, (Timer(TimerKind.COMPLETION, at, 5),))
    return index


def table(keys: Keys) -> dict[bytes, bytes]:
    """The completion rule's table, as Faust holds it in memory."""
    filled: dict[bytes, bytes] = {}
    for n, (at, key) in enumerate(zip(times(len(keys)), keys, strict=True)):
        timer = Timer(TimerKind.COMPLETION, at, 5)
        filled[key] = rules.pack(rules.Silence("", "acme", 1, (timer,)), n % PARTITIONS)
    return filled


def wheel(filled: dict[bytes, bytes]) -> Agenda:
    """The completion rule's agenda, from its table."""
    agenda = Agenda()
    for key, value in filled.items():
        if rules.partition_in(value) < PARTITIONS:
            for at in rules.deadlines_in(value):
                agenda.add(at, key)
    return agenda


def measured(work: Callable[[], Any]) -> tuple[Any, float, int]:
    """What it made, in how many seconds, with how many bytes more."""
    gc.collect()
    gc.freeze()
    before, begun = resident(), perf_counter()
    made = work()
    return made, perf_counter() - begun, resident() - before


async def work(given: Given) -> Given:
    """`what` = bare, deadlines or wheel; `count` timers. Keys are counted in for the wheel only: its table owns them."""
    count, what = given["count"], given["what"]

    def keys() -> Keys:
        return [ids.derive("bench", str(n)).encode() for n in range(count)]

    if what == "wheel":
        filled, _, held = measured(lambda: table(keys()))
        _, seconds, more = measured(lambda: wheel(filled))
        return {"seconds": seconds, "bytes": held + more, "agenda": more}
    owned = keys()
    made, seconds, more = measured(lambda: (bare if what == "bare" else deadlines)(owned))
    return {"seconds": seconds, "bytes": more, "kept": len(made)}


if __name__ == "__main__":
    main(work)
