"""Deadlines of the conversations that this worker holds: what is overdue is applied by the log itself.

The completion and escalation rules propose timers when they are due; this is the net below them, so that a
rule that is down, or whose proposal was lost, loses no timer (DESIGN section 4, "Time is data").
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.core.agenda import Agenda, Allowance
from gateway.core.timers import Timer

GRACE_MS = 60_000
"""How long after its deadline a timer may still be proposed by its rule; also until it is tried again."""


class Deadlines:
    """The first deadline of each conversation, per partition.

    `grace` is in milliseconds. `rate` = how many per second this worker applies by itself, over all its
    partitions; None = as many as it is asked for. A backlog must not hold up what people write.
    """

    def __init__(self, grace: int = GRACE_MS, rate: int | None = None) -> None:
        self._grace = grace
        self._rate = rate
        self._partitions: dict[int, _Partition] = {}

    def __len__(self) -> int:
        """Entries kept, those of moved deadlines included."""
        return sum(len(mine) for mine in self._partitions.values())

    def put(self, partition: int, key: bytes, timers: Iterable[Timer]) -> None:
        """The conversation's timers are now these."""
        mine = self._partitions.get(partition)
        if mine is None:
            mine = self._partitions[partition] = _Partition()
        mine.put(key, min((timer.at for timer in timers), default=None))

    def due(self, partition: int, now: int, limit: int) -> list[bytes]:
        """Keys whose first deadline is overdue by more than the grace, oldest first, at most `limit`.

        A key is given again only after another grace: one that stays (its conversation is parked, its timer was
        refused) neither runs hot nor hides the others.
        """
        mine = self._partitions.get(partition)
        if mine is None:
            return []
        if self._rate is not None:
            limit = min(limit, mine.allowance.ask(now, self._rate / len(self._partitions)))
        found = mine.due(now, self._grace, limit)
        mine.allowance.use(len(found) if self._rate is not None else 0)
        return found

    def release(self, partition: int) -> None:
        """The partition went to another worker."""
        self._partitions.pop(partition, None)


class _Partition:
    def __init__(self) -> None:
        self.allowance = Allowance(0)
        self._first: dict[bytes, int] = {}
        self._agenda = Agenda()
        # Keys that were given and have not changed since, with the time from which the next grace counts.
        self._given: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._agenda)

    def put(self, key: bytes, first: int | None) -> None:
        if self._first.get(key) == first:
            return
        self._given.pop(key, None)
        if first is None:
            del self._first[key]
        else:
            self._first[key] = first
            self._agenda.add(first, key)
        if len(self._agenda) > 2 * len(self._first) + 1000:
            self._tidy()

    def due(self, now: int, grace: int, limit: int) -> list[bytes]:
        found: list[bytes] = []
        while len(found) < limit and (entry := self._agenda.pop(now - grace)) is not None:
            at, key = entry
            if self._given.get(key, self._first.get(key)) == at:
                self._given[key] = now
                self._agenda.add(now, key)
                found.append(key)
        return found

    def _tidy(self) -> None:
        """Without the entries of deadlines that were moved."""
        self._agenda = Agenda()
        for key, first in self._first.items():
            self._agenda.add(self._given.get(key, first), key)
