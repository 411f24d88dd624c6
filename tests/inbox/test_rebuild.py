"""Redis is flushed while the inbox runs: it notices, rebuilds from the log, and answers as before, byte for byte."""

from __future__ import annotations

import time

from redis.asyncio import Redis

from gateway.inbox.projection.store import LAYOUT
from tests.helpers import eventually
from tests.inbox.world import Client, World, conversation, history, world

ADDRESSES = [f"77{n:03}" for n in range(100)]
MESSAGES = 100
ALLOWED_SECONDS = 10.0


async def answers(client: Client) -> dict[str, bytes]:
    """What an agent can read: every list to its end, every conversation, first and older pages."""
    paths = [
        f"/conversations?view={v}&limit=200" for v in ("mine", "unassigned", "all", "completed", "blocked")
    ]
    for address in ADDRESSES:
        c = conversation(address)
        paths += [
            f"/conversations/{c}",
            f"/conversations/{c}/messages",
            f"/conversations/{c}/messages?before=40",
        ]
    return {path: await client.raw(path) for path in paths}


async def test_a_flush_is_noticed_and_mended(kafka: str, redis_url: str, topic_prefix: str) -> None:
    async def write(made: World) -> None:
        for address in ADDRESSES:
            await made.write_events(history(address, MESSAGES))

    async with world(kafka, redis_url, topic_prefix, log=False, before=write) as inbox:
        ann = await inbox.client("ann@example.org")
        for n, address in enumerate(ADDRESSES[:10]):
            status, _ = await ann.call("POST", f"/conversations/{conversation(address)}/read", {"seq": 5 * n})
            assert status == 200
        before = await answers(ann)
        assert len((await ann.get("/conversations?view=all&limit=200"))["conversations"]) == len(ADDRESSES)

        redis = Redis.from_url(redis_url)
        await redis.flushall()
        await redis.aclose()
        flushed = time.monotonic()

        status, body = await ann.call("GET", "/conversations?view=all")
        assert (status, body["code"]) == (503, "rebuilding"), "half a list must never be shown"

        async def usable() -> bool:
            return (await ann.call("GET", "/conversations?view=all"))[0] == 200

        await eventually(usable, 60.0)
        seconds = time.monotonic() - flushed
        print(f"rebuilt {len(ADDRESSES) * (MESSAGES + 1)} events in {seconds:.2f} s")
        after = await answers(ann)
        assert after == before
        assert seconds <= ALLOWED_SECONDS


async def test_damaged_rows_are_rebuilt(kafka: str, redis_url: str, topic_prefix: str) -> None:
    async def write(made: World) -> None:
        await made.write_events(history("1", 5))

    async with world(kafka, redis_url, topic_prefix, log=False, before=write) as inbox:
        ann = await inbox.client("ann@example.org")
        c = conversation("1")
        before = await ann.raw(f"/conversations/{c}/messages")
        redis = Redis.from_url(redis_url)
        generation = (await redis.get(f"{topic_prefix}inbox:{LAYOUT}:generation")).decode()
        await redis.delete(f"{topic_prefix}inbox:{LAYOUT}:{generation}:summary:{c}")
        await redis.aclose()
        # The next event of the conversation meets the hole.
        await inbox.write_events(history("1", 6)[-1:])

        async def mended() -> bool:
            status, body = await ann.call("GET", f"/conversations/{c}/messages")
            return status == 200 and len(body["items"]) == 7

        await eventually(mended, 30.0)
        assert (await ann.raw(f"/conversations/{c}/messages?before=7")).replace(
            b'"has_after":true,"seq":7', b'"has_after":false,"seq":6'
        ) == before
