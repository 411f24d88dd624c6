"""A department's settings, for its administrators: read and replaced, in the words of the directory file."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic_core import to_json
from starlette.responses import Response

from gateway.core.checklist import Severity, check_directory
from gateway.core.clock import year_of
from gateway.core.directory import AssignmentMode, Department, ReopenOwner, entry_key
from gateway.directory.departments import DEPARTMENT, department_json, read_department
from gateway.directory.fields import Fault, Fields, Path, Report
from gateway.directory.holiday_dates import holiday_dates
from gateway.directory.hours_fields import Calendar
from gateway.explain_texts import language_of
from gateway.inbox.api import models as m
from gateway.inbox.api.context import Inbox, InboxOf, Reader, Writer, json
from gateway.inbox.api.departments import administered, publish
from gateway.inbox.api.problems import Problem

router = APIRouter(prefix="/departments", tags=["directory"])


class DatedHoursOut(m.Model):
    """Other hours on one date; none = closed."""

    date: str
    open: list[str]
    name: str | None


class HoursOut(m.Model):
    """Business hours: intervals such as `09:00-18:00` by weekday, in an IANA time zone."""

    zone: str
    week: dict[str, list[str]]
    exceptions: list[DatedHoursOut]


class OfflineOut(m.Model):
    """The offline message."""

    enabled: bool
    text: str
    language: str
    when_no_hours: Literal["open", "by_presence"]
    ticket_first: bool
    text_without_ticket: str | None


class CompletionOut(m.Model):
    """Auto-completion; times such as `24h`."""

    agent_after: str | None
    bot_after: str | None
    queue_after: str | None
    at_window_end: bool
    warning: str | None
    warning_before: str | None
    farewell: str | None


class AssignmentOut(m.Model):
    """Automatic assignment."""

    mode: AssignmentMode
    at_most: int


class FaultOut(m.Model):
    """What is wrong or doubtful, and where: a path such as `hours.week.monday`."""

    path: str
    detail: str


class FindingOut(m.Model):
    """A point of the checklist, in the agent's language."""

    code: str
    entity: str
    severity: Severity
    detail: str


class DepartmentOut(m.Model):
    """The settings as they can be put again, with the version to put on."""

    id: str
    name: str
    reopen_owner: ReopenOwner
    hours: HoursOut | None
    offline_message: OfflineOut | None
    auto_completion: CompletionOut | None
    assignment: AssignmentOut | None
    hand_over_phrases: list[str]
    first_response: str | None
    version: int
    warnings: list[FaultOut]
    findings: list[FindingOut]


class RefusedDepartment(m.Problem):
    """Settings that may not be saved, with each problem."""

    problems: list[FaultOut]


_SAVE: m.Responses = {
    **m.answers(DepartmentOut),
    409: {"model": m.Problem, "description": "Somebody else has changed it"},
    422: {"model": RefusedDepartment, "description": "Settings that may not be saved"},
}
_ANSWERED = ("version", "warnings", "findings")
"""What an answer holds beside the settings; a client may send the whole answer back."""


@router.get("/{department_id}", responses=m.answers(DepartmentOut))
async def get_department(department_id: str, parts: InboxOf, who: Reader) -> Response:
    """The department's settings and its part of the checklist. For its administrators."""
    department = administered(parts, who.agent, department_id)
    return json(_shown(parts, department, who.agent.locale, Report()))


@router.put("/{department_id}", responses=_SAVE)
async def put_department(department_id: str, body: dict[str, Any], parts: InboxOf, who: Writer) -> Response:
    """Replace the settings: as GET answers them, absent = not set. With `version` only if nobody was quicker."""
    former = administered(parts, who.agent, department_id)
    _check_version(parts, former, body.get("version"))
    report = Report()
    settings = {key: value for key, value in body.items() if key not in _ANSWERED}
    given = Fields({"id": department_id, **settings}, (), report, "a department", DEPARTMENT)
    department = read_department(given, former.tenant, Calendar(holiday_dates, year_of(parts.clock())))
    if department.id != department_id:
        given.fault("`id` cannot be changed", "id")
    if report.faults:
        return _refused(report)
    await publish(parts, department)
    return json(_shown(parts, department, who.agent.locale, report))


def _check_version(parts: Inbox, department: Department, version: Any) -> None:
    current = parts.replicas.directory_version(entry_key(department))
    if version is not None and version != current:
        detail = f"The settings were changed meanwhile: they have version {current} now. Load them again."
        raise Problem(409, "version_conflict", detail)


def _refused(report: Report) -> Response:
    faults = [_fault(fault) for fault in report.faults]
    body = {
        "type": "urn:channel-gateway:problem:invalid_department",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": faults[0]["detail"],
        "code": "invalid_department",
        "problems": faults,
    }
    return Response(to_json(body), 422, media_type="application/problem+json")


def _fault(fault: Fault) -> dict[str, str]:
    return {"path": _dotted(fault.path), "detail": fault.text}


def _dotted(path: Path) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def _shown(parts: Inbox, department: Department, locale: str, report: Report) -> dict[str, Any]:
    directory = parts.replicas.known.directory.with_entity(department)
    accounts = [a for a in directory.accounts.values() if a.department == department.id]
    about = {entry_key(department), *(entry_key(account) for account in accounts)}
    return {
        **department_json(department),
        "version": parts.replicas.directory_version(entry_key(department)),
        "warnings": [_fault(fault) for fault in report.warnings],
        "findings": [
            {
                "code": f.code,
                "entity": f.entity,
                "severity": f.severity,
                "detail": f.text[language_of(locale)],
            }
            for f in check_directory(directory)
            if f.entity in about
        ],
    }
