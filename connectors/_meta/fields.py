"""Reading JSON that somebody else wrote: a field that is missing or of the wrong type reads as absent."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

Json = dict[str, Any]

_TOO_LATE = 4_102_444_800_000  # the year 2100; later than that it is not a time
_MILLISECONDS = 10**12


def load(data: bytes) -> Json:
    """A JSON object. Raises ValueError for anything else, also for NaN, bad UTF-8 and too deep nesting."""
    try:
        value = _DECODER.decode(data.decode())
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - one error for all that is not readable
    return value


def dump(value: object) -> str:
    """JSON text in ASCII, as Meta itself writes it."""
    return json.dumps(value, separators=(",", ":"))


def obj(parent: Json, key: str) -> Json:
    """The object under `key`; empty if there is none."""
    value = parent.get(key)
    return value if isinstance(value, dict) else {}


def items(parent: Json, key: str) -> list[Any]:
    """The list under `key`; empty if there is none."""
    value = parent.get(key)
    return value if isinstance(value, list) else []


def objects(parent: Json, key: str) -> list[Json]:
    """The objects of the list under `key`."""
    return [item for item in items(parent, key) if isinstance(item, dict)]


def text(parent: Json, key: str) -> str | None:
    """The text under `key`, also of a number; None if absent or empty. It is `clean`."""
    value = parent.get(key)
    if type(value) is str:
        return clean(value) or None
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def clean(value: str) -> str:
    """The text with half surrogates, which no UTF-8 can hold, as U+FFFD."""
    if value.isascii():
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def number(parent: Json, key: str) -> float | None:
    """The finite number under `key`, also when written as text; None if absent."""
    value = parent.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        result = float(value)
    except (ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def time(parent: Json, key: str, otherwise: int) -> int:
    """Unix milliseconds under `key`, given as seconds or milliseconds; `otherwise` if absent or absurd."""
    value = number(parent, key)
    if value is None or value <= 0:
        return otherwise
    milliseconds = int(value if value >= _MILLISECONDS else value * 1000)
    return milliseconds if milliseconds < _TOO_LATE else otherwise


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
