"""Avro schemas from the frozen dataclasses of `gateway.core`, which are the single source (decision 0002).

First each annotation becomes a *shape*; the schema, the compiled writer and the compiled reader are all
made from shapes, so they cannot disagree.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from enum import StrEnum
from functools import cache
from typing import Any

from gateway.wire.errors import SchemaError

NAMESPACE = "gateway.v1"

UNRECOGNIZED = "unrecognized"
"""Last symbol and `default` of every enum. Never written: an older reader that knows the newer writer's
schema sees it in place of a symbol that it has not heard of."""

_SCALARS = {str: "string", int: "long", float: "double", bool: "boolean", bytes: "bytes"}

# Index and symbol must fit one byte (zig-zag), which keeps the compiled code short.
MAX_BRANCHES = 64


@dataclasses.dataclass(frozen=True, slots=True)
class Scalar:
    """A primitive; `avro` is its Avro name."""

    avro: str


@dataclasses.dataclass(frozen=True, slots=True)
class Enumeration:
    """A StrEnum."""

    cls: type[StrEnum]


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """A dataclass."""

    cls: type


@dataclasses.dataclass(frozen=True, slots=True)
class Array:
    """`tuple[T, ...]`."""

    item: Shape


@dataclasses.dataclass(frozen=True, slots=True)
class Map:
    """`dict[str, T]`."""

    value: Shape


@dataclasses.dataclass(frozen=True, slots=True)
class Optional:
    """`T | None`; in Avro a union with null first."""

    some: Shape


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """A union of dataclasses, perhaps with None, which is then the first branch."""

    records: tuple[Record, ...]
    nullable: bool


Shape = Scalar | Enumeration | Record | Array | Map | Optional | Choice


@cache
def shape(annotation: Any) -> Shape:
    """Shape of a resolved annotation. Raises SchemaError when it has no Avro form."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in _SCALARS:
        return Scalar(_SCALARS[annotation])
    if origin in (types.UnionType, typing.Union):
        return _union(args)
    if origin is tuple and len(args) == 2 and args[1] is Ellipsis:
        return Array(shape(args[0]))
    if origin is dict and args[0] is str:
        return Map(shape(args[1]))
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return _limited(Enumeration(annotation), len(annotation) + 1)
    if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
        return Record(annotation)
    raise SchemaError(f"{annotation!r} has no Avro form")


def _union(args: tuple[Any, ...]) -> Shape:
    some = tuple(shape(arg) for arg in args if arg is not types.NoneType)
    nullable = len(some) < len(args)
    if nullable and len(some) == 1:
        return Optional(some[0])
    records = tuple(s for s in some if isinstance(s, Record))
    if len(records) < len(some):
        raise SchemaError(f"only dataclasses may share a union: {args!r}")
    return _limited(Choice(records, nullable), len(args))


def _limited(found: Shape, size: int) -> Shape:
    if size > MAX_BRANCHES:
        raise SchemaError(f"{found!r} has {size} branches or symbols; at most {MAX_BRANCHES} are allowed")
    return found


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """One field of a record: its shape, and its Python default (`MISSING` if there is none)."""

    name: str
    shape: Shape
    default: Any


def fields_of(cls: type) -> tuple[Field, ...]:
    """Fields of a dataclass in order. Raises SchemaError when one has no Avro form."""
    hints = typing.get_type_hints(cls)
    found = []
    for field in dataclasses.fields(cls):
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        try:
            found.append(Field(field.name, shape(hints[field.name]), default))
        except SchemaError as error:
            raise SchemaError(f"{cls.__name__}.{field.name}: {error}") from error
    return tuple(found)


def schema_of(cls: type) -> dict[str, Any]:
    """The Avro schema of a dataclass as JSON data; every named type is spelled out once, at first use.

    Raises SchemaError when a type has no Avro form or two types share a name.
    """
    schema = _avro(Record(cls), {})
    assert isinstance(schema, dict)  # noqa: S101 — the first mention of a record is always spelled out
    return schema


def _avro(of: Shape, seen: dict[str, type]) -> Any:
    match of:
        case Scalar(avro):
            return avro
        case Enumeration(cls) | Record(cls):
            return _named(cls, seen)
        case Array(item):
            return {"type": "array", "items": _avro(item, seen)}
        case Map(value):
            return {"type": "map", "values": _avro(value, seen)}
        case Optional(some):
            return ["null", _avro(some, seen)]
        case Choice(records, nullable):
            return [*(["null"] if nullable else []), *(_avro(record, seen) for record in records)]


def _named(cls: type, seen: dict[str, type]) -> Any:
    name = f"{NAMESPACE}.{cls.__name__}"
    if (known := seen.get(name)) is not None:
        if known is not cls:
            raise SchemaError(f"{known!r} and {cls!r} share the name {name}")
        return name
    seen[name] = cls
    head = {"name": cls.__name__, "namespace": NAMESPACE, "doc": inspect.cleandoc(cls.__doc__ or "")}
    if issubclass(cls, StrEnum):
        symbols = [member.value for member in cls]
        return {"type": "enum", **head, "symbols": [*symbols, UNRECOGNIZED], "default": UNRECOGNIZED}
    return {"type": "record", **head, "fields": [_field(field, seen) for field in fields_of(cls)]}


def _field(field: Field, seen: dict[str, type]) -> dict[str, Any]:
    made: dict[str, Any] = {"name": field.name, "type": _avro(field.shape, seen)}
    match field.shape:
        case Optional() | Choice(nullable=True):
            if field.default not in (None, dataclasses.MISSING):
                raise SchemaError(f"{field.name}: the default of a nullable field must be None")
            made["default"] = None
        case Array():
            if field.default not in ((), dataclasses.MISSING):
                raise SchemaError(f"{field.name}: the default of a tuple must be empty")
            made["default"] = []
        case Map():
            if field.default not in ({}, dataclasses.MISSING):
                raise SchemaError(f"{field.name}: the default of a dict must be empty")
            made["default"] = {}
        case Scalar() | Enumeration() if field.default is not dataclasses.MISSING:
            made["default"] = _json(field.default)
        case Record() | Choice() if field.default is not dataclasses.MISSING:
            raise SchemaError(f"{field.name}: a record has no default on the wire; use None")
    return made


def _json(default: Any) -> Any:
    if isinstance(default, StrEnum):
        return default.value
    return default.decode("latin-1") if isinstance(default, bytes) else default
