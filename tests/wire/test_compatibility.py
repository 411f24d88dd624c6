"""The compatibility rules case by case; what they say is held against a library that really resolves."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import pytest
from fastavro.read import SchemaResolutionError

from gateway.wire.avro_types import schema_of
from gateway.wire.compatibility import incompatibilities
from gateway.wire.records import RECORDS


def rec(name: str, *fields: tuple[Any, ...], **more: Any) -> dict[str, Any]:
    made = [{"name": f[0], "type": f[1], **({"default": f[2]} if len(f) > 2 else {})} for f in fields]
    return {"type": "record", "name": name, "namespace": "gateway.v1", "fields": made, **more}


def enum(*symbols: str, **more: Any) -> dict[str, Any]:
    return {"type": "enum", "name": "E", "namespace": "gateway.v1", "symbols": list(symbols), **more}


def arr(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def mapping(values: Any) -> dict[str, Any]:
    return {"type": "map", "values": values}


def fixed(size: int) -> dict[str, Any]:
    return {"type": "fixed", "name": "F", "size": size}


A, B, C = rec("A", ("x", "long")), rec("B", ("y", "string")), rec("C")
A_MORE = rec("A", ("x", "long"), ("z", "long"))
TREE = rec("R", ("n", "long"), ("kids", arr("gateway.v1.R")))
TREE_TEXT = rec("R", ("n", "string"), ("kids", arr("gateway.v1.R")))

# what changed, reader (new), writer (old), a value of the writer, the problems
CASES: list[tuple[str, Any, Any, Any, list[str]]] = [
    ("same", rec("R", ("a", "long")), rec("R", ("a", "long")), {"a": 1}, []),
    ("doc only", rec("R", ("a", "long"), doc="new"), rec("R", ("a", "long")), {"a": 1}, []),
    ("add field with default", rec("R", ("a", "long"), ("b", "string", "")), rec("R", ("a", "long")), {"a": 1}, []),
    (
        "add field without default", rec("R", ("a", "long"), ("b", "string")), rec("R", ("a", "long")), {"a": 1},
        ["R.b: a new field needs a default"],
    ),
    ("remove field", rec("R"), rec("R", ("a", "long")), {"a": 1}, []),
    ("reorder fields", rec("R", ("b", "string"), ("a", "long")), rec("R", ("a", "long"), ("b", "string")), {"a": 1, "b": "x"}, []),
    (
        "rename field", rec("R", ("b", "long")), rec("R", ("a", "long")), {"a": 1},
        ["R.b: a new field needs a default"],
    ),
    (
        "rename field with alias",
        {**rec("R"), "fields": [{"name": "b", "type": "long", "aliases": ["a"]}]},
        rec("R", ("a", "long")), {"a": 1}, [],
    ),
    ("int to long", rec("R", ("a", "long")), rec("R", ("a", "int")), {"a": 1}, []),
    ("int to double", rec("R", ("a", "double")), rec("R", ("a", "int")), {"a": 1}, []),
    ("long to double", rec("R", ("a", "double")), rec("R", ("a", "long")), {"a": 1}, []),
    ("float to double", rec("R", ("a", "double")), rec("R", ("a", "float")), {"a": 1.0}, []),
    ("string to bytes", rec("R", ("a", "bytes")), rec("R", ("a", "string")), {"a": "x"}, []),
    ("bytes to string", rec("R", ("a", "string")), rec("R", ("a", "bytes")), {"a": b"x"}, []),
    ("long to int", rec("R", ("a", "int")), rec("R", ("a", "long")), None, ["R.a: was long, is int"]),
    ("double to long", rec("R", ("a", "long")), rec("R", ("a", "double")), {"a": 1.0}, ["R.a: was double, is long"]),
    ("string to long", rec("R", ("a", "long")), rec("R", ("a", "string")), {"a": "x"}, ["R.a: was string, is long"]),
    ("string to boolean", rec("R", ("a", "boolean")), rec("R", ("a", "string")), {"a": "x"}, ["R.a: was string, is boolean"]),
    ("becomes nullable", rec("R", ("a", ["null", "long"])), rec("R", ("a", "long")), {"a": 1}, []),
    ("nullable and promoted", rec("R", ("a", ["null", "double"])), rec("R", ("a", "long")), {"a": 1}, []),
    ("no longer nullable", rec("R", ("a", "long")), rec("R", ("a", ["null", "long"])), {"a": None}, ["R.a: was null, is long"]),
    ("add union branch", rec("R", ("u", [A, B])), rec("R", ("u", [A])), {"u": {"x": 1}}, []),
    (
        "remove union branch", rec("R", ("u", [A])), rec("R", ("u", [A, B])), {"u": ("gateway.v1.B", {"y": "x"})},
        ["R.u: the union no longer has B"],
    ),
    ("reorder union", rec("R", ("u", [B, A])), rec("R", ("u", [A, B])), {"u": ("gateway.v1.B", {"y": "x"})}, []),
    ("union to its only branch", rec("R", ("u", A)), rec("R", ("u", [A])), {"u": {"x": 1}}, []),
    (
        "branch grows a field without default", rec("R", ("u", [A_MORE, B])), rec("R", ("u", [A, B])),
        {"u": ("gateway.v1.A", {"x": 1})}, ["R.u[A].z: a new field needs a default"],
    ),
    (
        "rename a branch", rec("R", ("u", [C, B])), rec("R", ("u", [A, B])), {"u": ("gateway.v1.A", {"x": 1})},
        ["R.u: the union no longer has A"],
    ),
    ("add symbol", rec("R", ("e", enum("a", "b"))), rec("R", ("e", enum("a"))), {"e": "a"}, []),
    (
        "remove symbol without default", rec("R", ("e", enum("a"))), rec("R", ("e", enum("a", "b"))), {"e": "b"},
        ["R.e[E]: the enum no longer has b"],
    ),
    ("remove symbol with default", rec("R", ("e", enum("a", default="a"))), rec("R", ("e", enum("a", "b"))), {"e": "b"}, []),
    ("reorder symbols", rec("R", ("e", enum("b", "a"))), rec("R", ("e", enum("a", "b"))), {"e": "b"}, []),
    ("record for string", rec("R", ("a", A)), rec("R", ("a", "string")), {"a": "x"}, ["R.a: was string, is A"]),
    ("string for record", rec("R", ("a", "string")), rec("R", ("a", A)), {"a": {"x": 1}}, ["R.a: was A, is string"]),
    ("rename the record", rec("S", ("a", "long")), rec("R", ("a", "long")), {"a": 1}, ["R: was R, is S"]),
    ("rename with alias", rec("S", ("a", "long"), aliases=["R"]), rec("R", ("a", "long")), {"a": 1}, []),
    ("rename a nested record", rec("R", ("a", B)), rec("R", ("a", A)), {"a": {"x": 1}}, ["R.a: was A, is B"]),
    ("other namespace", {**rec("R"), "namespace": "gateway.v2"}, rec("R"), {}, []),
    ("array items", rec("R", ("a", arr("string"))), rec("R", ("a", arr("long"))), {"a": [1]}, ["R.a[]: was long, is string"]),
    ("array promoted", rec("R", ("a", arr("double"))), rec("R", ("a", arr("long"))), {"a": [1]}, []),
    ("array for map", rec("R", ("a", arr("long"))), rec("R", ("a", mapping("long"))), {"a": {"k": 1}}, ["R.a: was map, is array"]),
    ("map values", rec("R", ("a", mapping("string"))), rec("R", ("a", mapping("long"))), {"a": {"k": 1}}, ["R.a{}: was long, is string"]),
    ("fixed size", rec("R", ("a", fixed(4))), rec("R", ("a", fixed(8))), {"a": bytes(8)}, ["R.a[F]: size was 8, is 4"]),
    ("nested in array", rec("R", ("a", arr(A_MORE))), rec("R", ("a", arr(A))), {"a": [{"x": 1}]}, ["R.a[][A].z: a new field needs a default"]),
    ("holds itself", TREE, TREE, {"n": 1, "kids": [{"n": 2, "kids": []}]}, []),
    ("holds itself, changed", TREE_TEXT, TREE, {"n": 1, "kids": []}, ["R.n: was long, is string"]),
    (
        "told once", rec("R", ("a", A_MORE), ("b", "gateway.v1.A")), rec("R", ("a", A), ("b", "gateway.v1.A")),
        {"a": {"x": 1}, "b": {"x": 1}}, ["R.a[A].z: a new field needs a default"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("reader", "writer", "value", "problems"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_case(reader: Any, writer: Any, value: Any, problems: list[str]) -> None:
    assert incompatibilities(reader, writer) == problems


RESOLVED = [c for c in CASES if c[3] is not None]


@pytest.mark.parametrize(
    ("reader", "writer", "value", "problems"), [c[1:] for c in RESOLVED], ids=[c[0] for c in RESOLVED]
)
def test_fastavro_agrees(reader: Any, writer: Any, value: Any, problems: list[str]) -> None:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(writer), value)
    parsed = fastavro.parse_schema(writer), fastavro.parse_schema(reader)
    if problems:
        with pytest.raises((SchemaResolutionError, KeyError)):
            fastavro.schemaless_reader(io.BytesIO(out.getvalue()), *parsed)
    else:
        fastavro.schemaless_reader(io.BytesIO(out.getvalue()), *parsed)


def test_a_default_does_not_excuse_a_removed_symbol_of_ours() -> None:
    reader, writer = rec("R", ("e", enum("a", default="a"))), rec("R", ("e", enum("a", "b")))
    assert incompatibilities(reader, writer, enum_defaults=False) == ["R.e[E]: the enum no longer has b"]


@pytest.mark.parametrize("cls", RECORDS, ids=lambda cls: cls.__name__)
def test_every_record_reads_itself(cls: type) -> None:
    assert incompatibilities(schema_of(cls), schema_of(cls), enum_defaults=False) == []
