"""A department's offline message: read, saved, previewed and tried for any time (PRODUCT O11, O12, O16)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastapi import APIRouter
from pydantic_core import to_json
from starlette.responses import Response

from gateway.core.actors import Owner, OwnerKind
from gateway.core.content import Clear, Text
from gateway.core.conversation import Head
from gateway.core.decide_sending import split
from gateway.core.directory import (
    Department,
    Directory,
    OfflineMessage,
)
from gateway.core.facts import Facts
from gateway.core.merge_field_catalogue import CATALOGUE, Situation, sample_values
from gateway.core.merge_fields import FieldProblem, check, merge
from gateway.core.merge_values import merge_values
from gateway.core.messages import Contact
from gateway.core.offline import judge
from gateway.core.starter_texts import STARTER_TEXTS
from gateway.explain import facts_in_words
from gateway.explain_texts import language_of, say
from gateway.inbox.api import models as m
from gateway.inbox.api import offline_models as o
from gateway.inbox.api.context import Inbox, InboxOf, Reader, Writer, json
from gateway.inbox.api.departments import administered, publish

router = APIRouter(prefix="/departments/{department_id}/offline-message", tags=["offline message"])

_SAVE: m.Responses = {
    **m.answers(o.OfflineMessageOut),
    422: {"model": o.RefusedText, "description": "A text that may not be saved"},
}


@router.get("", responses=m.answers(o.OfflineMessageOut))
async def get_offline_message(department_id: str, parts: InboxOf, who: Reader) -> Response:
    """The department's offline message. For its administrators."""
    department = administered(parts, who.agent, department_id)
    return json(_shown(department, who.agent.locale))


@router.put("", responses=_SAVE)
async def put_offline_message(
    department_id: str, body: o.OfflineMessageIn, parts: InboxOf, who: Writer
) -> Response:
    """Save it; an unknown merge field or too long a text is refused, one that is always empty only warned of."""
    department = administered(parts, who.agent, department_id)
    offline = _offline(body)
    problems = _problems(offline, who.agent.locale)
    if refused := [shown for problem, shown in problems if problem.refused]:
        return _refused(refused)
    changed = replace(department, offline=offline)
    await publish(parts, changed)
    return json(_shown(changed, who.agent.locale))


@router.post("/preview", responses=m.answers(o.PreviewOut))
async def preview_offline_message(
    department_id: str, body: o.PreviewIn, parts: InboxOf, who: Writer
) -> Response:
    """The text as a sample contact would get it, in parts per channel account."""
    department = administered(parts, who.agent, department_id)
    offline = department.offline or OfflineMessage()
    offline = replace(
        offline,
        text=offline.text if body.text is None else body.text,
        language=body.language or offline.language,
        ticket_first=body.ticket,
        text_without_ticket=None,
    )
    problems = [shown for _, shown in _problems(replace(offline, enabled=True), who.agent.locale)]
    text = _merged(parts, replace(department, offline=offline), parts.clock(), offline.text)
    return json({"text": text, "problems": problems, "accounts": _parts_of(parts, department_id, text)})


@router.post("/simulate", responses=m.answers(o.SimulationOut))
async def simulate_offline_message(
    department_id: str, body: o.SimulateIn, parts: InboxOf, who: Writer
) -> Response:
    """What would happen to a message at this time (O16), by the very table that decides."""
    department = administered(parts, who.agent, department_id)
    at = parts.clock() if body.at is None else body.at
    found = judge(department, body.owner, body.blocked, body.presence, at)
    lang = language_of(who.agent.locale)
    verdict = say(lang, "simulate.sent" if found.send else "simulate.not_sent")
    offline = department.offline
    return json(
        {
            "row": found.row,
            "sends": found.send,
            "why": f"{say(lang, f'row.{found.row}')} {verdict}",
            "facts": found.facts,
            "details": facts_in_words(found.facts, lang),
            "text": _merged(parts, department, at, offline.text) if found.send and offline else None,
        }
    )


