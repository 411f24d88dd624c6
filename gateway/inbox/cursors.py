"""Read cursors on `cg.agent-cursors`: JSON `{agent_id, conversation_id, seq, at}`, keyed agent and conversation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic_core import from_json, to_json

from gateway.inbox.projection.store import Store
from gateway.inbox.projection.writing import put_cursors


def cursor_bytes(agent_id: str, conversation_id: str, seq: int, at: int) -> bytes:
    """One record. `at` is Unix milliseconds."""
    return to_json({"agent_id": agent_id, "conversation_id": conversation_id, "seq": seq, "at": at})


class CursorTaker:
    """Takes records of the topic into the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(self, records: Sequence[Any]) -> None:
        """Raises LostError when Redis was flushed meanwhile."""
        rows = [from_json(record.value) for record in records if record.value is not None]
        await put_cursors(self._store, [(r["agent_id"], r["conversation_id"], int(r["seq"])) for r in rows])
