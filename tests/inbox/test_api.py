"""The HTTP API with a real log behind it."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from gateway.inbox.api import models as m
from tests.helpers import eventually
from tests.inbox.world import Client, World, conversation, history, text


async def listed(client: Client, view: str = "all", **query: str) -> list[str]:
    """Ids of a view."""
    more = "".join(f"&{k}={v}" for k, v in query.items())
    return [c["id"] for c in (await client.get(f"/conversations?view={view}{more}"))["conversations"]]


async def arrived(client: Client, conversation: str, messages: int) -> list[dict[str, Any]]:
    """The conversation's items, once so many messages are there."""

    async def look() -> list[dict[str, Any]]:
        status, body = await client.call("GET", f"/conversations/{conversation}/messages")
        assert status == 200, body
        items: list[dict[str, Any]] = body["items"]
        assert len([i for i in items if i["kind"] == "message"]) >= messages, items
        return items

    return await eventually(look)


async def test_from_the_contact_to_the_agent_and_back(inbox: World) -> None:
    ann, bob = await inbox.client("ann@example.org"), await inbox.client("bob@example.org")
    c = await inbox.contact("4915", 1, "hello")
    items = await arrived(ann, c, 1)
    assert [i["kind"] for i in items] == ["system", "message"]
    assert (items[1]["from"], items[1]["content"]) == (
        "contact",
        {"type": "text", "body": "hello", "preview_url": False},
    )
    assert await listed(ann, "unassigned") == [c]
    seen = await ann.get(f"/conversations/{c}")
    assert (seen["unread"], seen["owner"]["kind"], seen["account_name"]) == (1, "queue", "Acme")
    assert seen["window_closes"] > seen["last_at"]

    status, body = await ann.post(f"/conversations/{c}/messages", content=text("hi"))
    assert (status, body["code"], body["offer"]) == (409, "not_owner", "assign")
    status, body = await ann.post(f"/conversations/{c}/accept")
    assert (status, body["accepted"]) == (200, True)
    assert await listed(ann, "mine") == [c]
    assert await listed(ann, "unassigned") == []
    status, body = await bob.post(f"/conversations/{c}/accept")
    assert (status, body["code"]) == (409, "already_taken")

    client_id = str(uuid.uuid4())
    quoted = items[1]["id"]
    status, first = await ann.post(
        f"/conversations/{c}/messages", client_id=client_id, content=text("hi there"), reply_to=quoted
    )
    assert status == 200, first
    status, second = await ann.post(
        f"/conversations/{c}/messages", client_id=client_id, content=text("hi there"), reply_to=quoted
    )
    assert (status, second) == (200, first)
    messages = [i for i in await arrived(ann, c, 2) if i["kind"] == "message"]
    assert [m["from"] for m in messages] == ["contact", "agent"]
    assert messages[1]["reply_to"] == {"id": quoted, "text": "hello", "sender": "Contact 4915"}
    assert messages[1]["status"]["shown"] == "queued"
    assert messages[1]["id"] == first["message_id"]
    assert (await ann.get(f"/commands/{first['command_id']}")) == first

    status, body = await ann.post(f"/conversations/{c}/end")
    assert status == 200, body
    page = await ann.get("/conversations?view=completed")
    assert [x["id"] for x in page["conversations"]] == [c]
    assert page["counts"] == {
        "mine": 0,
        "unassigned": 0,
        "all": 0,
        "completed": 1,
        "blocked": 0,
        "attention": 0,
    }


def system(items: list[dict[str, Any]]) -> list[str]:
    """Codes of the system messages."""
    return [i["code"] for i in items if i["kind"] == "system"]


async def test_a_blocked_contact_opens_nothing_until_unblocked(inbox: World) -> None:
    ann, sal = await inbox.client("ann@example.org"), await inbox.client("sal@example.org")
    c = await inbox.contact("6", 1, "hello")
    await arrived(ann, c, 1)
    for act in ("block", "unblock"):
        status, body = await sal.post(f"/conversations/{c}/{act}")
        assert (status, body["code"]) == (403, "forbidden")
    status, body = await ann.post(f"/conversations/{c}/unblock")
    assert (status, body["code"]) == (409, "not_blocked")
    assert (await ann.post(f"/conversations/{c}/block"))[0] == 200
    assert (await listed(ann, "blocked"), await listed(ann, "all"), await listed(ann, "completed")) == (
        [c],
        [],
        [],
    )
    status, body = await ann.post(f"/conversations/{c}/block")
    assert (status, body["code"]) == (409, "already_blocked")
    await inbox.contact("6", 2, "let me in")
    items = await arrived(ann, c, 2)
    assert system(items) == ["opened", "blocked", "ended"], "it opens nothing"
    assert (await ann.get(f"/conversations/{c}"))["unread"] == 1, "and counts as nothing new"
    for act, more in (
        ("messages", {"content": text("x")}),
        ("reopen", {}),
        ("accept", {}),
        ("transfer", {"department_id": "sales"}),
    ):
        status, body = await ann.post(f"/conversations/{c}/{act}", **more)
        assert (status, body["code"]) == (409, "blocked"), act
    assert (await ann.post(f"/conversations/{c}/unblock"))[0] == 200
    assert (await listed(ann, "blocked"), await listed(ann, "completed")) == ([], [c])
    await inbox.contact("6", 3, "thank you")
    items = await arrived(ann, c, 3)
    assert system(items)[3:] == ["unblocked", "reopened", "queued"]


