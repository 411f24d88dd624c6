"""The directory as a YAML file: `tenants → departments, agents, accounts, bots`. Pure; errors name the line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from gateway.core.directory import Account, Agent, Bot, Department, Entity, ReopenOwner, Role, entry_key


class DirectoryFileError(ValueError):
    """The file cannot be applied; the message has one line per fault, each with its line number."""


class _Mapping(dict[str, Any]):
    """A YAML mapping that knows the line it begins on and the lines of its keys."""

    line: int = 0
    lines: dict[str, int]


class _Loader(yaml.SafeLoader):
    """Safe loader whose mappings know their lines."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> _Mapping:
    loader.flatten_mapping(node)
    result = _Mapping(loader.construct_pairs(node, deep=True))
    result.line = node.start_mark.line + 1
    result.lines = {str(key.value): key.start_mark.line + 1 for key, _ in node.value}
    return result


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


@dataclass(frozen=True, slots=True)
class _Kind:
    """What an entry of a list must and may hold."""

    section: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    make: Callable[[str, Mapping[str, Any]], Entity]


def _department(tenant: str, given: Mapping[str, Any]) -> Entity:
    rule = ReopenOwner(given.get("reopen_owner", ReopenOwner.LAST_AGENT))
    return Department(str(given["id"]), tenant, str(given["name"]), rule)


def _agent(tenant: str, given: Mapping[str, Any]) -> Entity:
    return Agent(
        str(given["id"]),
        tenant,
        str(given["name"]),
        str(given["email"]),
        tuple(str(d) for d in given["departments"]),
        Role(given.get("role", Role.AGENT)),
        given.get("password_hash"),
        str(given.get("locale", "en")),
    )


def _account(tenant: str, given: Mapping[str, Any]) -> Entity:
    return Account(
        str(given["id"]),
        tenant,
        str(given["channel"]),
        str(given["department"]),
        str(given.get("name", given["id"])),
        given.get("api_base"),
        given.get("bot"),
        _texts(given.get("credentials")),
        _texts(given.get("settings")),
    )


def _bot(tenant: str, given: Mapping[str, Any]) -> Entity:
    return Bot(str(given["id"]), tenant, str(given["name"]))


def _texts(given: Mapping[str, Any] | None) -> dict[str, str]:
    return {str(key): str(value) for key, value in (given or {}).items()}


_KINDS = (
    _Kind("departments", ("id", "name"), ("reopen_owner",), _department),
    _Kind("agents", ("id", "name", "email", "departments"), ("role", "password_hash", "locale"), _agent),
    _Kind(
        "accounts",
        ("id", "channel", "department"),
        ("name", "api_base", "bot", "credentials", "settings"),
        _account,
    ),
    _Kind("bots", ("id", "name"), (), _bot),
)


def parse_directory(text: str) -> list[Entity]:
    """The entities of a directory file, in its order. Raises DirectoryFileError with every fault found."""
    try:
        document = yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise DirectoryFileError(f"{where}this is not YAML: {getattr(error, 'problem', error)}") from error
    faults: list[str] = []
    found: list[tuple[int, Entity]] = []
    if not isinstance(document, _Mapping) or not isinstance(document.get("tenants"), list):
        raise DirectoryFileError("line 1: a directory file begins with `tenants:`, a list")
    for tenant in document["tenants"]:
        _tenant(tenant, found, faults)
    _references(found, faults)
    if faults:
        raise DirectoryFileError("\n".join(faults))
    return [entity for _, entity in found]


def _tenant(given: Any, found: list[tuple[int, Entity]], faults: list[str]) -> None:
    if not isinstance(given, _Mapping) or not given.get("id"):
        faults.append(f"line {getattr(given, 'line', 1)}: a tenant needs an `id`")
        return
    known = {"id", "name", *(kind.section for kind in _KINDS)}
    faults.extend(
        f"line {given.lines[key]}: unknown key `{key}` in a tenant" for key in given if key not in known
    )
    for kind in _KINDS:
        for entry in given.get(kind.section) or []:
            entity = _entry(str(given["id"]), kind, entry, faults)
            if entity is not None:
                found.append((entry.line, entity))


def _entry(tenant: str, kind: _Kind, given: Any, faults: list[str]) -> Entity | None:
    if not isinstance(given, _Mapping):
        faults.append(f"{kind.section}: each entry is a mapping, not {given!r}")
        return None
    allowed = {*kind.required, *kind.optional}
    wrong = [
        f"line {given.lines[key]}: unknown key `{key}` in {kind.section}"
        for key in given
        if key not in allowed
    ]
    missing = [key for key in kind.required if given.get(key) in (None, "")]
    wrong += [f"line {given.line}: an entry of {kind.section} needs `{key}`" for key in missing]
    faults.extend(wrong)
    if wrong:
        return None
    try:
        return kind.make(tenant, given)
    except (ValueError, TypeError) as error:
        faults.append(f"line {given.line}: {error}")
        return None


def _references(found: Sequence[tuple[int, Entity]], faults: list[str]) -> None:
    keys: dict[str, int] = {}
    for line, entity in found:
        key = entry_key(entity)
        if key in keys:
            faults.append(f"line {line}: {key.replace(':', ' ')} stands already in line {keys[key]}")
        keys[key] = line
    for line, entity in found:
        for kind, identifier in _named(entity):
            if f"{kind}:{identifier}" not in keys:
                faults.append(f"line {line}: there is no {kind} `{identifier}` in this file")
        for name, reference in entity.credentials.items() if isinstance(entity, Account) else ():
            if not reference.startswith(("env:", "file:")):
                faults.append(f"line {line}: credential `{name}` must be a reference, env:NAME or file:PATH")


def _named(entity: Entity) -> list[tuple[str, str]]:
    match entity:
        case Agent(departments=departments):
            return [("department", d) for d in departments]
        case Account(department=department, bot=bot):
            return [("department", department), *([("bot", bot)] if bot else [])]
        case _:
            return []


def diff(known: Mapping[str, Entity], wanted: Sequence[Entity]) -> list[tuple[str, str, Entity | None]]:
    """What applying changes: (`add`, `change` or `remove`, key, entity). Only tenants in the file lose entries."""
    keys = {entry_key(entity): entity for entity in wanted}
    tenants = {entity.tenant for entity in wanted}
    changes: list[tuple[str, str, Entity | None]] = [
        ("add" if key not in known else "change", key, entity)
        for key, entity in keys.items()
        if known.get(key) != entity
    ]
    gone = [key for key, entity in known.items() if key not in keys and entity.tenant in tenants]
    return changes + [("remove", key, None) for key in gone]
