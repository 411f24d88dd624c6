"""Small tools for tests."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(predicate: Callable[[], T | Awaitable[T]], timeout: float = 10.0, every: float = 0.05) -> T:
    """Waits until the predicate (plain or async) gives something true, and returns it.

    An AssertionError inside the predicate counts as "not yet". When `timeout` seconds are over, raises
    AssertionError with the last value or the last assertion.
    """
    deadline = time.monotonic() + timeout
    last: object = None
    while True:
        try:
            value = predicate()
            if inspect.isawaitable(value):
                value = await value
            if value:
                return value
            last = value
        except AssertionError as error:
            last = error
        if time.monotonic() >= deadline:
            raise AssertionError(f"not true within {timeout} s; last: {last!r}")
        await asyncio.sleep(every)
