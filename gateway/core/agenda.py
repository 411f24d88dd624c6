"""Keys by the time when they are due, packed: a million idle ones cost some 40 MB instead of 150."""

from __future__ import annotations

import heapq
from struct import Struct

SLOT_MS = 10_000
_ENTRY = Struct("<HH")  # milliseconds after the slot's beginning, length of the key


class Agenda:
    """Entries (time in Unix milliseconds, key), the earliest first. A key may have several, and none is taken
    back: whoever reads one knows whether it still counts.

    Far entries lie packed in slots of ten seconds, one byte string each; only the slot whose time has come is
    spread out on a heap, so that the order is exact.
    """

    def __init__(self) -> None:
        self._slots: dict[int, bytearray] = {}
        self._order: list[int] = []
        self._near: list[tuple[int, bytes]] = []
        self._near_until = 0  # slots before this number are on the heap
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, at: int, key: bytes) -> None:
        """One more entry. A key has at most 65,535 bytes; more raises struct.error."""
        number, offset = divmod(at, SLOT_MS)
        if number < self._near_until:
            heapq.heappush(self._near, (at, key))
        else:
            slot = self._slots.get(number)
            if slot is None:
                slot = self._slots[number] = bytearray()
                heapq.heappush(self._order, number)
            slot += _ENTRY.pack(offset, len(key))
            slot += key
        self._size += 1

    def pop(self, now: int) -> tuple[int, bytes] | None:
        """The earliest entry, if its time is `now` or before; it leaves the agenda."""
        while not self._near or self._near[0][0] > now:
            if not self._order or self._order[0] * SLOT_MS > now:
                return None
            self._spread(heapq.heappop(self._order))
        self._size -= 1
        return heapq.heappop(self._near)

    def _spread(self, number: int) -> None:
        slot, begin, at = self._slots.pop(number), number * SLOT_MS, 0
        while at < len(slot):
            offset, length = _ENTRY.unpack_from(slot, at)
            at += _ENTRY.size + length
            self._near.append((begin + offset, bytes(slot[at - length : at])))
        heapq.heapify(self._near)
        self._near_until = number + 1


class Allowance:
    """How many may go now, at a rate per second; what half a second allows is saved up at most."""

    def __init__(self, now: int) -> None:
        self._saved = 0.0
        self._asked_at = now

    def ask(self, now: int, rate: float) -> int:
        """How many may go at `now` (Unix milliseconds). Asking takes nothing; `use` does."""
        passed = max(0, now - self._asked_at)
        self._asked_at = now
        self._saved = min(max(1.0, rate / 2), self._saved + rate * passed / 1000)
        return int(self._saved)

    def use(self, count: int) -> None:
        """So many went."""
        self._saved -= count
