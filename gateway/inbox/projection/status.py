"""A message's status as the screen shows it: "cannot tell", "not yet" and "overdue" are three things (PRODUCT S6)."""

from __future__ import annotations

from gateway.core.capabilities import CapabilityProfile, RungSupport, Told
from gateway.core.receipts import Basis, Fault, PartStatus, Rung, Shown, Verdict, roll_up
from gateway.inbox.content_json import Row

RUNGS = (Rung.SENT, Rung.DELIVERED, Rung.READ)
_TIMES = {Rung.SENT: "sent_at", Rung.DELIVERED: "delivered_at", Rung.READ: "read_at"}
# Of several parts the one that came least far speaks for the message.
_LEAST_FIRST = ("overdue", "cannot_tell", "not_yet", "implied", "reached")
_TROUBLE = (Shown.FAILED, Shown.UNKNOWN, Shown.EXPIRED)


def status_json(sent: Row, profile: CapabilityProfile | None) -> Row:
    """Status of a message of ours from its stored parts; without a profile nothing counts as impossible."""
    parts = [_counting(sent["statuses"], part) for part in range(sent["parts"])]
    overdue = {(attempt, part, rung) for attempt, part, rung in sent["overdue"]}
    rungs = {rung: _rung(rung, parts, overdue, profile) for rung in RUNGS}
    shown = roll_up(status.shown for status, _ in parts)
    problem = next(
        (row["problem"] for status, row in parts if status.shown is shown and "problem" in row), None
    )
    trouble = problem if shown in _TROUBLE else None
    return {
        "shown": shown.value,
        "rungs": {rung.value: row for rung, row in rungs.items()},
        "problem": trouble,
        "overdue": [rung.value for rung in RUNGS if rungs[rung]["state"] == "overdue"],
        "parts": sent["parts"],
        "resend": _resend(shown, trouble),
    }


def _counting(rows: list[Row], part: int) -> tuple[PartStatus, Row]:
    """The status that counts for a part: of the newest attempt, unless only an older one arrived."""
    tried = [(_part_status(row), row) for row in rows if row["part"] == part]
    default: tuple[PartStatus, Row] = (PartStatus(1, part), {})
    return max(tried, key=lambda s: (s[0].rung in (Rung.DELIVERED, Rung.READ), s[0].attempt), default=default)


def _part_status(row: Row) -> PartStatus:
    verdict = row.get("verdict")
    return PartStatus(
        attempt=row["attempt"],
        part=row["part"],
        sent_at=row.get("sent_at"),
        delivered_at=row.get("delivered_at"),
        read_at=row.get("read_at"),
        verdict=Verdict(verdict) if verdict else None,
        verdict_at=row.get("verdict_at"),
    )


def _rung(
    rung: Rung,
    parts: list[tuple[PartStatus, Row]],
    overdue: set[tuple[int, int, str]],
    profile: CapabilityProfile | None,
) -> Row:
    support = profile.rung(rung) if profile else RungSupport(rung, Told.WEBHOOK)
    states = [
        part_rung(status, rung, support, late=(status.attempt, status.part, rung.value) in overdue)
        for status, _ in parts
    ]
    times = [row[_TIMES[rung]] for _, row in parts if _TIMES[rung] in row]
    state = min(states, key=_LEAST_FIRST.index)
    return {
        "state": state,
        "at": max(times) if state == "reached" else None,
        "may_be_hidden": support.may_be_hidden,
    }


def part_rung(status: PartStatus, rung: Rung, support: RungSupport, *, late: bool) -> str:
    """State of one rung of one part: reached, implied, overdue, cannot_tell or not_yet."""
    basis = status.basis(rung)
    if basis is not None:
        return "reached" if basis is Basis.OBSERVED else "implied"
    if support.told is Told.NEVER:
        return "cannot_tell"
    return "overdue" if late else "not_yet"


def _resend(shown: Shown, problem: Row | None) -> str | None:
    if shown is Shown.UNKNOWN:
        return "confirm"
    if shown not in (Shown.FAILED, Shown.EXPIRED):
        return None
    return "template" if problem and problem["fault"] == Fault.WINDOW.value else "again"
