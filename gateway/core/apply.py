"""`apply(state, event) -> state`: the only way a conversation's state changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gateway.core import conversation as c
from gateway.core import events as e
from gateway.core import ids
from gateway.core.actors import ActorKind, OwnerKind
from gateway.core.conversation import Conversation, ConversationStatus, Head
from gateway.core.evolve import evolve
from gateway.core.receipts import PartStatus, Rung, join

Change = Callable[[c.SentMessage], c.SentMessage]


def apply(state: Conversation | None, event: e.ConversationEvent) -> Conversation:
    """The state after `event`. Raises ValueError or TypeError when the event does not follow the state."""
    if state is None:
        state = _opened(event)
    if event.seq != state.head.seq + 1:
        raise ValueError(f"event {event.seq} does not follow {state.head.seq}")
    numbered = {"seq": event.seq, "last_at": event.occurred_at}
    head = evolve(state.head, **numbered, **_head(state.head, event))
    state = _happened(Conversation(head, state.seen, state.sent), event)
    return _remembered(state, event) if event.remembered else state


def _opened(event: e.ConversationEvent) -> Conversation:
    opened = event.happening
    if not isinstance(opened, e.ConversationOpened):
        raise TypeError("a conversation begins with ConversationOpened")
    head = Head(
        event.conversation_id,
        event.tenant,
        event.channel,
        event.account_id,
        opened.contact,
        opened.department_id,
        opened.owner,
    )
    return Conversation(head)


def _happened(state: Conversation, event: e.ConversationEvent) -> Conversation:
    match event.happening:
        case e.MessageQueued() as queued:
            return _queued(state, event, queued)
        case e.MessageResent() as resent:
            return _resent(state, resent)
        case e.StatusChanged(message_id=message_id, status=status):
            return _status(state, message_id, status)
        case e.StatusOverdue(message_id=message_id, attempt=attempt, part=part, rung=rung):
            return _overdue(state, message_id, overdue_key(attempt, part, rung))
        case _:
            return state


def _head(head: Head, event: e.ConversationEvent) -> dict[str, Any]:
    """What the event changes in the head alone."""
    match event.happening:
        case e.MessageReceived(sent_at=sent_at, counted=True) if not head.blocked:
            waiting = event.occurred_at if head.waiting_since is None else head.waiting_since
            return {
                "contact_at": _later(head.contact_at, sent_at),
                "waiting_since": waiting,
                **_CONTACT_ACTED,
            }
        case e.ChatOpened(opened_at=opened_at):
            return {"contact_at": _later(head.contact_at, opened_at)}
        case e.MessageQueued() as queued:
            return _spoke(head, event, queued)
        case e.MessageResent(message_id=message_id):
            return {"last_sent": message_id}
        case e.MessageEchoed():
            return _answered(event.occurred_at)
        case e.ReceiptParked(provider_message_id=provider_id, status=status):
            return {"early": _parked(head.early, provider_id, status)}
        case _:
            return _conversation(head, event)


def _conversation(head: Head, event: e.ConversationEvent) -> dict[str, Any]:
    match event.happening:
        case e.OwnerChanged() as changed:
            return _owned(changed)
        case e.ConversationCompleted():
            return {"status": ConversationStatus.COMPLETED, "waiting_since": None, "awaiting_since": None}
        case e.ConversationReopened():
            episode = head.episode + 1
            return {"status": ConversationStatus.OPEN, "episode": episode, "attention": False}
        case e.ContactBlocked():
            return {"blocked": True, "waiting_since": None}
        case e.ContactUnblocked():
            return {"blocked": False}
        case e.ContactChanged(contact=contact):
            return {"contact": contact}
        case e.AttentionRaised():
            return {"attention": True}
        case e.TimersChanged(timers=timers):
            return {"timers": timers}
        case e.AutomaticDecision() as decision:
            return _decided(head, event, decision)
        case e.TicketCreated(number=number):
            return {"ticket": number}
        case e.EscalationRecorded():
            return {"escalated": False}
        case _:
            return {}


_CONTACT_ACTED = {"awaiting_since": None, "warned": False, "offline_hold": False}


def _spoke(head: Head, event: e.ConversationEvent, queued: e.MessageQueued) -> dict[str, Any]:
    changes: dict[str, Any] = {"last_sent": queued.message_id}
    if event.actor.kind in (ActorKind.AGENT, ActorKind.BOT):
        return changes | _answered(event.occurred_at) | {"not_understood": queued.not_understood}
    # An automatic text does not answer the contact, and is no activity (PRODUCT T3): their wait goes on.
    return changes | {"warned": head.warned or event.actor.id == "completion"}


def _answered(at: int) -> dict[str, Any]:
    return {"waiting_since": None, "awaiting_since": at, "warned": False, "offline_hold": False}


def decision_key(rule: str, row: str, outcome: str, epoch: int) -> str:
    """How the head names the last recorded decision; the same again is not recorded."""
    return f"{rule}|{row}|{outcome}|{epoch}"


def _decided(head: Head, event: e.ConversationEvent, decision: e.AutomaticDecision) -> dict[str, Any]:
    key = decision_key(decision.rule, decision.row, decision.outcome, head.epoch)
    changes: dict[str, Any] = {"last_decision": key}
    if decision.rule == "offline" and decision.outcome == "sent":
        changes |= {"offline_at": event.occurred_at, "offline_hold": True}
    if (decision.rule, decision.row) == ("completion", "warning"):
        changes["warned"] = True  # it could not be sent, and is not tried again
    return changes


def _later(a: int | None, b: int) -> int:
    return b if a is None else max(a, b)


def _owned(changed: e.OwnerChanged) -> dict[str, Any]:
    owner = changed.owner
    changes: dict[str, Any] = {"owner": owner, "epoch": changed.epoch}
    if owner.kind is OwnerKind.QUEUE:
        changes["department_id"] = owner.id
    elif owner.kind is OwnerKind.AGENT:
        changes |= {"last_agent": owner, "offline_hold": False}
    if changed.how is e.OwnerChange.HANDED_OVER:
        changes |= {"escalated": True, "not_understood": 0}
    return changes


def _parked(
    early: tuple[c.EarlyReceipt, ...], provider_id: str, status: PartStatus
) -> tuple[c.EarlyReceipt, ...]:
    known = next((r for r in early if r.provider_message_id == provider_id), None)
    others = tuple(r for r in early if r.provider_message_id != provider_id)
    joined = status if known is None else join(known.status, status)
    return (*others, c.EarlyReceipt(provider_id, joined))[-c.EARLY_AT_MOST :]


def _queued(state: Conversation, event: e.ConversationEvent, queued: e.MessageQueued) -> Conversation:
    message = c.SentMessage(
        message_id=queued.message_id,
        seq=event.seq,
        at=event.occurred_at,
        parts=queued.parts,
        content=queued.content,
        reply_to=queued.reply_to.provider_id if queued.reply_to else None,
        statuses=tuple(PartStatus(1, part) for part in range(queued.parts)),
    )
    return _with_message(state, message, event.occurred_at)


def _with_message(state: Conversation, message: c.SentMessage, now: int) -> Conversation:
    head, sent = state.head, state.sent
    if sent and len(sent[-1].messages) < c.SENT_PER_BLOCK:
        sent = (*sent[:-1], c.SentBlock((*sent[-1].messages, message)))
    else:
        sent = (*sent, c.SentBlock((message,)))
    dropped = 0
    while _sent_too_many(sent[dropped:], now):
        dropped += 1
    sent = _without_old_content(sent[dropped:])
    start = head.sent_from + dropped
    if (start, start + len(sent)) != (head.sent_from, head.sent_to):
        head = evolve(head, sent_from=start, sent_to=start + len(sent))
    return Conversation(head, state.seen, sent)


def _sent_too_many(sent: Sequence[c.SentBlock], now: int) -> bool:
    count = (len(sent) - 1) * c.SENT_PER_BLOCK
    old = sent[0].messages[-1].at < now - c.MEMORY_MS
    return count >= c.SENT_AT_MOST or (old and count >= c.SENT_AT_LEAST)


def _without_old_content(sent: Sequence[c.SentBlock]) -> Sequence[c.SentBlock]:
    kept = c.CONTENT_KEPT // c.SENT_PER_BLOCK + 1
    if len(sent) <= kept or all(m.content is None for m in sent[-kept - 1].messages):
        return sent
    bare = c.SentBlock(tuple(evolve(m, content=None) for m in sent[-kept - 1].messages))
    return (*sent[: -kept - 1], bare, *sent[-kept:])


def _resent(state: Conversation, resent: e.MessageResent) -> Conversation:
    def again(message: c.SentMessage) -> c.SentMessage:
        fresh = tuple(PartStatus(resent.attempt, part) for part in resent.parts)
        parts = len(resent.parts) if resent.content is not None else message.parts
        statuses = (*message.statuses, *fresh)
        content = message.content if resent.content is None else resent.content
        return evolve(message, attempt=resent.attempt, parts=parts, statuses=statuses, content=content)

    return _changed(state, resent.message_id, again)


def _status(state: Conversation, message_id: str, status: PartStatus) -> Conversation:
    def grown(message: c.SentMessage) -> c.SentMessage:
        same = (status.attempt, status.part)
        others = tuple(s for s in message.statuses if (s.attempt, s.part) != same)
        statuses = tuple(sorted((*others, status), key=lambda s: (s.attempt, s.part)))
        message = evolve(message, statuses=statuses)
        arrived = message.shown in ("delivered", "read")
        return evolve(message, content=None) if arrived else message

    early = tuple(r for r in state.head.early if r.provider_message_id not in status.provider_ids)
    if len(early) != len(state.head.early):
        state = evolve(state, head=evolve(state.head, early=early))
    return _changed(state, message_id, grown)


def overdue_key(attempt: int, part: int, rung: Rung) -> str:
    """How a message remembers that a rung of a part is overdue."""
    return f"{attempt}.{part}.{rung.value}"


def _overdue(state: Conversation, message_id: str, key: str) -> Conversation:
    return _changed(state, message_id, lambda m: evolve(m, overdue=(*m.overdue, key)))


def _changed(state: Conversation, message_id: str, change: Change) -> Conversation:
    blocks = list(state.sent)
    for n in range(len(blocks) - 1, -1, -1):
        for m, message in enumerate(blocks[n].messages):
            if message.message_id == message_id:
                messages = list(blocks[n].messages)
                messages[m] = change(message)
                blocks[n] = c.SentBlock(tuple(messages))
                return evolve(state, sent=tuple(blocks))
    raise ValueError("the event names a message that is not remembered")


def _remembered(state: Conversation, event: e.ConversationEvent) -> Conversation:
    short = ids.short(event.cause)
    head, seen = state.head, state.seen
    if seen and seen[-1].entries[-20:-4] == short:
        return state  # a further event of the same cause
    if seen and len(seen[-1]) < c.SEEN_PER_BLOCK:
        seen = (*seen[:-1], seen[-1].with_cause(short, event.seq, event.occurred_at))
    else:
        seen = (*seen, c.SeenBlock().with_cause(short, event.seq, event.occurred_at))
    dropped = 0
    while _seen_too_many(seen[dropped:], event.occurred_at):
        dropped += 1
    start = head.seen_from + dropped
    seen = seen[dropped:]
    if (start, start + len(seen)) != (head.seen_from, head.seen_to):
        head = evolve(head, seen_from=start, seen_to=start + len(seen))
    return Conversation(head, seen, state.sent)


def _seen_too_many(seen: Sequence[c.SeenBlock], now: int) -> bool:
    left = (len(seen) - 1) * c.SEEN_PER_BLOCK
    old = seen[0].newest_at < now - c.MEMORY_MS
    return left >= c.SEEN_AT_MOST or (old and left >= c.SEEN_AT_LEAST)
