"""A department as it is written in a file or over the API, and back."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from gateway.core.directory import (
    Assignment,
    AssignmentMode,
    AutoCompletion,
    Department,
    OfflineMessage,
    ReopenOwner,
)
from gateway.core.merge_field_catalogue import Situation
from gateway.core.merge_fields import check
from gateway.directory.durations import format_duration
from gateway.directory.fields import Fields
from gateway.directory.hours_fields import HOURS, Calendar, hours_json, read_hours

DEPARTMENT = (
    "id",
    "name",
    "reopen_owner",
    "hours",
    "offline_message",
    "auto_completion",
    "assignment",
    "hand_over_phrases",
    "first_response",
)
OFFLINE = ("enabled", "text", "language", "when_no_hours", "ticket_first", "text_without_ticket")
COMPLETION = (
    "agent_after",
    "bot_after",
    "queue_after",
    "at_window_end",
    "warning",
    "warning_before",
    "farewell",
)
MOST_OPEN = 1000


class WhenNoHours(StrEnum):
    """What counts for a department without business hours (O8)."""

    OPEN = "open"
    BY_PRESENCE = "by_presence"


class Language(StrEnum):
    """Languages of automatic texts."""

    EN = "en"
    JA = "ja"


def read_department(given: Fields, tenant: str, calendar: Calendar) -> Department:
    """The department; what is wrong is in the report."""
    hours = given.below("hours", "`hours`", HOURS)
    return Department(
        id=given.needed("id"),
        tenant=tenant,
        name=given.needed("name"),
        reopen_owner=given.choice("reopen_owner", ReopenOwner.LAST_AGENT),
        hours=read_hours(hours, calendar) if hours else None,
        offline=_offline(given.below("offline_message", "`offline_message`", OFFLINE)),
        completion=read_completion(given),
        assignment=_assignment(given.below("assignment", "`assignment`", ("mode", "at_most"))),
        hand_over_phrases=given.texts("hand_over_phrases") or (),
        first_response=given.duration("first_response"),
    )


def _offline(given: Fields | None) -> OfflineMessage | None:
    if given is None:
        return None
    offline = OfflineMessage(
        enabled=given.switch("enabled"),
        text=_text(given, "text", Situation.OFFLINE_MESSAGE) or "",
        language=given.choice("language", Language.EN).value,
        by_presence_without_hours=given.choice("when_no_hours", WhenNoHours.OPEN) is WhenNoHours.BY_PRESENCE,
        ticket_first=given.switch("ticket_first"),
        text_without_ticket=_text(given, "text_without_ticket", Situation.OFFLINE_WITHOUT_TICKET),
    )
    if offline.enabled and not offline.text:
        given.fault("an offline message that is switched on needs `text`")
    return offline


def read_completion(parent: Fields) -> AutoCompletion | None:
    """The key `auto_completion` of a department or a channel account."""
    given = parent.below("auto_completion", "`auto_completion`", COMPLETION)
    if given is None:
        return None
    completion = AutoCompletion(
        agent_after=given.duration("agent_after"),
        bot_after=given.duration("bot_after"),
        queue_after=given.duration("queue_after"),
        at_window_end=given.switch("at_window_end"),
        warning=_text(given, "warning", Situation.COMPLETION_WARNING),
        warning_before=given.duration("warning_before"),
        farewell=_text(given, "farewell", Situation.FAREWELL),
    )
    _check_warning(given, completion)
    return completion


def _check_warning(given: Fields, completion: AutoCompletion) -> None:
    if (given.given("warning") is None) != (given.given("warning_before") is None):
        given.fault("`warning` and `warning_before` belong together")
    for key in ("agent_after", "bot_after", "queue_after"):
        after, before = getattr(completion, key), completion.warning_before
        if after is not None and before is not None and before >= after:
            given.fault(f"`warning_before` must be shorter than `{key}`", "warning_before")


def _assignment(given: Fields | None) -> Assignment | None:
    if given is None:
        return None
    most = given.number("at_most", 1, MOST_OPEN)
    return Assignment(
        given.choice("mode", AssignmentMode.OFF), Assignment().at_most if most is None else most
    )


def _text(given: Fields, key: str, situation: Situation) -> str | None:
    """A text with merge fields: what may not be saved is a fault, what is doubtful a warning."""
    text = given.text(key)
    for problem in check(text, situation) if text is not None else ():
        (given.fault if problem.refused else given.warn)(problem.detail["en"], key)
    return text


def department_json(department: Department) -> dict[str, Any]:
    """The department as `read_department` reads it; what is not set is None."""
    return {
        "id": department.id,
        "name": department.name,
        "reopen_owner": department.reopen_owner.value,
        "hours": hours_json(department.hours) if department.hours else None,
        "offline_message": _offline_json(department.offline) if department.offline else None,
        "auto_completion": _completion_json(department.completion) if department.completion else None,
        "assignment": {"mode": department.assignment.mode.value, "at_most": department.assignment.at_most}
        if department.assignment
        else None,
        "hand_over_phrases": list(department.hand_over_phrases),
        "first_response": _duration(department.first_response),
    }


def _offline_json(offline: OfflineMessage) -> dict[str, Any]:
    by_presence = offline.by_presence_without_hours
    return {
        "enabled": offline.enabled,
        "text": offline.text,
        "language": offline.language,
        "when_no_hours": (WhenNoHours.BY_PRESENCE if by_presence else WhenNoHours.OPEN).value,
        "ticket_first": offline.ticket_first,
        "text_without_ticket": offline.text_without_ticket,
    }


def _completion_json(completion: AutoCompletion) -> dict[str, Any]:
    return {
        "agent_after": _duration(completion.agent_after),
        "bot_after": _duration(completion.bot_after),
        "queue_after": _duration(completion.queue_after),
        "at_window_end": completion.at_window_end,
        "warning": completion.warning,
        "warning_before": _duration(completion.warning_before),
        "farewell": completion.farewell,
    }


def _duration(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else format_duration(milliseconds)
