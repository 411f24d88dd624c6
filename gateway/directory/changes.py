"""What applying a file changes: entity by entity, and within a changed one field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from typing import Any

from gateway.core.directory import Entity, entry_key
from gateway.core.hours import Interval
from gateway.core.hours_text import format_interval
from gateway.directory.durations import format_duration

SHOWN_AT_MOST = 60
_HIDDEN = ("password_hash",)
_DURATIONS = ("agent_after", "bot_after", "queue_after", "warning_before", "first_response", "answer_within")
_REFERENCES = ("credentials.", "secret")


class Kind(StrEnum):
    """What happens to an entry; the value is its sign."""

    ADD = "+"
    CHANGE = "~"
    REMOVE = "-"


@dataclass(frozen=True, slots=True)
class Change:
    """One entry that changes; `before` or `after` is None where there is none."""

    kind: Kind
    key: str
    before: Entity | None
    after: Entity | None


class ForeignEntry(ValueError):
    """An id is taken by a tenant that the file does not speak of."""


def diff(known: Mapping[str, Entity], wanted: Sequence[Entity]) -> list[Change]:
    """What applying changes, in the file's order. Only tenants in the file lose entries.

    Raises ForeignEntry when an entry belongs to a tenant that is not in the file.
    """
    keys = {entry_key(entity): entity for entity in wanted}
    tenants = {entity.tenant for entity in wanted}
    foreign = [key for key in keys if key in known and known[key].tenant not in tenants]
    if foreign:
        raise ForeignEntry(
            "\n".join(f"{_name(key)} belongs to {known[key].tenant} already" for key in foreign)
        )
    changes = [
        Change(Kind.CHANGE if key in known else Kind.ADD, key, known.get(key), entity)
        for key, entity in keys.items()
        if known.get(key) != entity
    ]
    gone = sorted(key for key, entity in known.items() if key not in keys and entity.tenant in tenants)
    return changes + [Change(Kind.REMOVE, key, known[key], None) for key in gone]


def shown(change: Change) -> Iterator[str]:
    """The change as lines; no secrets, and long texts cut."""
    yield f"{change.kind} {_name(change.key)}"
    if change.before is None or change.after is None:
        return
    before, after = dict(_flat(change.before)), dict(_flat(change.after))
    for path in dict.fromkeys((*before, *after)):
        old, new = before.get(path), after.get(path)
        if old == new:
            continue
        if path in _HIDDEN:
            yield f"    {path}: changed"
        else:
            yield f"    {path}: {_word(path, old)} -> {_word(path, new)}"


def _name(key: str) -> str:
    return key.replace(":", " ", 1)


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every single value by its path; None and empty ones are left out."""
    if isinstance(value, Interval):
        yield path, format_interval(value)
    elif isinstance(value, tuple):
        yield from _flat_items(value, path)
    elif is_dataclass(value):
        for each in fields(value):
            yield from _flat(getattr(value, each.name), f"{path}.{each.name}" if path else each.name)
    elif isinstance(value, Mapping):
        for key, each in sorted(value.items()):
            yield from _flat(each, f"{path}.{key}")
    elif value is not None:
        yield path, value


def _flat_items(value: tuple[Any, ...], path: str) -> Iterator[tuple[str, Any]]:
    if all(isinstance(item, str | Interval) for item in value):
        texts = [format_interval(item) if isinstance(item, Interval) else item for item in value]
        if texts:
            yield path, ", ".join(texts)
        return
    for item in value:
        # Dated exceptions: named by their date, so that one more does not shift all others.
        intervals = ", ".join(format_interval(interval) for interval in item.intervals) or "closed"
        yield f"{path}[{item.date}]", f"{intervals} ({item.name})" if item.name else intervals


def _word(path: str, value: Any) -> str:
    if value is None:
        return "(none)"
    leaf = path.rpartition(".")[2]
    if path.startswith(_REFERENCES) and not str(value).startswith(("env:", "file:")):
        return "***"
    if leaf in _DURATIONS:
        return format_duration(value)
    if isinstance(value, bool):
        return str(value).lower()
    text = " ".join(str(value).split())
    return text if len(text) <= SHOWN_AT_MOST else f"{text[: SHOWN_AT_MOST - 1]}…"
