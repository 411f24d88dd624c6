"""Frames and everything that can be wrong with them; each has a stable reason."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import schemas
from gateway.core.actors import Actor, ActorKind, Owner, OwnerKind
from gateway.core.commands import Accept, Command
from gateway.core.content import Clear, Location, Text
from gateway.core.events import ConversationEvent, MessageReceived
from gateway.core.messages import ContactAlias, Presence, PresenceState
from gateway.wire import framing
from gateway.wire.avro_types import schema_of
from gateway.wire.codec import decode_at, encode_onto
from gateway.wire.errors import WireError, WireReason
from gateway.wire.framing import MARKER, decode, encode
from gateway.wire.records import RECORDS, fingerprint
from tests.wire.values import values_of

PRESENCE = Presence("anna", "acme", PresenceState.ONLINE, 1_763_768_221_345, 1_763_768_251_345)
EVENT = ConversationEvent(
    "e", "c", "acme", "whatsapp", "a", 1, 1, 2, Actor(ActorKind.CONTACT, "49", "山田"), "cause", True, 0,
    "support", Owner(OwnerKind.QUEUE, "support"), 1, False,
    MessageReceived("m", Clear(Text("こんにちは")), 1, context={"a": "b"}),
)  # fmt: skip
FRAME = encode(EVENT)


def test_the_frame_is_marker_fingerprint_body() -> None:
    body: list[bytes] = []
    encode_onto(body, EVENT)
    assert encode(EVENT) == b"\xc3\x01" + fingerprint(schema_of(ConversationEvent)) + b"".join(body)


# The first is worked out in the Avro specification; the second in Java's TestSchemaNormalization data.
FINGERPRINTS = [
    ('"null"', 0x63DD24E7CC258F8A),
    ('"int"', 0x7275D51A3F395C8F),
    ('"string"', 0x8F014872634503C7),
]


@pytest.mark.parametrize(("schema", "number"), FINGERPRINTS)
def test_fingerprints_are_little_endian(schema: str, number: int) -> None:
    assert fingerprint(json.loads(schema)) == number.to_bytes(8, "little")


DAMAGED: list[tuple[str, Callable[[bytes], bytes], WireReason]] = [
    ("empty", lambda _: b"", WireReason.NOT_FRAMED),
    ("JSON", lambda _: b'{"event_id": 1}', WireReason.NOT_FRAMED),
    ("no marker", lambda f: f[2:], WireReason.NOT_FRAMED),
    ("other version", lambda f: b"\xc3\x02" + f[2:], WireReason.NOT_FRAMED),
    ("half a marker", lambda f: f[:1], WireReason.TRUNCATED),
    ("half a header", lambda f: f[:9], WireReason.TRUNCATED),
    ("other schema", lambda f: MARKER + bytes(8) + f[10:], WireReason.UNKNOWN_FINGERPRINT),
    ("no body", lambda f: f[:10], WireReason.TRUNCATED),
    ("last byte missing", lambda f: f[:-1], WireReason.TRUNCATED),
    ("one byte more", lambda f: f + b"\0", WireReason.TRAILING_BYTES),
    ("negative length", lambda f: f[:10] + b"\x01" + f[11:], WireReason.MALFORMED),
    ("endless length", lambda f: f[:10] + b"\xff" * 20, WireReason.MALFORMED),
    ("no UTF-8", lambda f: f.replace("こ".encode(), b"\xff\xfe\xfd"), WireReason.MALFORMED),
    ("giant length", lambda f: f[:10] + b"\xfe\xff\xff\xff\x0f" + f[11:], WireReason.TRUNCATED),
]


@pytest.mark.parametrize(("damage", "reason"), [d[1:] for d in DAMAGED], ids=[d[0] for d in DAMAGED])
def test_damage_has_a_stable_reason(damage: Callable[[bytes], bytes], reason: WireReason) -> None:
    with pytest.raises(WireError) as caught:
        decode(damage(FRAME), ConversationEvent)
    assert caught.value.reason is reason


@pytest.mark.parametrize("size", range(1, len(FRAME)))
def test_every_cut_is_seen(size: int) -> None:
    with pytest.raises(WireError) as caught:
        decode(FRAME[:size], ConversationEvent)
    assert caught.value.reason is WireReason.TRUNCATED


@pytest.mark.parametrize("cls", RECORDS, ids=lambda cls: cls.__name__)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_no_bytes_break_the_decoder(cls: type, data: st.DataObject) -> None:
    frame = bytearray(encode(data.draw(values_of(cls))))
    for _ in range(3):
        frame[data.draw(st.integers(10, max(10, len(frame) - 1)))] = data.draw(st.integers(0, 255))
    try:
        found, reason = decode(bytes(frame), cls), None
    except WireError as error:
        found, reason = None, error.reason
    assert isinstance(found, cls) or reason in (
        WireReason.TRUNCATED,
        WireReason.TRAILING_BYTES,
        WireReason.MALFORMED,
    )


def test_another_record_is_not_taken_for_this_one() -> None:
    with pytest.raises(WireError) as caught:
        decode(encode(PRESENCE), ContactAlias)
    assert caught.value.reason is WireReason.UNKNOWN_FINGERPRINT


@dataclass(frozen=True, slots=True)
class Branchy:
    some: PresenceState | None
    flag: bool
    number: float


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\x04\x00\x00" + bytes(8), WireReason.MALFORMED),
        (b"\x02\x08\x00" + bytes(8), WireReason.MALFORMED),
        (b"\x00\x02" + bytes(8), WireReason.MALFORMED),
        (b"\x00\x01" + bytes(7), WireReason.TRUNCATED),
    ],
    ids=["no such branch", "no such symbol", "no boolean", "short double"],
)
def test_bytes_that_are_no_value(body: bytes, reason: WireReason) -> None:
    with pytest.raises(WireError) as caught:
        decode_at(body, 0, Branchy)
    assert caught.value.reason is reason


INVALID: list[tuple[str, Any, WireReason]] = [
    ("too large an integer", replace(PRESENCE, at=2**63), WireReason.OUT_OF_RANGE),
    ("too small an integer", replace(PRESENCE, at=-(2**63) - 1), WireReason.OUT_OF_RANGE),
    ("lone surrogate", replace(PRESENCE, agent_id="\ud800"), WireReason.INVALID_VALUE),
    ("number for text", replace(PRESENCE, agent_id=5), WireReason.INVALID_VALUE),
    ("text for number", replace(PRESENCE, at="5"), WireReason.INVALID_VALUE),
    ("fraction for integer", replace(PRESENCE, at=1.5), WireReason.INVALID_VALUE),
    ("small fraction for integer", replace(PRESENCE, at=0.5), WireReason.INVALID_VALUE),
    ("nothing for text", replace(PRESENCE, tenant=None), WireReason.INVALID_VALUE),
    ("no such state", replace(PRESENCE, state="away"), WireReason.INVALID_VALUE),
    ("not in the union", replace(EVENT, happening=Accept()), WireReason.INVALID_VALUE),
    ("text for a degree", replace(EVENT, happening=MessageReceived("m", Clear(Location("x", 1.0)), 1)), WireReason.INVALID_VALUE),
    ("no boolean", replace(EVENT, remembered="yes"), WireReason.INVALID_VALUE),
]  # fmt: skip


@pytest.mark.parametrize(("value", "reason"), [i[1:] for i in INVALID], ids=[i[0] for i in INVALID])
def test_a_value_that_its_type_does_not_allow(value: Any, reason: WireReason) -> None:
    with pytest.raises(WireError) as caught:
        encode(value)
    assert caught.value.reason is reason


def test_an_error_never_quotes_the_message() -> None:
    secret = "\ud800 my password"
    with pytest.raises(WireError) as caught:
        encode(replace(EVENT, happening=MessageReceived("m", Clear(Text(secret)), 1)))
    assert "password" not in str(caught.value)


@dataclass(frozen=True, slots=True)
class Leaf:
    n: int


@dataclass(frozen=True, slots=True)
class Tree:
    kids: tuple[Tree | Leaf, ...]
    parent: Tree | None = None


def test_a_type_may_hold_itself() -> None:
    tree = Tree((Leaf(1), Tree((Leaf(-5),))), Tree(()))
    assert decode(encode(tree), Tree) == tree


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(schemas, "FOLDER", tmp_path)
    framing._older_readers.cache_clear()
    yield tmp_path
    framing._older_readers.cache_clear()


def _older() -> dict[str, Any]:
    # The command as an earlier release may have had it: fewer fields, fewer actions, one field since gone.
    schema = copy.deepcopy(schema_of(Command))
    fields = {field["name"]: field for field in schema["fields"]}
    del fields["epoch"], fields["hops"]
    fields["action"]["type"] = [b for b in fields["action"]["type"] if b["name"] in ("Accept", "Assign")]
    actor = fields["actor"]["type"]["fields"]
    actor[0]["type"]["symbols"].reverse()
    gone = {"name": "gone", "type": {"type": "array", "items": "string"}}
    return {**schema, "fields": [gone, *fields.values()]}


def test_a_record_of_an_earlier_release_is_read(history: Path) -> None:
    older = _older()
    path = history / "history" / "Command" / "1.avsc"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(older))
    datum = {
        "gone": ["x"], "command_id": "i", "conversation_id": "c", "tenant": "t", "cause": "k", "issued_at": 7,
        "actor": {"kind": "agent", "id": "anna", "name": "Anna"}, "action": ("gateway.v1.Accept", {}),
    }  # fmt: skip
    frame = MARKER + fingerprint(older) + _written(older, datum)
    expected = Command("i", "c", "t", Actor(ActorKind.AGENT, "anna", "Anna"), Accept(), 7, "k")
    assert decode(frame, Command) == expected
    for damaged, reason in (
        (frame[:-1], WireReason.TRUNCATED),
        (frame + b"\0", WireReason.TRAILING_BYTES),
    ):
        with pytest.raises(WireError) as caught:
            decode(damaged, Command)
        assert caught.value.reason is reason


def _written(schema: Any, datum: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), datum)
    return out.getvalue()
