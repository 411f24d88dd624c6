"""Source text of a writer and a reader per dataclass, straight from domain objects to Avro's binary form.

Generated as `dataclasses` generates `__init__`: plain code without look-ups per field. Compared with
fastavro through dicts this halves the time (docs/decisions/0002); fastavro and avro-python3 check it in tests.

Names in the generated code: `o` object, `a` append of the list of pieces, `d` data, `p` position.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable, Iterator
from typing import Any

from gateway.wire import varint
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

Append = Callable[[bytes], None]
Writer = Callable[[Any, Append], None]
Reader = Callable[[bytes, int], tuple[Any, int]]

_DOUBLE = struct.Struct("<d")


class Compiler:
    """Makes and keeps the writers and readers of all dataclasses reachable from those asked for."""

    def __init__(self) -> None:
        self._names: dict[type, str] = {}
        self._scope: dict[str, Any] = {
            "LAST": varint.LAST,
            "encode_long": varint.encode_long,
            "continue_long": varint.continue_long,
            "continue_length": varint.continue_length,
            "block_size": varint.block_size,
            "BOOL": {False: b"\0", True: b"\1"},
            "TO_BOOL": {0: False, 1: True},
            "pack_double": _DOUBLE.pack,
            "unpack_double": _DOUBLE.unpack_from,
        }
        self._variables = 0
        # Tables of union branches, filled when all functions exist: a type may hold itself.
        self._unlinked: list[tuple[dict[Any, Any], Any, bytes, str]] = []

    def writer(self, cls: type) -> Writer:
        """Function that appends the object's binary form, piece by piece."""
        return self._linked(f"write_{self._compiled(cls)}")  # type: ignore[no-any-return]

    def reader(self, cls: type) -> Reader:
        """Function that reads an object at a position and returns it with the position after it."""
        return self._linked(f"read_{self._compiled(cls)}")  # type: ignore[no-any-return]

    def _linked(self, name: str) -> Any:
        while self._unlinked:
            table, key, index, function = self._unlinked.pop()
            table[key] = (index, self._scope[function]) if index else self._scope[function]
        return self._scope[name]

    def _compiled(self, cls: type) -> str:
        if (name := self._names.get(cls)) is not None:
            return name
        # Named before compiled, so that a type that holds itself finds its own name.
        name = self._names[cls] = f"{cls.__name__}_{len(self._names)}"
        self._scope[f"class_{name}"] = cls
        self._scope[f"new_{name}"] = _open_twin(cls)
        fields = fields_of(cls)
        self._run([f"def write_{name}(o, a):", *_indented(self._write_fields(fields))], cls)
        self._run([f"def read_{name}(d, p):", *_indented(self._read_fields(name, fields))], cls)
        return name

    def _run(self, lines: list[str], cls: type) -> None:
        exec(compile("\n".join(lines), f"<wire of {cls.__qualname__}>", "exec"), self._scope)  # noqa: S102

    def _bind(self, prefix: str, value: object) -> str:
        name = f"{prefix}{len(self._scope)}"
        self._scope[name] = value
        return name

    def _variable(self) -> str:
        self._variables += 1
        return f"v{self._variables}"

    def _write_fields(self, fields: tuple[Field, ...]) -> Iterator[str]:
        for field in fields:
            variable = self._variable()
            yield f"{variable} = o.{field.name}"
            yield from self._write(field.shape, variable)
        if not fields:
            yield "pass"

    def _write(self, shape: Shape, v: str) -> Iterator[str]:
        match shape:
            case Scalar("string"):
                yield f"{v} = {v}.encode()"
                yield from _write_sized(v)
            case Scalar("bytes"):
                yield from _write_sized(v)
            case Scalar("long"):
                yield f"a(LAST[{v} << 1] if 0 <= {v} < 8192 else encode_long({v}))"
            case Scalar("boolean"):
                yield f"a(BOOL[{v}])"
            case Scalar():
                yield f"a(pack_double({v}))"
            case Enumeration(cls):
                table = {member: varint.encode_long(n) for n, member in enumerate(cls)}
                yield f"a({self._bind('E', table)}[{v}])"
            case Record(cls):
                yield f"write_{self._compiled(cls)}({v}, a)"
            case Optional(some):
                yield f"if {v} is None: a(b'\\0')"
                yield "else:"
                yield "    a(b'\\2')"
                yield from _indented(self._write(some, v))
            case Choice():
                yield from self._write_choice(shape, v)
            case Array() | Map():
                yield from self._write_items(shape, v)

    def _write_choice(self, shape: Choice, v: str) -> Iterator[str]:
        table: dict[type, tuple[bytes, Writer]] = {}
        name = self._bind("U", table)
        for n, record in enumerate(shape.records, start=shape.nullable):
            function = f"write_{self._compiled(record.cls)}"
            self._unlinked.append((table, record.cls, varint.encode_long(n), function))
        if shape.nullable:
            yield f"if {v} is None: a(b'\\0')"
            yield "else:"
        body = [f"b, w = {name}[{v}.__class__]", "a(b)", f"w({v}, a)"]
        yield from _indented(body) if shape.nullable else body

    def _write_items(self, shape: Array | Map, v: str) -> Iterator[str]:
        item = self._variable()
        yield f"if {v}:"
        yield f"    a(encode_long(len({v})))"
        if isinstance(shape, Array):
            yield f"    for {item} in {v}:"
            yield from _indented(self._write(shape.item, item), 2)
        else:
            key = self._variable()
            yield f"    for {key}, {item} in {v}.items():"
            yield from _indented(self._write(Scalar("string"), key), 2)
            yield from _indented(self._write(shape.value, item), 2)
        yield "a(b'\\0')"

    def _read_fields(self, name: str, fields: tuple[Field, ...]) -> Iterator[str]:
        variables = []
        for field in fields:
            variables.append(self._variable())
            yield from self._read(field.shape, variables[-1])
        yield f"o = new_{name}({', '.join(variables)})"
        if self._scope[f"new_{name}"] is not self._scope[f"class_{name}"]:
            yield f"o.__class__ = class_{name}"
        yield "return o, p"

    def _read(self, shape: Shape, v: str) -> Iterator[str]:
        match shape:
            case Scalar("string"):
                yield from _read_sized(v, ".decode()")
            case Scalar("bytes"):
                yield from _read_sized(v, "")
            case Scalar("long"):
                yield "n = d[p]; p += 1"
                yield "if n > 127: n, p = continue_long(d, p, n)"
                yield f"{v} = (n >> 1) ^ -(n & 1)"
            case Scalar("boolean"):
                yield f"{v} = TO_BOOL[d[p]]; p += 1"
            case Scalar():
                yield f"{v} = unpack_double(d, p)[0]; p += 8"
            case Enumeration(cls):
                table = {n << 1: member for n, member in enumerate(cls)}
                yield f"{v} = {self._bind('E', table)}[d[p]]; p += 1"
            case Record(cls):
                yield f"{v}, p = read_{self._compiled(cls)}(d, p)"
            case Optional(some):
                yield "n = d[p]; p += 1"
                yield f"if n == 0: {v} = None"
                yield "elif n == 2:"
                yield from _indented(self._read(some, v))
                yield "else: raise KeyError(n)"
            case Choice():
                yield from self._read_choice(shape, v)
            case Array() | Map():
                yield from self._read_items(shape, v)

    def _read_choice(self, shape: Choice, v: str) -> Iterator[str]:
        table: dict[int, Reader] = {}
        name = self._bind("U", table)
        for n, record in enumerate(shape.records, start=shape.nullable):
            self._unlinked.append((table, n << 1, b"", f"read_{self._compiled(record.cls)}"))
        yield "n = d[p]; p += 1"
        if shape.nullable:
            yield f"if n == 0: {v} = None"
            yield f"else: {v}, p = {name}[n](d, p)"
        else:
            yield f"{v}, p = {name}[n](d, p)"

    def _read_items(self, shape: Array | Map, v: str) -> Iterator[str]:
        count, item = self._variable(), self._variable()
        yield f"{v} = {'[]' if isinstance(shape, Array) else '{}'}"
        yield f"{count}, p = block_size(d, p)"
        yield f"while {count}:"
        yield f"    for _ in range({count}):"
        if isinstance(shape, Array):
            yield from _indented(self._read(shape.item, item), 2)
            yield f"        {v}.append({item})"
        else:
            key = self._variable()
            yield from _indented(self._read(Scalar("string"), key), 2)
            yield from _indented(self._read(shape.value, item), 2)
            yield f"        {v}[{key}] = {item}"
        yield f"    {count}, p = block_size(d, p)"
        if isinstance(shape, Array):
            yield f"{v} = tuple({v})"


