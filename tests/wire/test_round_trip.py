"""Our compiled codec against itself and against two other Avro libraries, for any value of every record."""

from __future__ import annotations

import copy
import io
import json
import pickle
from dataclasses import FrozenInstanceError, dataclass
from typing import Any

import avro.io
import avro.schema
import fastavro
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.content import Clear, Sealed, Text
from gateway.core.directory import Bot, DirectoryEntry
from gateway.core.messages import Contact, InboundEvent, InboundKind
from gateway.wire.avro_types import schema_of
from gateway.wire.framing import decode, encode
from gateway.wire.records import RECORDS
from tests.wire.values import named, plain, values_of

RELAXED = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
every_record = pytest.mark.parametrize("cls", RECORDS, ids=lambda cls: cls.__name__)


@every_record
@RELAXED
@given(st.data())
def test_every_value_comes_back(cls: type, data: st.DataObject) -> None:
    value = data.draw(values_of(cls))
    assert decode(encode(value), cls) == value


@every_record
@RELAXED
@given(st.data())
def test_fastavro_writes_the_same_bytes_and_sees_the_same_branches(cls: type, data: st.DataObject) -> None:
    value = data.draw(values_of(cls))
    schema, body = _parsed(cls), encode(value)[10:]
    seen = fastavro.schemaless_reader(io.BytesIO(body), schema, return_record_name=True)
    assert seen == named(value, cls)
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, seen)
    assert out.getvalue() == body


@every_record
@settings(RELAXED, max_examples=15)
@given(st.data())
def test_avro_python3_alone_decodes_our_bytes(cls: type, data: st.DataObject) -> None:
    value = data.draw(values_of(cls))
    stream = io.BytesIO(encode(value)[10:])
    reader = avro.io.DatumReader(avro.schema.Parse(json.dumps(schema_of(cls))))
    assert reader.read(avro.io.BinaryDecoder(stream)) == plain(value)
    assert stream.read() == b""


@pytest.mark.parametrize(
    "content",
    [None, Clear(Text("やあ 👋")), Sealed("key-1", b"\x00" * 12, b"\xff\x00sealed")],
    ids=["none", "clear", "sealed"],
)
def test_content_is_clear_or_sealed(content: Any) -> None:
    event = InboundEvent("e", "c", "t", "whatsapp", "a", InboundKind.MESSAGE, Contact("49"), 1, 2, content)
    assert decode(encode(event), InboundEvent).content == content


def _parsed(cls: type) -> Any:
    return fastavro.parse_schema(schema_of(cls))


EDGES = sorted({sign * (2**k) + d for k in range(64) for d in (-1, 0, 1) for sign in (1, -1)})


@pytest.mark.parametrize("number", [n for n in EDGES if -(2**63) <= n < 2**63])
def test_integers_of_every_length(number: int) -> None:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, "long", number)
    entry = DirectoryEntry(Bot("b", "t", "n"), number)
    assert encode(entry).endswith(out.getvalue())
    assert decode(encode(entry), DirectoryEntry) == entry


def test_a_decoded_object_is_a_true_one() -> None:
    value = Contact("49", aliases=("x",))
    found = decode(encode(value), Contact)
    assert type(found) is Contact
    assert (found, hash(found), repr(found)) == (value, hash(value), repr(value))
    assert pickle.loads(pickle.dumps(found)) == copy.copy(found) == value
    with pytest.raises(FrozenInstanceError):
        found.address = "50"  # type: ignore[misc]


@dataclass(frozen=True)
class Checked:
    """Neither slots nor a plain `__init__`: made as any other object."""

    n: int

    def __post_init__(self) -> None:
        assert self.n


def test_a_class_that_checks_itself_is_made_as_usual() -> None:
    assert decode(encode(Checked(1)), Checked) == Checked(1)
