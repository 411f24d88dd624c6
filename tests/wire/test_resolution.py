"""Bodies of earlier schemas read as today's types, change by change."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import fastavro
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.wire.avro_types import schema_of
from gateway.wire.codec import encode_onto
from gateway.wire.compatibility import incompatibilities
from gateway.wire.errors import WireError, WireReason
from gateway.wire.records import RECORDS
from gateway.wire.resolution import OlderReader
from tests.wire.values import values_of


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Left:
    """Has the same fields as Right: only its name tells."""

    n: int


@dataclass(frozen=True, slots=True)
class Right:
    n: int


@dataclass(frozen=True, slots=True)
class Now:
    """The record today."""

    number: int = 7
    real: float = 0.5
    text: str = "t"
    raw: bytes = b"\xff"
    colour: Colour = Colour.RED
    some: Right | None = None
    either: Left | Right | None = None
    many: tuple[Right, ...] = ()
    table: dict[str, int] = field(default_factory=dict)


def was(**fields: Any) -> dict[str, Any]:
    """The schema of an earlier Now."""
    made = [{"name": name, "type": kind} for name, kind in fields.items()]
    return {"type": "record", "name": "Now", "namespace": "gateway.v1", "fields": made}


def rec(name: str, *fields: str) -> dict[str, Any]:
    made = [{"name": f, "type": "long"} for f in fields]
    return {"type": "record", "name": name, "namespace": "gateway.v1", "fields": made}


def enum(*symbols: str) -> dict[str, Any]:
    return {"type": "enum", "name": "Colour", "namespace": "gateway.v1", "symbols": list(symbols)}


LEFT, RIGHT = rec("Left", "n"), rec("Right", "n")
READ: list[tuple[str, dict[str, Any], dict[str, Any], Now]] = [
    ("all defaults", was(), {}, Now()),
    ("a field that went", was(gone={"type": "array", "items": "string"}), {"gone": ["x"]}, Now()),
    ("other order", was(text="string", number="long"), {"text": "x", "number": 1}, Now(1, text="x")),
    ("int", was(number="int"), {"number": 1}, Now(1)),
    ("long to double", was(real="long"), {"real": 2}, Now(real=2.0)),
    ("float to double", was(real="float"), {"real": 0.25}, Now(real=0.25)),
    ("bytes to string", was(text="bytes"), {"text": "é".encode()}, Now(text="é")),
    ("string to bytes", was(raw="string"), {"raw": "é"}, Now(raw="é".encode())),
    ("symbols moved", was(colour=enum("blue", "green", "red")), {"colour": "red"}, Now(colour=Colour.RED)),
    ("record became nullable", was(some=RIGHT), {"some": {"n": 1}}, Now(some=Right(1))),
    ("record became one of two", was(either=RIGHT), {"either": {"n": 1}}, Now(either=Right(1))),
    ("union grew", was(either=[RIGHT]), {"either": {"n": 1}}, Now(either=Right(1))),
    (
        "union moved",
        was(either=[RIGHT, "null", LEFT]),
        {"either": ("gateway.v1.Left", {"n": 1})},
        Now(either=Left(1)),
    ),
    ("nothing", was(either=["null", LEFT]), {"either": None}, Now()),
    ("null became nullable", was(either="null"), {"either": None}, Now()),
    (
        "named before",
        was(either=LEFT, x="gateway.v1.Left"),
        {"either": {"n": 1}, "x": {"n": 2}},
        Now(either=Left(1)),
    ),
    ("array", was(many={"type": "array", "items": RIGHT}), {"many": [{"n": 1}]}, Now(many=(Right(1),))),
    (
        "array of union",
        was(many={"type": "array", "items": [RIGHT]}),
        {"many": [{"n": 1}]},
        Now(many=(Right(1),)),
    ),
    ("map", was(table={"type": "map", "values": "int"}), {"table": {"k": 1}}, Now(table={"k": 1})),
    ("nullable that has no null", was(number=["null", "long"]), {"number": 5}, Now(5)),
]


@pytest.mark.parametrize(("writer", "datum", "expected"), [r[1:] for r in READ], ids=[r[0] for r in READ])
def test_read(writer: dict[str, Any], datum: Any, expected: Now) -> None:
    assert OlderReader(writer).read(_written(writer, datum), Now) == expected


REFUSED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("text for a number", was(number="string"), {"number": "1"}),
    ("number for a text", was(text="long"), {"text": 1}),
    ("record for a text", was(text=RIGHT), {"text": {"n": 1}}),
    ("nothing for a number", was(number=["null", "long"]), {"number": None}),
    ("branch that went", was(either=rec("Middle", "n")), {"either": {"n": 1}}),
    ("other record", was(some=LEFT), {"some": {"n": 1}}),
    ("symbol that went", was(colour=enum("green")), {"colour": "green"}),
    ("text for a symbol", was(colour="string"), {"colour": "red"}),
    ("new field within", was(some=rec("Right")), {"some": {}}),
    ("renamed", {**was(), "name": "Then"}, {}),
]


@pytest.mark.parametrize(("writer", "datum"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_refused_by_the_check_and_malformed_if_met_all_the_same(writer: dict[str, Any], datum: Any) -> None:
    assert incompatibilities(schema_of(Now), writer, enum_defaults=False)
    with pytest.raises(WireError) as caught:
        OlderReader(writer).read(_written(writer, datum), Now)
    assert caught.value.reason is WireReason.MALFORMED


@pytest.mark.parametrize("cls", RECORDS, ids=lambda cls: cls.__name__)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_todays_schema_reads_as_an_earlier_one(cls: type, data: st.DataObject) -> None:
    value = data.draw(values_of(cls))
    pieces: list[bytes] = []
    encode_onto(pieces, value)
    assert OlderReader(schema_of(cls)).read(b"".join(pieces), cls) == value


def _written(schema: Any, datum: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), datum)
    return out.getvalue()
