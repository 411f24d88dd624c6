"""What events about the conversation itself change: owner, completion, blocking, the contact."""

from __future__ import annotations

from gateway.core import events as e
from gateway.core.actors import ActorKind, Owner, OwnerKind
from gateway.core.events import ConversationEvent
from gateway.core.timers import TimerKind
from gateway.inbox.content_json import Row
from gateway.inbox.projection.items import actor_row, add_system, contact_row, owner_row
from gateway.inbox.projection.rows import Rows


def opened(rows: Rows, summary: Row, event: ConversationEvent, h: e.ConversationOpened) -> None:
    """The first event."""
    add_system(rows, event, "opened", department=h.department_id)


_OWNED = {
    e.OwnerChange.ASSIGNED: "assigned",
    e.OwnerChange.ACCEPTED: "accepted",
    e.OwnerChange.AUTOMATIC: "assigned_automatically",
    e.OwnerChange.REPLIED: "assigned",
    e.OwnerChange.QUEUED: "queued",
    e.OwnerChange.HANDED_OVER: "handed_over",
}


def owned(rows: Rows, summary: Row, event: ConversationEvent, h: e.OwnerChanged) -> None:
    """A new owner."""
    summary["owner"] = owner_row(h.owner)
    summary["epoch"] = h.epoch
    if h.owner.kind is OwnerKind.QUEUE:
        _enter_queue(summary, event)
        if h.how is e.OwnerChange.HANDED_OVER and summary["waiting_since"] is None:
            summary["waiting_since"] = event.occurred_at
    code = _OWNED.get(h.how) or _reopened_owner(h.owner)
    by_self = event.actor.kind is ActorKind.AGENT and h.owner.id == event.actor.id
    add_system(
        rows,
        event,
        code,
        to=owner_row(h.owner),
        former=owner_row(h.former) if h.former else None,
        department=event.department_id,
        how=h.how.value,
        self=by_self,
        reason=h.reason,
    )


def _reopened_owner(owner: Owner) -> str:
    if owner.kind is OwnerKind.QUEUE:
        return "queued"
    return "handed_over" if owner.kind is OwnerKind.BOT else "assigned"


def _enter_queue(summary: Row, event: ConversationEvent) -> None:
    summary["queued_at"] = event.occurred_at
    former = summary["department_id"]
    if former != event.department_id:
        summary["department_id"] = event.department_id
        left = {*summary["former_departments"], former} - {event.department_id}
        summary["former_departments"] = sorted(left)


_ENDED = {
    e.Completion.ENDED: "ended",
    e.Completion.SENT_AND_COMPLETED: "sent_and_completed",
    e.Completion.AUTOMATIC: "auto_completed",
    e.Completion.BLOCKED: "ended",
}


def completed(rows: Rows, summary: Row, event: ConversationEvent, h: e.ConversationCompleted) -> None:
    """The conversation came to its end."""
    summary["status"] = "completed"
    summary["waiting_since"] = summary["completes_at"] = None
    add_system(rows, event, _ENDED[h.how], how=h.how.value)


def reopened(rows: Rows, summary: Row, event: ConversationEvent, h: e.ConversationReopened) -> None:
    """The conversation is open again."""
    summary["status"] = "open"
    summary["attention"] = False
    summary["opened_at"] = summary["queued_at"] = event.occurred_at
    add_system(rows, event, "reopened", how=h.how.value)


def blocked(rows: Rows, summary: Row, event: ConversationEvent, h: e.ContactBlocked) -> None:
    """The contact was blocked."""
    summary["blocked"] = True
    summary["waiting_since"] = None
    add_system(rows, event, "blocked")


def unblocked(rows: Rows, summary: Row, event: ConversationEvent, h: e.ContactUnblocked) -> None:
    """The contact was unblocked."""
    summary["blocked"] = False
    add_system(rows, event, "unblocked")


def contact_changed(rows: Rows, summary: Row, event: ConversationEvent, h: e.ContactChanged) -> None:
    """Name or address are now these."""
    summary["contact"] = contact_row(h.contact)


def attention(rows: Rows, summary: Row, event: ConversationEvent, h: e.AttentionRaised) -> None:
    """Somebody should look though it is complete."""
    summary["attention"] = True
    add_system(rows, event, "attention", message_id=h.message_id)


def parked(rows: Rows, summary: Row, event: ConversationEvent, h: e.ReceiptParked) -> None:
    """An early receipt: it shows only once its message is known, as StatusChanged."""


def timers_changed(rows: Rows, summary: Row, event: ConversationEvent, h: e.TimersChanged) -> None:
    """When it completes by itself, if the contact stays silent."""
    ends = (timer.at for timer in h.timers if timer.kind is TimerKind.COMPLETION)
    summary["completes_at"] = min(ends, default=None)


def ticket(rows: Rows, summary: Row, event: ConversationEvent, h: e.TicketCreated) -> None:
    """A ticket of the conversation or of a message; found again by its number."""
    add_system(rows, event, "ticket", number=h.number, subject=h.subject, message_id=h.message_id)
    rows.tickets[h.number] = {
        "number": h.number,
        "subject": h.subject,
        "conversation_id": event.conversation_id,
        "message_id": h.message_id,
        "created_at": event.occurred_at,
        "by": actor_row(event.actor),
    }


def not_shown(rows: Rows, summary: Row, event: ConversationEvent, h: e.Happening) -> None:
    """Decisions of rules and outcomes of hand-overs: `explain` reads them from the log."""
