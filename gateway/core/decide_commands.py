"""Commands: who may do what, when, and what comes of it (PRODUCT A1–A11)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.core import commands as k
from gateway.core import events as e
from gateway.core import ids
from gateway.core.actors import Actor, ActorKind, Owner, OwnerKind
from gateway.core.apply import overdue_key
from gateway.core.commands import Command, CommandResult
from gateway.core.conversation import Conversation, ConversationStatus, Head
from gateway.core.decide_automatic import create_ticket, offer_offline, record_decision
from gateway.core.decide_escalation import hand_over, record_escalation
from gateway.core.decide_sending import resend, send_message
from gateway.core.decide_timers import fire_timer, settle_timers
from gateway.core.directory import check_permission
from gateway.core.draft import Decision, Draft, Origin
from gateway.core.errors import Code, Refusal
from gateway.core.facts import Facts
from gateway.core.receipts import Basis

HOPS_AT_MOST = 8


def decide_command(state: Conversation | None, command: Command, now: int, facts: Facts) -> Decision:
    """Accept or refuse a command. A repeated accepted command gets its first answer again."""
    if state is None:
        unknown = Refusal(Code.UNKNOWN_CONVERSATION, "There is no such conversation.")
        return Decision(None, f"refused:{unknown.code}", result=_refused(command, now, unknown))
    seq = state.seq_of_cause(command.command_id)
    if seq is not None:
        return Decision(state, "duplicate", result=_accepted(command, now, seq))
    actor = _actor(command.actor, facts)
    draft = Draft(state, _origin(state, command, now, actor))
    refusal = _check(state, command, facts) or _ACTIONS[type(command.action)](draft, command.action, facts)
    if refusal is not None:
        return Decision(state, f"refused:{refusal.code}", result=_refused(command, draft.now, refusal))
    settle_timers(draft, facts)
    return draft.done("accepted", _accepted(command, draft.now, state.head.seq + 1))


def _actor(actor: Actor, facts: Facts) -> Actor:
    # The name on record is the directory's, not what the sender of the command claims.
    agent = facts.directory.agents.get(actor.id) if actor.kind is ActorKind.AGENT else None
    return Actor(actor.kind, actor.id, agent.name) if agent else actor


def _origin(state: Conversation, command: Command, now: int, actor: Actor) -> Origin:
    head = state.head
    return Origin(
        head.conversation_id,
        head.tenant,
        head.channel,
        head.account_id,
        command.command_id,
        command.hops,
        now,
        actor,
    )


def _accepted(command: Command, at: int, seq: int) -> CommandResult:
    makes_message = isinstance(command.action, k.SendMessage | k.AddNote)
    message_id = ids.message_id(command.command_id) if makes_message else None
    return CommandResult(command.command_id, command.conversation_id, True, at, seq, message_id)


def _refused(command: Command, at: int, refusal: Refusal) -> CommandResult:
    return CommandResult(
        command.command_id,
        command.conversation_id,
        False,
        at,
        code=refusal.code.value,
        detail=refusal.detail,
        offer=refusal.offer,
    )


def _check(state: Conversation, command: Command, facts: Facts) -> Refusal | None:
    head = state.head
    if command.hops > HOPS_AT_MOST:
        return Refusal(Code.TOO_MANY_HOPS, "This command is part of a loop of automatic acts.")
    if command.tenant != head.tenant:
        return Refusal(Code.UNKNOWN_CONVERSATION, "There is no such conversation.")
    if command.actor.kind is ActorKind.CONTACT:
        return Refusal(Code.FORBIDDEN, "A contact cannot give commands.")
    if command.actor.kind is ActorKind.BOT and command.epoch is None:
        return Refusal(Code.STALE_EPOCH, "A bot must say which ownership it believes in (`epoch`).")
    if command.actor.kind is ActorKind.AGENT:
        agent = facts.directory.agents.get(command.actor.id)
        refusal = check_permission(agent, head.tenant, head.department_id)
        if refusal:
            return refusal
    if command.epoch is not None and command.epoch != head.epoch:
        detail = f"The conversation has changed hands; it belongs to {head.owner.name or head.owner.id} now."
        return Refusal(Code.STALE_EPOCH, detail, offer="assign")
    return _check_bot(head, command) if command.actor.kind is ActorKind.BOT else None


_BOTS_MAY = (k.SendMessage, k.HandOver, k.End)


def _check_bot(head: Head, command: Command) -> Refusal | None:
    if not isinstance(command.action, _BOTS_MAY):
        return Refusal(Code.FORBIDDEN, "A bot can send, hand over and end.")
    if head.owner.kind is not OwnerKind.BOT or head.owner.id != command.actor.id:
        return Refusal(Code.NOT_OWNER, f"The conversation belongs to {head.owner.name or head.owner.id}.")
    return None


def _need_open(draft: Draft) -> Refusal | None:
    head = draft.conversation.head
    if head.blocked:
        return Refusal(Code.BLOCKED, "The contact is blocked; unblock them first.", offer="unblock")
    if head.status is ConversationStatus.COMPLETED:
        return Refusal(
            Code.ALREADY_COMPLETED, "The conversation is completed; reopen it first.", offer="reopen"
        )
    return None


def _give(draft: Draft, owner: Owner, how: e.OwnerChange) -> None:
    head = draft.conversation.head
    draft.add(e.OwnerChanged(owner, head.owner, head.epoch + 1, how))


def _assign(draft: Draft, action: k.Assign, facts: Facts) -> Refusal | None:
    head = draft.conversation.head
    agent = facts.directory.agents.get(action.agent_id)
    refusal = check_permission(agent, head.tenant, head.department_id) or _need_open(draft)
    if refusal or agent is None:
        return refusal
    if head.owner.kind is OwnerKind.AGENT and head.owner.id == agent.id:
        return Refusal(Code.ALREADY_OWNER, f"The conversation already belongs to {agent.name}.")
    automatic = draft.origin.actor.kind is ActorKind.RULE
    if automatic and head.owner.kind is not OwnerKind.QUEUE:
        # Automatic assignment is for those who wait in a queue (PRODUCT A13); it never takes from anybody.
        return Refusal(Code.ALREADY_TAKEN, "The conversation does not wait in a queue any more.")
    how = e.OwnerChange.AUTOMATIC if automatic else e.OwnerChange.ASSIGNED
    _give(draft, Owner(OwnerKind.AGENT, agent.id, agent.name), how)
    return None


def _accept(draft: Draft, action: k.Accept, facts: Facts) -> Refusal | None:
    head, actor = draft.conversation.head, draft.origin.actor
    refusal = _need_open(draft)
    if refusal:
        return refusal
    if actor.kind is not ActorKind.AGENT:
        return Refusal(Code.FORBIDDEN, "Only an agent can accept a conversation.")
    if head.owner.kind is OwnerKind.AGENT and head.owner.id == actor.id:
        return Refusal(Code.ALREADY_OWNER, "The conversation is already yours.")
    if head.owner.kind is not OwnerKind.QUEUE:
        detail = f"The conversation belongs to {head.owner.name or head.owner.id}; it is not in a queue."
        return Refusal(Code.ALREADY_TAKEN, detail, offer="assign")
    _give(draft, Owner(OwnerKind.AGENT, actor.id, actor.name), e.OwnerChange.ACCEPTED)
    return None


def _transfer(draft: Draft, action: k.Transfer, facts: Facts) -> Refusal | None:
    head = draft.conversation.head
    department = facts.directory.departments.get(action.department_id)
    if department is None or department.tenant != head.tenant:
        return Refusal(Code.UNKNOWN_DEPARTMENT, "There is no such department.")
    refusal = _need_open(draft)
    if refusal:
        return refusal
    if head.owner.kind is OwnerKind.QUEUE and head.owner.id == department.id:
        return Refusal(Code.ALREADY_OWNER, f"The conversation already waits in {department.name}.")
    _give(draft, Owner(OwnerKind.QUEUE, department.id, department.name), e.OwnerChange.QUEUED)
    return None


def _end(draft: Draft, action: k.End, facts: Facts) -> Refusal | None:
    head, actor = draft.conversation.head, draft.origin.actor
    if head.status is ConversationStatus.COMPLETED:
        return Refusal(Code.ALREADY_COMPLETED, "The conversation is already completed.")
    if actor.kind in (ActorKind.AGENT, ActorKind.BOT) and actor.id != head.owner.id:
        offer = "assign" if actor.kind is ActorKind.AGENT else None
        return Refusal(Code.NOT_ASSIGNED, "Only the assigned agent can complete a conversation.", offer)
    draft.add(e.ConversationCompleted(e.Completion.ENDED))
    return None


def _reopen(draft: Draft, action: k.Reopen, facts: Facts) -> Refusal | None:
    head, actor = draft.conversation.head, draft.origin.actor
    if head.blocked:
        return Refusal(Code.BLOCKED, "The contact is blocked; unblock them first.", offer="unblock")
    if head.status is ConversationStatus.OPEN:
        return Refusal(Code.ALREADY_OPEN, "The conversation is open already.")
    if actor.kind is not ActorKind.AGENT:
        return Refusal(Code.FORBIDDEN, "Only an agent can reopen a conversation by hand.")
    draft.add(e.ConversationReopened(e.Reopening.BY_HAND))
    _give(draft, Owner(OwnerKind.AGENT, actor.id, actor.name), e.OwnerChange.REOPENED)
    return None


def _block(draft: Draft, action: k.Block, facts: Facts) -> Refusal | None:
    head = draft.conversation.head
    if head.blocked:
        return Refusal(Code.ALREADY_BLOCKED, "The contact is blocked already.")
    draft.add(e.ContactBlocked())
    if head.status is ConversationStatus.OPEN:
        draft.add(e.ConversationCompleted(e.Completion.BLOCKED))
    return None


def _unblock(draft: Draft, action: k.Unblock, facts: Facts) -> Refusal | None:
    if not draft.conversation.head.blocked:
        return Refusal(Code.NOT_BLOCKED, "The contact is not blocked.")
    draft.add(e.ContactUnblocked())
    return None


def _note(draft: Draft, action: k.AddNote, facts: Facts) -> Refusal | None:
    draft.add(e.NoteAdded(ids.message_id(draft.origin.cause), action.content))
    return None


def _overdue(draft: Draft, action: k.ReportOverdue, facts: Facts) -> Refusal | None:
    message = draft.conversation.sent_message(action.message_id)
    if message is None:
        return Refusal(Code.UNKNOWN_MESSAGE, "The message is not known any more.")
    status = message.status(action.attempt, action.part)
    arrived = status.basis(action.rung) in (Basis.OBSERVED, Basis.IMPLIED)
    if (
        arrived
        or status.verdict is not None
        or overdue_key(action.attempt, action.part, action.rung) in message.overdue
    ):
        return Refusal(Code.NOT_DUE, "The rung was reached, or is known to be overdue.")
    draft.add(e.StatusOverdue(action.message_id, action.attempt, action.part, action.rung))
    return None


def _operator(draft: Draft, action: k.RetryParked | k.DiscardParked, facts: Facts) -> Refusal | None:
    return Refusal(Code.NOT_PARKED, "This conversation has no parked records.")


_ACTIONS: dict[type, Callable[[Draft, Any, Facts], Refusal | None]] = {
    k.Assign: _assign,
    k.Transfer: _transfer,
    k.Accept: _accept,
    k.SendMessage: send_message,
    k.Resend: resend,
    k.End: _end,
    k.Reopen: _reopen,
    k.Block: _block,
    k.Unblock: _unblock,
    k.AddNote: _note,
    k.ReportOverdue: _overdue,
    k.HandOver: hand_over,
    k.FireTimer: fire_timer,
    k.OfferOffline: offer_offline,
    k.RecordDecision: record_decision,
    k.CreateTicket: create_ticket,
    k.RecordEscalation: record_escalation,
    k.RetryParked: _operator,
    k.DiscardParked: _operator,
}
