"""Ids are UUIDv5, deterministic, and never two things by one name."""

from __future__ import annotations

from uuid import uuid5

from hypothesis import given
from hypothesis import strategies as st

from gateway.core import ids


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_an_id_is_the_uuid5_of_its_parts(parts: list[str]) -> None:
    parts = [part.encode(errors="replace").decode() for part in parts]
    assert ids.derive(*parts) == str(uuid5(ids.NAMESPACE, "\x1f".join(parts)))


def test_two_kinds_of_thing_never_share_an_id() -> None:
    made = [
        ids.conversation_id("t", "c", "a", "x"),
        ids.inbound_id("c", "a", "x"),
        ids.receipt_id("c", "a", "x", "read"),
        ids.command_id("x", "rule", "kind"),
        ids.client_command_id("x", "ann", "1"),
        ids.message_id("x"),
        ids.event_id("x", 1),
    ]
    assert len(set(made)) == len(made)


def test_short_forms_are_16_bytes_and_differ() -> None:
    uuid = ids.message_id("x")
    assert ids.short(uuid) == bytes.fromhex(uuid.replace("-", ""))
    assert len(ids.short("any text")) == 16
    assert ids.short("z" * 36) != ids.short("y" * 36)
