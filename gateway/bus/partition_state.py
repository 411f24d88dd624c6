"""The state of one partition: bytes by key, a cache of decoded objects, positions, counters, parked records."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.bus.parking import Parked, is_parked_key, parked_key, split_parked_key
from gateway.bus.records import Logic

POSITION_KEY = b"@position"
POSITION_VERSION = 1
LOST_KEPT = 20

_ABSENT = object()


class StateBroken(Exception):
    """The state topic does not hold what it must; the text says what and what to do."""


@dataclass(slots=True)
class Meta:
    """What `@position` holds: the next offset per input topic, counters, dead-letter counts, lost input."""

    positions: dict[str, int] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    dead: dict[str, int] = field(default_factory=dict)
    lost: list[dict[str, Any]] = field(default_factory=list)

    def copy(self) -> Meta:
        return Meta(dict(self.positions), dict(self.counters), dict(self.dead), list(self.lost))

    def encode(self) -> bytes:
        """The bytes of the `@position` record."""
        data = {
            "v": POSITION_VERSION,
            "positions": self.positions,
            "counters": self.counters,
            "dead": self.dead,
            "lost": self.lost[-LOST_KEPT:],
        }
        return json.dumps(data, separators=(",", ":"), sort_keys=True).encode()

    @classmethod
    def decode(cls, data: bytes) -> Meta:
        """Raises StateBroken for bytes that this version cannot read."""
        try:
            read = json.loads(data)
            if read["v"] != POSITION_VERSION:
                raise StateBroken(f"@position has version {read['v']}; this program reads {POSITION_VERSION}")
            return cls(read["positions"], read["counters"], read["dead"], read["lost"])
        except (ValueError, KeyError, TypeError) as error:
            raise StateBroken(f"@position cannot be read: {error!r}") from error


class PartitionState:
    """Grows by `load` while restoring, afterwards only by `commit`."""

    def __init__(self, number: int, logic: Logic, cache_size: int = 10_000) -> None:
        self.number = number
        self.meta = Meta()
        self.has_position = False
        self.data: dict[bytes, bytes] = {}
        # Per parked conversation the numbers of its parked records, in order.
        self.parked: dict[bytes, tuple[int, ...]] = {}
        self._logic = logic
        self._cache: OrderedDict[bytes, Any] = OrderedDict()
        self._cache_size = cache_size

    def load(self, key: bytes, value: bytes | None) -> None:
        """One record of the state topic, in the topic's order."""
        if key == POSITION_KEY:
            if value is not None:
                self.meta = Meta.decode(value)
            self.has_position = value is not None
        elif value is None:
            self.data.pop(key, None)
        else:
            self.data[key] = value

    def restored(self) -> None:
        """Ends the loading. Raises StateBroken when there is state but no position for it."""
        if self.data and not self.has_position:
            raise StateBroken(
                f"partition {self.number} has {len(self.data)} state records but no @position: restarting from the "
                "beginning would decide everything again. Restore the state topic, or empty it together with "
                "everything that was derived from it."
            )
        numbers: dict[bytes, list[int]] = {}
        for key in self.data:
            if is_parked_key(key):
                conversation, number = split_parked_key(key)
                numbers.setdefault(conversation, []).append(number)
        self.parked = {conversation: tuple(sorted(found)) for conversation, found in numbers.items()}

    def get(self, key: bytes) -> Any | None:
        """The committed object."""
        cache = self._cache
        obj = cache.get(key, _ABSENT)
        if obj is not _ABSENT:
            cache.move_to_end(key)
            return obj
        data = self.data.get(key)
        if data is None:
            return None
        obj = self._logic.decode_state(key, data)
        self._remember(key, obj)
        return obj

    def commit(self, batch: Overlay, written: Mapping[bytes, bytes | None]) -> None:
        """Takes over what a committed transaction wrote."""
        for key, value in written.items():
            if key != POSITION_KEY:
                self.load(key, value)
        self.meta = batch.meta
        self.has_position = True
        self.parked = {**self.parked, **batch.parked} if batch.parked else self.parked
        if batch.parked:
            self.parked = {key: numbers for key, numbers in self.parked.items() if numbers}
        for key, obj in batch.changed.items():
            if obj is None:
                self._cache.pop(key, None)
            else:
                self._remember(key, obj)

    def _remember(self, key: bytes, obj: Any) -> None:
        self._cache[key] = obj
        self._cache.move_to_end(key)
        if len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)


class Overlay:
    """What a batch changes, on top of the committed state, and what its current record changes on top of that.

    The logic sees it as its StateView. `mine` is what the current record put so far.
    """

    def __init__(self, base: PartitionState) -> None:
        self.base = base
        self.meta = base.meta.copy()
        self.changed: dict[bytes, Any | None] = {}
        self.raw: dict[bytes, bytes | None] = {}
        self.parked: dict[bytes, tuple[int, ...]] = {}
        self.mine: dict[bytes, Any | None] = {}
        self._counted: dict[str, int] = {}

    @property
    def partition(self) -> int:
        return self.base.number

    def get(self, key: bytes) -> Any | None:
        """The object as the current record sees it."""
        obj = self.mine.get(key, _ABSENT)
        if obj is _ABSENT:
            obj = self.changed.get(key, _ABSENT)
            if obj is _ABSENT:
                return self.base.get(key)
        return obj

    def put(self, key: bytes, obj: Any | None) -> None:
        """Raises ValueError for a key that belongs to the loop."""
        if key[:1] == b"@" or b"|p|" in key:
            raise ValueError(f"the key {key!r} belongs to the loop")
        self.mine[key] = obj

    def counter(self, name: str) -> int:
        """Counts up; undone when the record raises."""
        value = self._counted.get(name) or self.meta.counters.get(name, 0)
        self._counted[name] = value + 1
        return value + 1

    def keep(self) -> None:
        """The current record is done."""
        if self.mine:
            self.changed.update(self.mine)
            self.mine.clear()
        if self._counted:
            self.meta.counters.update(self._counted)
            self._counted.clear()

    def drop(self) -> None:
        """The current record raised: what it changed is undone."""
        self.mine.clear()
        self._counted.clear()

    def parked_numbers(self, conversation: bytes) -> tuple[int, ...]:
        """The numbers of the parked records of a conversation, in order; empty = it is not parked."""
        numbers = self.parked.get(conversation)
        return self.base.parked.get(conversation, ()) if numbers is None else numbers

    def park(self, conversation: bytes, record: Parked) -> None:
        """Puts a record behind those that wait."""
        numbers = self.parked_numbers(conversation)
        number = numbers[-1] + 1 if numbers else 0
        self.raw[parked_key(conversation, number)] = record.encode()
        self.parked[conversation] = (*numbers, number)

    def parked_record(self, conversation: bytes, number: int) -> Parked:
        """A record that waits."""
        key = parked_key(conversation, number)
        data = self.raw[key] if key in self.raw else self.base.data.get(key)
        if data is None:
            raise StateBroken(f"the parked record {key!r} is missing")
        return Parked.decode(conversation, data)

    def unpark(self, conversation: bytes, number: int) -> None:
        """Removes a record that waited."""
        self.raw[parked_key(conversation, number)] = None
        self.parked[conversation] = tuple(n for n in self.parked_numbers(conversation) if n != number)
