"""The checklist: each point found, each in two languages, and nothing where nothing is wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.core.checklist import CODES, Finding, Severity, check_directory
from gateway.core.directory import Account, Agent, Bot, Department, Directory, Entity, OfflineMessage
from gateway.core.hours import BusinessHours, Interval, Week

HOURS = BusinessHours("Asia/Tokyo", Week(monday=(Interval(540, 1080),)))
OFFLINE = OfflineMessage(enabled=True, text="We got it. Help: https://example.org/help")
SUPPORT = Department("support", "acme", "Support", hours=HOURS, offline=OFFLINE)
ANN = Agent("ann", "acme", "Ann", "ann@example.org", ("support",))
ROBO = Bot("robo", "acme", "Robo")
WA = Account("wa", "acme", "whatsapp", "support", "WhatsApp", bot="robo")
GOOD = (SUPPORT, ANN, ROBO, WA)


def directory(*changed: Entity) -> Directory:
    """The good directory with some entities replaced or added."""
    made = Directory()
    for entity in (*GOOD, *changed):
        made = made.with_entity(entity)
    return made


def offline(**changes: object) -> Department:
    """The department with another offline message."""
    return replace(SUPPORT, offline=replace(OFFLINE, **changes))  # type: ignore[arg-type]


CASES: list[tuple[str, Entity, list[tuple[str, str]]]] = [
    ("nothing", SUPPORT, []),
    ("no hours", replace(SUPPORT, hours=None),
     [("hand_over_into_silence", "account:wa"), ("department_without_hours", "department:support")]),
    ("no hours but by presence", replace(offline(by_presence_without_hours=True), hours=None),
     [("department_without_hours", "department:support")]),
    ("bad zone", replace(SUPPORT, hours=replace(HOURS, zone="Mars")), [("hours_invalid", "department:support")]),
    ("no offline message", replace(SUPPORT, offline=None), [("hand_over_into_silence", "account:wa")]),
    ("switched off", offline(enabled=False), [("hand_over_into_silence", "account:wa")]),
    ("no text", offline(text=" "),
     [("offline_without_text", "department:support"), ("hand_over_into_silence", "account:wa")]),
    ("no link", offline(text="Bye."), [("offline_without_link", "department:support")]),
    ("unknown field", offline(text="${Nobody} https://example.org"),
     [("offline_text_refused", "department:support")]),
    ("second text without link", offline(ticket_first=True, text_without_ticket="Bye."),
     [("offline_without_link", "department:support")]),
    ("nobody", replace(ANN, departments=()), [("department_without_agents", "department:support")]),
    ("agent of nothing", replace(ANN, departments=("support", "sales")),
     [("agent_without_department", "agent:ann")]),
    ("account of nothing", replace(WA, department="sales"), [("account_without_department", "account:wa")]),
    ("account with a lost bot", replace(WA, bot="gone"), [("account_without_bot", "account:wa")]),
    ("enabled agents elsewhere", replace(WA, enabled_agents=("bob",)), [("account_without_agents", "account:wa")]),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "found"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_the_list(changed: Entity, found: list[tuple[str, str]]) -> None:
    assert [(f.code, f.entity) for f in check_directory(directory(changed))] == found


def test_never_tried_is_only_said_when_it_was_looked_at() -> None:
    assert check_directory(directory(), tried=None) == []
    assert check_directory(directory(), tried={"support"}) == []
    [finding] = check_directory(directory(), tried=())
    assert (finding.code, finding.severity) == ("never_tried_outside_hours", Severity.HINT)


def test_every_code_is_tested_and_told_in_both_languages() -> None:
    found: list[Finding] = [
        f for _, changed, _ in CASES for f in check_directory(directory(changed), tried=())
    ]
    assert {finding.code for finding in found} == set(CODES)
    for finding in found:
        assert set(finding.text) == {"en", "ja"}
        assert all(
            "{" not in text or finding.code == "offline_text_refused" for text in finding.text.values()
        )
        assert any(ord(char) > 0x3000 for char in finding.text["ja"])
