"""Who gets the next conversation: a case table, and properties over random histories (PRODUCT A13)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import events as e
from gateway.core import ids
from gateway.core.actors import Actor, ActorKind, Owner, OwnerKind
from gateway.core.commands import Assign, Command
from gateway.core.directory import Account, Agent, Assignment, AssignmentMode, Department, Directory
from gateway.core.messages import Contact, Presence, PresenceState
from processors.assignment import rules
from processors.assignment.rules import PATIENCE, Desk, Known, step

TENANT, DEPARTMENT, ACCOUNT = "acme", "support", "acc1"
T0 = 1_795_257_600_000
HOUR = 3_600_000
ONLINE, BUSY, OFFLINE = PresenceState.ONLINE, PresenceState.BUSY, PresenceState.OFFLINE
ROUND_ROBIN, FEWEST = AssignmentMode.ROUND_ROBIN, AssignmentMode.FEWEST_OPEN
QUEUE = Owner(OwnerKind.QUEUE, DEPARTMENT, "Support")
BOT = Owner(OwnerKind.BOT, "robo", "Robo")
LOG = Actor(ActorKind.RULE, "log")


def agent(name: str) -> Owner:
    return Owner(OwnerKind.AGENT, name, name.title())


def directory(
    mode: AssignmentMode, at_most: int = 5, agents: str = "abc", enabled: str | None = None
) -> Directory:
    """A department with these agents, and an account on which some of them answer."""
    return Directory(
        departments={
            DEPARTMENT: Department(DEPARTMENT, TENANT, "Support", assignment=Assignment(mode, at_most))
        },
        agents={a: Agent(a, TENANT, a, f"{a}@example.org", (DEPARTMENT,)) for a in agents},
        accounts={
            ACCOUNT: Account(
                ACCOUNT,
                TENANT,
                "test",
                DEPARTMENT,
                enabled_agents=None if enabled is None else tuple(enabled),
            )
        },
    )


def presences(
    states: Mapping[str, PresenceState], *, alive: bool = True, at: int = T0
) -> dict[str, Presence]:
    """Newest presence of agents, and an inbox's proof of life."""
    found = {a: Presence(a, TENANT, s, at, at if s is OFFLINE else at + HOUR) for a, s in states.items()}
    if alive:
        found["@inbox/i1"] = Presence("@inbox/i1", "", ONLINE, at, at + HOUR)
    return found


@dataclass
class Log:
    """What the conversation log would write onto `cg.queue`, and what it says to proposals."""

    now: int = T0
    epochs: dict[str, int] = field(default_factory=dict)
    owners: dict[str, Owner] = field(default_factory=dict)
    seqs: Counter[str] = field(default_factory=Counter)

    def event(
        self,
        c: str,
        happening: e.Happening,
        actor: Actor = LOG,
        department: str = DEPARTMENT,
        blocked: bool = False,
    ) -> e.ConversationEvent:
        """The next event of a conversation."""
        self.seqs[c] += 1
        if isinstance(happening, e.ConversationOpened):
            self.owners[c], self.epochs[c] = happening.owner, 1
        if isinstance(happening, e.OwnerChanged):
            self.owners[c], self.epochs[c] = happening.owner, happening.epoch
        return e.ConversationEvent(
            ids.event_id(c, self.seqs[c]), c, TENANT, "test", ACCOUNT, self.seqs[c], 1, self.now, actor, "cause", True, 0,
            department, self.owners[c], self.epochs[c], blocked, happening,
        )  # fmt: skip

    def opened(self, c: str, owner: Owner = QUEUE) -> e.ConversationEvent:
        return self.event(c, e.ConversationOpened(Contact("1"), DEPARTMENT, owner))

    def owned(
        self,
        c: str,
        owner: Owner,
        how: e.OwnerChange = e.OwnerChange.ASSIGNED,
        actor: Actor = LOG,
        department: str = DEPARTMENT,
    ) -> e.ConversationEvent:
        change = e.OwnerChanged(owner, self.owners[c], self.epochs[c] + 1, how)
        return self.event(c, change, actor, department)

    def completed(self, c: str) -> e.ConversationEvent:
        return self.event(c, e.ConversationCompleted(e.Completion.ENDED))

    def accepts(self, command: Command) -> e.ConversationEvent | None:
        """The event of an accepted proposal; None: refused, the conversation has changed hands."""
        assert isinstance(command.action, Assign)
        if command.epoch != self.epochs[command.conversation_id]:
            return None
        how = e.OwnerChange.AUTOMATIC
        return self.owned(command.conversation_id, agent(command.action.agent_id), how, command.actor)


def given_to(commands: list[Command]) -> list[tuple[str, str]]:
    return [(c.conversation_id, c.action.agent_id) for c in commands if isinstance(c.action, Assign)]


