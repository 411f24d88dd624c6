"""Cases of what happens by itself: timers, offline messages, hand-over, tickets (PRODUCT T, O13–O17, B2–B6)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.core import commands as k
from gateway.core.actors import Actor, ActorKind
from gateway.core.conversation import ConversationStatus
from gateway.core.directory import AutoCompletion, OfflineMessage
from gateway.core.events import Escalation
from gateway.core.facts import Facts
from gateway.core.hours import BusinessHours, Interval, Week
from gateway.core.timers import TimerKind
from tests.core.build import (
    ANN,
    FACTS,
    HOUR,
    ROBO,
    T0,
    WITH_BOT,
    Talk,
    command,
    inbound,
    names,
    send,
)

RULE = Actor(ActorKind.RULE, "offline", "offline_message")
ASSIGN = command(100, ANN, k.Assign("ann"))
NINE_TO_SIX = BusinessHours("UTC", Week(*[(Interval(9 * 60, 18 * 60),)] * 7))


def with_department(facts: Facts = FACTS, **changes: object) -> Facts:
    """The facts with other settings of the department `support`."""
    department = replace(facts.directory.departments["support"], **changes)  # type: ignore[type-var]
    return replace(facts, directory=facts.directory.with_entity(department))


COMPLETING = with_department(
    completion=AutoCompletion(
        agent_after=HOUR,
        bot_after=2 * HOUR,
        warning="Still there?",
        warning_before=600_000,
        farewell="Bye ${Contacts.First Name}",
    )
)


def timers(talk: Talk) -> dict[TimerKind, int]:
    """The timers in force, as milliseconds after T0."""
    return {timer.kind: timer.at - T0 for timer in talk.head.timers}


def fire(n: int, talk: Talk, kind: TimerKind) -> k.Command:
    """The rule's proposal for the timer in force."""
    generation = next(t.generation for t in talk.head.timers if t.kind is kind)
    return command(n, Actor(ActorKind.RULE, "completion"), k.FireTimer(kind, generation))


def test_the_timer_runs_only_while_an_answer_of_the_contact_is_awaited() -> None:
    talk = Talk(COMPLETING)
    talk(inbound(1), ASSIGN)
    assert timers(talk) == {}
    talk(send(1))
    assert timers(talk) == {TimerKind.COMPLETION: HOUR, TimerKind.WARNING: HOUR - 600_000}
    talk(inbound(2))
    assert timers(talk) == {}


def test_warning_then_completion_and_automatic_texts_are_no_activity() -> None:
    talk = Talk(COMPLETING)
    talk(inbound(1), ASSIGN, send(1))
    late = fire(2, talk, TimerKind.WARNING)
    assert talk(late).outcome == "refused:not_due"
    talk.now = T0 + HOUR - 600_000
    decision = talk(fire(3, talk, TimerKind.WARNING))
    assert names(decision) == ["MessageQueued"]
    assert decision.outbound[0].content.content.body == "Still there?"
    assert timers(talk) == {TimerKind.COMPLETION: HOUR}
    completion = fire(4, talk, TimerKind.COMPLETION)
    talk.now = T0 + HOUR
    decision = talk(completion)
    assert names(decision) == ["MessageQueued", "ConversationCompleted"]
    assert decision.outbound[0].content.content.body == "Bye Lena"
    assert talk.head.status is ConversationStatus.COMPLETED
    assert timers(talk) == {}
    assert talk(replace(completion, command_id="again")).outcome == "refused:not_due"


def test_a_message_at_that_moment_cancels_it_or_reopens_by_order_alone() -> None:
    first, second = Talk(COMPLETING), Talk(COMPLETING)
    for talk in (first, second):
        talk(inbound(1), ASSIGN, send(1))
        talk.now = T0 + HOUR
    firing = fire(2, first, TimerKind.COMPLETION)
    assert first(inbound(2), firing).outcome == "refused:not_due"
    assert first.head.status is ConversationStatus.OPEN
    second(firing, inbound(2))
    assert second.head.status is ConversationStatus.OPEN
    assert second.head.episode == 2


