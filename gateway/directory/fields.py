"""Reading a mapping field by field, from YAML or JSON alike: typed values, and every fault with its path."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from gateway.directory.durations import parse_duration

Path = tuple[str | int, ...]
"""Where a value stands: keys and list positions from the outside in."""

C = TypeVar("C", bound=StrEnum)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and where."""

    path: Path
    text: str


@dataclass(slots=True)
class Report:
    """What was found on the way. With faults nothing may be saved; with warnings it may."""

    faults: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)


class Fields:
    """One mapping. `what` names it in faults; keys that are not in `known` are faults."""

    def __init__(self, value: Any, path: Path, report: Report, what: str, known: Collection[str]) -> None:
        self.path = path
        self.report = report
        self._what = what
        self._value: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
        if not isinstance(value, Mapping):
            report.faults.append(Fault(path, f"{what} is a mapping of {', '.join(known)}"))
        for key in self._value:
            if key not in known:
                self.fault(f"unknown key `{key}` in {what}", key)

    def fault(self, text: str, *at: str | int) -> None:
        """Something is wrong here, or at a key below."""
        self.report.faults.append(Fault((*self.path, *at), text))

    def warn(self, text: str, *at: str | int) -> None:
        """Something is doubtful."""
        self.report.warnings.append(Fault((*self.path, *at), text))

    def given(self, key: str) -> Any:
        """The value as it stands; None when it is absent or empty."""
        value = self._value.get(key)
        return None if value == "" else value

    def names(self) -> list[str]:
        """The keys that are there, in order."""
        return list(self._value)

    def text(self, key: str) -> str | None:
        """A text; None if it is absent."""
        return self._typed(key, str, f"`{key}` is a text; put it in quotes")

    def needed(self, key: str) -> str:
        """A text that must be there; empty after a fault."""
        if self.given(key) is None:
            self.fault(f"{self._what} needs `{key}`")
        return self.text(key) or ""

    def switch(self, key: str, default: bool = False) -> bool:
        """`true` or `false`."""
        found = self._typed(key, bool, f"`{key}` is true or false")
        return default if found is None else found

    def number(self, key: str, low: int, high: int) -> int | None:
        """A whole number from `low` to `high`."""
        value = self.given(key)
        if isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value)
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and low <= value <= high):
            return value
        self.fault(f"`{key}` is a whole number from {low} to {high}", key)
        return None

    def duration(self, key: str) -> int | None:
        """Milliseconds of a duration such as `24h`."""
        return self.parsed(key, parse_duration)

    def parsed(self, key: str, parse: Callable[[str], T]) -> T | None:
        """A text as `parse` reads it; its ValueError becomes a fault."""
        text = self.text(key)
        if text is None:
            return None
        try:
            return parse(text)
        except ValueError as error:
            self.fault(str(error), key)
            return None

    def choice(self, key: str, default: C) -> C:
        """One of the enumeration's values."""
        text, kind = self.text(key), type(default)
        if text is None:
            return default
        if text not in [each.value for each in kind]:
            self.fault(f"`{key}` is one of {', '.join(kind)}, not {text!r}", key)
            return default
        return kind(text)

    def texts(self, key: str) -> tuple[str, ...] | None:
        """A list of texts; None if it is absent."""
        value = self.given(key)
        if value is None:
            return None
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list) or not all(isinstance(item, str) and item.strip() for item in items):
            self.fault(f"`{key}` is a list of texts", key)
            return None
        return tuple(items)

    def table(self, key: str) -> dict[str, str]:
        """A mapping of names to texts."""
        value = self.given(key) or {}
        if not isinstance(value, Mapping) or not all(isinstance(text, str) for text in value.values()):
            self.fault(f"`{key}` is a mapping of names to texts", key)
            return {}
        return dict(value)

    def below(self, key: str, what: str, known: Collection[str]) -> Fields | None:
        """The mapping under a key; None if it is absent."""
        value = self.given(key)
        return None if value is None else Fields(value, (*self.path, key), self.report, what, known)

    def items(self, key: str, what: str, known: Collection[str]) -> list[Fields]:
        """The mappings of the list under a key."""
        value = self.given(key) or []
        if not isinstance(value, list):
            self.fault(f"`{key}` is a list", key)
            return []
        return [Fields(item, (*self.path, key, n), self.report, what, known) for n, item in enumerate(value)]

    def _typed(self, key: str, kind: type[T], fault: str) -> T | None:
        value = self.given(key)
        if value is None or isinstance(value, kind):
            return value
        self.fault(fault, key)
        return None
