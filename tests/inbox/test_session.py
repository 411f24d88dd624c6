"""Signing in and out, what a request must carry, and the headers of every response."""

from __future__ import annotations

import aiohttp
import pytest
from redis.asyncio import Redis

from gateway.inbox.passwords import HashFormatError, hash_password, verify_password
from gateway.inbox.session import ABSOLUTE_MS, IDLE_MS, Session, Sessions, SignInLimit
from tests.inbox.world import PASSWORD, World

NOW = 1_795_257_600_000


def test_password_hashes() -> None:
    stored = hash_password("päss wörd")
    assert stored.startswith("scrypt$ln=15,r=8,p=1$")
    assert verify_password("päss wörd", stored)
    assert not verify_password("pass word", stored)
    assert stored != hash_password("päss wörd"), "every hash has a salt of its own"
    assert not verify_password("anything", None)


@pytest.mark.parametrize(
    "damaged", ["", "x", "scrypt$ln=15,r=8$a$b", "md5$ln=1,r=1,p=1$YQ$YQ", "scrypt$ln=40,r=8,p=1$YQ$YQ"]
)
def test_damaged_hashes_are_told(damaged: str) -> None:
    if damaged:
        with pytest.raises(HashFormatError):
            verify_password("x", damaged)
    else:
        assert not verify_password("x", damaged)


class Clock:
    now = NOW

    def __call__(self) -> int:
        return self.now


async def test_sessions_end_when_idle_old_or_closed(redis_url: str, topic_prefix: str) -> None:
    redis, clock = Redis.from_url(redis_url), Clock()
    sessions = Sessions(redis, topic_prefix, clock)
    token, session = await sessions.open("ann")
    assert await sessions.find(token) == session
    assert await sessions.find("") is None
    assert await sessions.find("guess") is None
    assert token not in str(await redis.keys(f"{topic_prefix}*")), "Redis holds nothing that opens a session"

    for _ in range(3):
        clock.now += IDLE_MS - 1
        if clock.now < NOW + ABSOLUTE_MS:
            assert await sessions.find(token) is not None
    clock.now = NOW + ABSOLUTE_MS
    assert await sessions.find(token) is None

    clock.now = NOW
    idle, _ = await sessions.open("ann")
    clock.now += IDLE_MS
    assert await sessions.find(idle) is None

    clock.now = NOW
    token, session = await sessions.open("ann")
    await sessions.close(session)
    assert await sessions.find(token) is None
    await redis.aclose()


async def test_a_flush_does_not_sign_out_and_signing_out_outlives_a_flush(
    redis_url: str, topic_prefix: str
) -> None:
    redis, clock = Redis.from_url(redis_url), Clock()
    here, there = (Sessions(redis, topic_prefix, clock) for _ in range(2))
    token, session = await here.open("ann")
    closed, closing = await here.open("ann")
    await here.close(closing)
    unseen, _ = await there.open("bob")
    await redis.flushall()
    assert await here.find(token) == session
    assert await here.find(closed) is None
    assert await here.find(unseen) is None, "only who confirmed a session may put it back"
    assert await there.find(token) == session

    removed, session = await here.open("ann")
    await there.close(session)
    assert await here.find(removed) is None, "closed elsewhere, and nothing was flushed"
    await redis.aclose()


async def test_failed_sign_ins_are_limited(redis_url: str, topic_prefix: str) -> None:
    redis = Redis.from_url(redis_url)
    limit = SignInLimit(redis, topic_prefix)
    waits = [await limit.attempt("ann@example.org", "10.0.0.1") for _ in range(12)]
    assert [w > 0 for w in waits] == [False] * 10 + [True] * 2
    assert await limit.attempt("ann@example.org", "10.0.0.2") == 0, (
        "nobody is locked out by somebody elsewhere"
    )
    for n in range(100):
        await limit.attempt(f"{n}@example.org", "10.0.0.3")
    assert await limit.attempt("new@example.org", "10.0.0.3") > 0
    await limit.attempt("bob@example.org", "10.0.0.4")
    await limit.succeeded("bob@example.org", "10.0.0.4")
    assert all([await redis.ttl(key) > 0 for key in await redis.keys(f"{topic_prefix}*")])
    await redis.aclose()


def test_expiry_is_pure() -> None:
    session = Session("k", "ann", "c", NOW, NOW)
    assert not session.expired(NOW + IDLE_MS - 1)
    assert session.expired(NOW + IDLE_MS)


