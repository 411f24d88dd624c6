"""Every payload of the fact sheet, from raw bytes to events and receipts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors.contract import Parsed, Refused
from connectors.whatsapp import CONNECTOR
from gateway.core import ids
from tests.connectors.whatsapp.shapes import (
    ACCOUNT,
    LENA,
    PHONE,
    RECEIVED,
    USER_ID,
    cases,
    envelope,
    plain,
    post,
)

ELEMENTS = [(file, case) for file in ("messages", "media", "answers", "events") for case in cases(file)]


def parse(webhook: dict[str, Any]) -> Parsed:
    return CONNECTOR.parse(post(webhook), ACCOUNT, RECEIVED)


def aliases(parsed: Parsed) -> list[list[str]]:
    return [[alias.address, alias.alias] for alias in parsed.aliases]


def without_raw(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: "…" if k == "raw" else without_raw(v) for k, v in value.items()}
    return [without_raw(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("file", "case"), ELEMENTS, ids=[case["name"] for _, case in ELEMENTS])
def test_an_element_becomes_one_event(file: str, case: dict[str, Any]) -> None:
    element, expect = case["element"], case["expect"]
    value = {"contacts": case.get("contacts", [LENA]), "messages": [element]}
    parsed = parse(envelope(value))
    [event] = parsed.events
    assert (parsed.receipts, parsed.unreadable, parsed.ignored) == ((), (), {})
    assert event.event_id == ids.inbound_id("whatsapp", "wa-1", element["id"])
    for key, wanted in expect.items():
        if key == "aliases":
            assert aliases(parsed) == wanted
        elif key == "content" and wanted is not None:
            assert event.content is not None
            assert without_raw(plain(event.content.content)) == wanted  # type: ignore[union-attr]
        else:
            assert plain(getattr(event, key)) == wanted, key
    raw = plain(event).get("content", {}).get("content", {}).get("raw")
    if raw and file != "messages":
        assert json.loads(raw) == element


@pytest.mark.parametrize("case", cases("statuses"), ids=lambda case: case["name"])
def test_a_status_becomes_one_receipt(case: dict[str, Any]) -> None:
    parsed = parse(envelope({"statuses": [case["element"]]}))
    [receipt] = parsed.receipts
    assert (parsed.events, parsed.unreadable, parsed.ignored) == ((), (), {})
    by_address = {
        "phone": ids.conversation_id("acme", "whatsapp", "wa-1", PHONE),
        "user_id": ids.conversation_id("acme", "whatsapp", "wa-1", USER_ID),
    }
    for key, wanted in case["expect"].items():
        if key == "aliases":
            assert aliases(parsed) == wanted
        elif key == "conversation_id":
            assert receipt.conversation_id == by_address.get(wanted, wanted)
        else:
            assert plain(getattr(receipt, key)) == wanted, key


@pytest.mark.parametrize("case", cases("webhooks"), ids=lambda case: case["name"])
def test_a_webhook_is_accounted_for_whole(case: dict[str, Any]) -> None:
    parsed, expect = parse(case["webhook"]), case["expect"]
    assert [f"{e.kind}:{e.provider_message_id}" for e in parsed.events] == expect.get("events", [])
    told = [f"{r.rung or r.verdict}:{r.provider_message_id}" for r in parsed.receipts]
    assert told == expect.get("receipts", [])
    assert [fragment.error for fragment in parsed.unreadable] == expect.get("unreadable", [])
    assert parsed.ignored == expect.get("ignored", {})
    if "aliases" in expect:
        assert aliases(parsed) == expect["aliases"]


def test_one_crash_takes_one_fragment(monkeypatch: pytest.MonkeyPatch) -> None:
    from connectors.whatsapp import elements

    def crash(*_: object) -> None:
        raise RuntimeError("the parcel of Lena")

    monkeypatch.setitem(elements._READERS, "text", crash)
    image = {"from": PHONE, "id": "wamid.2", "type": "image", "image": {"id": "1", "mime_type": "image/png"}}
    text = {"from": PHONE, "id": "wamid.1", "type": "text", "text": {"body": "x"}}
    parsed = parse(envelope({"messages": [text, image]}))
    assert [event.provider_message_id for event in parsed.events] == ["wamid.2"]
    [fragment] = parsed.unreadable
    assert (json.loads(fragment.fragment), fragment.error) == (text, "RuntimeError")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "json"),
        (b"[]", "json"),
        (b"\xff\xfe", "json"),
        (b'{"object":NaN}', "json"),
        (b"[" * 100_000, "json"),
        (b'{"a":' * 100_000, "json"),
        (b"{}", "object"),
        (b'{"object":"page","entry":[]}', "object"),
    ],
)
def test_what_is_not_whatsapps_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        CONNECTOR.parse(post(body), ACCOUNT, RECEIVED)
    assert (refused.value.status, refused.value.reason) == (400, reason)


def test_number_and_user_id_lead_to_one_conversation_through_the_alias() -> None:
    both = {"from": PHONE, "from_user_id": USER_ID, "id": "wamid.1", "type": "text", "text": {"body": "x"}}
    hidden = {**both, "from": "", "id": "wamid.2"}
    [first], [second] = (parse(envelope({"messages": [element]})).events for element in (both, hidden))
    assert first.conversation_id == ids.conversation_id("acme", "whatsapp", "wa-1", PHONE)
    assert second.conversation_id == ids.conversation_id("acme", "whatsapp", "wa-1", USER_ID)
    assert (second.contact.address, second.contact.address_kind) == (USER_ID, "user_id")


def test_a_contact_of_a_batch_is_not_taken_for_somebody_elses() -> None:
    two = [
        {"from": "4911", "id": "wamid.1", "type": "text", "text": {"body": "x"}},
        {"from": "4922", "id": "wamid.2", "type": "text", "text": {"body": "y"}},
    ]
    parsed = parse(envelope({"contacts": [{"wa_id": "4933", "profile": {"name": "C"}}], "messages": two}))
    assert [event.contact.name for event in parsed.events] == [None, None]
    assert parsed.aliases == ()
