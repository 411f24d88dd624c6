"""Records of a parked conversation, kept as state records `<conversation>|p|<n>`; and when to stop parking."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass

from gateway.bus.records import Record

MARK = b"|p|"


def parked_key(conversation: bytes, number: int) -> bytes:
    """The state key of the `number`th parked record of a conversation."""
    return b"%b%b%d" % (conversation, MARK, number)


def is_parked_key(key: bytes) -> bool:
    """True for a key that `parked_key` made."""
    return MARK in key


def split_parked_key(key: bytes) -> tuple[bytes, int]:
    """The conversation and the number of a parked record's key."""
    conversation, _, number = key.rpartition(MARK)
    return conversation, int(number)


@dataclass(frozen=True, slots=True)
class Parked:
    """A record that waits, and the error's name when it is the one that raised."""

    record: Record
    reason: str

    def encode(self) -> bytes:
        """One line of JSON, then the record's value as it was."""
        r = self.record
        headers = [[name, b64encode(value).decode()] for name, value in r.headers]
        line = {
            "t": r.topic,
            "p": r.partition,
            "o": r.offset,
            "at": r.timestamp,
            "h": headers,
            "why": self.reason,
        }
        return json.dumps(line, separators=(",", ":")).encode() + b"\n" + r.value

    @classmethod
    def decode(cls, conversation: bytes, data: bytes) -> Parked:
        """The record again; the key is the conversation's."""
        line, _, value = data.partition(b"\n")
        read = json.loads(line)
        headers = tuple((name, b64decode(text)) for name, text in read["h"])
        return cls(
            Record(read["t"], read["p"], read["o"], conversation, value, headers, read["at"]),
            read["why"],
        )


@dataclass(frozen=True, slots=True)
class DeadLimits:
    """When a worker stops rather than drain a topic into the dead letters; counted per partition.

    More than `share` of the last `window` records, or `in_a_row` in a row.
    """

    window: int = 10_000
    share: float = 0.01
    in_a_row: int = 50


class DeadCount:
    """Counts good and dead records; its numbers are kept in `@position`, so a restart does not begin anew.

    The window is two halves: the share is judged over the running half and the one before.
    """

    def __init__(self, kept: dict[str, int], limits: DeadLimits) -> None:
        self._kept = kept
        self._limits = limits

    def good(self) -> None:
        """A record was decided."""
        if self._kept:  # nothing to count as long as nothing ever failed
            self._kept["row"] = 0
            self._step()

    def dead(self) -> str | None:
        """A record raised. Returns the reason to stop, if this was one too many."""
        kept = self._kept
        kept["row"] = kept.get("row", 0) + 1
        kept["now"] = kept.get("now", 0) + 1
        self._step()
        recent = kept.get("now", 0) + kept.get("before", 0)
        if kept["row"] >= self._limits.in_a_row:
            return f"{kept['row']} records in a row could not be decided"
        if recent > self._limits.share * self._limits.window:
            return f"{recent} of the last {self._limits.window} records could not be decided"
        return None

    def _step(self) -> None:
        kept = self._kept
        kept["seen"] = kept.get("seen", 0) + 1
        if kept["seen"] >= self._limits.window // 2:
            before = kept.get("now", 0)
            kept.update(seen=0, now=0, before=before)
            if not before and not kept.get("row", 0):
                kept.clear()
