"""The offline message over HTTP: saved by administrators only, checked, previewed, tried; and `explain`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.core import commands as k
from gateway.core import ids
from gateway.core.actors import Actor, ActorKind
from gateway.core.directory import DirectoryEntry, Role, entry_key
from gateway.core.hours import BusinessHours, Interval, Week
from gateway.core.starter_texts import STARTER_TEXTS
from gateway.inbox.api import models as m
from gateway.inbox.api import offline_models as o
from gateway.inbox.api.explain_routes import Explanation
from tests.core.build import DIRECTORY, TENANT
from tests.helpers import eventually
from tests.inbox.test_api import arrived
from tests.inbox.world import _HASH, Client, World

URL = "/departments/support/offline-message"
HOURS = BusinessHours("Asia/Tokyo", Week(*[(Interval(9 * 60, 18 * 60),)] * 7))
NOON_IN_TOKYO = 1_795_231_800_000
GOOD = {"enabled": True, "text": "Hello ${Contacts.First Name}. Back ${Department.Next Opening}."}


async def administrator(inbox: World) -> Client:
    """Ann, made an administrator, in a department with hours."""
    ann = replace(DIRECTORY.agents["ann"], role=Role.ADMINISTRATOR, password_hash=_HASH)
    support = replace(DIRECTORY.departments["support"], hours=HOURS)
    for entity in (ann, support):
        await inbox.publish(inbox.catalogue.directory, entry_key(entity), DirectoryEntry(entity, 2))
    client = await inbox.client("ann@example.org")

    async def allowed() -> bool:
        return (await client.call("GET", URL))[0] == 200

    await eventually(allowed)
    return client


async def test_saved_checked_previewed_and_tried(inbox: World) -> None:
    ann = await administrator(inbox)
    before = o.OfflineMessageOut.model_validate(await ann.get(URL))
    assert (before.enabled, before.hours_set, before.when_no_hours) == (False, True, "open")
    assert len(before.starters) == len(STARTER_TEXTS)

    status, body = await ann.call("PUT", URL, {**GOOD, "text": "Hi ${Contacts.Fist Name}"})
    assert (status, body["code"]) == (422, "invalid_text")
    refused = o.RefusedText.model_validate(body)
    assert [(p.code, p.suggestion) for p in refused.problems] == [("unknown_field", "Contacts.First Name")]
    status, body = await ann.call("PUT", URL, {**GOOD, "text": "x" * 1601})
    assert (status, body["problems"][0]["code"]) == (422, "too_long")
    status, body = await ann.call("PUT", URL, {**GOOD, "text": " "})
    assert (status, body["problems"][0]["code"]) == (422, "blank")
    assert (await ann.get(URL))["enabled"] is False

    doubtful = GOOD["text"] + " Your agent: ${User.Support Rep Name}."  # type: ignore[operator]
    status, body = await ann.call("PUT", URL, {**GOOD, "text": doubtful})
    assert (status, [w["code"] for w in body["warnings"]]) == (200, ["always_empty"])
    saved = await ann.get(URL)
    assert saved == body
    assert (await ann.call("PUT", URL, GOOD))[0] == 200
    entry = inbox.inbox.parts.replicas.directory_version("department:support")  # type: ignore[union-attr]
    assert entry == 4, "two saves after the two versions before"

    status, body = await ann.call("POST", f"{URL}/preview", {"text": GOOD["text"] + "\n" + "more words " * 9})
    shown = o.PreviewOut.model_validate(body)
    assert shown.text.startswith("Hello Alex. Back ")
    assert "Japan time" in shown.text
    [account] = shown.accounts
    assert len(account.parts) > 1, "the channel takes 40 characters at once"
    assert "".join(account.parts) == shown.text

    noon = {"at": NOON_IN_TOKYO, "owner": "unassigned"}
    for changes, row, sends in (
        ({"presence": "none"}, "O6", True),
        ({"presence": "some"}, "O7", False),
        ({"presence": "some", "at": NOON_IN_TOKYO + 8 * 3_600_000}, "O5", True),
        ({"owner": "agent"}, "O9", False),
        ({"blocked": True}, "blocked", False),
    ):
        status, body = await ann.call("POST", f"{URL}/simulate", {**noon, **changes})
        found = o.SimulationOut.model_validate(body)
        assert (found.row, found.sends) == (row, sends)
        assert (found.text is not None) is sends
    assert found.why == "The contact is blocked. Nothing would be sent."


async def test_only_administrators_of_the_department(inbox: World) -> None:
    bob, sal = await inbox.client("bob@example.org"), await inbox.client("sal@example.org")
    for client in (bob, sal):
        for method, path, body in (
            ("GET", URL, None),
            ("PUT", URL, GOOD),
            ("POST", f"{URL}/preview", {}),
            ("POST", f"{URL}/simulate", {}),
        ):
            status, answer = await client.call(method, path, body)
            assert (status, answer["code"]) == (403, "forbidden"), path
            m.Problem.model_validate(answer)
    status, answer = await bob.call("GET", "/departments/nowhere/offline-message")
    assert (status, answer["code"]) == (404, "unknown_department")


async def test_explain_tells_rule_facts_and_clock(inbox: World) -> None:
    bob, sal = await inbox.client("bob@example.org"), await inbox.client("sal@example.org")
    c = await inbox.contact("77", 1, "hello")
    items = await arrived(bob, c, 1)
    facts = {"owner": "unassigned", "hours": "in", "presence": "some", "at": str(NOON_IN_TOKYO)}
    about = ids.event_id(c, items[1]["seq"])
    record = k.RecordDecision("offline", "O7", "not_sent", about, NOON_IN_TOKYO, facts)
    actor = Actor(ActorKind.RULE, "offline", "offline_message")
    await inbox.publish(
        inbox.catalogue.commands, c, k.Command("cmd-x", c, TENANT, actor, record, NOON_IN_TOKYO, about)
    )

    async def told() -> Any:
        found = await bob.get(f"/conversations/{c}/explain")
        assert found["acts"], found
        return found

    [act] = Explanation.model_validate(await eventually(told)).acts
    assert (act.rule, act.row, act.outcome, act.about) == ("offline", "O7", "not_sent", items[1]["seq"])
    assert (act.decided_at, act.facts) == (NOON_IN_TOKYO, facts)
    assert act.text == "The contact wrote while somebody could answer. No offline message was sent."
    assert act.details.endswith("presence: somebody online; judged for: 2026-11-21T03:30:00Z")
    japanese = await bob.get(f"/conversations/{c}/explain?language=ja")
    assert "対応できる担当者がいるとき" in japanese["acts"][0]["text"]
    status, body = await sal.call("GET", f"/conversations/{c}/explain")
    assert (status, body["code"]) == (403, "forbidden")
