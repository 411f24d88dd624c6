"""How each rule is driven: one line per rule. A rule whose `step` changes is changed here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.core.capabilities import CapabilityProfile
from gateway.core.directory import Directory
from gateway.core.events import ConversationEvent
from gateway.core.messages import Presence
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


@dataclass(frozen=True, slots=True)
class Adapter:
    """A rule: its step (no event = only time went by), when time itself is an event, and which topic it reads."""

    name: str
    step: Step
    next_due: NextDue = _never
    reads_queue: bool = False


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
)
