"""What events about messages change."""

from __future__ import annotations

from gateway.core import events as e
from gateway.core.actors import ActorKind
from gateway.core.content import Body
from gateway.core.events import ConversationEvent
from gateway.core.receipts import PartStatus
from gateway.inbox.content_json import Row, body_json, body_text, media_json
from gateway.inbox.projection.items import LAST_TEXT, SENDER, add_message, set_last
from gateway.inbox.projection.rows import Rows


def received(rows: Rows, summary: Row, event: ConversationEvent, h: e.MessageReceived) -> None:
    """The contact wrote."""
    item = add_message(
        rows,
        event,
        h.message_id,
        h.content,
        "contact",
        at=h.sent_at,
        reply_to=h.reply_to,
        provider_id=h.provider_message_id,
    )
    set_last(summary, event, "contact", item["fallback"])
    if h.counted and not summary["blocked"]:
        summary["contact_at"] = max(summary["contact_at"] or 0, h.sent_at)
        if summary["waiting_since"] is None:
            summary["waiting_since"] = event.occurred_at
        rows.received.append(event.seq)


def chat_opened(rows: Rows, summary: Row, event: ConversationEvent, h: e.ChatOpened) -> None:
    """The contact opened the chat without writing; the window opens."""
    summary["contact_at"] = max(summary["contact_at"] or 0, h.opened_at)


def echoed(rows: Rows, summary: Row, event: ConversationEvent, h: e.MessageEchoed) -> None:
    """Our side wrote with the channel's own app."""
    item = add_message(
        rows,
        event,
        h.message_id,
        h.content,
        "operator",
        at=h.sent_at,
        reply_to=h.reply_to,
        provider_id=h.provider_message_id,
    )
    set_last(summary, event, "operator", item["fallback"])
    summary["waiting_since"] = None


def queued(rows: Rows, summary: Row, event: ConversationEvent, h: e.MessageQueued) -> None:
    """A message of ours goes out."""
    sender = SENDER[event.actor.kind]
    sent = {"attempt": 1, "parts": h.parts, "statuses": [], "overdue": []}
    item = add_message(rows, event, h.message_id, h.content, sender, reply_to=h.reply_to, sent=sent)
    set_last(summary, event, sender, item["fallback"])
    # An automatic text answers nobody: the contact goes on waiting.
    if event.actor.kind in (ActorKind.AGENT, ActorKind.BOT):
        summary["waiting_since"] = None


def resent(rows: Rows, summary: Row, event: ConversationEvent, h: e.MessageResent) -> None:
    """A failed message is tried again."""
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


def status(rows: Rows, summary: Row, event: ConversationEvent, h: e.StatusChanged) -> None:
    """The status of one part grew."""
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


def overdue(rows: Rows, summary: Row, event: ConversationEvent, h: e.StatusOverdue) -> None:
    """A rung did not come in its usual time."""
    item = rows.change(h.message_id)
    if item is not None and item["sent"] is not None:
        item["sent"]["overdue"].append([h.attempt, h.part, h.rung.value])


def edited(rows: Rows, summary: Row, event: ConversationEvent, h: e.MessageEdited) -> None:
    """A message has new content; the old one stays."""
    item = rows.change(h.target.message_id)
    if item is None:
        return
    _replace_content(item, h.content)
    item["edited_at"] = min(h.edited_at, event.occurred_at)
    if summary["last_seq"] == item["seq"]:
        summary["last"]["text"] = item["fallback"][:LAST_TEXT]


def unsent(rows: Rows, summary: Row, event: ConversationEvent, h: e.MessageUnsent) -> None:
    """The sender took a message back; it stays on record, the list does not repeat it."""
    item = rows.change(h.target.message_id)
    if item is None:
        return
    item["unsent_at"] = min(h.unsent_at, event.occurred_at)
    if summary["last_seq"] == item["seq"]:
        summary["last"]["text"] = ""


def reaction(rows: Rows, summary: Row, event: ConversationEvent, h: e.ReactionChanged) -> None:
    """A reaction was set, replaced or taken back."""
    item = rows.change(h.target.message_id)
    if item is None:
        return
    sender = SENDER[event.actor.kind]
    item["reactions"] = [r for r in item["reactions"] if r["from"] != sender]
    if h.emoji:
        item["reactions"].append({"from": sender, "emoji": h.emoji})


def media(rows: Rows, summary: Row, event: ConversationEvent, h: e.MediaChanged) -> None:
    """News of a file."""
    item = rows.change(h.message_id)
    if item is not None and "media" in item["content"]:
        item["content"] = {**item["content"], "media": media_json(h.media)}


def note(rows: Rows, summary: Row, event: ConversationEvent, h: e.NoteAdded) -> None:
    """A note between agents."""
    item = add_message(rows, event, h.message_id, h.content, "note")
    set_last(summary, event, "note", item["fallback"])