def test_the_queue_is_never_completed_by_default_and_the_window_may_end_it() -> None:
    talk = Talk(with_department(completion=AutoCompletion(at_window_end=True)))
    talk(inbound(1), ASSIGN, send(1))
    assert timers(talk) == {TimerKind.COMPLETION: 24 * HOUR}
    talk(command(5, ANN, k.Transfer("sales")))
    assert timers(talk) == {}


OFFLINE = OfflineMessage(
    enabled=True, text="We got it, ${Contacts.First Name}. Back ${Department.Next Opening}."
)


def offer(n: int, at: int = T0, row: str = "O5", last_available_at: int | None = None) -> k.Command:
    action = k.OfferOffline(row, f"event{n}", at, {"hours": "out"}, last_available_at)
    return command(n, RULE, action, epoch=1)


def test_an_offline_message_goes_once_per_closed_period_and_holds_the_completion() -> None:
    night = T0 - T0 % (24 * HOUR) + 20 * HOUR
    facts = with_department(offline=OFFLINE, hours=NINE_TO_SIX, completion=AutoCompletion(queue_after=HOUR))
    talk = Talk(facts, now=night)
    talk(inbound(1, at=night))
    decision = talk(offer(2, night))
    assert names(decision) == ["MessageQueued", "AutomaticDecision"]
    body = decision.outbound[0].content.content.body
    assert body.startswith("We got it, Lena.")
    assert "${" not in body
    assert talk.head.owner.id == "support"
    assert timers(talk) == {}
    talk.now += HOUR
    talk(inbound(2, at=talk.now))
    assert talk(offer(3, talk.now)).outcome == "refused:already_sent"
    talk.now = night + 24 * HOUR  # a new closed period, after an opening
    talk(inbound(3, at=talk.now))
    assert talk(offer(4, talk.now)).outcome == "accepted"
    talk.now += HOUR
    assert talk(offer(5, talk.now, last_available_at=talk.now - 1000)).outcome == "accepted", (
        "somebody was there since"
    )


@pytest.mark.parametrize(
    ("facts", "before", "outcome"),
    [
        (with_department(offline=OFFLINE), (inbound(1), ASSIGN), "refused:stale_epoch"),
        (with_department(), (inbound(1),), "refused:not_wanted"),
        (with_department(offline=OFFLINE), (inbound(1), command(7, ANN, k.Block())), "refused:blocked"),
        (with_department(WITH_BOT, offline=OFFLINE), (inbound(1),), "refused:not_wanted"),
    ],
    ids=["owned meanwhile", "switched off", "blocked", "held by a bot"],
)
def test_the_log_refuses_an_offline_message_that_is_not_right_any_more(
    facts: Facts, before: tuple, outcome: str
) -> None:
    talk = Talk(facts)
    talk(*before)
    assert talk(offer(2)).outcome == outcome


def test_a_ticket_comes_first_and_without_one_the_other_text_is_sent() -> None:
    offline = OfflineMessage(
        True, "Ticket ${Ticket.Number}.", ticket_first=True, text_without_ticket="Noted."
    )
    for number, text in ((42, "Ticket 42."), (None, "Noted.")):
        talk = Talk(replace(with_department(offline=offline), ticket_number=number))
        talk(inbound(1))
        assert talk(offer(2)).outbound[0].content.content.body == text


def test_a_text_of_which_nothing_is_left_is_not_sent() -> None:
    facts = with_department(offline=OfflineMessage(True, "${User.Support Rep Name}"))
    talk = Talk(facts)
    talk(inbound(1))
    decision = talk(offer(2))
    assert names(decision) == ["AutomaticDecision"]
    assert decision.events[0].happening.outcome == "not_possible"
    assert decision.outbound == ()


def test_a_decision_that_changed_nothing_is_recorded_once() -> None:
    talk = Talk()
    talk(inbound(1))
    action = k.RecordDecision("offline", "O7", "not_sent", "event1", T0, {"presence": "some"})
    assert names(talk(command(1, RULE, action))) == ["AutomaticDecision"]
    assert talk(command(2, RULE, action)).outcome == "refused:already_recorded"
    assert names(talk(command(3, RULE, replace(action, row="O5")))) == ["AutomaticDecision"]


