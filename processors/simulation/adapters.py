"""How each rule is driven: one line per rule. A rule whose `step` changes is changed here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.core.capabilities import CapabilityProfile
from gateway.core.directory import Directory
from gateway.core.events import ConversationEvent
from gateway.core.messages import Presence
from processors.assignment import rules as assignment
from processors.completion import rules as completion
from processors.escalation import rules as escalation
from processors.offline import rules as offline
from processors.receipts import rules as receipts


@dataclass(frozen=True, slots=True)
class Place:
    """What a rule knows beside its events, as old as its replicas are."""

    directory: Directory
    presences: Mapping[str, Presence]
    profile: CapabilityProfile


Step = Callable[[Any, ConversationEvent | None, int, Place], tuple[Any, list[Any]]]
NextDue = Callable[[Any, int, Place], int | None]


def _never(state: Any, now: int, place: Place) -> None:
    return None


def _as_nothing(key: str) -> None:
    return None


def _as_it_was(state: Any) -> Any:
    return state


@dataclass(frozen=True, slots=True)
class Adapter:
    """A rule: its step (no event = only time went by), and when time itself is an event.

    `reads_queue`: it reads `cg.queue`, keyed by department, and looks again when presence changes. `begin` makes
    the state of a new key; `restored` is what a restart leaves of a state.
    """

    name: str
    step: Step
    next_due: NextDue = _never
    reads_queue: bool = False
    begin: Callable[[str], Any] = _as_nothing
    restored: Callable[[Any], Any] = _as_it_was


def _assignment_due(desk: assignment.Desk, now: int, place: Place) -> int | None:
    ends = (
        p.at + min(assignment.PATIENCE << p.attempt, assignment.PATIENCE_AT_MOST)
        for p in desk.proposed.values()
    )
    return min((end for end in ends if end > now), default=None)


def _assignment_restored(desk: assignment.Desk) -> assignment.Desk:
    return assignment.rebuilt(desk.department_id, [*desk.waiting.values(), *desk.held.values()], desk.last)


ADAPTERS = (
    Adapter(
        "receipts",
        lambda state, event, now, place: receipts.step(state, event, now, place.profile),
        lambda state, now, place: receipts.next_due(state, now, place.profile),
    ),
    Adapter(
        "offline",
        lambda state, event, now, place: (
            offline.step(state, event, now, offline.Known(place.directory, place.presences))
            if event
            else (state, [])
        ),
    ),
    Adapter(
        "completion",
        lambda state, event, now, place: completion.step(state, event, now),
        lambda state, now, place: completion.next_due(state, now),
    ),
    Adapter(
        "escalation",
        lambda state, event, now, place: escalation.step(state, event, now, place.directory),
        lambda state, now, place: escalation.next_due(state, now),
    ),
    Adapter(
        "assignment",
        lambda desk, event, now, place: assignment.step(
            desk, event, now, assignment.Known(place.directory, place.presences)
        ),
        _assignment_due,
        reads_queue=True,
        begin=assignment.Desk,
        restored=_assignment_restored,
    ),
)
