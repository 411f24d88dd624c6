"""The process as the command line starts it, and several of them side by side."""

from __future__ import annotations

import asyncio

import aiohttp
from redis.asyncio import Redis

from gateway.inbox.process import is_loopback, run
from gateway.inbox.projection.store import LAYOUT
from gateway.settings import Settings
from tests.helpers import eventually
from tests.inbox.events import listening
from tests.inbox.test_api import arrived
from tests.inbox.world import World, conversation, free_port, history


def test_where_cookies_need_no_https() -> None:
    assert [h for h in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "example.org") if is_loopback(h)] == [
        "127.0.0.1",
        "::1",
        "localhost",
    ]


async def test_two_inboxes_share_the_work_and_one_goes_on_alone(inbox: World) -> None:
    first = inbox.base
    settings = Settings(
        kafka_bootstrap_servers=inbox.bootstrap,
        redis_url=inbox.redis_url,
        topic_prefix=inbox.catalogue.prefix,
        partitions=inbox.catalogue.partitions,
        inbox_port=free_port(),
    )
    stop = asyncio.Event()
    second = asyncio.create_task(run(settings, stop))
    inbox.base = f"http://127.0.0.1:{settings.inbox_port}"
    await inbox.ready()
    bob = await inbox.client("bob@example.org")
    inbox.base = first
    ann = await inbox.client("ann@example.org")
    async with listening(ann) as here, listening(bob) as there:
        made = [await inbox.contact(f"1{n}", 1, "hello") for n in range(12)]
        for heard in (here, there):
            await eventually(lambda heard=heard: all(len(heard.items(c)) == 2 for c in made), 30)
        status, _ = await bob.post(f"/conversations/{made[0]}/accept")
        assert status == 200
        stop.set()
        await asyncio.wait_for(second, 15)
        assert there.ended
        more = [await inbox.contact(f"2{n}", 1, "hello") for n in range(12)]
        await eventually(lambda: all(len(here.items(c)) == 2 for c in more), 40)
    for c in made:
        await arrived(ann, c, 1)


async def test_a_hole_in_the_log_stops_the_process_with_the_reason(inbox: World) -> None:
    events = history("7", 5)
    await inbox.write_events(events[:3])
    await inbox.write_events(events[4:])  # event 4 is missing for good
    assert inbox.inbox is not None
    work = inbox.inbox.work
    await eventually(work.done, 30)
    assert f"{conversation('7')}: event 5 does not follow 3" in str(work.exception())


async def test_an_unready_inbox_says_so(inbox: World) -> None:
    redis = Redis.from_url(inbox.redis_url)
    await redis.delete(f"{inbox.catalogue.prefix}inbox:{LAYOUT}:generation")
    await redis.aclose()
    async with aiohttp.ClientSession() as http, http.get(f"{inbox.base}/readyz") as response:
        assert (response.status, (await response.json())["missing"]) == (503, ["projection"])
    await inbox.ready()
