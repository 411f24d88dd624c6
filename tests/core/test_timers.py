"""Which timers are due, and what becomes of one whose settings have changed."""

from __future__ import annotations

import pytest

from gateway.core.conversation import ConversationStatus
from gateway.core.directory import AutoCompletion
from gateway.core.timers import Timer, TimerKind, due
from tests.core.build import HOUR, T0, Talk, inbound, names, send
from tests.core.test_decide_automatic import ASSIGN, COMPLETING, fire, timers, with_department

WARNING = Timer(TimerKind.WARNING, 50, 7)
COMPLETION = Timer(TimerKind.COMPLETION, 100, 7)
BOT = Timer(TimerKind.BOT_ANSWER, 70, 8)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (49, []),
        (50, [WARNING]),
        (99, [WARNING, BOT]),
        (100, [BOT, COMPLETION]),
    ],
)
def test_a_warning_is_left_out_once_the_completion_is_due(now: int, expected: list[Timer]) -> None:
    assert due((COMPLETION, WARNING, BOT), now) == expected


@pytest.mark.parametrize(
    ("completion", "left"),
    [
        (AutoCompletion(), {}),
        (AutoCompletion(agent_after=3 * HOUR), {TimerKind.COMPLETION: 3 * HOUR}),
    ],
)
def test_a_timer_that_the_settings_no_longer_want_completes_nothing(
    completion: AutoCompletion, left: dict[TimerKind, int]
) -> None:
    talk = Talk(COMPLETING)
    talk(inbound(1), ASSIGN, send(1))
    talk.facts = with_department(completion=completion)
    talk.now = T0 + HOUR
    decision = talk(fire(2, talk, TimerKind.COMPLETION))
    assert names(decision) == []
    assert talk.head.status is ConversationStatus.OPEN
    assert timers(talk) == left


def test_a_warning_that_cannot_be_sent_is_tried_once() -> None:
    talk = Talk(
        with_department(completion=AutoCompletion(agent_after=30 * HOUR, warning="?", warning_before=HOUR))
    )
    talk(inbound(1), ASSIGN, send(1))
    talk.now = T0 + 29 * HOUR  # the service window is closed
    decision = talk(fire(2, talk, TimerKind.WARNING))
    assert names(decision) == ["AutomaticDecision"]
    assert timers(talk) == {TimerKind.COMPLETION: 30 * HOUR}
