"""The clock: the only place that reads the time. Everything else gets `now` as an argument."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]


def system_clock() -> int:
    """Now, in Unix milliseconds (UTC)."""
    return time.time_ns() // 1_000_000


def year_of(at: int) -> int:
    """The year (UTC) of an instant in Unix milliseconds."""
    return time.gmtime(at // 1000).tm_year
