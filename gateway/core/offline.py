"""The decision about the offline message: one table, total (PRODUCT O). Pure; the log guards O14 besides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from gateway.core.availability import Present
from gateway.core.directory import Department
from gateway.core.hours import BusinessHours, is_open, last_opening

SWITCH_OFF = "switch_off"
BLOCKED = "blocked"
BACKLOG_MS = 60_000
"""A decision that comes later than this after the receipt says both times."""


class Holder(StrEnum):
    """Who holds the conversation, as the table sees it."""

    BOT = "bot"
    HANDED_OVER = "handed_over"
    """In the queue, put there by a bot and untouched since."""
    UNASSIGNED = "unassigned"
    AGENT = "agent"


class Hours(StrEnum):
    """Where an instant lies in a department's business hours."""

    IN = "in"
    OUT = "out"
    NONE = "none"
    """The department has no business hours."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether to send, the row that says so (`O1`…`O9`, `switch_off`, `blocked`), and from which facts.

    `reason` is one English sentence.
    """

    row: str
    send: bool
    facts: dict[str, str]
    reason: str


REASONS: Mapping[str, str] = {
    SWITCH_OFF: "The department's offline message is switched off.",
    BLOCKED: "The contact is blocked.",
    "O1": "A bot handed over outside business hours.",
    "O2": "A bot handed over while every agent was offline.",
    "O3": "A bot handed over while somebody could answer.",
    "O4": "A bot is handling the conversation.",
    "O5": "The contact wrote outside business hours, and nobody holds the conversation.",
    "O6": "The contact wrote while every agent was offline, and nobody holds the conversation.",
    "O7": "The contact wrote while somebody could answer.",
    "O8": "The department has no business hours: it counts as open around the clock.",
    "O9": "An agent holds the conversation.",
}

# Rows of those who wait in the queue: outside hours, nobody there, somebody there.
_ROWS = {Holder.HANDED_OVER: ("O1", "O2", "O3"), Holder.UNASSIGNED: ("O5", "O6", "O7")}


def judge(
    department: Department | None, holder: Holder, blocked: bool, presence: Present, at: int
) -> Judgement:
    """The table of PRODUCT O at one instant (Unix milliseconds). An unknown department counts as switched off."""
    hours = hours_at(department, at)
    row, send = _row(department, holder, blocked, hours, presence)
    facts = {
        "owner": holder.value,
        "hours": hours.value,
        "presence": presence.value,
        "at": str(at),
        **_clock(department, at),
    }
    return Judgement(row, send, facts, REASONS[row])


def judge_backlog(
    department: Department | None,
    holder: Holder,
    blocked: bool,
    then: tuple[int, Present],
    now: tuple[int, Present],
) -> Judgement:
    """Judged at the time of receipt and again now, each a time and a presence: sent only if both say so.

    A message that was answered for at its receipt, or that people have come back to since, needs no text.
    """
    received = judge(department, holder, blocked, then[1], then[0])
    decided = judge(department, holder, blocked, now[1], now[0])
    counts = decided if received.send else received
    facts = received.facts
    if received.row != decided.row or now[0] - then[0] >= BACKLOG_MS:
        facts = facts | {f"now_{key}": decided.facts[key] for key in ("hours", "presence", "at")}
    return Judgement(counts.row, counts.send, facts, counts.reason)


def sent_in_this_period(
    sent_at: int | None, hours: BusinessHours | None, last_available_at: int | None, now: int
) -> bool:
    """Whether one was sent since somebody was last available and since the last opening (O14)."""
    if sent_at is None:
        return False
    opened_at = last_opening(hours, now) if hours else None
    ends = [at for at in (last_available_at, opened_at) if at is not None]
    return all(sent_at > at for at in ends)


def hours_at(department: Department | None, at: int) -> Hours:
    """Where the instant lies in the department's business hours. Hours of 00–24 every day count as set."""
    if department is None or department.hours is None:
        return Hours.NONE
    return Hours.IN if is_open(department.hours, at) else Hours.OUT


def _row(
    department: Department | None, holder: Holder, blocked: bool, hours: Hours, presence: Present
) -> tuple[str, bool]:
    offline = department.offline if department else None
    if offline is None or not offline.enabled:
        return SWITCH_OFF, False
    if blocked:
        return BLOCKED, False
    if holder is Holder.AGENT:
        return "O9", False
    if holder is Holder.BOT:
        return "O4", False
    closed, deserted, attended = _ROWS[holder]
    if hours is Hours.OUT:
        return closed, True
    # Presence unknown: by hours only, and these do not say that nobody is there.
    if hours is Hours.NONE and (not offline.by_presence_without_hours or presence is Present.UNKNOWN):
        return "O8", False
    return (deserted, True) if presence is Present.NONE else (attended, False)


def _clock(department: Department | None, at: int) -> dict[str, str]:
    """The wall clock by which hours were judged."""
    if department is None or department.hours is None:
        return {}
    zone = department.hours.zone
    local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)).astimezone(ZoneInfo(zone))
    return {"clock": f"{local.isoformat(timespec='minutes')} {zone}"}
