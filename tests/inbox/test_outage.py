"""Redis or Kafka away: the inbox says so, does not crash, and goes on by itself."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from gateway.embedded.redis import EmbeddedRedis
from tests.helpers import eventually
from tests.inbox.events import listening
from tests.inbox.test_api import arrived
from tests.inbox.world import World, world


async def test_redis_goes_away_and_comes_back_empty(kafka: str, tmp_path: Path, topic_prefix: str) -> None:
    server = EmbeddedRedis(tmp_path / "redis")
    await server.start()
    try:
        async with world(kafka, server.url, topic_prefix) as inbox:
            await _over_an_outage(inbox, server)
    finally:
        await server.stop()


async def _over_an_outage(inbox: World, server: EmbeddedRedis) -> None:
    ann = await inbox.client("ann@example.org")
    c = await inbox.contact("1", 1, "hello")
    await arrived(ann, c, 1)
    page = await ann.raw(f"/conversations/{c}/messages")
    async with listening(ann) as heard:
        port = server.port
        await server.stop()
        status, body = await ann.call("GET", "/conversations")
        assert (status, body["code"]) == (503, "unavailable")
        async with aiohttp.ClientSession() as http, http.get(f"{inbox.base}/healthz") as response:
            assert response.status == 200
            assert "redis" in (await response.json())["degraded"]
        async with aiohttp.ClientSession() as http, http.get(f"{inbox.base}/readyz") as response:
            assert response.status == 503

        server.wanted_port = port
        await server.start()
        await inbox.ready()
        assert await ann.raw(f"/conversations/{c}/messages") == page
        await inbox.contact("1", 2, "are you back?")
        await eventually(lambda: len([i for i in heard.items(c).values() if i["kind"] == "message"]) >= 1, 20)
        assert inbox.inbox is not None
        assert not inbox.inbox.work.done()