Story = Callable[[Log], list[e.ConversationEvent]]
ALL_ONLINE = dict.fromkeys("abc", ONLINE)


def one(log: Log) -> list[e.ConversationEvent]:
    return [log.opened("c1")]


def four(log: Log) -> list[e.ConversationEvent]:
    return [log.opened(f"c{n}") for n in range(1, 5)]


def a_has_one(log: Log) -> list[e.ConversationEvent]:
    return [log.opened("x"), log.owned("x", agent("a"), e.OwnerChange.ACCEPTED), log.opened("c1")]


def released(log: Log) -> list[e.ConversationEvent]:
    by_a = Actor(ActorKind.AGENT, "a", "A")
    return [
        log.opened("c1"),
        log.owned("c1", agent("a"), e.OwnerChange.ACCEPTED, by_a),
        log.owned("c1", QUEUE, e.OwnerChange.QUEUED, by_a),
    ]


def left(log: Log) -> list[e.ConversationEvent]:
    """`a` held one; it went to another department's queue."""
    sales = Owner(OwnerKind.QUEUE, "sales", "Sales")
    return [
        log.opened("x"),
        log.owned("x", agent("a")),
        log.owned("x", sales, e.OwnerChange.QUEUED, department="sales"),
        log.opened("c1"),
    ]


def reopened(log: Log) -> list[e.ConversationEvent]:
    return [
        log.opened("c1"),
        log.completed("c1"),
        log.event("c1", e.ConversationReopened(e.Reopening.MESSAGE)),
        log.owned("c1", QUEUE, e.OwnerChange.REOPENED),
    ]


def handed_over(log: Log) -> list[e.ConversationEvent]:
    return [log.opened("c1", BOT), log.owned("c1", QUEUE, e.OwnerChange.HANDED_OVER)]


def blocked(log: Log) -> list[e.ConversationEvent]:
    log.opened("c1")
    return [log.event("c1", e.ConversationReopened(e.Reopening.BY_HAND), blocked=True)]


CASES: dict[str, tuple[Directory, dict[str, Presence], Story, list[tuple[str, str]]]] = {
    "switched off": (directory(AssignmentMode.OFF), presences(ALL_ONLINE), one, []),
    "the department says nothing": (
        Directory(departments={DEPARTMENT: Department(DEPARTMENT, TENANT, "Support")}),
        presences(ALL_ONLINE),
        one,
        [],
    ),
    "the department is not known": (Directory(), presences(ALL_ONLINE), one, []),
    "round robin, in turn": (
        directory(ROUND_ROBIN),
        presences(ALL_ONLINE),
        four,
        [("c1", "a"), ("c2", "b"), ("c3", "c"), ("c4", "a")],
    ),
    "round robin, up to the maximum": (
        directory(ROUND_ROBIN, 1),
        presences(ALL_ONLINE),
        four,
        [("c1", "a"), ("c2", "b"), ("c3", "c")],
    ),
    "fewest open": (directory(FEWEST), presences(ALL_ONLINE), a_has_one, [("x", "a"), ("c1", "b")]),
    "the offline are left out": (
        directory(ROUND_ROBIN),
        presences({"a": OFFLINE, "c": ONLINE}),
        one,
        [("c1", "c")],
    ),
    "the busy get nothing new": (
        directory(ROUND_ROBIN),
        presences({"a": BUSY, "b": ONLINE}),
        one,
        [("c1", "b")],
    ),
    "a lease that ran out is no presence": (
        directory(ROUND_ROBIN),
        presences({"a": ONLINE}, at=T0 - 2 * HOUR) | presences({}),
        one,
        [],
    ),
    "nobody while presence is unknown": (directory(ROUND_ROBIN), presences(ALL_ONLINE, alive=False), one, []),
    "only those enabled for the account": (
        directory(ROUND_ROBIN, enabled="c"),
        presences(ALL_ONLINE),
        one,
        [("c1", "c")],
    ),
    "only members, whoever is enabled": (
        directory(ROUND_ROBIN, agents="b", enabled="ab"),
        presences(ALL_ONLINE),
        one,
        [("c1", "b")],
    ),
    "what came by hand counts": (directory(FEWEST, 1, "a"), presences(ALL_ONLINE), a_has_one, [("x", "a")]),
    "not straight back to who released it": (
        directory(FEWEST),
        presences(ALL_ONLINE),
        released,
        [("c1", "a"), ("c1", "b")],
    ),
    "nor if nobody else is there": (
        directory(FEWEST, agents="a"),
        presences(ALL_ONLINE),
        released,
        [("c1", "a")],
    ),
    "who lost one to another department is free": (
        directory(FEWEST, 1, "a"),
        presences(ALL_ONLINE),
        left,
        [("x", "a"), ("c1", "a")],
    ),
    "a bot keeps its own, and hands over": (
        directory(ROUND_ROBIN),
        presences(ALL_ONLINE),
        handed_over,
        [("c1", "a")],
    ),
    "reopened into the queue, proposed under the new epoch": (
        directory(ROUND_ROBIN),
        presences(ALL_ONLINE),
        reopened,
        [("c1", "a"), ("c1", "b")],
    ),
    "a blocked contact's is nobody's": (directory(ROUND_ROBIN), presences(ALL_ONLINE), blocked, []),
}