def _open_twin(cls: type) -> type:
    """A class of the same slots that is not frozen.

    A frozen dataclass sets each field through a call, which made half of the time to decode. An object of
    the twin is filled plainly and then given its true class. A class without slots, or that does something
    when made, is its own twin.
    """
    names = tuple(field.name for field in dataclasses.fields(cls))
    if cls.__dict__.get("__slots__") != names or hasattr(cls, "__post_init__"):
        return cls
    body = [f"self.{name} = {name}" for name in names] or ["pass"]
    scope: dict[str, Any] = {}
    exec("\n".join([f"def __init__(self, {', '.join(names)}):", *_indented(body)]), scope)  # noqa: S102
    return type(f"Open{cls.__name__}", (), {"__slots__": names, **scope})


def _write_sized(v: str) -> Iterator[str]:
    yield f"n = len({v})"
    yield "a(LAST[n << 1] if n < 8192 else encode_long(n))"
    yield f"a({v})"


def _read_sized(v: str, conversion: str) -> Iterator[str]:
    yield "n = d[p]; p += 1"
    # Even and below 128: a length of one byte, which nearly all are.
    yield "if n & 129: n, p = continue_length(d, p, n)"
    yield "else: n >>= 1"
    yield f"e = p + n; {v} = d[p:e]{conversion}; p = e"


def _indented(lines: Any, depth: int = 1) -> list[str]:
    return ["    " * depth + line for line in lines]
