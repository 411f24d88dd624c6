"""The checklist of the directory: what is missing or doubtful before the first contact notices (PRODUCT O18)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from gateway.core.directory import Account, Agent, Department, Directory, enabled_agents, entry_key
from gateway.core.hours_text import validate
from gateway.core.merge_field_catalogue import Situation
from gateway.core.merge_fields import check

_LINK = re.compile(r"https?://|\bwww\.", re.IGNORECASE)
OUTSIDE_HOURS = frozenset({"O1", "O5"})
"""Rows of the offline decision that show that a department was tried outside its hours."""


class Severity(StrEnum):
    """How bad a finding is, worst first."""

    PROBLEM = "problem"
    """Something does not work."""
    WARNING = "warning"
    """A contact may be left alone."""
    HINT = "hint"
    """It would be better."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One point of the list. `entity` is its key in `cg.directory`; `text` is by language (en, ja)."""

    code: str
    entity: str
    severity: Severity
    text: Mapping[str, str]


_CODES: Mapping[str, tuple[Severity, str, str]] = {
    "department_without_hours": (
        Severity.WARNING,
        (
            "{name} has no business hours: it counts as open around the clock, so its offline message is not sent "
            "outside hours."
        ),
        "「{name}」に営業時間がありません。24時間営業とみなされ、時間外のオフラインメッセージは送信されません。",
    ),
    "department_without_agents": (
        Severity.WARNING,
        "Nobody belongs to {name}.",
        "「{name}」に所属する担当者がいません。",
    ),
    "hours_invalid": (
        Severity.PROBLEM,
        "The business hours of {name} cannot be used: {detail}",
        "「{name}」の営業時間は使えません：{detail}",
    ),
    "offline_without_text": (
        Severity.PROBLEM,
        "The offline message of {name} is switched on but has no text.",
        "「{name}」のオフラインメッセージはオンですが、本文がありません。",
    ),
    "offline_text_refused": (
        Severity.PROBLEM,
        "The offline message of {name}: {detail}",
        "「{name}」のオフラインメッセージ：{detail}",
    ),
    "offline_without_link": (
        Severity.HINT,
        "The offline message of {name} holds no link to help.",
        "「{name}」のオフラインメッセージに、ヘルプへのリンクがありません。",
    ),
    "never_tried_outside_hours": (
        Severity.HINT,
        "{name} was never tried outside its hours: write to it once then, or simulate it.",
        "「{name}」は営業時間外にまだ試されていません。時間外に一度送信するか、シミュレーションしてください。",
    ),
    "account_without_department": (
        Severity.PROBLEM,
        "Channel account {name} names the department {detail}, which does not exist.",
        "チャネルアカウント「{name}」の部署「{detail}」は存在しません。",
    ),
    "account_without_bot": (
        Severity.PROBLEM,
        "Channel account {name} names the bot {detail}, which does not exist.",
        "チャネルアカウント「{name}」のボット「{detail}」は存在しません。",
    ),
    "account_without_agents": (
        Severity.WARNING,
        "None of the agents enabled for channel account {name} belongs to its department.",
        "チャネルアカウント「{name}」で有効な担当者は、誰もその部署に所属していません。",
    ),
    "hand_over_into_silence": (
        Severity.WARNING,
        (
            "The bot of channel account {name} may hand over while nobody is there, and no offline message would be "
            "sent: give {detail} business hours and switch its offline message on."
        ),
        (
            "チャネルアカウント「{name}」のボットは、担当者がいないときに引き継ぐことがありますが、オフラインメッセージは"
            "送信されません。「{detail}」に営業時間を設定し、オフラインメッセージをオンにしてください。"
        ),
    ),
    "agent_without_department": (
        Severity.WARNING,
        "Agent {name} names the department {detail}, which does not exist.",
        "担当者「{name}」の部署「{detail}」は存在しません。",
    ),
}

CODES = tuple(_CODES)


def check_directory(directory: Directory, tried: Collection[str] | None = None) -> list[Finding]:
    """Every finding, worst first, then by entity.

    `tried`: ids of departments of which a decision of `OUTSIDE_HOURS` was ever recorded; None = not looked at.
    """
    found: list[Finding] = []
    for department in directory.departments.values():
        found += _department(directory, department, tried)
    for account in directory.accounts.values():
        found += _account(directory, account)
    for agent in directory.agents.values():
        for name in agent.departments:
            if name not in directory.departments:
                found.append(_finding("agent_without_department", agent, name))
    order = list(Severity)
    return sorted(found, key=lambda each: (order.index(each.severity), each.entity, CODES.index(each.code)))


def _finding(code: str, about: Department | Account | Agent, detail: str = "", japanese: str = "") -> Finding:
    severity, en, ja = _CODES[code]
    name = about.name or about.id
    text = {
        "en": en.format(name=name, detail=detail),
        "ja": ja.format(name=name, detail=japanese or detail),
    }
    return Finding(code, entry_key(about), severity, text)


def _department(
    directory: Directory, department: Department, tried: Collection[str] | None
) -> Iterator[Finding]:
    if department.hours is None:
        yield _finding("department_without_hours", department)
    else:
        for problem in validate(department.hours):
            yield _finding("hours_invalid", department, problem)
    if not any(department.id in agent.departments for agent in directory.agents.values()):
        yield _finding("department_without_agents", department)
    offline = department.offline
    if offline is None or not offline.enabled:
        return
    yield from _offline_text(department, offline.text, Situation.OFFLINE_MESSAGE)
    if offline.ticket_first and offline.text_without_ticket:
        yield from _offline_text(department, offline.text_without_ticket, Situation.OFFLINE_WITHOUT_TICKET)
    if tried is not None and department.hours is not None and department.id not in tried:
        yield _finding("never_tried_outside_hours", department)


def _offline_text(department: Department, text: str, situation: Situation) -> Iterator[Finding]:
    if not text.strip():
        yield _finding("offline_without_text", department)
        return
    for problem in check(text, situation):
        if problem.refused:
            yield _finding("offline_text_refused", department, problem.detail["en"], problem.detail["ja"])
    if not _LINK.search(text):
        yield _finding("offline_without_link", department)


def _account(directory: Directory, account: Account) -> Iterator[Finding]:
    department = directory.departments.get(account.department)
    if department is None:
        yield _finding("account_without_department", account, account.department)
        return
    if account.bot and account.bot not in directory.bots:
        yield _finding("account_without_bot", account, account.bot)
    if account.enabled_agents is not None and not enabled_agents(directory, account, department.id):
        yield _finding("account_without_agents", account)
    if account.bot in directory.bots and not _offline_goes_out(department):
        yield _finding("hand_over_into_silence", account, department.name)


def _offline_goes_out(department: Department) -> bool:
    offline = department.offline
    if offline is None or not offline.enabled or not offline.text.strip():
        return False
    return department.hours is not None or offline.by_presence_without_hours
