"""The table of states: `decide` agrees with every cell; the drawing is fresh."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count

import pytest

from gateway.core import commands as k
from gateway.core.actors import Actor, ActorKind, OwnerKind
from gateway.core.content import Clear, Note, Reaction, Target, Text
from gateway.core.conversation import Conversation, ConversationStatus
from gateway.core.decide import decide
from gateway.core.directory import Account, AutoCompletion, Directory, OfflineMessage
from gateway.core.errors import Code
from gateway.core.facts import Facts
from gateway.core.messages import InboundEvent, InboundKind, Receipt
from gateway.core.receipts import Verdict
from gateway.core.state_table import SAME, TABLE, State, markdown
from gateway.core.timers import TimerKind
from gateway.state_docs import PAGE
from tests.core.build import (
    ACCOUNT,
    ANN,
    CHANNEL,
    DIRECTORY,
    HOUR,
    PROBLEM,
    PROFILE,
    ROBO,
    T0,
    TENANT,
    Talk,
    command,
    inbound,
    message,
    receipt,
    send,
)  # fmt: skip

OFFLINE = OfflineMessage(enabled=True, text="We got it.", by_presence_without_hours=True)
SILENCE = AutoCompletion(agent_after=HOUR, bot_after=HOUR, queue_after=HOUR)
SUPPORT = replace(DIRECTORY.departments["support"], completion=SILENCE)
PLAIN = DIRECTORY.with_entity(replace(SUPPORT, offline=OFFLINE))
BOT = PLAIN.with_entity(Account(ACCOUNT, TENANT, CHANNEL, "support", "Acme", bot="robo"))
SILENT = BOT.with_entity(SUPPORT)
PROFILES = {ACCOUNT: PROFILE}
RULE = Actor(ActorKind.RULE, "test", "test")
APP = Actor(ActorKind.OPERATOR, "native_app", "")
NUMBER = count(1000)


def facts(directory: Directory = BOT, online: tuple[str, ...] = ()) -> Facts:
    """What a decision may know; a ticket number is at hand."""
    return Facts(directory, PROFILES, frozenset(online), ticket_number=7)


def made(state: State) -> Conversation:
    """A conversation in this state, by the acts that lead there: answered, and the last message failed."""
    status, _, holder = state.value.partition(", ")
    talk = Talk(facts(BOT if holder == "bot" else PLAIN))
    talk(inbound(1), inbound(2, kind=InboundKind.ECHO))
    if holder in ("mine", "other"):
        talk(command(1, RULE, k.Assign("ann" if holder == "mine" else "bob")))
    talk(send(2, actor=RULE), receipt(verdict=Verdict.FAILED, message_id=message(2), problem=PROBLEM))
    if status != "open":
        talk(command(3, RULE, k.Block() if status == "blocked" else k.End()))
    assert talk.state is not None
    assert state_of(talk.state) is state
    return talk.state


def state_of(conversation: Conversation) -> State:
    """The state as the table names it, seen by Ann."""
    head = conversation.head
    holder = {OwnerKind.BOT: "bot", OwnerKind.QUEUE: "queue"}.get(head.owner.kind)
    holder = holder or ("mine" if head.owner.id == "ann" else "other")
    status = {ConversationStatus.OPEN: "open", ConversationStatus.COMPLETED: "completed"}[head.status]
    assert not (head.blocked and status == "open"), "a blocked contact's conversation is never open"
    return State(f"{'blocked' if head.blocked else status}, {holder}")


Given = InboundEvent | Receipt | k.Command
Make = Callable[[Conversation], Given]


def act(actor: Actor, action: k.Action) -> Make:
    """A command; a bot's names the ownership of now."""

    def make(state: Conversation) -> Given:
        epoch = state.head.epoch if actor.kind is ActorKind.BOT else None
        return command(next(NUMBER), actor, action, epoch=epoch)

    return make


def late(actor: Actor, action: k.Action) -> Make:
    """A command of somebody who believes in the ownership before."""
    return lambda state: command(next(NUMBER), actor, action, epoch=state.head.epoch - 1)


def wrote(**more: object) -> Make:
    """Something that a connector saw."""
    return lambda state: inbound(next(NUMBER), **more)  # type: ignore[arg-type]


def due(state: Conversation) -> Given:
    """What the rule completion proposes; late where no timer is set any more."""
    timer = next((t for t in state.head.timers if t.kind is TimerKind.COMPLETION), None)
    return command(next(NUMBER), RULE, k.FireTimer(TimerKind.COMPLETION, timer.generation if timer else 1))


