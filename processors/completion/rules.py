"""When silence ends a conversation (PRODUCT T). Pure: the log sets the timers, this rule says when they are due."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from struct import Struct

from gateway.core import ids
from gateway.core.actors import Actor, ActorKind
from gateway.core.commands import Command, FireTimer
from gateway.core.events import ConversationEvent, TimersChanged
from gateway.core.timers import Timer, TimerKind, due

RULE = "completion"
ACTOR = Actor(ActorKind.RULE, RULE, "auto_completion")
KINDS = (TimerKind.COMPLETION, TimerKind.WARNING)
"""The timers of this rule. Their order is part of the table's format: add at the end only."""


@dataclass(frozen=True, slots=True)
class Silence:
    """The timers of one conversation that are this rule's. None of them = no state."""

    conversation_id: str
    tenant: str
    hops: int
    timers: tuple[Timer, ...]


def step(
    state: Silence | None, event: ConversationEvent | None, now: int
) -> tuple[Silence | None, list[Command]]:
    """The state after the event (None: only time went by), and what is to be proposed now.

    What is proposed stays in the state until the log says that the timer is gone: it is proposed again after a
    restart, with the same id.
    """
    if event is not None:
        state = _after(state, event)
    if state is None:
        return None, []
    return state, [_command(state, timer) for timer in due(state.timers, now)]


def next_due(state: Silence | None, now: int) -> int | None:
    """When the next timer after `now` is due; None: there is none."""
    return min((timer.at for timer in state.timers if timer.at > now), default=None) if state else None


def _after(state: Silence | None, event: ConversationEvent) -> Silence | None:
    if not isinstance(event.happening, TimersChanged):
        return state
    timers = tuple(timer for timer in event.happening.timers if timer.kind in KINDS)
    return Silence(event.conversation_id, event.tenant, event.hops, timers) if timers else None


def _command(state: Silence, timer: Timer) -> Command:
    # The event that set the timer: its generation is that event's number.
    cause = ids.event_id(state.conversation_id, timer.generation)
    return Command(
        command_id=ids.command_id(cause, RULE, timer.kind),
        conversation_id=state.conversation_id,
        tenant=state.tenant,
        actor=ACTOR,
        action=FireTimer(timer.kind, timer.generation),
        issued_at=timer.at,
        cause=cause,
        hops=state.hops + 1,
    )


# The table's values. A million of them wait, and are read at every start: they are packed, not Avro.

_HEAD = Struct("<BHB")  # format, partition, hops
_TIMER = Struct("<BqI")  # place in KINDS, at, generation
_FORMAT = 1


def pack(state: Silence, partition: int) -> bytes:
    """The value for the conversation's key. `partition`: where the conversation is, dear to find from the key."""
    timers = b"".join(_TIMER.pack(KINDS.index(t.kind), t.at, t.generation) for t in state.timers)
    count = len(state.timers)
    return _HEAD.pack(_FORMAT, partition, state.hops) + bytes((count,)) + timers + state.tenant.encode()


def unpack(key: bytes, value: bytes) -> Silence:
    """The state again. Raises ValueError for a format that this version does not know."""
    kind, _, hops = _HEAD.unpack_from(value)
    if kind != _FORMAT:
        raise ValueError(f"the table's value has format {kind}; this program reads {_FORMAT}")
    timers = tuple(Timer(KINDS[n], at, generation) for n, at, generation in _timers(value))
    tenant = value[_HEAD.size + 1 + len(timers) * _TIMER.size :].decode()
    return Silence(key.decode(), tenant, hops, timers)


def partition_in(value: bytes) -> int:
    """The partition that was packed."""
    return int(_HEAD.unpack_from(value)[1])


def deadlines_in(value: bytes) -> list[int]:
    """When the packed timers are due."""
    return [at for _, at, _ in _timers(value)]


def _timers(value: bytes) -> Iterable[tuple[int, int, int]]:
    begin = _HEAD.size + 1
    for n in range(value[begin - 1]):
        yield _TIMER.unpack_from(value, begin + n * _TIMER.size)
