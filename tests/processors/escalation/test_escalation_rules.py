"""The rule `escalation` as cases, with the core's own decisions as its input."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.core import commands as k
from gateway.core.actors import Actor, ActorKind
from gateway.core.commands import Command, HandOverReason, RecordEscalation
from gateway.core.content import Clear, Content, Location, Postback, Sealed, Text
from gateway.core.events import Escalation
from gateway.core.facts import Facts
from processors.escalation.rules import QUEUED_AFTER, Watch, next_due, step
from tests.core.build import ANN, ROBO, T0, WITH_BOT, Talk, command, inbound, names, send

PHRASES = ("talk to a person", "agent", "担当者", "オペレーター")


def facts(**changes: Any) -> Facts:
    directory = WITH_BOT.directory
    department = replace(directory.departments["support"], hand_over_phrases=PHRASES)
    directory = directory.with_entity(department).with_entity(replace(directory.bots["robo"], **changes))
    return replace(WITH_BOT, directory=directory)


class Pair:
    """The log's core and the rule: what the log writes the rule reads, and what it proposes goes back."""

    def __init__(self, given: Facts) -> None:
        self.talk = Talk(given)
        self.watch: Watch | None = None
        self.proposed: list[Command] = []
        self.read = 0

    def __call__(self, *given: Any) -> list[Command]:
        """Feeds the log; the rule reads what was written. Returns what it proposed."""
        self.talk(*given)
        found: list[Command] = []
        for event in self.talk.events[self.read :]:
            self.watch, proposals = step(self.watch, event, 0, self.talk.facts.directory)
            found += proposals
        self.read = len(self.talk.events)
        self.proposed += found
        return found

    def at(self, now: int) -> list[Command]:
        """Time goes by."""
        self.talk.now = now
        self.watch, found = step(self.watch, None, now, self.talk.facts.directory)
        self.proposed += found
        return found


def reasons(commands: list[Command]) -> list[str]:
    return [c.action.reason.value for c in commands if isinstance(c.action, k.HandOver)]


def outcomes(commands: list[Command]) -> list[Escalation]:
    return [c.action.outcome for c in commands if isinstance(c.action, RecordEscalation)]


@pytest.mark.parametrize(
    ("content", "asks"),
    [
        (Text("I want to TALK TO A PERSON!"), True),
        (Text("Agent"), True),
        (Text("ａｇｅｎｔ"), True),
        (Text("my agentic loop"), False),
        (Text("担当者と話したいです"), True),
        (Text("ｵﾍﾟﾚｰﾀｰお願いします"), True),
        (Text("担当"), False),
        (Text("hello"), False),
        (Text("x" * 3_000 + " agent"), False),
        (Postback("p", "Talk to a person"), False),
        (Location(1.0, 2.0, "agent"), False),
    ],
)
def test_the_contact_asks_for_a_person(content: Content, asks: bool) -> None:
    pair = Pair(facts())
    proposed = pair(inbound(1, content))
    assert reasons(proposed) == (["contact_asked"] if asks else [])
    if asks:
        assert proposed[0].epoch == 1
        assert names(pair.talk(*proposed)) == ["OwnerChanged"]
        assert pair.talk.decisions[-1].events[0].happening.reason == "contact_asked"


def test_nobody_asks_a_bot_that_does_not_hold_it() -> None:
    pair = Pair(facts())
    pair(inbound(1), command(1, ANN, k.Assign("ann")))
    assert pair(inbound(2, Text("agent"))) == []
    sealed = Pair(facts())
    assert sealed(inbound(1, content=Clear(Text("x"))), inbound(2)) == []
    body = replace(inbound(3), content=Sealed("k", b"n", b"d"))
    assert sealed(body) == []


def test_a_blocked_contact_reaches_nobody() -> None:
    pair = Pair(facts())
    pair(inbound(1), command(1, ANN, k.Block()))
    assert pair(inbound(2, Text("agent"))) == []


def test_a_proposal_that_comes_again_is_the_same_and_one_too_late_is_refused() -> None:
    pair = Pair(facts())
    [proposal] = pair(inbound(1, Text("agent")))
    again = step(None, pair.talk.events[1], T0 + 5, pair.talk.facts.directory)[1]
    assert again == [proposal]
    pair.talk(command(1, ANN, k.Assign("ann")))
    assert pair.talk(proposal).outcome == "refused:stale_epoch"


