"""Watches an agent's live events and notes when each message of the load appears."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from time import perf_counter

import aiohttp

from gateway.bench import seed
from gateway.bench.worker import Given, main

_MARK = re.compile(rb"bench-(\d{9})")
_ITEM = b"event: item\n"


async def work(given: Given) -> Given:
    """Until `count` messages from number `first` on were seen, or for `seconds`; answers with their times.

    Creates the file `listening` once the stream is open.
    """
    base = f"http://127.0.0.1:{given['port']}/api/v1"
    first, count = given["first"], given["count"]
    seen: dict[int, float] = {}
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), timeout=timeout) as http:
        signing_in = {"email": seed.EMAIL, "password": seed.PASSWORD}
        async with http.post(f"{base}/session", json=signing_in) as answer:
            answer.raise_for_status()
        async with http.get(f"{base}/events") as stream:
            stream.raise_for_status()
            try:
                async with asyncio.timeout(given["seconds"]):
                    async for block, at in _blocks(stream.content, Path(given["listening"])):
                        for number in map(int, _MARK.findall(block)):
                            if first <= number < first + count:
                                seen.setdefault(number, at)
                        if len(seen) >= count:
                            break
            except TimeoutError:
                pass  # what is missing shows in the answer
    return {"seen": [seen.get(number, 0.0) for number in range(first, first + count)]}


async def _blocks(content: aiohttp.StreamReader, listening: Path) -> AsyncIterator[tuple[bytes, float]]:
    """Each event `item` of the stream and when its last byte came."""
    rest = b""
    async for chunk in content.iter_any():
        listening.touch()
        at = perf_counter()
        *blocks, rest = (rest + chunk).split(b"\n\n")
        for block in blocks:
            if block.startswith(_ITEM):
                yield block, at


if __name__ == "__main__":
    main(work)
