"""Records written under an earlier schema, read as today's domain types (Avro schema resolution).

fastavro reads them under their own schema; what follows is ours, since fastavro names the branch of a union
by the writer's side only, and a record that has since become one branch of several would have to be guessed.
Source: https://avro.apache.org/docs/1.12.0/specification/#schema-resolution
"""

from __future__ import annotations

import dataclasses
import struct
from enum import StrEnum
from io import BytesIO
from typing import Any, TypeVar, cast

import fastavro

from gateway.wire.avro_types import (
    Array,
    Choice,
    Enumeration,
    Field,
    Map,
    Optional,
    Record,
    Scalar,
    Shape,
    fields_of,
)
from gateway.wire.errors import WireError, WireReason

T = TypeVar("T")


class OlderReader:
    """Reads bodies of one earlier schema."""

    def __init__(self, writer: Any) -> None:
        self._types: dict[str, Any] = {}
        self._schema = fastavro.parse_schema(writer, named_schemas=self._types)

    def read(self, body: bytes, cls: type[T]) -> T:
        """The domain object. Raises WireError with reason `truncated`, `trailing_bytes` or `malformed`."""
        stream = BytesIO(body)
        try:
            datum = fastavro.schemaless_reader(stream, self._schema, None, return_record_name=True)
            value = self._record(cls, self._full(self._schema), datum)
        except (EOFError, IndexError, struct.error) as error:
            raise WireError(
                WireReason.TRUNCATED, f"the bytes end within an earlier {cls.__name__}"
            ) from error
        except (ValueError, TypeError, KeyError) as error:
            detail = f"an earlier {cls.__name__} cannot be read ({type(error).__name__})"
            raise WireError(WireReason.MALFORMED, detail) from error
        if stream.tell() < len(body):
            raise WireError(WireReason.TRAILING_BYTES, f"bytes follow an earlier {cls.__name__}")
        return cast("T", value)

    def _build(self, shape: Shape, writer: Any, datum: Any) -> Any:
        writer, datum = self._taken(writer, datum)
        match shape:
            case Optional(some):
                return None if writer["type"] == "null" else self._build(some, writer, datum)
            case Choice(records, nullable):
                if nullable and writer["type"] == "null":
                    return None
                name = _short(writer)
                cls = next((r.cls for r in records if r.cls.__name__ == name), None)
                return self._record(_known(cls, name), writer, datum)
            case Record(cls):
                return self._record(cls, writer, datum)
            case Enumeration(cls):
                return _symbol(cls, writer, datum)
            case Array(item):
                return tuple(self._build(item, writer["items"], each) for each in datum)
            case Map(value):
                return {key: self._build(value, writer["values"], each) for key, each in datum.items()}
            case Scalar(avro):
                return _promoted(avro, writer["type"], datum)

    def _record(self, cls: type, writer: Any, datum: Any) -> Any:
        if writer["type"] != "record" or _short(writer) != cls.__name__:
            raise TypeError(f"a {_short(writer)} is no {cls.__name__}")
        written = {field["name"]: field["type"] for field in writer["fields"]}
        return cls(
            *(
                self._build(field.shape, written[field.name], datum[field.name])
                if field.name in written
                else _default(field)
                for field in fields_of(cls)
            )
        )

    def _taken(self, writer: Any, datum: Any) -> tuple[Any, Any]:
        # Only records share a union (`avro_types`), and those come with their name.
        if not isinstance(writer, list):
            return self._full(writer), datum
        if isinstance(datum, tuple):
            return self._types[datum[0]], datum[1]
        branches = [self._full(branch) for branch in writer]
        return next(b for b in branches if (b["type"] == "null") == (datum is None)), datum

    def _full(self, schema: Any) -> Any:
        if isinstance(schema, str):
            return self._types.get(schema) or {"type": schema}
        return schema


def _short(writer: Any) -> str:
    return str(writer.get("name", writer["type"])).rpartition(".")[2]


def _known(cls: type | None, name: str) -> type:
    if cls is None:
        raise TypeError(f"the union no longer has {name}")
    return cls


def _symbol(cls: type[StrEnum], writer: Any, datum: Any) -> StrEnum:
    if writer["type"] != "enum":
        raise TypeError(f"a {writer['type']} is no {cls.__name__}")
    return cls(datum)


def _promoted(avro: str, written: str, datum: Any) -> Any:
    if avro == written or (avro, written) == ("long", "int"):
        return datum
    if avro == "double" and written in ("int", "long", "float"):
        return float(datum)
    if (avro, written) == ("bytes", "string"):
        return datum.encode()
    if (avro, written) == ("string", "bytes"):
        return datum.decode()
    raise TypeError(f"a {written} is no {avro}")


def _default(field: Field) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    match field.shape:
        case Optional() | Choice(nullable=True):
            return None
        case Array():
            return ()
        case Map():
            return {}
        case _:
            raise ValueError(f"{field.name} is new and has no default")