async def test_tickets_of_a_conversation_and_of_a_message(inbox: World) -> None:
    ann, sal = await inbox.client("ann@example.org"), await inbox.client("sal@example.org")
    c = await inbox.contact("8", 1, "it is broken")
    message = (await arrived(ann, c, 1))[1]["id"]
    client_id = str(uuid.uuid4())
    made = [
        await ann.post(
            f"/conversations/{c}/ticket", client_id=client_id, subject="Broken", message_id=message
        )
        for _ in range(2)
    ]
    assert made[0][0] == 200
    assert made[0] == made[1], "once, however often it is asked"
    assert (await ann.post(f"/conversations/{c}/ticket", subject="All of it"))[0] == 200
    items = [i for i in await arrived(ann, c, 1) if i["kind"] == "system" and i["code"] == "ticket"]
    assert [(i["params"]["subject"], i["params"]["message_id"]) for i in items] == [
        ("Broken", message),
        ("All of it", None),
    ]
    first, second = (i["params"]["number"] for i in items)
    assert first != second
    ticket = await ann.get(f"/tickets/{first}")
    m.Ticket.model_validate(ticket)
    assert (ticket["number"], ticket["conversation_id"], ticket["message_id"], ticket["by"]["id"]) == (
        first,
        c,
        message,
        "ann",
    )
    assert (await sal.call("GET", f"/tickets/{first}"))[0] == 403
    for client, path, body, expected in (
        (ann, f"/tickets/{first + 999}", None, (404, "not_found")),
        (ann, "/tickets/x", None, (422, "invalid")),
    ):
        status, answer = await client.call("GET", path, body)
        assert (status, answer["code"]) == expected
    for wrong, code in (
        ({"subject": ""}, "invalid"),
        ({"subject": "x", "message_id": "none"}, "unknown_message"),
    ):
        _, answer = await ann.post(f"/conversations/{c}/ticket", **wrong)
        assert answer["code"] == code


async def test_read_cursor_is_per_agent(inbox: World) -> None:
    ann, bob = await inbox.client("ann@example.org"), await inbox.client("bob@example.org")
    c = await inbox.contact("1", 1, "one")
    await inbox.contact("1", 2, "two")
    items = await arrived(ann, c, 2)
    status, body = await ann.call("POST", f"/conversations/{c}/read", {"seq": items[1]["seq"]})
    assert (status, body["unread"]) == (200, 1)
    status, body = await ann.call("POST", f"/conversations/{c}/read", {"seq": 1})
    assert body["unread"] == 1
    assert (await bob.get(f"/conversations/{c}"))["unread"] == 2


async def test_a_department_sees_only_its_own(inbox: World) -> None:
    ann, sal = await inbox.client("ann@example.org"), await inbox.client("sal@example.org")
    c = await inbox.contact("2", 1, "secret words")
    items = await arrived(ann, c, 1)
    for method, path, body in (
        ("GET", f"/conversations/{c}", None),
        ("GET", f"/conversations/{c}/messages", None),
        ("POST", f"/conversations/{c}/read", {"seq": 1}),
        ("POST", f"/conversations/{c}/accept", {"client_id": str(uuid.uuid4())}),
        ("POST", f"/conversations/{c}/note", {"client_id": str(uuid.uuid4()), "body": "x"}),
        ("POST", f"/conversations/{c}/assign", {"client_id": str(uuid.uuid4()), "agent_id": "sal"}),
        ("POST", f"/conversations/{c}/messages", {"client_id": str(uuid.uuid4()), "content": text("x")}),
        ("POST", f"/conversations/{c}/messages/{items[1]['id']}/resend", {"client_id": str(uuid.uuid4())}),
        ("GET", "/conversations?department=support", None),
    ):
        status, answer = await sal.call(method, path, body)
        assert (status, answer["code"]) == (403, "forbidden"), path
        assert "secret" not in str(answer)
    for view in ("mine", "unassigned", "all", "completed", "blocked", "attention"):
        assert await listed(sal, view) == []
    status, done = await ann.post(f"/conversations/{c}/transfer", department_id="sales")
    assert status == 200, done
    assert await listed(sal, "unassigned") == [c]
    status, answer = await (await inbox.client("bob@example.org")).call("GET", f"/conversations/{c}")
    assert (status, answer["code"]) == (403, "forbidden")


