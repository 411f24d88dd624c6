"""When a bot's conversation goes to people, and what came of it (PRODUCT B2, B6). Pure: a state per conversation.

Proposals have ids made from the event that led to them; what is proposed twice, or too late, the log refuses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.core import events as e
from gateway.core import ids
from gateway.core.actors import Actor, ActorKind, OwnerKind
from gateway.core.commands import Action, Command, FireTimer, HandOver, HandOverReason, RecordEscalation
from gateway.core.content import Clear, Text
from gateway.core.directory import Bot, Directory
from gateway.core.events import ConversationEvent, Escalation
from gateway.core.phrases import has_phrase
from gateway.core.timers import TimerKind

RULE = "escalation"
ACTOR = Actor(ActorKind.RULE, RULE, RULE)
QUEUED_AFTER = 10_000
"""Milliseconds after a hand-over by which somebody was found, or the offline message sent; else it waits in a queue."""
TEXT_AT_MOST = 2_000
"""Characters of a message that are searched for a phrase."""


@dataclass(frozen=True, slots=True)
class Answering:
    """The bot has to answer by `at`: timer `bot_answer`, set by the event `cause`."""

    at: int
    generation: int
    cause: str
    hops: int


@dataclass(frozen=True, slots=True)
class Escalated:
    """Handed over at `at` by the event `cause`; the outcome is not known yet."""

    at: int
    cause: str
    hops: int


@dataclass(frozen=True, slots=True)
class Watch:
    """What is awaited in one conversation; nothing awaited = no state."""

    conversation_id: str
    tenant: str
    answering: Answering | None = None
    escalated: Escalated | None = None


def step(
    state: Watch | None, event: ConversationEvent | None, now: int, directory: Directory
) -> tuple[Watch | None, list[Command]]:
    """The state after the event (None: only time went by), and what is to be proposed now."""
    if event is None:
        return state, _due(state, now) if state else []
    watch = _after(state or Watch(event.conversation_id, event.tenant), event)
    proposed = _hand_over(event, directory)
    outcome = _outcome(event) if watch.escalated else None
    if outcome and watch.escalated:
        proposed.append(_record(watch, watch.escalated, outcome, event.occurred_at))
    kept = watch if watch.answering or watch.escalated else None
    return kept, proposed


def next_due(state: Watch | None, now: int) -> int | None:
    """When the next deadline after `now` is; None: there is none."""
    if state is None:
        return None
    times = [state.answering.at] if state.answering else []
    times += [state.escalated.at + QUEUED_AFTER] if state.escalated else []
    return min((at for at in times if at > now), default=None)


def _due(state: Watch, now: int) -> list[Command]:
    found: list[Command] = []
    answering, escalated = state.answering, state.escalated
    if answering and answering.at <= now:
        fire = FireTimer(TimerKind.BOT_ANSWER, answering.generation)
        kind = f"bot_answer:{answering.generation}"
        found.append(_command(state, answering.cause, kind, answering.hops, fire, answering.at))
    if escalated and escalated.at + QUEUED_AFTER <= now:
        found.append(_record(state, escalated, Escalation.QUEUED, escalated.at + QUEUED_AFTER))
    return found


def _after(watch: Watch, event: ConversationEvent) -> Watch:
    match event.happening:
        case e.TimersChanged(timers=timers):
            timer = next((t for t in timers if t.kind is TimerKind.BOT_ANSWER), None)
            answering = Answering(timer.at, timer.generation, event.event_id, event.hops) if timer else None
            return replace(watch, answering=answering)
        case e.OwnerChanged(how=e.OwnerChange.HANDED_OVER):
            return replace(watch, escalated=Escalated(event.occurred_at, event.event_id, event.hops))
        case e.EscalationRecorded():
            return replace(watch, escalated=None)
        case _:
            return watch


def _hand_over(event: ConversationEvent, directory: Directory) -> list[Command]:
    if event.owner.kind is not OwnerKind.BOT or event.blocked:
        return []
    match event.happening:
        case e.MessageReceived(counted=True, content=Clear(content=Text(body=body))):
            if _asks_for_a_person(body, event, directory):
                return [_handing_over(event, HandOverReason.CONTACT_ASKED)]
        case e.MessageQueued(not_understood=times) if event.actor.kind is ActorKind.BOT:
            bot = directory.bots.get(event.owner.id) or Bot(event.owner.id, event.tenant, event.owner.name)
            if times >= max(1, bot.not_understood_at_most):
                return [_handing_over(event, HandOverReason.NOT_UNDERSTOOD)]
    return []


def _asks_for_a_person(text: str, event: ConversationEvent, directory: Directory) -> bool:
    department = directory.departments.get(event.department_id)
    phrases = department.hand_over_phrases if department else ()
    return any(has_phrase(text[:TEXT_AT_MOST], phrase) for phrase in phrases)


def _outcome(event: ConversationEvent) -> Escalation | None:
    """What the event says about a hand-over that is open."""
    match event.happening:
        case e.OwnerChanged() if event.owner.kind is OwnerKind.AGENT:
            return Escalation.ASSIGNED
        case e.TicketCreated():
            return Escalation.TICKET_CREATED
        case e.AutomaticDecision(rule="offline", outcome="sent"):
            return Escalation.NOBODY_AVAILABLE
        case e.ConversationCompleted():
            return Escalation.QUEUED
        case _:
            return None


def _handing_over(event: ConversationEvent, reason: HandOverReason) -> Command:
    return Command(
        command_id=ids.command_id(event.event_id, RULE, reason.value),
        conversation_id=event.conversation_id,
        tenant=event.tenant,
        actor=ACTOR,
        action=HandOver(reason),
        issued_at=event.occurred_at,
        cause=event.event_id,
        epoch=event.epoch,
        hops=event.hops + 1,
    )


def _record(watch: Watch, escalated: Escalated, outcome: Escalation, at: int) -> Command:
    kind = f"outcome:{outcome.value}"
    return _command(watch, escalated.cause, kind, escalated.hops, RecordEscalation(outcome), at)


def _command(watch: Watch, cause: str, kind: str, hops: int, action: Action, at: int) -> Command:
    return Command(
        command_id=ids.command_id(cause, RULE, kind),
        conversation_id=watch.conversation_id,
        tenant=watch.tenant,
        actor=ACTOR,
        action=action,
        issued_at=at,
        cause=cause,
        hops=hops + 1,
    )
