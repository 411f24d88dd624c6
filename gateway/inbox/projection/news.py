"""What the projection tells the live events: which items of which conversations changed, per range of offsets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json, to_json

from gateway.core.events import ConversationEvent
from gateway.inbox.projection.project import touched

ONE_AGENT = -1
"""Partition number of news about one agent only (their read cursor), not part of the log."""

UNKNOWN = -1
"""`start` of news that do not say what changed: whoever needs it reads the log."""


@dataclass(frozen=True, slots=True)
class News:
    """Offsets `start` to `end` of a partition were projected; `changes` = conversation → items (id or `#seq`)."""

    partition: int
    start: int
    end: int
    changes: dict[str, tuple[str, ...]]
    agent: str = ""


def changes_of(events: Iterable[ConversationEvent]) -> dict[str, tuple[str, ...]]:
    """Which items of which conversations these events touch, each once."""
    found: dict[str, dict[str, None]] = {}
    for event in events:
        refs = found.setdefault(event.conversation_id, {})
        ref = touched(event)
        if ref is not None:
            refs[ref] = None
    return {conversation: tuple(refs) for conversation, refs in found.items()}


def pack(news: News) -> bytes:
    """The news as bytes for Redis."""
    return to_json([news.partition, news.start, news.end, news.changes, news.agent])


def unpack(data: bytes) -> News:
    """The news again. Raises ValueError when the bytes are none."""
    partition, start, end, changes, agent = _list(from_json(data))
    return News(partition, start, end, {c: tuple(refs) for c, refs in changes.items()}, agent)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) != 5:
        raise ValueError("no news")
    return value