@pytest.mark.parametrize("name", CASES)
def test_who_gets_it(name: str) -> None:
    known, story, expected = Known(CASES[name][0], CASES[name][1]), CASES[name][2], CASES[name][3]
    log, desk, found = Log(), Desk(DEPARTMENT), []
    for event in story(log):
        desk, commands = step(desk, event, T0, known)
        found += commands
    assert given_to(found) == expected
    assert step(desk, None, T0, known)[1] == [], "nothing is proposed twice while the answer may come"


def test_a_proposal_says_who_and_why() -> None:
    log = Log()
    event = log.opened("c1")
    known = Known(directory(ROUND_ROBIN), presences({"b": ONLINE}))
    [command] = step(Desk(DEPARTMENT), event, T0 + 5, known)[1]
    assert command == Command(
        ids.command_id(event.event_id, "assignment", "b:0"),
        "c1",
        TENANT,
        Actor(ActorKind.RULE, "assignment", "automatic_assignment"),
        Assign("b"),
        T0 + 5,
        event.event_id,
        epoch=1,
        hops=1,
    )


def test_when_an_agent_becomes_available_the_oldest_goes_first() -> None:
    log, desk = Log(), Desk(DEPARTMENT)
    rule = directory(FEWEST, 2)
    for event in four(log):
        desk, none = step(desk, event, T0, Known(rule, presences({})))
        assert none == []
    _, commands = step(desk, None, T0 + 1, Known(rule, presences({"b": ONLINE})))
    assert given_to(commands) == [("c1", "b"), ("c2", "b")]


def test_one_refused_or_lost_is_tried_again_later_and_later_under_another_id() -> None:
    known = Known(directory(ROUND_ROBIN, agents="a"), presences({"a": ONLINE}))
    desk, first = step(Desk(DEPARTMENT), Log().opened("c1"), T0, known)
    at, seen = T0, {first[0].command_id}
    for wait in (PATIENCE, 2 * PATIENCE, 4 * PATIENCE):
        desk, none = step(desk, None, at + wait - 1, known)
        assert none == []
        at += wait
        desk, again = step(desk, None, at, known)
        assert given_to(again) == [("c1", "a")]
        assert again[0].command_id not in seen
        seen.add(again[0].command_id)


def test_one_whose_agent_vanished_goes_to_another_at_once() -> None:
    rule = directory(ROUND_ROBIN)
    desk, first = step(Desk(DEPARTMENT), Log().opened("c1"), T0, Known(rule, presences({"a": ONLINE})))
    assert given_to(first) == [("c1", "a")]
    for state in ({"b": ONLINE}, {"a": OFFLINE, "b": ONLINE}, {"a": BUSY, "b": ONLINE}):
        assert given_to(step(desk, None, T0 + 1, Known(rule, presences(state)))[1]) == [("c1", "b")]


def test_a_restart_proposes_the_same_and_goes_on_in_turn() -> None:
    known = Known(directory(ROUND_ROBIN), presences(ALL_ONLINE))
    log, desk = Log(), Desk(DEPARTMENT)
    desk, first = step(desk, log.opened("c1"), T0, known)
    accepted = log.accepts(first[0])
    assert accepted is not None
    desk, _ = step(desk, accepted, T0, known)
    desk, second = step(desk, log.opened("c2"), T0, known)
    entries = [*desk.held.values(), *desk.waiting.values()]
    again = step(rules.rebuilt(DEPARTMENT, entries, "a"), None, T0, known)[1]
    assert [c.command_id for c in again] == [c.command_id for c in second]


Step = tuple[str, int]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["open", "complete", "release", "online", "busy", "offline", "accept", "refuse", "tick"]
        ),
        st.integers(0, 20),
    ),
    max_size=60,
)


