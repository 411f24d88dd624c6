"""`gateway schemas build|check`: the schema files from the domain types, and whether they still read the old ones."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

import schemas
from gateway.bus.catalogue import Catalogue
from gateway.wire.asyncapi import Channel, document
from gateway.wire.avro_types import NAMESPACE, schema_of
from gateway.wire.compatibility import incompatibilities
from gateway.wire.records import RECORDS, fingerprint, released

ASYNCAPI = "asyncapi.yaml"
ACCEPTED = ("commands",)
"""Topics, without prefix, that other services may write to."""


def generated() -> dict[str, str]:
    """Every generated file of `schemas/` by its name. Raises SchemaError when a type has no Avro form."""
    files = {f"{cls.__name__}.avsc": _json(schema_of(cls)) for cls in RECORDS}
    api = document(_channels(), NAMESPACE.rpartition(".v")[2])
    files[ASYNCAPI] = yaml.safe_dump(api, sort_keys=False, allow_unicode=True, width=110)
    return files


def build(folder: Path = schemas.FOLDER, *, release: bool = False) -> int:
    """Writes the generated files; with `release` also keeps the current schemas as a version for good.

    Returns 0, or 1 when a release would break readers of an earlier version (then nothing is released).
    """
    files = generated()
    for stale in {path.name for path in folder.glob("*.avsc")} - set(files):
        (folder / stale).unlink()
        print(f"removed {stale}")  # noqa: T201
    for name, text in files.items():
        if _read(folder / name) != text:
            (folder / name).write_text(text, encoding="utf-8")
            print(f"wrote {name}")  # noqa: T201
    return _release(folder) if release else 0


def check(folder: Path = schemas.FOLDER) -> int:
    """Whether the files are fresh and the current types read every released version.

    Prints what is wrong and returns 1, else 0.
    """
    stale = [f"{n} is not up to date; run `gateway schemas build`" for n in _stale(folder)]
    broken = broken_versions(folder)
    for problem in (*stale, *broken):
        print(problem)  # noqa: T201
    if not stale and not broken:
        count = sum(len(released(folder, cls.__name__)) for cls in RECORDS)
        print(f"{len(RECORDS)} records are fresh and read all of {count} released schemas")  # noqa: T201
    return 1 if stale or broken else 0


def _stale(folder: Path) -> list[str]:
    files = generated()
    gone = {path.name for path in folder.glob("*.avsc")} - set(files)
    return sorted(gone | {name for name, text in files.items() if _read(folder / name) != text})


def broken_versions(folder: Path = schemas.FOLDER) -> list[str]:
    """Released schemas that the current types cannot read any more, one line each."""
    current = {cls.__name__: schema_of(cls) for cls in RECORDS}
    kept = sorted(path.name for path in (folder / "history").glob("*") if path.is_dir())
    problems = [f"{name}: a released record may not go" for name in kept if name not in current]
    for name, schema in current.items():
        versions = released(folder, name)
        numbers = [path.stem for path, _ in versions]
        if numbers != [str(n) for n in range(1, len(numbers) + 1)]:
            problems.append(f"{name}: versions are numbered {', '.join(numbers)}; none may be missing")
        for path, former in versions:
            found = incompatibilities(schema, former, enum_defaults=False)
            problems += [f"{problem} (cannot read version {path.stem})" for problem in found]
    return problems


def _release(folder: Path) -> int:
    if broken := broken_versions(folder):
        print("\n".join(broken))  # noqa: T201
        return 1
    for cls in RECORDS:
        versions, schema = released(folder, cls.__name__), schema_of(cls)
        if fingerprint(schema) in (fingerprint(former) for _, former in versions):
            continue
        path = folder / "history" / cls.__name__ / f"{len(versions) + 1}.avsc"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_json(schema), encoding="utf-8")
        print(f"released {path.relative_to(folder)}")  # noqa: T201
    return 0


def _channels() -> list[Channel]:
    catalogue = Catalogue(channels=("{channel}",))
    return [
        Channel(
            address=spec.name,
            key=spec.key,
            record=spec.record,
            doc=spec.doc,
            configs=spec.configs,
            accepts=spec.name.removeprefix(catalogue.prefix) in ACCEPTED,
            internal=spec.internal,
        )
        for spec in catalogue.topics
    ]


def _json(schema: Any) -> str:
    text = json.dumps(schema, indent=2, ensure_ascii=False)
    # Short lists of words on one line; a symbol a line would double the length of the files.
    return re.sub(r'\[\s+("[^][{}]*?")\s+\]', _one_line, text) + "\n"


def _one_line(match: re.Match[str]) -> str:
    return "[" + re.sub(r'",\s+"', '", "', match[1]) + "]"


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="gateway schemas")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build").add_argument("--release", action="store_true")
    commands.add_parser("check")
    chosen = parser.parse_args(arguments)
    return build(release=chosen.release) if chosen.command == "build" else check()


if __name__ == "__main__":
    sys.exit(main())
