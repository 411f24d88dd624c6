"""The outbound ledger's decisions: what was started, what is settled, what may be forgotten. Pure.

An entry says `started` from before the provider is called, `settled` once its outcome is acknowledged (so that
a crash does not turn a known outcome into `unknown`), and gets its tombstone once its input offset is
committed, which may have to wait for a slower conversation. A request found in the ledger is never sent again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gateway.core.messages import LedgerEntry, LedgerState


@dataclass(frozen=True, slots=True)
class Restored:
    """What to do with a partition's ledger when the partition is taken over.

    `unknown`: tell the log that nobody knows. `forget`: their offset was committed, so their outcome is
    known; only the tombstone is missing. `skip`: must not be sent when they are read again.
    """

    unknown: tuple[LedgerEntry, ...] = ()
    forget: tuple[str, ...] = ()
    skip: frozenset[str] = field(default_factory=frozenset)


def restored(entries: Mapping[str, LedgerEntry], committed: int | None) -> Restored:
    """Judges the ledger of one partition whose committed offset is `committed` (None: never committed)."""
    below = 0 if committed is None else committed
    left = {key: entry for key, entry in entries.items() if entry.offset >= below}
    return Restored(
        unknown=tuple(e for e in left.values() if e.state is LedgerState.STARTED),
        forget=tuple(key for key in entries if key not in left),
        skip=frozenset(left),
    )


@dataclass(slots=True)
class Open:
    """The requests of one partition whose tombstone is still to be written, with their offsets."""

    finished: dict[str, int] = field(default_factory=dict)

    def below(self, committed: int) -> list[str]:
        """After a commit: the ids to forget; they leave here."""
        forget = [key for key, offset in self.finished.items() if offset < committed]
        for key in forget:
            del self.finished[key]
        return forget


def replay(records: Iterable[tuple[str, LedgerEntry | None]]) -> dict[str, LedgerEntry]:
    """The ledger after these records, in their order; None is a tombstone."""
    entries: dict[str, LedgerEntry] = {}
    for key, entry in records:
        if entry is None:
            entries.pop(key, None)
        else:
            entries[key] = entry
    return entries