async def test_signing_in(inbox: World) -> None:
    browser = await inbox.client()
    wrong = {"email": "ann@example.org", "password": "wrong"}
    unknown = {"email": "nobody@example.org", "password": "wrong"}
    answers = [await browser.call("POST", "/session", given) for given in (wrong, unknown)]
    assert answers[0] == answers[1]
    assert (answers[0][0], answers[0][1]["code"]) == (401, "wrong_credentials")
    assert (await browser.call("GET", "/session"))[0] == 401

    async with browser.http.post(
        f"{browser.base}/api/v1/session", json={"email": " ANN@example.org", "password": PASSWORD}
    ) as response:
        cookie = response.headers["set-cookie"]
        body = await response.json()
    assert all(flag in cookie for flag in ("gateway_session=", "HttpOnly", "SameSite=lax", "Path=/"))
    assert "Secure" not in cookie, "this inbox listens on the loopback only"
    agent = body["agent"]
    assert (agent["id"], agent["name"], agent["presence"]) == ("ann", "Ann", "online")
    assert agent["departments"] == [{"id": "support", "name": "Support"}, {"id": "sales", "name": "Sales"}]
    assert "password" not in str(body)
    again = await browser.get("/session")
    assert again["csrf"] == body["csrf"]


async def test_writes_need_the_token_and_reads_a_session(inbox: World) -> None:
    ann, nobody = await inbox.client("ann@example.org"), await inbox.client()
    bob = await inbox.client("bob@example.org")
    for method, path in (
        ("GET", "/conversations"),
        ("GET", "/conversations/x"),
        ("GET", "/conversations/x/messages"),
        ("GET", "/agents"),
        ("GET", "/accounts"),
        ("GET", "/accounts/acc1/capabilities"),
        ("GET", "/commands/x"),
        ("GET", "/events"),
        ("PUT", "/presence"),
        ("DELETE", "/session"),
        ("POST", "/conversations/x/accept"),
    ):
        status, body = await nobody.call(method, path, {} if method != "GET" else None)
        assert (status, body["code"]) == (401, "unauthenticated"), path
    for token in ("", "x", bob.csrf):
        status, body = await ann.call("PUT", "/presence", {"state": "busy"}, headers={"X-CSRF-Token": token})
        assert (status, body["code"]) == (403, "csrf")
    status, body = await nobody.call(
        "POST",
        "/session",
        {"email": "ann@example.org", "password": PASSWORD},
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    assert (status, body["code"]) == (403, "csrf")
    assert (await ann.call("DELETE", "/session"))[0] == 204
    assert (await ann.call("GET", "/conversations"))[0] == 401


async def test_who_and_what_is_there(inbox: World) -> None:
    ann, sal = await inbox.client("ann@example.org"), await inbox.client("sal@example.org")
    assert [a["id"] for a in (await ann.get("/agents"))["agents"]] == ["ann", "bob", "sal"]
    assert [a["id"] for a in (await sal.get("/agents"))["agents"]] == ["ann", "sal"]
    assert (await sal.get("/accounts"))["accounts"] == []
    assert (await ann.get("/accounts"))["accounts"] == [
        {"id": "acc1", "channel": "testchannel", "name": "Acme", "department": "support"}
    ]
    profile = await ann.get("/accounts/acc1/capabilities")
    assert (profile["channel"], profile["rungs"][0]["told"]) == ("testchannel", "webhook")


async def test_headers_and_files(inbox: World) -> None:
    async with aiohttp.ClientSession() as http:
        for path, kind in (
            ("/", "text/html"),
            ("/api.js", "text/javascript"),
            ("/api/v1/openapi.json", "application/json"),
        ):
            async with http.get(inbox.base + path) as response:
                assert response.status == 200, path
                assert response.headers["content-type"].startswith(kind)
                policy = response.headers["content-security-policy"]
                assert "default-src 'none'" in policy
                assert "unsafe" not in policy
                assert "frame-ancestors 'none'" in policy
                assert response.headers["x-content-type-options"] == "nosniff"
                tag = response.headers.get("etag")
            if tag:
                async with http.get(inbox.base + path, headers={"If-None-Match": tag}) as response:
                    assert response.status == 304
        for path in ("/..%2fprocess.py", "/../process.py", "/.hidden", "/none.js", "/vendor"):
            async with http.get(inbox.base + path) as response:
                assert response.status == 404, path
                assert (await response.json(content_type=None))["code"] == "not_found"
        async with http.get(inbox.base + "/metrics") as response:
            assert "gateway_inbox_projected_total" in await response.text()
        async with http.get(inbox.base + "/healthz") as response:
            assert await response.json() == {"status": "ok", "degraded": []}
