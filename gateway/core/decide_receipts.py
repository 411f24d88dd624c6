"""Joining receipts to our messages: the part of `decide` that turns ticks (PRODUCT S0–S10)."""

from __future__ import annotations

from gateway.core import events as e
from gateway.core.actors import Actor, ActorKind
from gateway.core.conversation import Conversation, ConversationStatus, EarlyReceipt, SentMessage
from gateway.core.draft import LOG, Decision, Draft, Origin
from gateway.core.evolve import evolve
from gateway.core.messages import Receipt
from gateway.core.receipts import PartStatus, Rung, Shown, join, observed

_CHANNEL = Actor(ActorKind.OPERATOR, "channel", "")


def decide_receipt(state: Conversation | None, receipt: Receipt, now: int) -> Decision:
    """Join what the channel told to what is known; the order of receipts does not matter."""
    if state is None:
        return Decision(None, "unmatched")
    draft = Draft(state, _origin(receipt, now))
    if receipt.watermark is not None:
        _watermark(draft, receipt, receipt.watermark)
    else:
        _single(draft, receipt)
    return draft.done("accepted" if draft.events else "no_change")


def _origin(receipt: Receipt, now: int) -> Origin:
    return Origin(
        receipt.conversation_id,
        receipt.tenant,
        receipt.channel,
        receipt.account_id,
        receipt.receipt_id,
        receipt.hops,
        now,
        _CHANNEL,
        remembered=False,  # joining twice changes nothing, so a receipt need not be remembered
    )


def _told(receipt: Receipt, attempt: int, part: int) -> PartStatus:
    return observed(
        attempt,
        part,
        receipt.occurred_at,
        receipt.rung,
        receipt.verdict,
        receipt.problem,
        receipt.provider_message_id,
    )


def _single(draft: Draft, receipt: Receipt) -> None:
    state = draft.conversation
    message = state.sent_message(receipt.message_id) if receipt.message_id else None
    if message and receipt.part < message.parts and receipt.attempt <= message.attempt:
        _join(draft, message, _told(receipt, receipt.attempt, receipt.part))
        return
    provider_id = receipt.provider_message_id
    found = state.find_part(provider_id) if provider_id else None
    if found:
        message, part = found
        _join(draft, message, _told(receipt, part.attempt, part.part))
    elif provider_id:
        _park(draft, receipt, provider_id)


def _join(draft: Draft, message: SentMessage, told: PartStatus) -> None:
    known = message.status(told.attempt, told.part)
    grown = join(known, told)
    for early in _waiting_for(draft.conversation, grown):
        grown = join(grown, evolve(early.status, attempt=grown.attempt, part=grown.part))
    if grown == known:
        return
    shown = _with(message, grown).shown
    draft.add(e.StatusChanged(message.message_id, grown, shown))
    _attention(draft, message, shown)


def _waiting_for(state: Conversation, status: PartStatus) -> list[EarlyReceipt]:
    return [r for r in state.head.early if r.provider_message_id in status.provider_ids]


def _with(message: SentMessage, status: PartStatus) -> SentMessage:
    same = (status.attempt, status.part)
    others = tuple(s for s in message.statuses if (s.attempt, s.part) != same)
    return evolve(message, statuses=(*others, status))


def _attention(draft: Draft, message: SentMessage, shown: Shown) -> None:
    # PRODUCT A5: the last message failed after the conversation was completed with it.
    head = draft.conversation.head
    trouble = shown in (Shown.FAILED, Shown.EXPIRED, Shown.UNKNOWN)
    completed = head.status is ConversationStatus.COMPLETED
    if trouble and completed and not head.attention and head.last_sent == message.message_id:
        draft.add(e.AttentionRaised(message.message_id), LOG)


def _park(draft: Draft, receipt: Receipt, provider_id: str) -> None:
    told = _told(receipt, 1, 0)
    for early in draft.conversation.head.early:
        if early.provider_message_id == provider_id and join(early.status, told) == early.status:
            return
    draft.add(e.ReceiptParked(receipt.receipt_id, provider_id, told))


def _watermark(draft: Draft, receipt: Receipt, watermark: int) -> None:
    for message in reversed(list(draft.conversation.sent_messages())):
        if message.at > watermark:
            continue
        for part in range(message.parts):
            status = message.part(part)
            left = status.rung is not Rung.QUEUED or status.provider_ids
            if left and status.verdict is None:
                told = evolve(_told(receipt, status.attempt, part), provider_ids=())
                current = draft.conversation.sent_message(message.message_id)
                if current:
                    _join(draft, current, told)
