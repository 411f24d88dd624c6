"""Whether a reader's schema can read what a writer's schema wrote, by the Avro specification. Pure.

Source: https://avro.apache.org/docs/1.12.0/specification/#schema-resolution
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_PROMOTIONS = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
    "bytes": {"string"},
}
_NAMED = ("record", "error", "enum", "fixed")


def incompatibilities(reader: Any, writer: Any, *, enum_defaults: bool = True) -> list[str]:
    """Every reason why `reader` cannot read records of `writer`, each with the path of the change.

    Schemas are JSON data. With `enum_defaults` False the default of an enum does not excuse a removed
    symbol (our decoder has no value for it).
    """
    return list(_Comparison(reader, writer, enum_defaults).compare(reader, writer, ""))


class _Comparison:
    """One comparison; remembers the named types of both sides and the pairs already compared."""

    def __init__(self, reader: Any, writer: Any, enum_defaults: bool) -> None:
        self._reader_types: dict[str, Any] = {}
        self._writer_types: dict[str, Any] = {}
        _collect(reader, "", self._reader_types)
        _collect(writer, "", self._writer_types)
        self._enum_defaults = enum_defaults
        # A type that holds itself ends here: a pair is compared once, and reported once.
        self._compared: set[tuple[str, str]] = set()

    def compare(self, reader: Any, writer: Any, path: str) -> Iterator[str]:
        if isinstance(writer, list):
            for branch in writer:
                yield from self.compare(reader, branch, path)
            return
        if isinstance(reader, list):
            yield from self._compare_branches(reader, writer, path)
            return
        reader, writer = _full(reader, self._reader_types), _full(writer, self._writer_types)
        kind, former = reader["type"], writer["type"]
        if kind != former:
            if kind not in _PROMOTIONS.get(former, ()):
                yield f"{_at(path, writer)}: was {_name(writer)}, is {_name(reader)}"
        elif kind in _NAMED:
            yield from self._compare_named(reader, writer, path)
        elif kind == "array":
            yield from self.compare(reader["items"], writer["items"], f"{path}[]")
        elif kind == "map":
            yield from self.compare(reader["values"], writer["values"], f"{path}{{}}")

    def _compare_branches(self, reader: list[Any], writer: Any, path: str) -> Iterator[str]:
        writer = _full(writer, self._writer_types)
        branches = [_full(branch, self._reader_types) for branch in reader]
        same = [b for b in branches if b["type"] == writer["type"] and _same_name(b, writer)]
        if same:
            # The same name is the same branch; what is wrong within it is worth telling in full.
            yield from self.compare(same[0], writer, path)
        elif not any(branch["type"] in _PROMOTIONS.get(writer["type"], ()) for branch in branches):
            yield f"{_at(path, writer)}: the union no longer has {_name(writer)}"

    def _compare_named(self, reader: Any, writer: Any, path: str) -> Iterator[str]:
        if not _same_name(reader, writer):
            yield f"{_at(path, writer)}: was {_name(writer)}, is {_name(reader)}"
            return
        pair = (reader["name"], writer["name"])
        if pair in self._compared:
            return
        self._compared.add(pair)
        path = f"{path}[{_short(writer)}]" if path else _short(writer)
        if reader["type"] == "enum":
            yield from self._compare_symbols(reader, writer, path)
        elif reader["type"] == "fixed":
            if reader["size"] != writer["size"]:
                yield f"{path}: size was {writer['size']}, is {reader['size']}"
        else:
            yield from self._compare_fields(reader, writer, path)

    def _compare_symbols(self, reader: Any, writer: Any, path: str) -> Iterator[str]:
        if self._enum_defaults and "default" in reader:
            return
        for symbol in writer["symbols"]:
            if symbol not in reader["symbols"]:
                yield f"{path}: the enum no longer has {symbol}"

    def _compare_fields(self, reader: Any, writer: Any, path: str) -> Iterator[str]:
        former = {field["name"]: field for field in writer["fields"]}
        for field in reader["fields"]:
            names = (field["name"], *field.get("aliases", ()))
            known = next((former[name] for name in names if name in former), None)
            if known is not None:
                yield from self.compare(field["type"], known["type"], f"{path}.{field['name']}")
            elif "default" not in field:
                yield f"{path}.{field['name']}: a new field needs a default"


def _full(schema: Any, types: dict[str, Any]) -> Any:
    # A schema as an object with its type: named references are looked up, `{"type": {…}}` is unwrapped.
    if isinstance(schema, str):
        return types.get(schema) or {"type": schema}
    inner = schema["type"]
    return _full(inner, types) if isinstance(inner, dict) or inner in types else schema


def _collect(schema: Any, namespace: str, types: dict[str, Any]) -> None:
    if isinstance(schema, list):
        for branch in schema:
            _collect(branch, namespace, types)
    elif isinstance(schema, dict):
        if schema.get("type") in _NAMED:
            namespace = schema.get("namespace") or namespace
            types[schema["name"]] = schema
            types[f"{namespace}.{schema['name']}" if "." not in schema["name"] else schema["name"]] = schema
        for part in (
            schema.get("type"),
            schema.get("items"),
            schema.get("values"),
            *schema.get("fields", ()),
        ):
            if isinstance(part, dict | list):
                _collect(part, namespace, types)


def _same_name(reader: Any, writer: Any) -> bool:
    if reader["type"] not in _NAMED:
        return True
    aliases = [alias.rpartition(".")[2] for alias in reader.get("aliases", ())]
    return _short(writer) in (_short(reader), *aliases)


def _short(schema: Any) -> str:
    return str(schema["name"]).rpartition(".")[2]


def _name(schema: Any) -> str:
    return _short(schema) if schema["type"] in _NAMED else str(schema["type"])


def _at(path: str, writer: Any) -> str:
    return path or _name(writer)
