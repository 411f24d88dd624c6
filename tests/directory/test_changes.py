"""What applying changes, and how it is shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.core.directory import Account, Agent, AutoCompletion, Department, Entity, entry_key
from gateway.core.hours import DatedException
from gateway.directory.changes import ForeignEntry, diff, shown
from tests.directory.test_directory_file import SUPPORT

ANN = Agent("ann", "acme", "Ann", "ann@example.org", ("support",))


def known(*entities: Entity) -> dict[str, Entity]:
    """As read from the topic."""
    return {entry_key(entity): entity for entity in entities}


def test_what_applying_changes() -> None:
    assert diff(known(SUPPORT, ANN), [SUPPORT, ANN]) == []
    there = known(
        replace(SUPPORT, name="Help"),
        Department("old", "acme", "Old"),
        Department("theirs", "other", "Theirs"),
    )
    assert [(change.kind.name, change.key) for change in diff(there, [SUPPORT, ANN])] == [
        ("CHANGE", "department:support"),
        ("ADD", "agent:ann"),
        ("REMOVE", "department:old"),
    ]


def test_the_entry_of_another_tenant_is_not_taken() -> None:
    with pytest.raises(ForeignEntry, match="department support belongs to other already"):
        diff(known(Department("support", "other", "Theirs")), [SUPPORT])


def lines(before: Entity, after: Entity) -> list[str]:
    """The change as shown."""
    [change] = diff(known(before), [after])
    return list(shown(change))


def test_a_change_is_shown_field_by_field() -> None:
    assert SUPPORT.hours
    assert SUPPORT.offline
    exceptions = (*SUPPORT.hours.exceptions[1:], DatedException("2027-02-11", (), "建国記念の日"))
    after = replace(
        SUPPORT,
        hours=replace(SUPPORT.hours, week=replace(SUPPORT.hours.week, monday=()), exceptions=exceptions),
        offline=replace(SUPPORT.offline, enabled=False, text="x" * 80),
        completion=AutoCompletion(agent_after=60_000),
        assignment=None,
        first_response=300_000,
    )
    assert lines(SUPPORT, after) == [
        "~ department support",
        "    hours.week.monday: 09:00-12:00, 13:00-18:00 -> (none)",
        "    hours.exceptions[2026-12-31]: 09:00-12:00 (大晦日) -> (none)",
        "    offline.enabled: true -> false",
        f"    offline.text: {SUPPORT.offline.text} -> {'x' * 59}…",
        "    completion.agent_after: 24h -> 1m",
        "    completion.bot_after: 30m -> (none)",
        "    completion.queue_after: 72h -> (none)",
        "    completion.at_window_end: true -> false",
        "    completion.warning: Still there? -> (none)",
        "    completion.warning_before: 5m -> (none)",
        "    completion.farewell: Bye. -> (none)",
        "    assignment.mode: fewest_open -> (none)",
        "    assignment.at_most: 7 -> (none)",
        "    first_response: 90s -> 5m",
        "    hours.exceptions[2027-02-11]: (none) -> closed (建国記念の日)",
    ]


def test_no_secret_is_shown() -> None:
    after = replace(ANN, password_hash="scrypt$secret123", departments=("support", "sales"))
    assert lines(ANN, after) == [
        "~ agent ann",
        "    departments: support -> support, sales",
        "    password_hash: changed",
    ]
    account = Account("wa", "acme", "whatsapp", "support", credentials={"a": "secret123"})
    assert lines(account, replace(account, credentials={"a": "env:A"})) == [
        "~ account wa",
        "    credentials.a: *** -> env:A",
    ]
