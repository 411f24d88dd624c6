"""Schemas from types, the generated files, and `gateway schemas build|check`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import avro.schema
import avro.schemanormalization as reference
import pytest
import yaml

import schemas
from gateway import schemas_cli
from gateway.bus.catalogue import Catalogue
from gateway.wire.asyncapi import Channel, document
from gateway.wire.avro_types import MAX_BRANCHES, schema_of
from gateway.wire.errors import SchemaError
from gateway.wire.records import RECORDS, fingerprint, released

every_record = pytest.mark.parametrize("cls", RECORDS, ids=lambda cls: cls.__name__)


@every_record
def test_avro_python3_reads_the_file_and_finds_the_same_fingerprint(cls: type) -> None:
    text = (schemas.FOLDER / f"{cls.__name__}.avsc").read_text(encoding="utf-8")
    parsed = avro.schema.Parse(text)
    assert parsed.fullname == f"gateway.v1.{cls.__name__}"
    canonical = reference.ToParsingCanonicalForm(parsed)
    assert reference.Fingerprint(canonical, "CRC-64-AVRO") == fingerprint(schema_of(cls))


def test_the_files_are_fresh_and_read_every_release(capsys: pytest.CaptureFixture[str]) -> None:
    assert schemas_cli.main(["check"]) == 0, capsys.readouterr().out


def test_every_topic_has_a_known_record() -> None:
    named = {spec.record for spec in Catalogue(channels=("whatsapp",)).topics} - {None}
    assert named <= {cls.__name__ for cls in RECORDS}


class Colour(StrEnum):
    """A colour."""

    RED = "red"


@dataclass(frozen=True, slots=True)
class Inner:
    """Inside."""

    n: int


@dataclass(frozen=True, slots=True)
class Other:
    """Another."""


@dataclass(frozen=True, slots=True)
class Everything:
    """All there is.

    And more.
    """

    text: str
    number: int
    real: float
    flag: bool
    raw: bytes
    colour: Colour
    inner: Inner
    some: Inner | None
    either: Inner | Other
    maybe: Inner | Other | None
    many: tuple[Inner, ...]
    table: dict[str, Colour]
    word: str = "é"
    count: int = -1
    half: float = 0.5
    on: bool = True
    data: bytes = b"\xff"
    shade: Colour = Colour.RED
    note: str | None = None
    list: tuple[str, ...] = ()
    names: dict[str, str] = field(default_factory=dict)


COLOUR = {
    "type": "enum", "name": "Colour", "namespace": "gateway.v1", "doc": "A colour.",
    "symbols": ["red", "unrecognized"], "default": "unrecognized",
}  # fmt: skip
INNER = {
    "type": "record", "name": "Inner", "namespace": "gateway.v1", "doc": "Inside.",
    "fields": [{"name": "n", "type": "long"}],
}  # fmt: skip
OTHER = {"type": "record", "name": "Other", "namespace": "gateway.v1", "doc": "Another.", "fields": []}
MAPPING: list[tuple[Any, ...]] = [
    ("text", "string"),
    ("number", "long"),
    ("real", "double"),
    ("flag", "boolean"),
    ("raw", "bytes"),
    ("colour", COLOUR),
    ("inner", INNER),
    ("some", ["null", "gateway.v1.Inner"], None),
    ("either", ["gateway.v1.Inner", OTHER]),
    ("maybe", ["null", "gateway.v1.Inner", "gateway.v1.Other"], None),
    ("many", {"type": "array", "items": "gateway.v1.Inner"}, []),
    ("table", {"type": "map", "values": "gateway.v1.Colour"}, {}),
    ("word", "string", "é"),
    ("count", "long", -1),
    ("half", "double", 0.5),
    ("on", "boolean", True),
    ("data", "bytes", "ÿ"),
    ("shade", "gateway.v1.Colour", "red"),
    ("note", ["null", "string"], None),
    ("list", {"type": "array", "items": "string"}, []),
    ("names", {"type": "map", "values": "string"}, {}),
]


def test_mapping() -> None:
    schema = schema_of(Everything)
    assert schema["doc"] == "All there is.\n\nAnd more."
    for found, (name, kind, *default) in zip(schema["fields"], MAPPING, strict=True):
        assert found == {"name": name, "type": kind, **({"default": default[0]} if default else {})}


Same = type("Inner", (), {"__annotations__": {}, "__doc__": ""})
Long = StrEnum("Long", {f"S{n}": f"s{n}" for n in range(MAX_BRANCHES)})  # type: ignore[misc]


@pytest.mark.parametrize(
    ("annotation", "default", "words"),
    [
        (list[str], None, "no Avro form"),
        (object, None, "no Avro form"),
        (dict[int, str], None, "no Avro form"),
        (tuple[str, int], None, "no Avro form"),
        (str | int, None, "only dataclasses"),
        (str | Inner, None, "only dataclasses"),
        (Long, None, "at most 64"),
        (str | None, "x", "must be None"),
        (tuple[str, ...], ("x",), "must be empty"),
        (Inner, Inner(1), "no default on the wire"),
        (Inner | dataclass(frozen=True)(Same), None, "share the name"),
    ],
)
def test_a_type_without_avro_form_is_refused(annotation: Any, default: Any, words: str) -> None:
    body: dict[str, Any] = {"__annotations__": {"x": annotation}, "__doc__": "", "__module__": __name__}
    cls = dataclass(frozen=True)(type("Odd", (), body | ({"x": default} if default is not None else {})))
    with pytest.raises(SchemaError, match=words):
        schema_of(cls)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert schemas_cli.build(tmp_path) == 0
    return tmp_path


def test_a_stale_missing_or_left_over_file_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "Receipt.avsc").write_text("{}")
    (folder / "Command.avsc").unlink()
    (folder / "Former.avsc").write_text("{}")
    capsys.readouterr()
    assert schemas_cli.check(folder) == 1
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in told] == ["Command.avsc", "Former.avsc", "Receipt.avsc"]
    assert schemas_cli.build(folder) == 0
    assert schemas_cli.check(folder) == 0


def test_release_keeps_each_form_once(folder: Path) -> None:
    assert schemas_cli.build(folder, release=True) == 0
    assert schemas_cli.build(folder, release=True) == 0
    assert [path.name for path, _ in released(folder, "Receipt")] == ["1.avsc"]
    assert schemas_cli.check(folder) == 0


def test_an_earlier_release_is_kept_beside_the_new_form(folder: Path) -> None:
    schema = schema_of(RECORDS[0])
    _put(folder, RECORDS[0].__name__, 1, {**schema, "fields": schema["fields"][:-1]})
    assert schemas_cli.build(folder, release=True) == 0
    assert [path.name for path, _ in released(folder, RECORDS[0].__name__)] == ["1.avsc", "2.avsc"]


def _presence(**more: Any) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(schemas_cli.generated()["Presence.avsc"])
    return {**schema, **more}


def test_an_incompatible_change_is_refused_with_its_path(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # As if an earlier release had had an integer where now a text stands, and one state more.
    former = _presence()
    former["fields"][0]["type"] = "long"
    former["fields"][2]["type"]["symbols"].insert(0, "away")
    _put(folder, "Presence", 1, former)
    _put(folder, "Presence", 2, _presence())
    capsys.readouterr()
    assert schemas_cli.check(folder) == 1
    assert capsys.readouterr().out.splitlines() == [
        "Presence.agent_id: was long, is string (cannot read version 1)",
        "Presence.state[PresenceState]: the enum no longer has away (cannot read version 1)",
    ]
    assert schemas_cli.build(folder, release=True) == 1
    assert not (folder / "history" / "Receipt").exists()


def test_history_may_not_lose_a_version_or_a_record(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _put(folder, "Presence", 2, _presence())
    _put(folder, "Former", 1, {})
    capsys.readouterr()
    assert schemas_cli.check(folder) == 1
    assert capsys.readouterr().out.splitlines() == [
        "Former: a released record may not go",
        "Presence: versions are numbered 2; none may be missing",
    ]


def _put(folder: Path, record: str, number: int, schema: Any) -> None:
    path = folder / "history" / record / f"{number}.avsc"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(schema))


def test_asyncapi_names_every_topic_and_resolves() -> None:
    api = yaml.safe_load((schemas.FOLDER / "asyncapi.yaml").read_text(encoding="utf-8"))
    addresses = {channel["address"] for channel in api["channels"].values()}
    assert addresses == {spec.name for spec in Catalogue(channels=("{channel}",)).topics}
    for reference_ in _references(api):
        if reference_.startswith("./"):
            assert (schemas.FOLDER / reference_).exists()
            continue
        found: Any = api
        for step in reference_.removeprefix("#/").split("/"):
            found = found[step]
    assert api["operations"]["sendConversations"]["action"] == "send"
    assert api["operations"]["receiveCommands"]["action"] == "receive"
    assert "sendConversationState" not in api["operations"]


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [r for value in node.values() for r in _references(value)]
    return [r for value in node for r in _references(value)] if isinstance(node, list) else []


def test_asyncapi_refuses_an_unknown_record() -> None:
    with pytest.raises(ValueError, match="Nonsense"):
        document([Channel("cg.x", "k", "Nonsense", "", {"cleanup.policy": "delete"})], "1")


@pytest.mark.parametrize("arguments", [[], ["destroy"]])
def test_wrong_use_is_two(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        schemas_cli.main(arguments)
    assert caught.value.code == 2
