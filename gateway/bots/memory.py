"""What the gateway remembers of a conversation while a bot of ours holds it.

Kept in the compacted topic `cg.bot-memory`, written after the commands it led to: a crash between the two
handles the event once more, and the same commands are harmless. Why a topic of its own: a typed number
means a choice of the question asked last, and a webhook bot wants the last messages; both would need the whole
log from its beginning after a restart. It is small (conversations that a bot holds now) and goes when the
bot's turn ends.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

HISTORY_AT_MOST = 20
TEXT_AT_MOST = 1_000


@dataclass(frozen=True, slots=True)
class Memory:
    """`seq`: the last event that is in here. `node`: where a menu is. `history`: the last messages, oldest first.

    `bot` and `epoch` say whose turn it is; `told`: this turn, a bot was told of something already.
    """

    bot: str
    bot_name: str
    epoch: int
    tenant: str
    account_id: str
    channel: str
    seq: int = 0
    node: str | None = None
    told: bool = False
    history: tuple[Mapping[str, Any], ...] = ()

    def with_message(self, seq: int, sender: str, at: int, text: str) -> Memory:
        """One more message; the oldest goes when there are too many."""
        entry = {"seq": seq, "from": sender, "at": at, "text": text[:TEXT_AT_MOST]}
        return replace(self, seq=seq, history=(*self.history, entry)[-HISTORY_AT_MOST:])


Write = Callable[[bytes, bytes | None], Awaitable[None]]
Look = Callable[[bytes], bytes | None]


class MemoryBook:
    """Memories by conversation: own writes first, else what the topic's replica holds."""

    def __init__(self, look: Look, write: Write) -> None:
        self._look = look
        self._write = write
        self._own: dict[bytes, Memory | None] = {}

    def get(self, key: bytes) -> Memory | None:
        """What is remembered of the conversation."""
        if key in self._own:
            return self._own[key]
        data = self._look(key)
        return _load(data) if data is not None else None

    async def put(self, key: bytes, memory: Memory | None) -> None:
        """Keeps it, acknowledged; None forgets the conversation."""
        self._own[key] = memory
        await self._write(key, None if memory is None else _dump(memory))

    def arrived(self, key: bytes, value: bytes | None) -> None:
        """The replica has a record: an own write that it holds now needs no second place."""
        own = self._own.get(key)
        if key in self._own and value == (None if own is None else _dump(own)):
            del self._own[key]

    def reassigned(self) -> None:
        """Partitions moved: what others wrote meanwhile counts, not what we wrote before."""
        self._own.clear()


def _dump(memory: Memory) -> bytes:
    return json.dumps(asdict(memory), ensure_ascii=False, separators=(",", ":")).encode()


def _load(data: bytes) -> Memory:
    fields = json.loads(data)
    return Memory(**{**fields, "history": tuple(fields["history"])})
