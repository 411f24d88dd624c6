"""The virtual clock, what happens when, and the one source of chance; every fault that is hit is counted here."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from random import Random

FAULTS = (
    "webhook repeated",
    "webhook late",
    "command repeated",
    "command late",
    "proposal repeated",
    "proposal late",
    "topics interleaved",
    "record read again",
    "worker crashed before commit",
    "worker crashed after commit",
    "worker restored",
    "worker frozen",
    "worker fenced",
    "rebalance",
    "clock skewed",
    "replica behind",
    "rule crashed",
    "rule replayed",
    "rule table rebuilt",
    "rule doubled",
    "presence flapped",
    "presence unknown",
    "directory changed",
    "same instant",
    "two at once",
    "bot late",
    "bot did not understand",
    "bot stale",
    "channel failed",
    "channel gave no answer",
    "receipts shuffled",
    "receipt doubled",
    "receipt early",
    "receipt lost",
)
"""Every kind of fault; a run of many seeds must have hit each of them."""


class Broken(AssertionError):
    """What must always hold did not. The text says what, and where."""


class Schedule:
    """`now` in Unix milliseconds. What is due at the same instant happens in an order that the seed decides."""

    def __init__(self, seed: int, start: int) -> None:
        self.rng = Random(seed)  # noqa: S311 (chance that can be repeated is the point)
        self.now = start
        self.faults: Counter[str] = Counter()
        self.quiet = False
        """No faults any more: what is left is to come to rest."""
        self.trace: list[str] | None = None
        self._heap: list[tuple[int, float, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, when: int, do: Callable[[], None]) -> None:
        """Have something happen at this time, or now if it has passed."""
        self._count += 1
        heapq.heappush(self._heap, (max(when, self.now), self.rng.random(), self._count, do))

    def after(self, delay: int, do: Callable[[], None]) -> None:
        """Have something happen so many milliseconds from now."""
        self.at(self.now + delay, do)

    def step(self) -> bool:
        """Let the next thing happen; False if there is none."""
        if not self._heap:
            return False
        when, _, _, do = heapq.heappop(self._heap)
        self.now = when
        do()
        return True

    def run_until(self, when: int) -> None:
        """Let everything up to this time happen."""
        while self._heap and self._heap[0][0] <= when:
            self.step()
        self.now = max(self.now, when)

    def fault(self, name: str, probability: float) -> bool:
        """Whether this fault hits now; it is counted."""
        if self.quiet or self.rng.random() >= probability:
            return False
        self.hit(name)
        return True

    def hit(self, name: str) -> None:
        """Count a fault."""
        self.faults[name] += 1
        self.say(f"fault: {name}")

    def say(self, text: str) -> None:
        """A line of the trace."""
        if self.trace is not None:
            self.trace.append(f"{self.now} {text}")

    def soon(self) -> int:
        """A delay as networks and people have it: mostly short, sometimes long (milliseconds)."""
        chance = self.rng.random()
        if self.quiet or chance < 0.8:
            return self.rng.randint(1, 50)
        return self.rng.randint(50, 2_000) if chance < 0.97 else self.rng.randint(2_000, 30_000)
