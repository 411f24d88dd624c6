"""The status an agent sees: a table over what is known and what the channel can tell."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.capabilities import CapabilityProfile, RungSupport, Told
from gateway.core.receipts import Rung
from gateway.inbox.projection.status import status_json

ALL = CapabilityProfile(
    "c",
    "C",
    ("text",),
    (
        RungSupport(Rung.SENT, Told.SEND_ANSWER),
        RungSupport(Rung.DELIVERED, Told.WEBHOOK),
        RungSupport(Rung.READ, Told.WEBHOOK, may_be_hidden=True),
    ),
    (),
)
SENT_ONLY = CapabilityProfile("c", "C", ("text",), (RungSupport(Rung.SENT, Told.SEND_ANSWER),), ())
READ_ONLY = CapabilityProfile(
    "c", "C", ("text",), (RungSupport(Rung.SENT, Told.SEND_ANSWER), RungSupport(Rung.READ, Told.WEBHOOK)), ()
)
WINDOW = {"code": "window_closed", "detail": "", "provider_code": "131047", "fault": "window", "retry": False}
CONTENT = {**WINDOW, "code": "bad_file", "fault": "content"}


def part(n: int = 0, attempt: int = 1, **known: Any) -> dict[str, Any]:
    """A stored part."""
    return {"attempt": attempt, "part": n, **known}


Q, R, I, N, C, LATE = "queued", "reached", "implied", "not_yet", "cannot_tell", "overdue"  # noqa: E741

# name: profile, parts, stored statuses, overdue -> shown, states of sent/delivered/read, resend
CASES: dict[str, tuple[Any, int, list[dict[str, Any]], list[Any], str, tuple[str, str, str], str | None]] = {
    "nothing yet": (ALL, 1, [], [], Q, (N, N, N), None),
    "nothing yet, the channel tells only sent": (SENT_ONLY, 1, [], [], Q, (N, C, C), None),
    "no profile": (None, 1, [], [], Q, (N, N, N), None),
    "sent": (ALL, 1, [part(sent_at=1)], [], "sent", (R, N, N), None),
    "sent, the channel tells no more": (SENT_ONLY, 1, [part(sent_at=1)], [], "sent", (R, C, C), None),
    "delivered alone implies sent": (ALL, 1, [part(delivered_at=2)], [], "delivered", (I, R, N), None),
    "read alone implies the rest": (ALL, 1, [part(read_at=3)], [], "read", (I, I, R), None),
    "read implies delivered though never told": (READ_ONLY, 1, [part(sent_at=1, read_at=3)], [], "read", (R, I, R), None),
    "delivered is late": (ALL, 1, [part(sent_at=1)], [[1, 0, "delivered"]], "sent", (R, LATE, N), None),
    "late, and came after all": (
        ALL, 1, [part(sent_at=1, delivered_at=9)], [[1, 0, "delivered"]], "delivered", (R, R, N), None,
    ),
    "late in an earlier attempt": (
        ALL, 1, [part(sent_at=1), part(attempt=2, sent_at=5)], [[1, 0, "delivered"]], "sent", (R, N, N), None,
    ),
    "failed": (ALL, 1, [part(verdict="failed", verdict_at=1, problem=CONTENT)], [], "failed", (N, N, N), "again"),
    "failed after sent": (
        ALL, 1, [part(sent_at=1, verdict="failed", verdict_at=2, problem=WINDOW)], [], "failed", (R, N, N), "template",
    ),
    "unknown": (ALL, 1, [part(verdict="unknown", verdict_at=1)], [], "unknown", (N, N, N), "confirm"),
    "expired": (ALL, 1, [part(verdict="expired", verdict_at=1)], [], "expired", (N, N, N), "again"),
    "failed, then read": (
        ALL, 1, [part(read_at=3, verdict="failed", verdict_at=1, problem=CONTENT)], [], "read", (I, I, R), None,
    ),
    "two parts, one behind": (ALL, 2, [part(0, sent_at=1, read_at=3), part(1, sent_at=1)], [], "sent", (R, N, N), None),
    "two parts, one failed": (
        ALL, 2, [part(0, sent_at=1), part(1, verdict="failed", verdict_at=2, problem=CONTENT)], [],
        "failed", (N, N, N), "again",
    ),
    "a first attempt that arrived counts": (
        ALL, 1, [part(delivered_at=2), part(attempt=2, verdict="failed", verdict_at=4, problem=CONTENT)], [],
        "delivered", (I, R, N), None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_status(name: str) -> None:
    profile, parts, statuses, overdue, shown, states, resend = CASES[name]
    sent = {"attempt": 1, "parts": parts, "statuses": statuses, "overdue": overdue}
    status = status_json(sent, profile)
    assert status["shown"] == shown
    assert tuple(status["rungs"][r]["state"] for r in ("sent", "delivered", "read")) == states
    assert status["resend"] == resend
    assert status["overdue"] == [
        r for r, s in zip(("sent", "delivered", "read"), states, strict=True) if s == LATE
    ]
    assert (status["problem"] is not None) == (shown == "failed")


def test_times_and_what_may_be_hidden() -> None:
    sent = {"attempt": 1, "parts": 2, "statuses": [part(0, sent_at=5), part(1, sent_at=7)], "overdue": []}
    rungs = status_json(sent, ALL)["rungs"]
    assert rungs["sent"] == {"state": "reached", "at": 7, "may_be_hidden": False}
    assert rungs["read"] == {"state": "not_yet", "at": None, "may_be_hidden": True}
