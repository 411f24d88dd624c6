"""Timers of a conversation: which are wanted now. They live in the log's state and are set by its events alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from gateway.core.actors import OwnerKind
from gateway.core.directory import AutoCompletion

if TYPE_CHECKING:
    from gateway.core.conversation import Head


class TimerKind(StrEnum):
    """What happens when the timer fires."""

    COMPLETION = "completion"
    """The conversation is completed after silence (PRODUCT T1)."""
    WARNING = "warning"
    """The contact is told that it will be (T2)."""
    BOT_ANSWER = "bot_answer"
    """The bot did not answer in its time: hand over (B2)."""


@dataclass(frozen=True, slots=True)
class Timer:
    """Due at `at` (Unix milliseconds). `generation` is the seq of the event that set it: a later setting of the
    same kind has another, so that a late firing is recognised."""

    kind: TimerKind
    at: int
    generation: int


@dataclass(frozen=True, slots=True)
class TimerRules:
    """What the settings say for this conversation; `window_closes` is the end of the service window, if any."""

    completion: AutoCompletion
    bot_answer: int | None = None
    window_closes: int | None = None


def wanted(head: Head, rules: TimerRules) -> dict[TimerKind, int]:
    """When each timer should fire, given the state after an event; absent: no such timer."""
    if head.status != "open" or head.blocked:
        return {}
    found: dict[TimerKind, int] = {}
    bot_waits = head.owner.kind is OwnerKind.BOT and head.waiting_since is not None
    if bot_waits and rules.bot_answer is not None and head.waiting_since is not None:
        found[TimerKind.BOT_ANSWER] = head.waiting_since + rules.bot_answer
    completes = _completes(head, rules)
    if completes is not None:
        found[TimerKind.COMPLETION] = completes
        before = rules.completion.warning_before
        if rules.completion.warning and before is not None and not head.warned:
            found[TimerKind.WARNING] = completes - before
    return found


def _completes(head: Head, rules: TimerRules) -> int | None:
    # An answer of the contact must be awaited; after an offline message a person or the contact acts first (O13).
    if head.awaiting_since is None or head.offline_hold:
        return None
    completion = rules.completion
    silence = {
        OwnerKind.AGENT: completion.agent_after,
        OwnerKind.BOT: completion.bot_after,
        OwnerKind.QUEUE: completion.queue_after,
    }[head.owner.kind]
    ends = [head.awaiting_since + silence] if silence is not None else []
    queued = head.owner.kind is OwnerKind.QUEUE
    if completion.at_window_end and rules.window_closes is not None and not queued:
        ends.append(rules.window_closes)
    return min(ends, default=None)


def due(timers: Iterable[Timer], now: int) -> list[Timer]:
    """The timers to fire now, oldest first. A warning is left out once the completion itself is due: after a
    downtime nobody is to be warned and dismissed in one breath."""
    found = sorted((timer for timer in timers if timer.at <= now), key=lambda timer: timer.at)
    if any(timer.kind is TimerKind.COMPLETION for timer in found):
        return [timer for timer in found if timer.kind is not TimerKind.WARNING]
    return found


def changed(
    timers: tuple[Timer, ...], wish: dict[TimerKind, int], generation: int
) -> tuple[Timer, ...] | None:
    """The timers with those that differ set anew under `generation`; None when nothing differs."""
    if {timer.kind: timer.at for timer in timers} == wish:
        return None
    same = {timer.kind: timer for timer in timers}
    result = []
    for kind, at in wish.items():
        known = same.get(kind)
        result.append(known if known and known.at == at else Timer(kind, at, generation))
    return tuple(sorted(result, key=lambda timer: timer.kind))
