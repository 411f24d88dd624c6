"""Many seeds on all cores; the first thing that is said of a seed that fails is its number."""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from processors.simulation.schedule import Broken
from processors.simulation.world import Outcome, run


@dataclass(frozen=True, slots=True)
class Failure:
    """A seed that found something: what, and where in the code if an exception got out."""

    seed: int
    what: str


@dataclass(slots=True)
class Summary:
    """What many seeds came to."""

    seeds: int = 0
    events: int = 0
    fewest_events: int | None = None
    fewest_conversations: int | None = None
    faults: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)

    def add(self, result: Outcome | Failure) -> None:
        """One seed more."""
        self.seeds += 1
        if isinstance(result, Failure):
            self.failures.append(result)
            return
        self.events += result.events
        self.fewest_events = min(self.fewest_events or result.events, result.events)
        fewest = self.fewest_conversations or result.conversations
        self.fewest_conversations = min(fewest, result.conversations)
        self.faults += result.faults
        self.kinds += result.kinds


def try_seed(seed: int) -> Outcome | Failure:
    """One seed; whatever it finds is told, nothing is raised."""
    try:
        return run(seed)
    except Broken as broken:
        return Failure(seed, str(broken))
    except Exception:  # noqa: BLE001 (any error of the rules or the log is a find)
        return Failure(seed, traceback.format_exc(limit=-6))


def sweep(seeds: Iterable[int], jobs: int | None = None) -> Iterator[Outcome | Failure]:
    """The results of all seeds, as they come. `jobs`: processes (absent: one per core)."""
    jobs = jobs or os.cpu_count() or 1
    if jobs == 1:
        yield from map(try_seed, seeds)
        return
    # Forked, so that a planted bug of a test is in the children as well.
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        yield from pool.imap_unordered(try_seed, seeds, chunksize=4)


def summary(seeds: Iterable[int], jobs: int | None = None) -> Summary:
    """All seeds in one account."""
    found = Summary()
    for result in sweep(seeds, jobs):
        found.add(result)
    return found
