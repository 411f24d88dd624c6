"""When nobody can answer (PRODUCT O). Pure; the table itself is `gateway.core.offline`.

Judged are the contact's counted messages and a bot's hand-over. What we send ourselves is never judged, so no
automatic message leads to another. Events may come again: the proposals have the same ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.core import ids
from gateway.core.actors import Actor, ActorKind, OwnerKind
from gateway.core.availability import Availability, availability
from gateway.core.commands import Command, OfferOffline, RecordDecision
from gateway.core.directory import Directory, enabled_agents
from gateway.core.events import (
    AutomaticDecision,
    ConversationCompleted,
    ConversationEvent,
    MessageReceived,
    OwnerChange,
    OwnerChanged,
)
from gateway.core.messages import Presence
from gateway.core.offline import Holder, Judgement, judge_backlog, sent_in_this_period

RULE = "offline"
ACTOR = Actor(ActorKind.RULE, RULE, "offline_message")
NOT_SENT = "not_sent"
ALREADY_SENT = "already_sent"


@dataclass(frozen=True, slots=True)
class Known:
    """What the rule decides from: the directory, and the newest presence of each key of `cg.presence`."""

    directory: Directory
    presences: Mapping[str, Presence]


@dataclass(frozen=True, slots=True)
class Memory:
    """What one conversation's next judgement needs; nothing to remember = no memory.

    `handed_over` is the epoch in which a bot put it into the queue; `sent_at` when an offline message was last
    sent; `recorded` the last decision that the log has or was told (row, outcome and epoch).
    """

    handed_over: int | None = None
    sent_at: int | None = None
    recorded: str | None = None


def step(
    memory: Memory | None, event: ConversationEvent, now: int, known: Known
) -> tuple[Memory | None, list[Command]]:
    """The memory after the event, and what is to be proposed. `now` in Unix milliseconds."""
    before = memory or Memory()
    memory = _after(before, event)
    holder = _judged(memory, event)
    if holder is None:
        return _kept(memory), []
    now = max(now, event.occurred_at)
    judgement, available = _judge(event, holder, now, known)
    if judgement.send and not _sent_already(memory, event, available, now, known):
        offer = OfferOffline(judgement.row, event.event_id, now, judgement.facts, available.last_left_at)
        return _kept(memory), [_command(event, offer, now)]
    outcome = ALREADY_SENT if judgement.send else NOT_SENT
    key = _key(judgement.row, outcome, event.epoch)
    if memory.recorded == key:
        return _kept(memory), []
    record = RecordDecision(RULE, judgement.row, outcome, event.event_id, now, judgement.facts)
    return replace(memory, recorded=key), [_command(event, record, now)]


def _after(memory: Memory, event: ConversationEvent) -> Memory:
    match event.happening:
        case OwnerChanged(how=OwnerChange.HANDED_OVER, epoch=epoch):
            return replace(memory, handed_over=epoch)
        case OwnerChanged():
            return replace(memory, handed_over=None)
        case ConversationCompleted():
            return replace(memory, handed_over=None, recorded=None)
        case AutomaticDecision(rule="offline", row=row, outcome=outcome):
            sent_at = event.occurred_at if outcome == "sent" else memory.sent_at
            return replace(memory, sent_at=sent_at, recorded=_key(row, outcome, event.epoch))
        case _:
            return memory


def _judged(memory: Memory, event: ConversationEvent) -> Holder | None:
    """Who holds the conversation, if the event is one to judge."""
    if event.blocked:
        return None
    match event.happening:
        case OwnerChanged(how=OwnerChange.HANDED_OVER):
            return Holder.HANDED_OVER
        case MessageReceived(counted=True):
            return _holder(memory, event)
        case _:
            return None


def _holder(memory: Memory, event: ConversationEvent) -> Holder:
    match event.owner.kind:
        case OwnerKind.BOT:
            return Holder.BOT
        case OwnerKind.AGENT:
            return Holder.AGENT
        case OwnerKind.QUEUE:
            untouched = memory.handed_over == event.epoch
            return Holder.HANDED_OVER if untouched else Holder.UNASSIGNED


def _judge(
    event: ConversationEvent, holder: Holder, now: int, known: Known
) -> tuple[Judgement, Availability]:
    directory = known.directory
    department = directory.departments.get(event.department_id)
    enabled = enabled_agents(directory, directory.accounts.get(event.account_id), event.department_id)
    received_at = _received_at(event)
    then = availability(known.presences, enabled, received_at)
    current = availability(known.presences, enabled, now)
    judgement = judge_backlog(
        department, holder, event.blocked, (received_at, then.presence), (now, current.presence)
    )
    facts = judgement.facts | {"department": event.department_id, "agents": str(len(enabled))}
    return replace(judgement, facts=facts), current


def _received_at(event: ConversationEvent) -> int:
    """When it happened for us: a log that lags comes to a message later than its webhook."""
    happening = event.happening
    if isinstance(happening, MessageReceived) and happening.received_at is not None:
        return min(happening.received_at, event.occurred_at)
    return event.occurred_at


def _sent_already(
    memory: Memory, event: ConversationEvent, available: Availability, now: int, known: Known
) -> bool:
    # Only so that it is recorded why nothing is sent: the log checks it again, and counts.
    department = known.directory.departments.get(event.department_id)
    hours = department.hours if department else None
    return sent_in_this_period(memory.sent_at, hours, available.last_left_at, now)


def _key(row: str, outcome: str, epoch: int) -> str:
    return f"{row}|{outcome}|{epoch}"


def _kept(memory: Memory) -> Memory | None:
    return memory if memory != Memory() else None


def _command(event: ConversationEvent, action: OfferOffline | RecordDecision, now: int) -> Command:
    return Command(
        # One id for yes and no: if an event is judged twice, the first accepted verdict stays the only one.
        command_id=ids.command_id(event.event_id, RULE, "decision"),
        conversation_id=event.conversation_id,
        tenant=event.tenant,
        actor=ACTOR,
        action=action,
        issued_at=now,
        cause=event.event_id,
        epoch=event.epoch,
        hops=event.hops + 1,
    )
