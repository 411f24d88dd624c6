"""A department over HTTP: read, replaced, refused with field paths; and the running log follows the change."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

from gateway.core.directory import DirectoryEntry, Role, entry_key
from gateway.core.events import ConversationEvent, TimersChanged
from gateway.core.timers import TimerKind
from gateway.inbox.api.directory_routes import DepartmentOut, RefusedDepartment
from gateway.tail import read_topic
from gateway.wire.framing import decode
from tests.core.build import DIRECTORY
from tests.helpers import eventually
from tests.inbox.test_api import arrived
from tests.inbox.world import _HASH, Client, World, text

URL = "/departments/support"
WANTED: dict[str, Any] = {
    "name": "Support",
    "hours": {"zone": "Asia/Tokyo", "week": {"monday-friday": ["09:00-18:00"]}},
    "offline_message": {"enabled": True, "text": "Hello ${Contacts.First Name}. https://example.org"},
    "auto_completion": {"agent_after": "24h"},
    "hand_over_phrases": ["agent"],
    "first_response": "5m",
}


async def administrator(inbox: World) -> Client:
    """Ann, made an administrator."""
    ann = replace(DIRECTORY.agents["ann"], role=Role.ADMINISTRATOR, password_hash=_HASH)
    await inbox.publish(inbox.catalogue.directory, entry_key(ann), DirectoryEntry(ann, 2))
    client = await inbox.client("ann@example.org")

    async def allowed() -> bool:
        return (await client.call("GET", URL))[0] == 200

    await eventually(allowed)
    return client


async def test_settings_are_read_replaced_and_refused(inbox: World) -> None:
    ann = await administrator(inbox)
    before = DepartmentOut.model_validate(await ann.get(URL))
    assert (before.name, before.hours, before.version) == ("Support", None, 1)
    assert [f.code for f in before.findings] == ["department_without_hours"]

    bad = {
        **WANTED,
        "hours": {"zone": "Mars", "week": {"monday": ["9-18"]}},
        "first_response": 5,
        "nmae": "x",
    }
    status, body = await ann.call("PUT", URL, bad)
    assert status == 422
    assert [p.path for p in RefusedDepartment.model_validate(body).problems] == [
        "nmae", "hours.week.monday", "first_response",
    ]  # fmt: skip
    exceptions = [{"date": "2027-01-01"}, {"date": "tomorrow"}]
    status, body = await ann.call(
        "PUT", URL, {**WANTED, "hours": {**WANTED["hours"], "exceptions": exceptions}}
    )
    assert [p["path"] for p in body["problems"]] == ["hours.exceptions[1].date"]
    assert (await ann.call("PUT", URL, {**WANTED, "id": "sales"}))[0] == 422
    assert (await ann.call("PUT", URL, {**WANTED, "hours": {"zone": "Mars", "week": {}}}))[1]["problems"][0][
        "path"
    ] == "hours.zone"
    assert (await ann.get(URL))["version"] == 1

    status, body = await ann.call("PUT", URL, WANTED)
    saved = DepartmentOut.model_validate(body)
    assert (status, saved.version, saved.findings) == (200, 2, [])
    assert saved.hours
    assert saved.hours.week["friday"] == ["09:00-18:00"]
    shown = await ann.get(URL)
    assert shown == body
    status, body = await ann.call("PUT", URL, shown)
    assert (status, body) == (200, {**shown, "version": 3}), "what was read can be put again"
    status, body = await ann.call("PUT", URL, shown)
    assert (status, body["code"]) == (409, "version_conflict")

    doubtful = {
        **WANTED,
        "offline_message": {"enabled": True, "text": "Hello. Ask ${User.E-mail}."},
    }
    status, body = await ann.call("PUT", URL, doubtful)
    assert (status, [w["path"] for w in body["warnings"]]) == (200, ["offline_message.text"])

    bob = await inbox.client("bob@example.org")
    assert (await bob.call("GET", URL))[0] == 403
    assert (await bob.call("PUT", URL, WANTED))[0] == 403
    assert (await ann.call("PUT", "/departments/nowhere", WANTED))[0] == 404


async def test_the_running_log_follows_a_changed_setting(inbox: World) -> None:
    ann = await administrator(inbox)
    assert (await ann.call("PUT", URL, WANTED))[0] == 200

    async def completes_after(address: str, reply: str) -> int | None:
        """How long after a reply the conversation of a new contact would be completed."""
        conversation = await inbox.contact(address, 1, "hello")
        await arrived(ann, conversation, 1)
        assert (await ann.post(f"/conversations/{conversation}/accept"))[0] == 200
        status, body = await ann.post(f"/conversations/{conversation}/messages", content=text(reply))
        assert status == 200, body
        sent, timer = None, None
        topic = inbox.catalogue.conversations
        async for record in read_topic(inbox.bootstrap, inbox.catalogue, topic, True, False):
            event = decode(record.value, ConversationEvent)
            if event.conversation_id == conversation and event.seq >= body["seq"]:
                sent = event.occurred_at if event.seq == body["seq"] else sent
                if isinstance(event.happening, TimersChanged):
                    [timer] = [t.at for t in event.happening.timers if t.kind is TimerKind.COMPLETION]
        return timer - sent if timer is not None and sent is not None else None

    contacts = count(1)

    async def followed(silence: int) -> bool:
        return await completes_after(str(next(contacts)), "hi") == silence

    # The log's replica is a moment behind the inbox's; each look is a new contact.
    await eventually(lambda: followed(86_400_000))
    changed = {**WANTED, "auto_completion": {"agent_after": "3h"}}
    assert (await ann.call("PUT", URL, changed))[0] == 200
    await eventually(lambda: followed(10_800_000))
