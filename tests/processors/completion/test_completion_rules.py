"""Cases of the rule `completion`, and its packed state."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import ids
from gateway.core.actors import ActorKind
from gateway.core.commands import FireTimer
from gateway.core.events import ConversationEvent, TimersChanged
from gateway.core.timers import Timer, TimerKind
from processors.completion import rules
from processors.completion.rules import Silence, next_due, step
from tests.core.build import CONVERSATION, HOUR, T0, Talk, inbound, send
from tests.core.test_decide_automatic import ASSIGN, COMPLETING

COMPLETION = Timer(TimerKind.COMPLETION, T0 + HOUR, 7)
WARNING = Timer(TimerKind.WARNING, T0 + HOUR // 2, 7)
BOT = Timer(TimerKind.BOT_ANSWER, T0, 7)


def silence(*timers: Timer) -> Silence:
    return Silence(CONVERSATION, "acme", 0, timers)


@pytest.mark.parametrize(
    ("timers", "after", "kinds"),
    [
        ((), HOUR, []),
        ((COMPLETION, WARNING), 0, []),
        ((COMPLETION, WARNING), HOUR // 2 - 1, []),
        ((COMPLETION, WARNING), HOUR // 2, ["warning"]),
        ((COMPLETION, WARNING), HOUR, ["completion"]),
        ((COMPLETION,), HOUR - 1, []),
        ((COMPLETION,), HOUR, ["completion"]),
        ((COMPLETION,), 1_000 * HOUR, ["completion"]),
    ],
)
def test_what_is_due_is_proposed(timers: tuple[Timer, ...], after: int, kinds: list[str]) -> None:
    state, found = step(silence(*timers) if timers else None, None, T0 + after)
    assert [command.action.kind for command in found] == kinds
    assert step(state, None, T0 + after)[1] == found, "twice is the same"


def events_of(talk: Talk) -> list[ConversationEvent]:
    return [event for event in talk.events if isinstance(event.happening, TimersChanged)]


def test_the_rule_follows_the_log_and_the_log_takes_its_proposals_once() -> None:
    talk = Talk(COMPLETING)
    talk(inbound(1), ASSIGN, send(1))
    state, found = step(None, events_of(talk)[-1], T0)
    assert found == []
    assert next_due(state, T0) == T0 + HOUR - 600_000
    talk.now = T0 + HOUR
    _, [command] = step(state, None, talk.now)
    assert command.actor.kind is ActorKind.RULE
    assert command.cause == events_of(talk)[-1].event_id
    assert talk(command).outcome == "accepted"
    assert [talk(command).outcome for _ in range(2)] == ["duplicate", "duplicate"]
    state, found = step(state, events_of(talk)[-1], talk.now)
    assert (state, found) == (None, [])


def test_a_later_setting_supersedes_the_one_before() -> None:
    talk = Talk(COMPLETING)
    talk(inbound(1), ASSIGN, send(1))
    old, _ = step(None, events_of(talk)[-1], T0)
    talk.now = T0 + 1_000
    talk(send(2))
    new, _ = step(old, events_of(talk)[-1], talk.now)
    _, [stale] = step(old, None, T0 + HOUR)
    assert step(new, None, T0 + HOUR)[1][0].action.kind is TimerKind.WARNING
    _, [fresh] = step(new, None, T0 + HOUR + 1_000)
    assert stale.command_id != fresh.command_id
    talk.now = T0 + HOUR + 1_000
    assert talk(stale).outcome == "refused:not_due"
    assert talk(fresh).outcome == "accepted"


def test_other_events_and_other_rules_timers_are_none_of_its_business() -> None:
    talk = Talk(COMPLETING)
    talk(inbound(1))
    event = talk.events[-1]
    assert not isinstance(event.happening, TimersChanged)
    state = silence(COMPLETION)
    assert step(state, event, T0) == (state, [])
    assert step(state, replace(event, happening=TimersChanged((BOT,))), T0 + HOUR) == (None, [])


TIMERS = st.builds(
    Timer, st.sampled_from(rules.KINDS), st.integers(-(2**62), 2**62), st.integers(0, 2**32 - 1)
)


@given(
    st.text(max_size=20),
    st.integers(0, 255),
    st.lists(TIMERS, max_size=2),
    st.integers(0, 65_535),
    st.uuids(),
)
def test_the_table_keeps_the_state(
    tenant: str, hops: int, timers: list[Timer], partition: int, key: object
) -> None:
    state = Silence(str(key), tenant, hops, tuple(timers))
    value = rules.pack(state, partition)
    assert rules.unpack(str(key).encode(), value) == state
    assert rules.partition_in(value) == partition
    assert rules.deadlines_in(value) == [timer.at for timer in timers]


def test_a_table_of_another_version_is_not_misread() -> None:
    value = b"\x63" + rules.pack(silence(COMPLETION), 1)[1:]
    with pytest.raises(ValueError, match="format 99"):
        rules.unpack(CONVERSATION.encode(), value)


def test_ids_are_of_the_conversation_the_kind_and_the_generation() -> None:
    _, [command] = step(silence(COMPLETION), None, T0 + HOUR)
    assert command.action == FireTimer(TimerKind.COMPLETION, 7)
    cause = ids.event_id(CONVERSATION, 7)
    assert command.command_id == ids.command_id(cause, "completion", "completion")
