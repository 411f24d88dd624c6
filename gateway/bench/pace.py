"""How fast a backlog is worked off, told from looks at a counter."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter

from gateway.bench.place import LOOK_SECONDS, CannotMeasure, Service, Worker, cpu_seconds, last_words

STALL_SECONDS = 40.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Records a second, and processor milliseconds a record (0 = unknown)."""

    rate: float
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class Look:
    """What was done at a moment, and the processor seconds used by then."""

    at: float
    done: float
    cpu: float


async def follow(of: Service | Worker, count: int, done: Callable[[], Awaitable[float]]) -> list[Look]:
    """The looks at which more was done than before, up to `count`; the first is the last with nothing done.

    Raises CannotMeasure when it dies or does nothing more.
    """
    looks = [Look(perf_counter(), 0, 0)]
    while looks[-1].done < count:
        look = Look(perf_counter(), await done(), cpu_seconds(of.process.pid))
        if look.done > looks[-1].done:
            looks.append(look)
        elif not look.done:
            looks[0] = look
        if of.process.poll() is not None or look.at - looks[-1].at > STALL_SECONDS:
            raise CannotMeasure(f"{looks[-1].done:.0f} of {count} were done, and no more{last_words(of)}")
        await asyncio.sleep(LOOK_SECONDS)
    return looks


def between(first: Look, last: Look) -> Pace:
    """The pace from one look to a later one."""
    done = last.done - first.done
    return Pace(done / (last.at - first.at), (last.cpu - first.cpu) * 1000 / done)


def steady(looks: list[Look]) -> Pace:
    """From the first look with something done (before it, the start counts) to the last, if that is long enough."""
    return between(looks[1] if len(looks) > 4 else looks[0], looks[-1])
