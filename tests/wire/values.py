"""Any value of a domain type, and what another Avro library should make of it. Made from the annotations alone."""

from __future__ import annotations

import dataclasses
import types
import typing
from enum import StrEnum
from functools import cache
from typing import Any

from hypothesis import strategies as st

LONGS = st.integers(-(2**63), 2**63 - 1) | st.sampled_from(
    [0, -1, 63, 64, 8191, 8192, -8193, 2**13, 2**14, 2**28, 1_763_768_221_345, 2**63 - 1, -(2**63)]
)
TEXTS = st.text(max_size=12) | st.sampled_from(
    ["", "👨‍👩‍👧‍👦🇯🇵", "山田 太郎、か\u3099", "x" * 64, "y" * 9000, "\x00"]
)
SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    int: LONGS,
    bool: st.booleans(),
    float: st.floats(allow_nan=False),
    bytes: st.binary(max_size=20),
}


@cache
def values_of(annotation: Any) -> st.SearchStrategy[Any]:
    """Strategy for every value that the annotation allows."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in SCALARS:
        return SCALARS[annotation]
    if origin in (types.UnionType, typing.Union):
        return st.one_of(st.none() if arg is types.NoneType else values_of(arg) for arg in args)
    if origin is tuple:
        return st.lists(values_of(args[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(TEXTS, values_of(args[1]), max_size=3)
    if issubclass(annotation, StrEnum):
        return st.sampled_from(annotation)
    hints = typing.get_type_hints(annotation)
    fields = {f.name: values_of(hints[f.name]) for f in dataclasses.fields(annotation)}
    return st.builds(annotation, **fields)


def plain(value: Any) -> Any:
    """The value as a library shows it that knows Avro's types but not ours."""
    if dataclasses.is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def named(value: Any, annotation: Any) -> Any:
    """As `plain`, with `(name, record)` wherever the annotation is a union: shows which branch was taken."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (types.UnionType, typing.Union):
        taken = named(value, type(value))
        return (f"gateway.v1.{type(value).__name__}", taken) if dataclasses.is_dataclass(value) else taken
    if dataclasses.is_dataclass(value):
        hints = typing.get_type_hints(type(value))
        return {f.name: named(getattr(value, f.name), hints[f.name]) for f in dataclasses.fields(value)}
    if origin is tuple:
        return [named(item, args[0]) for item in value]
    if origin is dict:
        return {key: named(item, args[1]) for key, item in value.items()}
    return plain(value)
