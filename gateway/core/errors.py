"""Why something is refused: stable codes that other programs may rely on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """Reason codes of refused commands. Codes are never renamed; new ones may come."""

    NOT_OWNER = "not_owner"
    NOT_ASSIGNED = "not_assigned"
    ALREADY_OWNER = "already_owner"
    ALREADY_TAKEN = "already_taken"
    STALE_EPOCH = "stale_epoch"
    FORBIDDEN = "forbidden"
    UNKNOWN_AGENT = "unknown_agent"
    UNKNOWN_DEPARTMENT = "unknown_department"
    UNKNOWN_ACCOUNT = "unknown_account"
    UNKNOWN_CONVERSATION = "unknown_conversation"
    UNKNOWN_MESSAGE = "unknown_message"
    ALREADY_COMPLETED = "already_completed"
    ALREADY_OPEN = "already_open"
    ALREADY_BLOCKED = "already_blocked"
    NOT_BLOCKED = "not_blocked"
    BLOCKED = "blocked"
    WINDOW_CLOSED = "window_closed"
    UNSUPPORTED_CONTENT = "unsupported_content"
    CONTENT_TOO_LONG = "content_too_long"
    EMPTY_CONTENT = "empty_content"
    NOT_FAILED = "not_failed"
    DOUBLE_RISK = "double_risk"
    NOT_DUE = "not_due"
    TOO_MANY_HOPS = "too_many_hops"
    NOBODY_AVAILABLE = "nobody_available"
    ALREADY_SENT = "already_sent"
    ALREADY_RECORDED = "already_recorded"
    NOT_WANTED = "not_wanted"
    NO_TICKET_NUMBER = "no_ticket_number"
    NOT_PARKED = "not_parked"
    STILL_PARKED = "still_parked"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused command: the code, a sentence that says what to do next, and what would help.

    `offer` names an action that would make it possible (`assign`, `reopen`, `template`, `confirm`).
    """

    code: Code
    detail: str
    offer: str | None = None
