"""What an event changes in the rows of its conversation. Pure: nothing here but the event decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.core import events as e
from gateway.core.actors import Actor, ActorKind, Owner, OwnerKind
from gateway.core.content import Body, Target
from gateway.core.events import ConversationEvent
from gateway.core.receipts import PartStatus
from gateway.inbox.content_json import Row, body_json, body_text, media_json
from gateway.inbox.projection.rows import Rows

LAST_TEXT = 200
"""Code points of the last message that a list shows."""

_SENDER = {
    ActorKind.CONTACT: "contact",
    ActorKind.AGENT: "agent",
    ActorKind.BOT: "bot",
    ActorKind.RULE: "automatic",
    ActorKind.OPERATOR: "operator",
}


class GapError(Exception):
    """An event does not follow the rows: they are damaged, or the log has a hole."""

    def __init__(self, conversation_id: str, have: int, got: int) -> None:
        super().__init__(f"conversation {conversation_id}: event {got} does not follow {have}")
        self.place = (conversation_id, got)


def needed(event: ConversationEvent) -> str | None:
    """Id of the earlier message that must be loaded before the event is applied."""
    happening: Any = event.happening
    if isinstance(happening, e.MessageReceived | e.MessageEchoed | e.MessageQueued):
        return happening.reply_to.message_id if happening.reply_to else None
    return _named(happening)


def _named(happening: Any) -> str | None:
    target: Target | None = getattr(happening, "target", None)
    if target is not None:
        return target.message_id
    message_id: str | None = getattr(happening, "message_id", None)
    return message_id


def touched(event: ConversationEvent) -> str | None:
    """Which item the event made or changed: a message id, `#<seq>` of a system message, or none."""
    happening = event.happening
    if isinstance(happening, e.ContactChanged | e.ReceiptParked | e.ChatOpened):
        return None
    if isinstance(happening, e.AttentionRaised):
        return f"#{event.seq}"
    return _named(happening) or f"#{event.seq}"


def apply(rows: Rows, event: ConversationEvent) -> bool:
    """Changes the rows by one event; False if they had it already. Raises GapError."""
    have = rows.seq
    if event.seq <= have:
        return False
    if event.seq != have + 1:
        raise GapError(event.conversation_id, have, event.seq)
    summary = rows.summary
    if summary is None:
        if not isinstance(event.happening, e.ConversationOpened):
            raise GapError(event.conversation_id, 0, event.seq)
        summary = rows.summary = _new_summary(event, event.happening)
    summary["seq"] = event.seq
    summary["episode"] = event.episode
    _HANDLERS[event.happening.__class__](rows, summary, event, event.happening)
    return True


def _new_summary(event: ConversationEvent, opened: e.ConversationOpened) -> Row:
    return {
        "id": event.conversation_id,
        "tenant": event.tenant,
        "channel": event.channel,
        "account_id": event.account_id,
        "department_id": opened.department_id,
        "former_departments": [],
        "contact": _contact(opened.contact),
        "status": "open",
        "owner": _owner(opened.owner),
        "epoch": 1,
        "episode": event.episode,
        "seq": 0,
        "blocked": False,
        "attention": False,
        "last": None,
        "last_seq": 0,
        "last_at": event.occurred_at,
        "opened_at": event.occurred_at,
        "queued_at": event.occurred_at,
        "waiting_since": None,
        "contact_at": None,
    }


def _contact(contact: Any) -> Row:
    return {"name": contact.name, "address": contact.address, "username": contact.username}


def _owner(owner: Owner) -> Row:
    return {"kind": owner.kind.value, "id": owner.id, "name": owner.name}


def _actor(actor: Actor) -> Row:
    return {"kind": actor.kind.value, "id": actor.id, "name": actor.name}


def _system(rows: Rows, event: ConversationEvent, code: str, **params: Any) -> None:
    rows.add(
        {
            "kind": "system",
            "seq": event.seq,
            "id": event.event_id,
            "at": event.occurred_at,
            "code": code,
            "by": _actor(event.actor),
            "params": params,
        }
    )


def _message(
    rows: Rows,
    event: ConversationEvent,
    message_id: str,
    body: Body,
    sender: str,
    *,
    at: int | None = None,
    reply_to: Target | None = None,
    provider_id: str | None = None,
    sent: Row | None = None,
) -> Row:
    text = body_text(body)
    at = event.occurred_at if at is None else min(at, event.occurred_at)
    item: Row = {
        "kind": "message",
        "seq": event.seq,
        "id": message_id,
        "at": at,
        "from": sender,
        "sender": {"id": event.actor.id, "name": event.actor.name},
        "channel": event.channel,
        "content": body_json(body),
        "fallback": text,
        "reply_to": _quote(rows, reply_to) if reply_to else None,
        "sent": sent,
        "provider_id": provider_id,
        "edited_at": None,
        "unsent_at": None,
        "history": [],
        "reactions": [],
        "attempts": 0 if sent is None else 1,
    }
    rows.add_message(item)
    return item


def _quote(rows: Rows, target: Target) -> Row:
    quoted = rows.find(target.message_id)
    if quoted is None:
        return {"id": target.message_id, "text": None, "sender": None}
    sender = quoted["sender"]["name"] or quoted["from"]
    return {"id": quoted["id"], "text": quoted["fallback"][:LAST_TEXT], "sender": sender}


def _last(summary: Row, event: ConversationEvent, sender: str, text: str) -> None:
    summary["last"] = {"text": text[:LAST_TEXT], "at": event.occurred_at, "from": sender}
    summary["last_seq"] = event.seq
    summary["last_at"] = event.occurred_at


def _opened(rows: Rows, summary: Row, event: ConversationEvent, h: e.ConversationOpened) -> None:
    _system(rows, event, "opened", department=h.department_id)


def _received(rows: Rows, summary: Row, event: ConversationEvent, h: e.MessageReceived) -> None:
    item = _message(
        rows,
        event,
        h.message_id,
        h.content,
        "contact",
        at=h.sent_at,
        reply_to=h.reply_to,
        provider_id=h.provider_message_id,
    )
    _last(summary, event, "contact", item["fallback"])
    if h.counted and not summary["blocked"]:
        summary["contact_at"] = max(summary["contact_at"] or 0, h.sent_at)
        if summary["waiting_since"] is None:
            summary["waiting_since"] = event.occurred_at
        rows.received.append(event.seq)


def _chat_opened(rows: Rows, summary: Row, event: ConversationEvent, h: e.ChatOpened) -> None:
    summary["contact_at"] = max(summary["contact_at"] or 0, h.opened_at)


def _echoed(rows: Rows, summary: Row, event: ConversationEvent, h: e.MessageEchoed) -> None:
    item = _message(
        rows,
        event,
        h.message_id,
        h.content,
        "operator",
        at=h.sent_at,
        reply_to=h.reply_to,
        provider_id=h.provider_message_id,
    )
    _last(summary, event, "operator", item["fallback"])
    summary["waiting_since"] = None


def _queued(rows: Rows, summary: Row, event: ConversationEvent, h: e.MessageQueued) -> None:
    sender = _SENDER[event.actor.kind]
    sent = {"attempt": 1, "parts": h.parts, "statuses": [], "overdue": []}
    item = _message(rows, event, h.message_id, h.content, sender, reply_to=h.reply_to, sent=sent)
    _last(summary, event, sender, item["fallback"])
    # An automatic text answers nobody: the contact goes on waiting.
    if event.actor.kind in (ActorKind.AGENT, ActorKind.BOT):
        summary["waiting_since"] = None


def _resent(rows: Rows, summary: Row, event: ConversationEvent, h: e.MessageResent) -> None:
    item = rows.change(h.message_id)
    if item is None or item["sent"] is None:
        return
    sent = item["sent"]
    item["attempts"] = sent["attempt"] = h.attempt
    sent["statuses"].extend({"attempt": h.attempt, "part": part} for part in h.parts)
    if h.content is not None:
        sent["parts"] = len(h.parts)
        _replace_content(item, h.content)


def _replace_content(item: Row, body: Body) -> None:
    item["history"].append(item["content"])
    item["content"] = body_json(body)
    item["fallback"] = body_text(body)


def _status(rows: Rows, summary: Row, event: ConversationEvent, h: e.StatusChanged) -> None:
    item = rows.change(h.message_id)
    if item is None or item["sent"] is None:
        return
    key = (h.status.attempt, h.status.part)
    statuses = [s for s in item["sent"]["statuses"] if (s["attempt"], s["part"]) != key]
    statuses.append(_part(h.status))
    statuses.sort(key=lambda s: (s["attempt"], s["part"]))
    item["sent"]["statuses"] = statuses
    if h.status.provider_ids and item["provider_id"] is None:
        item["provider_id"] = h.status.provider_ids[0]


def _part(status: PartStatus) -> Row:
    row: Row = {"attempt": status.attempt, "part": status.part}
    for name in ("sent_at", "delivered_at", "read_at", "verdict_at"):
        value = getattr(status, name)
        if value is not None:
            row[name] = value
    if status.verdict is not None:
        row["verdict"] = status.verdict.value
    if status.problem is not None:
        p = status.problem
        row["problem"] = {
            "code": p.code,
            "detail": p.detail,
            "provider_code": p.provider_code,
            "fault": p.fault.value,
            "retry": p.retry,
        }
    return row


def _overdue(rows: Rows, summary: Row, event: ConversationEvent, h: e.StatusOverdue) -> None:
    item = rows.change(h.message_id)
    if item is not None and item["sent"] is not None:
        item["sent"]["overdue"].append([h.attempt, h.part, h.rung.value])


def _edited(rows: Rows, summary: Row, event: ConversationEvent, h: e.MessageEdited) -> None:
    item = rows.change(h.target.message_id)
    if item is None:
        return
    _replace_content(item, h.content)
    item["edited_at"] = min(h.edited_at, event.occurred_at)
    if summary["last_seq"] == item["seq"]:
        summary["last"]["text"] = item["fallback"][:LAST_TEXT]


def _unsent(rows: Rows, summary: Row, event: ConversationEvent, h: e.MessageUnsent) -> None:
    item = rows.change(h.target.message_id)
    if item is None:
        return
    item["unsent_at"] = min(h.unsent_at, event.occurred_at)
    if summary["last_seq"] == item["seq"]:
        summary["last"]["text"] = ""


def _reaction(rows: Rows, summary: Row, event: ConversationEvent, h: e.ReactionChanged) -> None:
    item = rows.change(h.target.message_id)
    if item is None:
        return
    sender = _SENDER[event.actor.kind]
    item["reactions"] = [r for r in item["reactions"] if r["from"] != sender]
    if h.emoji:
        item["reactions"].append({"from": sender, "emoji": h.emoji})


def _media(rows: Rows, summary: Row, event: ConversationEvent, h: e.MediaChanged) -> None:
    item = rows.change(h.message_id)
    if item is not None and "media" in item["content"]:
        item["content"] = {**item["content"], "media": media_json(h.media)}


def _note(rows: Rows, summary: Row, event: ConversationEvent, h: e.NoteAdded) -> None:
    item = _message(rows, event, h.message_id, h.content, "note")
    _last(summary, event, "note", item["fallback"])


_OWNED = {
    e.OwnerChange.ASSIGNED: "assigned",
    e.OwnerChange.ACCEPTED: "accepted",
    e.OwnerChange.AUTOMATIC: "assigned_automatically",
    e.OwnerChange.REPLIED: "assigned",
    e.OwnerChange.QUEUED: "queued",
    e.OwnerChange.HANDED_OVER: "handed_over",
}


def _owned(rows: Rows, summary: Row, event: ConversationEvent, h: e.OwnerChanged) -> None:
    summary["owner"] = _owner(h.owner)
    summary["epoch"] = h.epoch
    if h.owner.kind is OwnerKind.QUEUE:
        _enter_queue(summary, event, h.owner.id)
        if h.how is e.OwnerChange.HANDED_OVER and summary["waiting_since"] is None:
            summary["waiting_since"] = event.occurred_at
    code = _OWNED.get(h.how) or _reopened_owner(h.owner)
    by_self = event.actor.kind is ActorKind.AGENT and h.owner.id == event.actor.id
    _system(
        rows,
        event,
        code,
        to=_owner(h.owner),
        former=_owner(h.former) if h.former else None,
        department=summary["department_id"],
        how=h.how.value,
        self=by_self,
    )


def _reopened_owner(owner: Owner) -> str:
    if owner.kind is OwnerKind.QUEUE:
        return "queued"
    return "handed_over" if owner.kind is OwnerKind.BOT else "assigned"


def _enter_queue(summary: Row, event: ConversationEvent, department_id: str) -> None:
    summary["queued_at"] = event.occurred_at
    former = summary["department_id"]
    if former != department_id:
        summary["department_id"] = department_id
        left = {*summary["former_departments"], former} - {department_id}
        summary["former_departments"] = sorted(left)


_ENDED = {
    e.Completion.ENDED: "ended",
    e.Completion.SENT_AND_COMPLETED: "sent_and_completed",
    e.Completion.AUTOMATIC: "auto_completed",
    e.Completion.BLOCKED: "ended",
}


def _completed(rows: Rows, summary: Row, event: ConversationEvent, h: e.ConversationCompleted) -> None:
    summary["status"] = "completed"
    summary["waiting_since"] = None
    _system(rows, event, _ENDED[h.how], how=h.how.value)


def _reopened(rows: Rows, summary: Row, event: ConversationEvent, h: e.ConversationReopened) -> None:
    summary["status"] = "open"
    summary["attention"] = False
    summary["opened_at"] = summary["queued_at"] = event.occurred_at
    _system(rows, event, "reopened", how=h.how.value)


def _blocked(rows: Rows, summary: Row, event: ConversationEvent, h: e.ContactBlocked) -> None:
    summary["blocked"] = True
    summary["waiting_since"] = None
    _system(rows, event, "blocked")


def _unblocked(rows: Rows, summary: Row, event: ConversationEvent, h: e.ContactUnblocked) -> None:
    summary["blocked"] = False
    _system(rows, event, "unblocked")


def _contact_changed(rows: Rows, summary: Row, event: ConversationEvent, h: e.ContactChanged) -> None:
    summary["contact"] = _contact(h.contact)


def _attention(rows: Rows, summary: Row, event: ConversationEvent, h: e.AttentionRaised) -> None:
    summary["attention"] = True
    _system(rows, event, "attention", message_id=h.message_id)


def _parked(rows: Rows, summary: Row, event: ConversationEvent, h: e.ReceiptParked) -> None:
    pass  # it shows only once its message is known, as StatusChanged


_HANDLERS: dict[type, Callable[[Rows, Row, ConversationEvent, Any], None]] = {
    e.ConversationOpened: _opened,
    e.MessageReceived: _received,
    e.MessageEchoed: _echoed,
    e.MessageQueued: _queued,
    e.MessageResent: _resent,
    e.StatusChanged: _status,
    e.StatusOverdue: _overdue,
    e.ReceiptParked: _parked,
    e.ChatOpened: _chat_opened,
    e.MessageEdited: _edited,
    e.MessageUnsent: _unsent,
    e.ReactionChanged: _reaction,
    e.MediaChanged: _media,
    e.NoteAdded: _note,
    e.OwnerChanged: _owned,
    e.ConversationCompleted: _completed,
    e.ConversationReopened: _reopened,
    e.ContactBlocked: _blocked,
    e.ContactUnblocked: _unblocked,
    e.ContactChanged: _contact_changed,
    e.AttentionRaised: _attention,
}