ONLINE = replace(WITH_BOT, online=frozenset({"ann"}))
SAFE = with_department(WITH_BOT, offline=OFFLINE, hours=NINE_TO_SIX)


@pytest.mark.parametrize(
    ("facts", "action", "outcome"),
    [
        (ONLINE, k.HandOver(k.HandOverReason.BOT_ASKED), "accepted"),
        (WITH_BOT, k.HandOver(k.HandOverReason.BOT_ASKED), "refused:nobody_available"),
        (WITH_BOT, k.HandOver(k.HandOverReason.BOT_ASKED, anyway=True), "accepted"),
        (SAFE, k.HandOver(k.HandOverReason.BOT_ASKED), "accepted"),
        (replace(WITH_BOT, presence_known=False), k.HandOver(k.HandOverReason.BOT_ASKED), "accepted"),
        (ONLINE, k.HandOver(k.HandOverReason.BOT_ASKED, "nowhere"), "refused:unknown_department"),
        (ONLINE, k.HandOver(k.HandOverReason.BOT_ASKED, "sales"), "accepted"),
    ],
    ids=[
        "somebody",
        "nobody",
        "nobody, anyway",
        "offline message",
        "presence unknown",
        "nowhere",
        "elsewhere",
    ],
)
def test_hand_over(facts: Facts, action: k.HandOver, outcome: str) -> None:
    talk = Talk(facts)
    talk(inbound(1))
    decision = talk(command(1, ROBO, action, epoch=1))
    assert decision.outcome == outcome
    if outcome == "accepted":
        assert (talk.head.owner.kind.value, talk.head.epoch) == ("queue", 2)
        assert decision.events[0].epoch == 2
        assert (
            decision.events[0].department_id == talk.head.department_id == (action.department_id or "support")
        )


def test_a_silent_bot_is_handed_over_and_its_late_answer_refused() -> None:
    talk = Talk(WITH_BOT)
    talk(inbound(1))
    assert timers(talk) == {TimerKind.BOT_ANSWER: 15_000}
    talk.now += 15_000
    assert names(talk(fire(1, talk, TimerKind.BOT_ANSWER))) == ["OwnerChanged"]
    assert talk(send(2, actor=ROBO, epoch=1)).outcome == "refused:stale_epoch"
    outcome = command(3, Actor(ActorKind.RULE, "escalation"), k.RecordEscalation(Escalation.QUEUED))
    assert names(talk(outcome)) == ["EscalationRecorded"]
    assert talk(replace(outcome, command_id="x")).outcome == "refused:already_recorded"


def test_the_bot_counts_what_it_did_not_understand() -> None:
    talk = Talk(WITH_BOT)
    talk(inbound(1))
    counts = []
    for n, lost in enumerate((True, True, False, True), 1):
        talk(send(n, actor=ROBO, epoch=1, not_understood=lost))
        counts.append(talk.decisions[-1].events[0].happening.not_understood)
    assert counts == [1, 2, 0, 1]
    assert timers(talk) == {}


def test_an_answering_agent_of_another_account_list_is_not_available() -> None:
    directory = WITH_BOT.directory
    account = replace(directory.accounts["acc1"], enabled_agents=("bob",))
    facts = replace(ONLINE, directory=directory.with_entity(account))
    talk = Talk(facts)
    talk(inbound(1))
    assert (
        talk(command(1, ROBO, k.HandOver(k.HandOverReason.BOT_ASKED), epoch=1)).outcome
        == "refused:nobody_available"
    )


@pytest.mark.parametrize(("hour", "owner"), [(10, "ann"), (20, "support")])
def test_the_last_agent_gets_a_reopened_conversation_only_inside_hours(hour: int, owner: str) -> None:
    facts = replace(with_department(hours=NINE_TO_SIX), online=frozenset({"ann"}))
    day = T0 - T0 % (24 * HOUR) + 24 * HOUR
    talk = Talk(facts)
    talk(inbound(1), ASSIGN, command(2, ANN, k.End()))
    talk.now = day + hour * HOUR
    talk(inbound(2))
    assert talk.head.owner.id == owner