@pytest.mark.parametrize(
    ("at_most", "lost", "over"),
    [
        (3, [True, True], False),
        (3, [True, True, True], True),
        (3, [True, True, False, True], False),
        (1, [True], True),
        (0, [False], False),
        (0, [True], True),
    ],
)
def test_not_understood_too_often(at_most: int, lost: list[bool], over: bool) -> None:
    pair = Pair(facts(not_understood_at_most=at_most))
    proposed = pair(inbound(1))
    for n, one in enumerate(lost):
        proposed = pair(send(n, actor=ROBO, epoch=1, not_understood=one))
    assert reasons(proposed) == (["not_understood"] if over else [])


def test_a_bot_that_is_gone_from_the_directory_has_the_usual_patience() -> None:
    pair = Pair(facts())
    pair(inbound(1))
    directory = pair.talk.facts.directory.without("bot:robo")
    pair.talk.facts = replace(pair.talk.facts, directory=directory)
    for n in range(3):
        proposed = pair(send(n, actor=ROBO, epoch=1, not_understood=True))
    assert reasons(proposed) == ["not_understood"]


def test_a_silent_bot_loses_the_conversation_when_its_time_is_over() -> None:
    pair = Pair(facts())
    pair(inbound(1))
    assert next_due(pair.watch, 0) == T0 + 15_000
    assert pair.at(T0 + 14_999) == []
    [fire] = pair.at(T0 + 15_000)
    assert pair.at(T0 + 15_001) == [fire], "the same proposal until the log's event is read"
    assert next_due(pair.watch, T0 + 15_001) is None
    pair(fire)
    assert pair.talk.events[-2].happening.reason == HandOverReason.BOT_SILENT
    assert pair.watch is not None
    assert pair.watch.answering is None


def test_a_bot_that_answered_in_time_keeps_it() -> None:
    pair = Pair(facts())
    pair(inbound(1))
    late = step(pair.watch, None, T0 + 15_000, pair.talk.facts.directory)[1]
    pair(send(1, actor=ROBO, epoch=1))
    assert pair.watch is None
    pair.talk.now = T0 + 15_000
    assert pair.talk(*late).outcome == "refused:not_due"


def handed_over(given: Facts | None = None) -> Pair:
    pair = Pair(given or facts())
    pair(*pair(inbound(1, Text("agent"))))
    assert pair.watch is not None
    assert pair.watch.escalated is not None
    return pair


DECISION = k.RecordDecision("offline", "O1", "sent", "e", T0, {})
RULES = Actor(ActorKind.RULE, "offline")


@pytest.mark.parametrize(
    ("then", "outcome"),
    [
        (command(11, ANN, k.Accept()), Escalation.ASSIGNED),
        (command(11, Actor(ActorKind.RULE, "assignment"), k.Assign("bob")), Escalation.ASSIGNED),
        (command(11, RULES, DECISION), Escalation.NOBODY_AVAILABLE),
        (command(11, ANN, k.CreateTicket("Broken")), Escalation.TICKET_CREATED),
        (command(11, ANN, k.Block()), Escalation.QUEUED),
        (command(11, RULES, replace(DECISION, outcome="not_sent")), None),
        (command(11, ANN, k.Transfer("sales")), None),
        (inbound(2), None),
    ],
    ids=["accepted", "automatic", "offline", "ticket", "blocked", "not sent", "transferred", "writes again"],
)
def test_the_outcome_is_recorded_once(then: Any, outcome: Escalation | None) -> None:
    pair = handed_over(replace(facts(), ticket_number=7))
    found = pair(then)
    assert outcomes(found) == ([outcome] if outcome else [])
    late = pair.at(T0 + QUEUED_AFTER)
    assert outcomes(late) == [Escalation.QUEUED]
    pair(*found, *late)
    recorded = [e.happening for e in pair.talk.events if type(e.happening).__name__ == "EscalationRecorded"]
    assert [r.outcome for r in recorded] == [outcome or Escalation.QUEUED]
    assert pair.watch is None
    assert pair.at(T0 + 10 * QUEUED_AFTER) == []


def test_a_second_hand_over_has_an_outcome_of_its_own() -> None:
    pair = handed_over()
    pair(*pair.at(T0 + QUEUED_AFTER))
    pair(command(1, ANN, k.Accept()), command(2, ANN, k.End()), inbound(5, at=T0 + 60_000))
    assert pair.talk.head.owner.id == "robo", "Ann is not online, so the bot has it again"
    pair(*pair(inbound(6, Text("agent"), at=T0 + 61_000)))
    assert outcomes(pair(command(9, ANN, k.Accept()))) == [Escalation.ASSIGNED]
