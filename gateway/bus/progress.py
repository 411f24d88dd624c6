"""Which records of one partition are being handled, done, or to be read again; and how far to commit. Pure."""

from __future__ import annotations

from collections.abc import Collection


class Progress:
    """Offsets may have gaps (markers, compaction). `len()` = records read and not finished."""

    def __init__(self) -> None:
        self._pending: set[int] = set()
        # Finished above the oldest unfinished one: if they are read again, they are not handled again.
        self._done: set[int] = set()
        self._dropped: set[int] = set()
        self._high: int | None = None
        self._committed: int | None = None

    def __len__(self) -> int:
        return len(self._pending)

    def begin(self, offset: int) -> bool:
        """A record was read. False = it is being handled or was handled; leave it out."""
        if self._high is None:
            self._done = {done for done in self._done if done >= offset}
        self._high = offset if self._high is None else max(self._high, offset)
        self._dropped.discard(offset)
        if offset in self._pending or offset in self._done:
            return False
        self._pending.add(offset)
        return True

    def wanted(self, offset: int) -> bool:
        """False = dropped or finished since it was read."""
        return offset in self._pending

    def finish(self, offset: int) -> None:
        """A record was handled."""
        self._pending.discard(offset)
        self._done.add(offset)
        oldest = self._oldest()
        if oldest is None or len(self._done) > 4 * len(self._pending) + 1_000:
            self._done = {done for done in self._done if oldest is not None and done > oldest}

    def drop_waiting(self, running: Collection[int]) -> None:
        """The partition may go away: what has not begun is left to whoever reads it next."""
        waiting = self._pending.difference(running)
        self._dropped |= waiting
        self._pending -= waiting

    def reassigned(self) -> None:
        """The partition is read again from the committed offset."""
        self._dropped.clear()
        self._high = None
        self._committed = None

    @property
    def commit(self) -> int:
        """The offset of the oldest unfinished record, or of the next one to read. Needs `uncommitted`."""
        oldest = self._oldest()
        return oldest if oldest is not None else (self._high or 0) + 1

    @property
    def uncommitted(self) -> bool:
        """True when `commit` says something new."""
        return self._high is not None and self.commit != self._committed

    def committed(self, offset: int) -> None:
        """The offset was written."""
        self._committed = offset

    def _oldest(self) -> int | None:
        unfinished = self._pending | self._dropped if self._dropped else self._pending
        return min(unfinished, default=None)