HI = Clear(Text("hi"))
OFFER = k.OfferOffline("O6", "event", T0, {})
HAND_OVER = k.HandOver(k.HandOverReason.BOT_ASKED)
ACTS: Mapping[str, tuple[Make, Facts]] = {
    "agent assigns to self": (act(ANN, k.Assign("ann")), facts()),
    "agent assigns to another": (act(ANN, k.Assign("bob")), facts()),
    "agent accepts": (act(ANN, k.Accept()), facts()),
    "agent transfers to another queue": (act(ANN, k.Transfer("sales")), facts()),
    "agent puts back into the queue": (act(ANN, k.Transfer("support")), facts()),
    "agent sends": (act(ANN, k.SendMessage(HI)), facts()),
    "agent sends and completes": (act(ANN, k.SendMessage(HI, complete=True)), facts()),
    "agent sends again": (act(ANN, k.Resend(message(2))), facts()),
    "agent ends": (act(ANN, k.End()), facts()),
    "agent reopens": (act(ANN, k.Reopen()), facts()),
    "agent blocks": (act(ANN, k.Block()), facts()),
    "agent unblocks": (act(ANN, k.Unblock()), facts()),
    "agent notes": (act(ANN, k.AddNote(Clear(Note("n")))), facts()),
    "agent makes a ticket": (act(ANN, k.CreateTicket("t")), facts()),
    "agent hands over from the bot": (act(ANN, HAND_OVER), facts()),
    "agent acts on an old ownership": (late(ANN, k.SendMessage(HI)), facts()),
    "bot sends": (act(ROBO, k.SendMessage(HI)), facts()),
    "bot sends and completes": (act(ROBO, k.SendMessage(HI, complete=True)), facts()),
    "bot hands over": (act(ROBO, HAND_OVER), facts()),
    "bot hands over, nobody would notice": (act(ROBO, HAND_OVER), facts(SILENT)),
    "bot ends": (act(ROBO, k.End()), facts()),
    "bot acts on an old ownership": (late(ROBO, k.SendMessage(HI)), facts()),
    "rule assigns": (act(RULE, k.Assign("bob")), facts()),
    "rule hands over": (act(RULE, HAND_OVER), facts()),
    "rule offers the offline message": (act(RULE, OFFER), facts()),
    "completion is due": (due, facts()),
    "contact writes": (wrote(), facts(PLAIN)),
    "contact writes, bot attached": (wrote(), facts()),
    "contact writes, last agent there": (wrote(), facts(online=("ann", "bob"))),
    "contact reacts": (wrote(content=Reaction(Target("in1"), "👍")), facts()),
    "contact opens the chat": (wrote(kind=InboundKind.OPENED), facts()),
    "native app writes": (wrote(kind=InboundKind.ECHO), facts()),
}


def outcome(state: State, name: str) -> str:
    """What `decide` makes of the act: a reason code, `=`, or the state after it."""
    make, known = ACTS[name]
    before = made(state)
    now = T0 + HOUR if name == "completion is due" else T0
    decision = decide(before, make(before), now, known)
    if decision.outcome.startswith("refused:"):
        assert decision.conversation is before, "a refused act leaves no trace"
        assert not decision.events
        assert not decision.outbound
        return decision.outcome.removeprefix("refused:")
    assert decision.outcome == "accepted"
    assert decision.conversation is not None
    after = state_of(decision.conversation)
    return SAME if after is state else after.value


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("state", State)
def test_the_code_does_what_the_table_says(state: State, name: str) -> None:
    assert outcome(state, name) == TABLE[name][state]


def test_every_act_is_in_the_table() -> None:
    assert list(ACTS) == list(TABLE)
    tested = {type(given.action) for make, _ in ACTS.values() for given in [make(made(State.OPEN_MINE))]
              if isinstance(given, k.Command)}  # fmt: skip
    left = {action.__name__ for action in set(k.Action.__args__) - tested}
    # These never depend on who holds the conversation, nor change it.
    assert left == {"ReportOverdue", "RecordDecision", "RecordEscalation", "RetryParked", "DiscardParked"}


def test_every_cell_is_a_state_or_a_code() -> None:
    cells = {cell for row in TABLE.values() for cell in row.values()}
    assert cells <= {SAME, *State, *Code}
    assert {cell for cell in cells if cell in list(State)} == set(State), "every state can be reached"


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == markdown(), "run python -m gateway.state_docs"
