"""Live events: as they happen, without a gap over a reconnect, and only to those who may see them."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis

from gateway.inbox import live
from gateway.inbox import stream as streams
from gateway.inbox.stream import pack_offsets, unpack_offsets
from tests.helpers import eventually
from tests.inbox.events import listening
from tests.inbox.test_api import arrived
from tests.inbox.world import World, conversation, history, text


async def test_changes_come_as_they_happen(inbox: World) -> None:
    ann, sal = await inbox.client("ann@example.org"), await inbox.client("sal@example.org")
    async with listening(ann) as heard, listening(sal) as others:
        c = await inbox.contact("1", 1, "hello")
        await eventually(lambda: len(heard.items(c)) == 2)
        assert heard.of("conversation")[-1]["unread"] == 1
        await ann.post(f"/conversations/{c}/accept")
        await ann.post(f"/conversations/{c}/messages", content=text("hi"))
        await eventually(lambda: len(heard.items(c)) == 4)
        await eventually(lambda: heard.of("conversation")[-1]["owner"]["id"] == "ann")
        await ann.call("POST", f"/conversations/{c}/read", {"seq": 4})
        await eventually(lambda: heard.of("conversation")[-1]["unread"] == 0)
        page = (await ann.get(f"/conversations/{c}/messages"))["items"]
        assert heard.items(c) == {i["id"]: i for i in page}
        assert others.of("item") == others.of("conversation") == others.of("gone") == []
        await ann.post(f"/conversations/{c}/transfer", department_id="sales")
        await eventually(lambda: others.of("conversation"))
        assert others.of("conversation")[-1]["department_id"] == "sales"


async def test_a_conversation_that_leaves_the_department_is_gone(inbox: World) -> None:
    ann, bob = await inbox.client("ann@example.org"), await inbox.client("bob@example.org")
    c = await inbox.contact("1", 1, "hello")
    await arrived(ann, c, 1)
    async with listening(bob) as heard:
        await ann.post(f"/conversations/{c}/transfer", department_id="sales")
        await eventually(lambda: heard.of("gone") == [{"id": c}])
        assert heard.of("conversation") == []


async def test_nothing_is_missing_after_a_reconnect(inbox: World) -> None:
    ann = await inbox.client("ann@example.org")
    async with listening(ann) as first:
        c = await inbox.contact("1", 1, "hello")
        await eventually(lambda: len(first.items(c)) == 2 and first.last_id)
    away = [await inbox.contact(f"2{n}", 1, "while away") for n in range(10)]
    await inbox.contact("1", 2, "again")
    await arrived(ann, c, 2)
    async with listening(ann, first.last_id) as second:
        await eventually(lambda: all(len(second.items(a)) == 2 for a in away) and len(second.items(c)) == 1)
        assert second.of("resync") == []


async def test_what_the_ring_has_forgotten_is_read_from_the_log(
    inbox: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await inbox.client("ann@example.org")
    async with listening(ann) as first:
        c = await inbox.contact("1", 1, "hello")
        await eventually(lambda: first.items(c) and first.last_id)
    away = [await inbox.contact(f"2{n}", 1, "while away") for n in range(10)]
    for a in away:
        await arrived(ann, a, 1)
    assert inbox.inbox is not None
    for ring in inbox.inbox.parts.live._ring.values():
        ring.clear()
    async with listening(ann, first.last_id) as second:
        await eventually(lambda: all(len(second.items(a)) == 2 for a in away))
        assert second.of("resync") == []

    monkeypatch.setattr(live, "REPLAY_AT_MOST", 5)
    async with listening(ann, first.last_id) as third:
        await eventually(lambda: third.of("resync"))
        assert third.of("item") == []
        assert third.last_id == second.last_id
    for nonsense in ("x", "e30x", pack_offsets({0: 10**9})):
        async with listening(ann, nonsense) as fourth:
            await eventually(lambda heard=fourth: heard.of("resync"))


async def test_a_stream_goes_on_over_a_flush(inbox: World) -> None:
    ann = await inbox.client("ann@example.org")
    async with listening(ann) as heard:
        c = await inbox.contact("1", 1, "hello")
        await eventually(lambda: len(heard.items(c)) == 2)
        redis = Redis.from_url(inbox.redis_url)
        await redis.flushall()
        await redis.aclose()
        await inbox.contact("1", 2, "after the flush")
        await eventually(lambda: len(heard.items(c)) == 3, 20)
        assert not heard.ended


async def test_a_slow_stream_holds_nobody(inbox: World) -> None:
    ann, bob = await inbox.client("ann@example.org"), await inbox.client("bob@example.org")
    slow = await ann.http.get(f"{ann.base}/api/v1/events")  # is never read
    async with listening(bob) as heard:
        events = [e for n in range(20) for e in history(f"3{n}", 50)]
        await inbox.write_events(events)
        made = [conversation(f"3{n}") for n in range(20)]
        await eventually(lambda: [len(heard.items(c)) for c in made] == [51] * 20, 30)
    slow.close()


async def test_signing_out_ends_the_stream(inbox: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.inbox.api import event_routes

    monkeypatch.setattr(event_routes, "HEARTBEAT_SECONDS", 0.2)
    ann = await inbox.client("ann@example.org")
    async with listening(ann) as heard:
        await ann.call("DELETE", "/session")
        await eventually(lambda: heard.ended)


async def test_presence_is_told_to_colleagues(inbox: World) -> None:
    ann = await inbox.client("ann@example.org")
    async with listening(ann) as heard:
        bob = await inbox.client("bob@example.org")
        await eventually(lambda: {"agent_id": "bob", "state": "online"} in heard.of("presence"))
        assert await bob.call("PUT", "/presence", {"state": "busy"}) == (200, {"state": "busy"})
        await eventually(lambda: {"agent_id": "bob", "state": "busy"} in heard.of("presence"))
        assert (await bob.get("/session"))["agent"]["presence"] == "busy"


def test_event_ids() -> None:
    assert unpack_offsets(pack_offsets({2: 5, 0: 7})) == {0: 7, 2: 5}
    for nonsense in ("", "abc", "W10", "eyJhIjoxfQ", "eyIwIjotMX0"):
        assert unpack_offsets(nonsense) is None


async def test_a_stream_that_falls_too_far_behind_starts_afresh() -> None:
    stream = streams.Stream("ann", {})
    for n in range(streams.PENDING_AT_MOST):
        stream.offer({"c": [f"m{n}"]})
    assert stream.resync
    assert stream.take() == {}
    stream.offer({"c": ["m"]})
    assert await asyncio.wait_for(stream.wait(1), 2)
    assert stream.take() == {"c": {"m"}}