async def test_what_is_not_there_and_what_makes_no_sense(inbox: World) -> None:
    ann = await inbox.client("ann@example.org")
    c = await inbox.contact("3", 1, "hello")
    await arrived(ann, c, 1)
    new = {"client_id": str(uuid.uuid4())}
    cases = (
        ("GET", "/conversations/none", None, 404, "unknown_conversation"),
        ("GET", "/nowhere", None, 404, "not_found"),
        ("GET", f"/commands/{uuid.uuid4()}", None, 404, "not_found"),
        ("GET", "/conversations?cursor=!", None, 422, "invalid"),
        ("GET", "/conversations?view=none", None, 422, "invalid"),
        ("GET", f"/conversations/{c}/messages?before=1&after=1", None, 422, "invalid"),
        ("POST", f"/conversations/{c}/messages", {**new, "content": {"type": "bomb"}}, 422, "invalid"),
        (
            "POST",
            f"/conversations/{c}/messages",
            {**new, "content": {"type": "note", "body": "x"}},
            422,
            "invalid",
        ),
        ("POST", f"/conversations/{c}/messages", {**new, "content": {"type": "text"}}, 422, "invalid"),
        (
            "POST",
            f"/conversations/{c}/messages",
            {**new, "content": text("x"), "reply_to": "y"},
            404,
            "unknown_message",
        ),
        ("POST", f"/conversations/{c}/messages", {"content": text("x")}, 422, "invalid"),
        ("POST", f"/conversations/{c}/assign", {**new, "agent_id": "nobody"}, 403, "unknown_agent"),
        ("POST", f"/conversations/{c}/transfer", {**new, "department_id": "x"}, 404, "unknown_department"),
        ("POST", f"/conversations/{c}/end", {**new}, 409, "not_assigned"),
        ("POST", f"/conversations/{c}/assign", {**new, "agent_id": "ann", "epoch": 7}, 409, "stale_epoch"),
    )
    for method, path, body, status, code in cases:
        got, answer = await ann.call(method, path, body)
        assert (got, answer["code"]) == (status, code), (path, answer)
        assert answer["status"] == status
        assert answer["type"].endswith(code)


async def test_pages_of_conversations_and_messages(inbox: World) -> None:
    ann = await inbox.client("ann@example.org")
    made = [await inbox.contact(f"5{n}", 1, f"hello {n}") for n in range(7)]
    await eventually(lambda: _all_listed(ann, made))
    collected: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await ann.get(f"/conversations?view=all&limit=3&cursor={cursor}")
        collected += [c["id"] for c in page["conversations"]]
        cursor = page["cursor"]
    assert sorted(collected) == sorted(made)
    assert len(collected) == len(set(collected))
    waiting = (await ann.get("/conversations?view=unassigned"))["conversations"]
    assert [c["waiting_since"] for c in waiting] == sorted(c["waiting_since"] for c in waiting)
    assert await listed(ann, "all", channel="other") == []

    c = made[0]
    for n in range(2, 8):
        await inbox.contact("50", n, f"more {n}")
    await arrived(ann, c, 7)
    newest = await ann.get(f"/conversations/{c}/messages?limit=3")
    assert [i["seq"] for i in newest["items"]] == [6, 7, 8]
    assert (newest["has_before"], newest["has_after"], newest["seq"]) == (True, False, 8)
    older = await ann.get(f"/conversations/{c}/messages?limit=3&before=6")
    assert ([i["seq"] for i in older["items"]], older["has_before"], older["has_after"]) == (
        [3, 4, 5],
        True,
        True,
    )
    newer = await ann.get(f"/conversations/{c}/messages?limit=10&after=5")
    assert ([i["seq"] for i in newer["items"]], newer["has_before"], newer["has_after"]) == (
        [6, 7, 8],
        True,
        False,
    )


async def _all_listed(client: Client, made: list[str]) -> bool:
    return sorted(await listed(client, "all")) == sorted(made)


async def test_another_tenants_conversations_do_not_exist(inbox: World) -> None:
    ann = await inbox.client("ann@example.org")
    await inbox.write_events(replace(event, tenant="other") for event in history("9", 2))
    c = await inbox.contact("8", 1, "ours")
    await arrived(ann, c, 1)
    theirs = conversation("9")
    await inbox.ready()
    for path in (f"/conversations/{theirs}", f"/conversations/{theirs}/messages"):
        status, body = await ann.call("GET", path)
        assert (status, body["code"]) == (404, "unknown_conversation")
    assert await listed(ann, "all") == [c]
