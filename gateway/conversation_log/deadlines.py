"""Deadlines of the conversations of the partitions that this worker holds: what is overdue is applied by the log itself.

The completion and escalation rules propose timers when they are due; this is the net below them, so that a
rule that is down, or whose proposal was lost, loses no timer (DESIGN section 4, "Time is data").
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from gateway.core.timers import Timer

GRACE_MS = 60_000
"""How long after its deadline a timer may still be proposed by its rule."""


class Deadlines:
    """A heap per partition with lazy removal: an entry counts only while it is the key's present deadline."""

    def __init__(self, grace: int = GRACE_MS) -> None:
        self._grace = grace
        self._heaps: dict[int, list[tuple[int, bytes]]] = {}
        self._present: dict[int, dict[bytes, int]] = {}

    def put(self, partition: int, key: bytes, timers: Iterable[Timer]) -> None:
        """The conversation's timers are now these."""
        first = min((timer.at for timer in timers), default=None)
        present = self._present.setdefault(partition, {})
        if first is None:
            present.pop(key, None)
        elif present.get(key) != first:
            present[key] = first
            heapq.heappush(self._heaps.setdefault(partition, []), (first, key))

    def due(self, partition: int, now: int, limit: int) -> list[bytes]:
        """Keys whose first deadline is overdue by more than the grace, oldest first, at most `limit`."""
        heap, present = self._heaps.get(partition, []), self._present.get(partition, {})
        found: list[tuple[int, bytes]] = []
        while heap and heap[0][0] + self._grace <= now and len(found) < limit:
            at, key = heapq.heappop(heap)
            if present.get(key) == at:
                found.append((at, key))
        for entry in found:
            heapq.heappush(heap, entry)  # it stays until the transaction that handles it changes it
        return [key for _, key in found]

    def release(self, partition: int) -> None:
        """The partition went to another worker."""
        self._heaps.pop(partition, None)
        self._present.pop(partition, None)