@dataclass
class World:
    """The rule and a log that takes its time."""

    mode: AssignmentMode
    at_most: int
    names: str
    log: Log = field(default_factory=Log)
    desk: Desk = field(default_factory=lambda: Desk(DEPARTMENT))
    states: dict[str, PresenceState] = field(default_factory=dict)
    asked: list[Command] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    def known(self) -> Known:
        there = presences(self.states, at=self.log.now)
        return Known(directory(self.mode, self.at_most, self.names), there)

    def see(self, event: e.ConversationEvent | None) -> None:
        self.desk, commands = step(self.desk, event, self.log.now, self.known())
        self.asked += commands
        held = Counter(
            o.id for c, o in self.log.owners.items() if c in self.open and o.kind is OwnerKind.AGENT
        )
        assert all(held[name] <= self.at_most for name in self.names), "never above the maximum"

    def answer(self, *, accept: bool) -> None:
        command = self.asked.pop(0)
        event = self.log.accepts(command) if accept and command.conversation_id in self.open else None
        if event is not None:
            assert isinstance(command.action, Assign)
            self.see(event)

    def do(self, what: str, n: int) -> None:
        name = self.names[n % len(self.names)]
        match what:
            case "open":
                self.open.append(f"c{len(self.log.seqs)}")
                self.see(self.log.opened(self.open[-1]))
            case "complete" if self.open:
                self.see(self.log.completed(self.open.pop(n % len(self.open))))
            case "release" if self.open:
                c = self.open[n % len(self.open)]
                by = self.log.owners[c]
                if by.kind is OwnerKind.AGENT:
                    actor = Actor(ActorKind.AGENT, by.id)
                    self.see(self.log.owned(c, QUEUE, e.OwnerChange.QUEUED, actor))
            case "online" | "busy" | "offline":
                self.states[name] = PresenceState(what)
                self.see(None)
            case "accept" | "refuse" if self.asked:
                self.answer(accept=what == "accept")
            case "tick":
                self.log.now += n * 1000
                self.see(None)

    def settle(self) -> None:
        """Everything is answered, and what was refused is tried again."""
        for _ in range(len(self.open) + 2):
            while self.asked:
                self.answer(accept=True)
            self.log.now += rules.PATIENCE_AT_MOST
            self.see(None)
        assert not self.asked


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([ROUND_ROBIN, FEWEST]), st.integers(1, 3), st.sampled_from(["a", "ab", "abcd"]), STEPS)
def test_never_above_the_maximum_and_nobody_waits_while_there_is_room(
    mode: AssignmentMode, at_most: int, names: str, steps: list[Step]
) -> None:
    world = World(mode, at_most, names)
    for what, n in steps:
        world.do(what, n)
    world.settle()
    online = {name for name in names if world.states.get(name) is ONLINE}
    held = Counter(world.log.owners[c].id for c in world.open)
    room = {name for name in online if held[name] < at_most}
    waiting = [c for c in world.open if world.log.owners[c].kind is OwnerKind.QUEUE]
    assert sorted(world.desk.waiting) == sorted(waiting)
    for c in waiting:
        assert not room - {world.desk.waiting[c].avoid}, "it waits although somebody has room"


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["ab", "abc", "abcde"]), st.integers(0, 40), st.booleans())
def test_round_robin_is_fair(names: str, count: int, answered: bool) -> None:
    world = World(ROUND_ROBIN, 1_000, names, states=dict.fromkeys(names, ONLINE))
    turns = []
    for _ in range(count):
        world.do("open", 0)
        turns.append(given_to(world.asked)[-1][1])
        if answered:
            world.answer(accept=True)
    assert turns == [names[n % len(names)] for n in range(count)]


def test_fewest_open_levels_the_load() -> None:
    world = World(FEWEST, 1_000, "abc", states=dict.fromkeys("abc", ONLINE))
    for _ in range(9):
        world.do("open", 0)
    world.settle()
    assert set(Counter(o.id for o in world.log.owners.values()).values()) == {3}
    for c in [c for c in world.open if world.log.owners[c].id == "b"]:
        world.open.remove(c)
        world.see(world.log.completed(c))
    world.do("open", 0)
    assert given_to(world.asked)[-1][1] == "b"


def test_a_long_queue_is_let_out_in_portions() -> None:
    world = World(ROUND_ROBIN, 10_000, "ab")
    for _ in range(500):
        world.do("open", 0)
    world.do("online", 0)
    assert len(world.asked) == rules.AT_ONCE
    world.see(None)
    world.see(None)
    assert len({c.conversation_id for c in world.asked}) == 500


def test_an_entry_that_waits_keeps_its_place_when_told_again() -> None:
    log, desk = Log(), Desk(DEPARTMENT)
    known = Known(directory(ROUND_ROBIN), presences({}))
    events = four(log)
    for event in [*events, replace(events[0], occurred_at=T0 + 9)]:
        desk, _ = step(desk, event, T0, known)
    assert list(desk.waiting) == ["c1", "c2", "c3", "c4"]
    assert desk.waiting["c1"].since == T0
