"""Durations as people write them: `90s`, `5m`, `24h`, `3d`, `1h30m`."""

from __future__ import annotations

import re

UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
LONGEST = 366 * UNITS["d"]

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?", re.ASCII)


def parse_duration(text: str) -> int:
    """Milliseconds. Raises ValueError, saying what to write, for anything that is none or not up to 366 days."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise ValueError(f"{text!r} is no duration: write it as 90s, 5m, 24h or 3d")
    duration = sum(
        int(number or 0) * unit for number, unit in zip(match.groups(), UNITS.values(), strict=True)
    )
    if not 0 < duration <= LONGEST:
        raise ValueError(f"{text!r}: a duration is longer than nothing and at most 366d")
    return duration


def format_duration(milliseconds: int) -> str:
    """As `parse_duration` reads it, in the largest unit that divides it: 24h and not 1d, for up to three days."""
    for name, unit in UNITS.items():
        if milliseconds % unit == 0 and (name != "d" or milliseconds > 3 * unit):
            return f"{milliseconds // unit}{name}"
    raise ValueError("a duration is a whole number of milliseconds")
