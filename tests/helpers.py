"""Small tools for tests."""

from __future__ import annotations

import asyncio
import inspect
import os
import shutil
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

# Set by `./run faults`: fault tests then run long, with more inputs and more faults.
LONG_RUN = os.environ.get("GATEWAY_TEST_LONG") == "1"


def chromium() -> str:
    """Path of the system's Chromium, for Playwright's `executable_path`. Fails when there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if path := shutil.which(name):
            return path
    raise AssertionError("Chromium is missing; `./run test` as root installs it, or: apt install chromium")


async def eventually(
    predicate: Callable[[], T | Awaitable[T]], timeout: float = 10.0, every: float = 0.05
) -> T:
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
