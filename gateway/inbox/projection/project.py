"""What an event changes in the rows of its conversation. Pure: nothing here but the event decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.core import events as e
from gateway.core.content import Target
from gateway.core.events import ConversationEvent
from gateway.inbox.content_json import Row
from gateway.inbox.projection import on_conversation, on_messages
from gateway.inbox.projection.items import contact_row, owner_row
from gateway.inbox.projection.rows import Rows


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
    if isinstance(happening, _WITHOUT_ITEM):
        return None
    if isinstance(happening, e.AttentionRaised | e.TicketCreated):
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
        "contact": contact_row(opened.contact),
        "status": "open",
        "owner": owner_row(opened.owner),
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
        "completes_at": None,
    }


_WITHOUT_ITEM = (
    e.ContactChanged,
    e.ReceiptParked,
    e.ChatOpened,
    e.TimersChanged,
    e.AutomaticDecision,
    e.EscalationRecorded,
)


_HANDLERS: dict[type, Callable[[Rows, Row, ConversationEvent, Any], None]] = {
    e.ConversationOpened: on_conversation.opened,
    e.MessageReceived: on_messages.received,
    e.MessageEchoed: on_messages.echoed,
    e.MessageQueued: on_messages.queued,
    e.MessageResent: on_messages.resent,
    e.StatusChanged: on_messages.status,
    e.StatusOverdue: on_messages.overdue,
    e.ReceiptParked: on_conversation.parked,
    e.ChatOpened: on_messages.chat_opened,
    e.MessageEdited: on_messages.edited,
    e.MessageUnsent: on_messages.unsent,
    e.ReactionChanged: on_messages.reaction,
    e.MediaChanged: on_messages.media,
    e.NoteAdded: on_messages.note,
    e.OwnerChanged: on_conversation.owned,
    e.ConversationCompleted: on_conversation.completed,
    e.ConversationReopened: on_conversation.reopened,
    e.ContactBlocked: on_conversation.blocked,
    e.ContactUnblocked: on_conversation.unblocked,
    e.ContactChanged: on_conversation.contact_changed,
    e.AttentionRaised: on_conversation.attention,
    e.TimersChanged: on_conversation.timers_changed,
    e.TicketCreated: on_conversation.ticket,
    e.AutomaticDecision: on_conversation.not_shown,
    e.EscalationRecorded: on_conversation.not_shown,
}
