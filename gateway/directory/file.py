"""The directory as a YAML file: `tenants → departments, agents, accounts, bots`. Every fault has its line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path as FilePath

from gateway.core.checklist import Severity, check_directory
from gateway.core.directory import Account, Agent, Bot, Department, Directory, Entity, Tenant, entry_key
from gateway.directory.departments import DEPARTMENT, read_department
from gateway.directory.fields import Fault, Fields, Path, Report
from gateway.directory.holiday_dates import HolidayDates, holiday_dates
from gateway.directory.hours_fields import Calendar
from gateway.directory.others import (
    ACCOUNT,
    AGENT,
    BOT,
    TENANT,
    ReadText,
    read_account,
    read_agent,
    read_bot,
    read_tenant,
)
from gateway.directory.yaml_document import Document, YamlError, read_yaml


class DirectoryFileError(ValueError):
    """The file cannot be applied; the message has one line per fault, each with its line number."""


@dataclass(frozen=True, slots=True)
class DirectoryFile:
    """What a file says, in its order; `warnings` do not hinder applying it."""

    entities: list[Entity]
    warnings: list[str]


Found = list[tuple[Path, Entity]]
Reader = Callable[[Fields, str], Entity]


def parse_directory(
    text: str,
    *,
    year: int,
    read: ReadText | None = None,
    holidays: HolidayDates = holiday_dates,
) -> DirectoryFile:
    """Read a directory file. Raises DirectoryFileError with every fault found.

    `year` is the first for which holidays are resolved; `read` gives the text of a menu file.
    """
    try:
        document = read_yaml(text)
    except YamlError as error:
        raise DirectoryFileError(str(error)) from error
    tenants = document.data.get("tenants") if isinstance(document.data, dict) else None
    if not isinstance(tenants, list):
        raise DirectoryFileError("line 1: a directory file begins with `tenants:`, a list")
    report = Report()
    root = Fields(document.data, (), report, "the file", ("tenants",))
    found: Found = []
    for tenant in root.items("tenants", "a tenant", TENANT):
        _tenant(tenant, Calendar(holidays, year), read or _unread, found)
    if not report.faults:
        report.faults += _faults_between(found)
    if report.faults:
        raise DirectoryFileError("\n".join(_lines(document, report.faults)))
    return DirectoryFile([entity for _, entity in found], _lines(document, report.warnings))


def menus_beside(file: FilePath) -> ReadText:
    """Reads menu files by their path relative to the directory file."""
    return lambda path: (file.parent / path).read_text(encoding="utf-8")


def doubts(entities: Iterable[Entity]) -> list[str]:
    """What the checklist says about these entities, without hints."""
    directory = Directory()
    for entity in entities:
        directory = directory.with_entity(entity)
    return [f.text["en"] for f in check_directory(directory) if f.severity is not Severity.HINT]


def _unread(_path: str) -> str:
    raise OSError("menu files can only be read beside a file")


def _lines(document: Document, faults: list[Fault]) -> list[str]:
    numbered = sorted((document.line(fault.path), fault.text) for fault in faults)
    return list(dict.fromkeys(f"line {line}: {text}" for line, text in numbered))


def _tenant(given: Fields, calendar: Calendar, read: ReadText, found: Found) -> None:
    tenant = read_tenant(given)
    found.append((given.path, tenant))
    sections: tuple[tuple[str, tuple[str, ...], Reader], ...] = (
        ("departments", DEPARTMENT, lambda each, t: read_department(each, t, calendar)),
        ("agents", AGENT, read_agent),
        ("accounts", ACCOUNT, read_account),
        ("bots", BOT, lambda each, t: read_bot(each, t, read)),
    )
    for section, known, reader in sections:
        for entry in given.items(section, f"an entry of {section}", known):
            found.append((entry.path, reader(entry, tenant.id)))


def _faults_between(found: Found) -> Iterator[Fault]:
    there: dict[str, Entity] = {}
    for path, entity in found:
        key = entry_key(entity)
        if key in there:
            yield Fault(path, f"{key.replace(':', ' ', 1)} stands twice in this file")
        there.setdefault(key, entity)
    for path, entity in found:
        for at, kind, identifier in _named(entity):
            other = there.get(f"{kind}:{identifier}")
            if other is None or other.tenant != entity.tenant:
                yield Fault((*path, *at), f"there is no {kind} `{identifier}` of this tenant in this file")


def _named(entity: Entity) -> Iterator[tuple[Path, str, str]]:
    """Which others an entity names: where, kind, id."""
    match entity:
        case Agent(departments=departments):
            yield from ((("departments", n), "department", d) for n, d in enumerate(departments))
        case Account(department=department, bot=bot, enabled_agents=agents):
            yield ("department",), "department", department
            if bot:
                yield ("bot",), "bot", bot
            yield from ((("enabled_agents", n), "agent", a) for n, a in enumerate(agents or ()))
        case Department() | Bot() | Tenant():
            return
