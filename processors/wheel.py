"""Deadlines in memory, rebuilt from a table: the next one per key, cheap to move."""

from __future__ import annotations

import heapq


class Wheel:
    """At most one deadline (Unix milliseconds) per key."""

    def __init__(self) -> None:
        self._due: dict[bytes, int] = {}
        self._heap: list[tuple[int, bytes]] = []

    def __len__(self) -> int:
        return len(self._due)

    def set(self, key: bytes, at: int | None) -> None:
        """The key's only deadline from now on; None = none."""
        if at is None:
            self._due.pop(key, None)
        elif self._due.get(key) != at:
            self._due[key] = at
            heapq.heappush(self._heap, (at, key))
        if len(self._heap) > 2 * len(self._due) + 1000:
            self._heap = [(due, k) for k, due in self._due.items()]
            heapq.heapify(self._heap)

    def clear(self) -> None:
        """Forgets everything."""
        self._due.clear()
        self._heap.clear()

    def pop_due(self, now: int, limit: int) -> list[bytes]:
        """Keys whose deadline is `now` or before, oldest first, at most `limit`; they leave the wheel."""
        found: list[bytes] = []
        while self._heap and self._heap[0][0] <= now and len(found) < limit:
            at, key = heapq.heappop(self._heap)
            if self._due.get(key) == at:
                del self._due[key]
                found.append(key)
        return found
