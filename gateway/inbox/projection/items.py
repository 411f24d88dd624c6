"""The rows of items: messages and system messages."""

from __future__ import annotations

from typing import Any

from gateway.core.actors import Actor, ActorKind, Owner
from gateway.core.content import Body, Target
from gateway.core.events import ConversationEvent
from gateway.core.messages import Contact
from gateway.inbox.content_json import Row, body_json, body_text
from gateway.inbox.projection.rows import Rows

LAST_TEXT = 200
"""Code points of the last message that a list shows."""

SENDER = {
    ActorKind.CONTACT: "contact",
    ActorKind.AGENT: "agent",
    ActorKind.BOT: "bot",
    ActorKind.RULE: "automatic",
    ActorKind.OPERATOR: "operator",
}


def contact_row(contact: Contact) -> Row:
    """The contact as rows hold it."""
    return {"name": contact.name, "address": contact.address, "username": contact.username}


def owner_row(owner: Owner) -> Row:
    """An owner as rows hold it."""
    return {"kind": owner.kind.value, "id": owner.id, "name": owner.name}


def actor_row(actor: Actor) -> Row:
    """An actor as rows hold it."""
    return {"kind": actor.kind.value, "id": actor.id, "name": actor.name}


def add_system(rows: Rows, event: ConversationEvent, code: str, **params: Any) -> None:
    """A system message."""
    rows.add(
        {
            "kind": "system",
            "seq": event.seq,
            "id": event.event_id,
            "at": event.occurred_at,
            "code": code,
            "by": actor_row(event.actor),
            "params": params,
        }
    )


def add_message(
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
    """A message; `sent` is set for one of ours that goes out, and holds its status."""
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


def set_last(summary: Row, event: ConversationEvent, sender: str, text: str) -> None:
    """The newest message that lists show."""
    summary["last"] = {"text": text[:LAST_TEXT], "at": event.occurred_at, "from": sender}
    summary["last_seq"] = event.seq
    summary["last_at"] = event.occurred_at
