"""One open event stream, and the ids of its events.

A stream is told which rows changed and then reads them as they are now; so a slow stream only has fewer, larger
steps, holds nobody else, and needs no buffer of its own beyond the names of the rows.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable, Mapping

from pydantic_core import from_json, to_json

PENDING_AT_MOST = 5_000
"""Changed rows that may wait for a stream; with more its screen loads everything again."""

Offsets = dict[int, int]
"""The next offset per partition of `cg.conversations`."""


def pack_offsets(offsets: Mapping[int, int]) -> str:
    """The id of an event: base64url of the next offset per partition of `cg.conversations`."""
    return base64.urlsafe_b64encode(to_json({str(p): o for p, o in sorted(offsets.items())})).decode()


def unpack_offsets(text: str) -> Offsets | None:
    """The offsets of an event id; None when it is none."""
    try:
        found = from_json(base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)))
        offsets = {int(p): int(o) for p, o in found.items()}
    except (ValueError, AttributeError, TypeError):
        return None
    return offsets if all(p >= 0 and o >= 0 for p, o in offsets.items()) else None


class Stream:
    """One open stream of an agent: which rows changed since it was last served."""

    def __init__(self, agent_id: str, offsets: Offsets) -> None:
        self.agent_id = agent_id
        self.offsets = offsets
        self.resync = False
        self.ended = False
        self.presence: dict[str, str] = {}
        self._pending: dict[str, dict[str, None]] = {}
        self._size = 0
        self._woken = asyncio.Event()

    def offer(self, changes: Mapping[str, Iterable[str]]) -> None:
        """Notes changed rows; too many at once, and the stream starts afresh."""
        for conversation, refs in changes.items():
            held = self._pending.setdefault(conversation, {})
            self._size -= len(held)
            held.update(dict.fromkeys(refs))
            self._size += len(held)
        if self._size + len(self._pending) > PENDING_AT_MOST:
            self.start_afresh()
        self._woken.set()

    def start_afresh(self) -> None:
        """The agent's screen is to load everything again."""
        self._pending.clear()
        self._size = 0
        self.resync = True
        self._woken.set()

    def end(self) -> None:
        """The stream is to end."""
        self.ended = True
        self._woken.set()

    def tell_presence(self, agent_id: str, state: str) -> None:
        """An agent's presence changed."""
        self.presence[agent_id] = state
        self._woken.set()

    def reached(self, partition: int, offset: int) -> None:
        """Everything before `offset` was offered."""
        self.offsets[partition] = max(offset, self.offsets.get(partition, 0))

    def take(self) -> dict[str, set[str]]:
        """The changed rows; afterwards there are none."""
        taken = {conversation: set(refs) for conversation, refs in self._pending.items()}
        self._pending.clear()
        self._size = 0
        self._woken.clear()
        return taken

    def give_back(self, changes: Mapping[str, Iterable[str]]) -> None:
        """They could not be served yet."""
        self.offer(changes)

    async def wait(self, seconds: float) -> bool:
        """Waits for something to serve; False when the time is over."""
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return False
        return True
