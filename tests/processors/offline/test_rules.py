"""What the offline rule proposes: which events it judges, by which facts, and what it remembers (PRODUCT O)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.core import commands as k
from gateway.core.actors import Actor, ActorKind
from gateway.core.content import Edit, Reaction, Target, Text, Unsend
from gateway.core.directory import Directory, OfflineMessage
from gateway.core.events import ConversationEvent, MessageQueued
from gateway.core.facts import Facts
from gateway.core.hours import BusinessHours, Interval, Week
from gateway.core.messages import InboundKind, Presence, PresenceState
from processors.offline import rules
from tests.core.build import (
    ACCOUNT,
    ANN,
    DIRECTORY,
    HOUR,
    PROFILE,
    ROBO,
    TENANT,
    Talk,
    command,
    inbound,
    send,
)

DAY = 24 * HOUR
NOON = 1_795_262_400_000  # 2026-11-21 12:00 UTC
NIGHT = NOON + 8 * HOUR
NINE_TO_SIX = BusinessHours("UTC", Week(*[(Interval(9 * 60, 18 * 60),)] * 7))
OFFLINE = OfflineMessage(enabled=True, text="We got it, ${Contacts.First Name}.")
HAND_OVER = k.HandOver(k.HandOverReason.BOT_ASKED, anyway=True)


class Play:
    """A conversation with the rule listening: proposals go back into the log at once, as often as `twice` says."""

    def __init__(
        self, *, bot: bool = False, now: int = NIGHT, twice: bool = False, **offline: object
    ) -> None:
        support = replace(
            DIRECTORY.departments["support"],
            hours=NINE_TO_SIX,
            offline=replace(OFFLINE, **offline),  # type: ignore[arg-type]
        )
        account = replace(DIRECTORY.accounts[ACCOUNT], bot="robo" if bot else None)
        self.directory: Directory = DIRECTORY.with_entity(support).with_entity(account)
        self.presences = {"@inbox": Presence("@inbox", TENANT, PresenceState.ONLINE, 0, 2 * NOON)}
        self.talk = Talk(self._facts(), now)
        self.memory: rules.Memory | None = None
        self.twice = twice
        self.lag = 0
        self.proposed: list[k.Command] = []

    def _facts(self) -> Facts:
        return Facts(self.directory, {ACCOUNT: PROFILE}, frozenset())

    def online(self, agent: str = "ann", until: int = 2 * NOON) -> None:
        at = self.talk.now
        self.presences[agent] = Presence(agent, TENANT, PresenceState.ONLINE, at, until)

    def offline(self, agent: str = "ann") -> None:
        at = self.talk.now
        self.presences[agent] = Presence(agent, TENANT, PresenceState.OFFLINE, at, at)

    def __call__(self, *given: object) -> Play:
        for one in given:
            self._hear(self.talk(one).events)  # type: ignore[arg-type]
        return self

    def _hear(self, events: tuple[ConversationEvent, ...]) -> None:
        for event in events:
            self._step(event)

    def _step(self, event: ConversationEvent) -> None:
        known = rules.Known(self.directory, self.presences)
        self.memory, proposals = rules.step(self.memory, event, self.talk.now + self.lag, known)
        self.proposed += proposals
        for proposal in proposals * (2 if self.twice else 1):
            self._hear(self.talk(proposal).events)

    @property
    def told(self) -> list[str]:
        """Row and outcome of each recorded decision."""
        found = [e.happening for e in self.talk.events if names_of(e) == "AutomaticDecision"]
        return [f"{d.row} {d.outcome}" for d in found]

    @property
    def sent(self) -> list[str]:
        """Texts that went to the contact by themselves."""
        queued = [e for e in self.talk.events if isinstance(e.happening, MessageQueued)]
        return [e.happening.content.content.body for e in queued if e.actor.kind is ActorKind.RULE]


def names_of(event: ConversationEvent) -> str:
    return type(event.happening).__name__


def at(play: Play, now: int) -> Play:
    play.talk.now = now
    return play


def late_bot(play: Play) -> None:
    play(inbound(1, at=NIGHT), command(1, ROBO, HAND_OVER, epoch=1))


def bot_by_day(play: Play) -> None:
    at(play, NOON)(inbound(1, at=NOON), command(1, ROBO, HAND_OVER, epoch=1))


def attended_bot(play: Play) -> None:
    at(play, NOON).online()
    bot_by_day(play)


def bot_alone(play: Play) -> None:
    play(inbound(1, at=NIGHT))


def by_night(play: Play) -> None:
    play(inbound(1, at=NIGHT))


def deserted(play: Play) -> None:
    at(play, NOON)(inbound(1, at=NOON))


def attended(play: Play) -> None:
    at(play, NOON).online()
    deserted(play)


def assigned(play: Play) -> None:
    at(play, NOON).online()
    play(inbound(1, at=NOON), command(1, ANN, k.Assign("ann")))
    at(play, NIGHT)(inbound(2, at=NIGHT))


@pytest.mark.parametrize(
    ("bot", "story", "told"),
    [
        (True, late_bot, ["O4 not_sent", "O1 sent"]),
        (True, bot_by_day, ["O4 not_sent", "O2 sent"]),
        (True, attended_bot, ["O4 not_sent", "O3 not_sent"]),
        (True, bot_alone, ["O4 not_sent"]),
        (False, by_night, ["O5 sent"]),
        (False, deserted, ["O6 sent"]),
        (False, attended, ["O7 not_sent"]),
        (False, assigned, ["O7 not_sent", "O9 not_sent"]),
    ],
    ids=["O1", "O2", "O3", "O4", "O5", "O6", "O7", "O9"],
)
@pytest.mark.parametrize("twice", [False, True], ids=["once", "proposed twice"])
def test_rows(bot: bool, story: Callable[[Play], None], told: list[str], twice: bool) -> None:
    play = Play(bot=bot, twice=twice)
    story(play)
    assert play.told == told
    assert play.sent == (["We got it, Lena."] if told[-1].endswith(" sent") else [])
    last = play.proposed[-1]
    assert (last.actor, last.hops, last.epoch) == (
        Actor(ActorKind.RULE, "offline", "offline_message"),
        1,
        play.talk.head.epoch,
    )


def test_no_hours_and_the_switch() -> None:
    assert Play(enabled=False)(inbound(1, at=NIGHT)).told == ["switch_off not_sent"]
    for by_presence, told in ((False, ["O8 not_sent"]), (True, ["O6 sent"])):
        play = Play(by_presence_without_hours=by_presence)
        department = replace(play.directory.departments["support"], hours=None)
        play.directory = play.directory.with_entity(department)
        play.talk.facts = play._facts()
        assert play(inbound(1, at=NIGHT)).told == told


@pytest.mark.parametrize(
    "content",
    [Reaction(Target("in1"), "👍"), Edit(Target("in1"), Text("x")), Unsend(Target("in1"))],
    ids=["reaction", "edit", "unsend"],
)
def test_what_does_not_count_is_not_judged(content: object) -> None:
    play = at(Play(now=NOON), NOON)
    play.online()
    play(inbound(1, at=NOON))
    at(play, NIGHT)(inbound(2, content, at=NIGHT))  # type: ignore[arg-type]
    assert play.told == ["O7 not_sent"]


def test_typing_echoes_and_opened_chats_are_not_judged() -> None:
    play = Play()
    play(inbound(1, at=NIGHT, kind=InboundKind.OPENED), inbound(2, at=NIGHT, kind=InboundKind.TYPING))
    play(inbound(3, at=NIGHT, kind=InboundKind.ECHO))
    assert play.told == []


def test_a_blocked_contact_is_not_judged() -> None:
    play = Play(now=NOON)
    play.online()
    play(inbound(1, at=NOON), command(1, ANN, k.Block()))
    at(play, NIGHT)(inbound(2, at=NIGHT))
    assert play.told == ["O7 not_sent"]


def test_one_message_per_closed_period_and_the_second_says_why_not() -> None:
    play = Play()
    for n in range(1, 4):
        at(play, NIGHT + n * 1000)(inbound(n, at=NIGHT))
    assert play.told == ["O5 sent", "O5 already_sent"]
    at(play, NIGHT + DAY)(inbound(9, at=NIGHT + DAY))
    assert play.told[2:] == ["O5 sent"]
    assert len(play.sent) == 2


def test_an_agent_who_is_online_all_night_does_not_make_it_many() -> None:
    play = Play()
    play.online()
    for n in range(1, 4):
        at(play, NIGHT + n * HOUR // 2)(inbound(n, at=NIGHT))
    assert play.told == ["O5 sent", "O5 already_sent"]
    play.offline()
    at(play, NIGHT + 3 * HOUR)(inbound(9, at=NIGHT))
    assert play.told[2:] == ["O5 sent"], "somebody was available since, and left"


def test_an_automatic_message_leads_to_no_other() -> None:
    play = Play()(inbound(1, at=NIGHT))
    assert len(play.proposed) == 1
    assert names_of(play.talk.events[-1]) == "AutomaticDecision"


def test_the_same_no_is_proposed_once_per_owner() -> None:
    play = Play(now=NOON)
    play.online()
    play(inbound(1, at=NOON), inbound(2, at=NOON), inbound(3, at=NOON))
    play(command(1, ANN, k.Assign("ann")), inbound(4, at=NOON), inbound(5, at=NOON))
    assert play.told == ["O7 not_sent", "O9 not_sent"]
    assert len(play.proposed) == 2


def test_handed_over_until_somebody_touches_it() -> None:
    play = Play(bot=True)
    late_bot(play)
    at(play, NIGHT + DAY)(inbound(2, at=NIGHT + DAY))
    assert play.told[-1] == "O1 sent", "still the bot's hand-over"
    play(command(2, ANN, k.Assign("ann")), command(3, ANN, k.Transfer("support")))
    at(play, NIGHT + 2 * DAY)(inbound(3, at=NIGHT + 2 * DAY))
    assert play.told[-1] == "O5 sent"


def test_presence_unknown_goes_by_hours_only_and_says_so() -> None:
    for now, told in ((NOON, ["O7 not_sent"]), (NIGHT, ["O5 sent"])):
        play = Play(now=now)
        play.presences.clear()
        play(inbound(1, at=now))
        assert play.told == told
        assert play.talk.events[-1].happening.facts["presence"] == "unknown"


def test_a_backlog_of_an_hour() -> None:
    early = NOON - 3 * HOUR - HOUR // 2  # 08:30: closed; the rule comes to it at 09:30
    for somebody, told in ((True, ["O7 not_sent"]), (False, ["O6 sent"])):
        play = Play(now=early)
        play.lag = HOUR
        if somebody:
            play.presences["ann"] = Presence("ann", TENANT, PresenceState.ONLINE, early + 1000, 2 * NOON)
        play(inbound(1, at=early))
        assert play.told == told
        facts = play.proposed[0].action.facts  # type: ignore[union-attr]
        assert (facts["hours"], facts["now_hours"]) == ("out", "in")
        assert facts["now_presence"] == ("some" if somebody else "none")


def test_a_log_that_lags_is_no_excuse() -> None:
    early = NOON - 3 * HOUR - HOUR // 2  # 08:30: closed; the log comes to it at 09:30
    play = Play(now=early + HOUR)
    play.online()
    play(inbound(1, at=early))
    assert play.told == ["O7 not_sent"]
    facts = play.proposed[0].action.facts  # type: ignore[union-attr]
    assert (facts["hours"], facts["now_hours"], facts["at"]) == ("out", "in", str(early))


def test_only_the_accounts_enabled_agents_count() -> None:
    play = Play(now=NOON)
    account = replace(play.directory.accounts[ACCOUNT], enabled_agents=("bob",))
    play.directory = play.directory.with_entity(account)
    play.online("ann")
    assert play(inbound(1, at=NOON)).told == ["O6 sent"]
    assert play.proposed[0].action.facts["agents"] == "1"  # type: ignore[union-attr]


def test_a_bots_answer_is_not_judged() -> None:
    play = Play(bot=True)(inbound(1, at=NIGHT), send(1, actor=ROBO, epoch=1))
    assert play.told == ["O4 not_sent"]
    assert play.sent == []
