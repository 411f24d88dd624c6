"""Automatic texts and tickets: what rules propose, checked once more where it counts (PRODUCT O, T2, T4, W3)."""

from __future__ import annotations

from gateway.core import commands as k
from gateway.core import events as e
from gateway.core import ids
from gateway.core.actors import Actor, ActorKind, OwnerKind
from gateway.core.apply import decision_key
from gateway.core.content import Clear, Text
from gateway.core.conversation import ConversationStatus
from gateway.core.decide_sending import queue_message
from gateway.core.directory import OfflineMessage
from gateway.core.draft import Draft
from gateway.core.errors import Code, Refusal
from gateway.core.facts import Facts
from gateway.core.merge_fields import merge
from gateway.core.merge_values import merge_values
from gateway.core.offline import sent_in_this_period

OFFLINE = Actor(ActorKind.RULE, "offline", "offline_message")


def send_automatic(draft: Draft, facts: Facts, text: str, actor: Actor) -> bool:
    """Send an automatic text with its merge fields filled; False when the channel does not take it now."""
    merged = merge(text, merge_values(draft.conversation.head, facts, draft.now))
    if not merged.strip():
        return False  # nothing but fields without a value
    message_id = ids.message_id(ids.derive(draft.origin.cause, actor.id, str(len(draft.events))))
    return queue_message(draft, facts, Clear(Text(merged)), message_id, actor) is None


def offer_offline(draft: Draft, action: k.OfferOffline, facts: Facts) -> Refusal | None:
    """Send the offline message, unless the conversation has moved on or one was sent in this closed period."""
    head = draft.conversation.head
    department = facts.directory.departments.get(head.department_id)
    if head.blocked:
        return Refusal(Code.BLOCKED, "The contact is blocked.")
    if head.status is ConversationStatus.COMPLETED or head.owner.kind is not OwnerKind.QUEUE:
        return Refusal(Code.NOT_WANTED, "The conversation does not wait in a queue.")
    offline = department.offline if department else None
    if department is None or offline is None or not offline.enabled or not offline.text:
        return Refusal(Code.NOT_WANTED, "The department's offline message is switched off.")
    if sent_in_this_period(head.offline_at, department.hours, action.last_available_at, draft.now):
        return Refusal(
            Code.ALREADY_SENT, "One was sent since somebody was last available and since the last opening."
        )
    _send_offline(draft, action, offline, facts)
    return None


def _send_offline(draft: Draft, action: k.OfferOffline, offline: OfflineMessage, facts: Facts) -> None:
    text = offline.text
    if offline.ticket_first:
        refusal = make_ticket(draft, "Offline message", None, facts)
        if refusal is not None and offline.text_without_ticket:
            text = offline.text_without_ticket
    sent = send_automatic(draft, facts, text, OFFLINE)
    outcome = "sent" if sent else "not_possible"
    draft.add(
        e.AutomaticDecision("offline", action.row, outcome, action.about, action.decided_at, action.facts)
    )


def record_decision(draft: Draft, action: k.RecordDecision, facts: Facts) -> Refusal | None:
    """Keep a decision that changed nothing, once per owner, rule and row."""
    head = draft.conversation.head
    if head.last_decision == decision_key(action.rule, action.row, action.outcome, head.epoch):
        return Refusal(Code.ALREADY_RECORDED, "The same decision is recorded already.")
    draft.add(
        e.AutomaticDecision(
            action.rule, action.row, action.outcome, action.about, action.decided_at, action.facts
        )
    )
    return None


def create_ticket(draft: Draft, action: k.CreateTicket, facts: Facts) -> Refusal | None:
    """Make a ticket of the conversation or of a message."""
    return make_ticket(draft, action.subject, action.message_id, facts)


def make_ticket(draft: Draft, subject: str, message_id: str | None, facts: Facts) -> Refusal | None:
    """Add TicketCreated under the number that the facts hold ready."""
    if facts.ticket_number is None:
        return Refusal(Code.NO_TICKET_NUMBER, "No ticket number could be had.")
    draft.add(e.TicketCreated(facts.ticket_number, subject, message_id))
    return None