def _offline(body: o.OfflineMessageIn) -> OfflineMessage:
    return OfflineMessage(
        enabled=body.enabled,
        text=body.text,
        language=body.language,
        by_presence_without_hours=body.when_no_hours == "by_presence",
        ticket_first=body.ticket_first,
        text_without_ticket=body.text_without_ticket or None,
    )


def _problems(offline: OfflineMessage, locale: str) -> list[tuple[FieldProblem, dict[str, Any]]]:
    """An empty text is only wrong where it would be sent."""
    texts = []
    if offline.enabled or offline.text:
        texts.append(("text", offline.text, Situation.OFFLINE_MESSAGE))
    if offline.text_without_ticket:
        texts.append(("text_without_ticket", offline.text_without_ticket, Situation.OFFLINE_WITHOUT_TICKET))
    return [
        (problem, _problem(where, problem, locale))
        for where, text, situation in texts
        for problem in check(text, situation)
    ]


def _problem(where: str, problem: FieldProblem, locale: str) -> dict[str, Any]:
    return {
        "where": where,
        "code": problem.code.value,
        "detail": problem.detail[language_of(locale)],
        "at": problem.at,
        "field": problem.field,
        "suggestion": problem.suggestion,
    }


def _refused(problems: list[dict[str, Any]]) -> Response:
    body = {
        "type": "urn:channel-gateway:problem:invalid_text",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": problems[0]["detail"],
        "code": "invalid_text",
        "problems": problems,
    }
    return Response(to_json(body), 422, media_type="application/problem+json")


def _shown(department: Department, locale: str) -> dict[str, Any]:
    offline, lang = department.offline or OfflineMessage(), language_of(locale)
    return {
        "department_id": department.id,
        "enabled": offline.enabled,
        "text": offline.text,
        "language": offline.language,
        "when_no_hours": "by_presence" if offline.by_presence_without_hours else "open",
        "ticket_first": offline.ticket_first,
        "text_without_ticket": offline.text_without_ticket,
        "hours_set": department.hours is not None,
        "warnings": [shown for problem, shown in _problems(offline, locale) if not problem.refused],
        "fields": [{"key": f.key, "label": f.label[lang], "sample": f.sample[lang]} for f in CATALOGUE],
        "starters": [
            {"key": s.key, "title": s.title[lang], "text": s.text[language_of(offline.language)]}
            for s in STARTER_TEXTS
        ],
    }


def _merged(parts: Inbox, department: Department, at: int, text: str) -> str:
    """The text with a sample contact; department and organisation are the real ones, at that time."""
    offline = department.offline or OfflineMessage()
    sample = sample_values(offline.language, Situation.OFFLINE_MESSAGE)
    mobile = "".join(c for c in sample["Contacts.Mobile"] if c.isdigit())
    head = Head(
        conversation_id="",
        tenant=department.tenant,
        channel="",
        account_id="",
        contact=Contact(mobile, "phone", sample["Contacts.Full Name"]),
        department_id=department.id,
        owner=Owner(OwnerKind.QUEUE, department.id, department.name),
        last_agent=Owner(OwnerKind.AGENT, "", sample["Contacts.Owner"]),
        ticket=int(sample["Ticket.Number"]) if offline.ticket_first else None,
    )
    directory: Directory = parts.replicas.known.directory.with_entity(department)
    return merge(text, merge_values(head, Facts(directory), at))


def _parts_of(parts: Inbox, department_id: str, text: str) -> list[dict[str, Any]]:
    known, found = parts.replicas.known, []
    for account in sorted(known.directory.accounts.values(), key=lambda a: a.id):
        if account.department != department_id:
            continue
        profile = known.profile(account.id, account.channel)
        bodies = split(profile, Clear(Text(text))) if profile else (Clear(Text(text)),)
        texts = [b.content.body for b in bodies if isinstance(b, Clear) and isinstance(b.content, Text)]
        row = {
            "account_id": account.id,
            "channel": account.channel,
            "known": profile is not None,
            "parts": texts,
        }
        found.append(row)
    return found
