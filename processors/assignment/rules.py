"""Who gets the next conversation of a department's queue (PRODUCT A13). Pure.

Online agents only: whoever is busy keeps what they have and is given nothing new, and while presence is unknown
nobody is. Every open conversation that an agent holds in the department counts towards the maximum, however they
came by it. Who put a conversation into the queue is not given it straight back.

What was proposed counts as held until the log's event says so. The log takes it or refuses it (the conversation has
changed hands, the agent is gone); without an event it is proposed again, later and later, under another id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from gateway.core import ids
from gateway.core.actors import Actor, ActorKind, OwnerKind
from gateway.core.availability import HEARTBEAT
from gateway.core.commands import Assign, Command
from gateway.core.directory import AssignmentMode, Department, Directory, enabled_agents
from gateway.core.events import (
    ConversationCompleted,
    ConversationEvent,
    ConversationReopened,
    OwnerChange,
    OwnerChanged,
)
from gateway.core.messages import Presence, PresenceState

RULE = "assignment"
ACTOR = Actor(ActorKind.RULE, RULE, "automatic_assignment")
PATIENCE = 15_000
"""Milliseconds until a proposal without an event is made again; doubled each time."""
PATIENCE_AT_MOST = 300_000
AT_ONCE = 200
"""Proposals per department and step; the next step goes on."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An open conversation of a department: waiting (`agent` is None) or held.

    `cause` is the event by which it began to wait, `avoid` who put it into the queue.
    """

    conversation_id: str
    tenant: str
    account_id: str
    epoch: int
    since: int
    cause: str
    hops: int
    agent: str | None = None
    avoid: str | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A conversation was proposed to an agent, for the `attempt`th time."""

    agent: str
    at: int
    attempt: int

    def waits(self, now: int) -> bool:
        """Whether its event may still come."""
        return now < self.at + min(PATIENCE << min(self.attempt, 10), PATIENCE_AT_MOST)


@dataclass(frozen=True, slots=True)
class Desk:
    """The state of one department: `waiting` in the order of coming, `held`, what was proposed of the waiting ones,
    and whose turn was last."""

    department_id: str
    waiting: Mapping[str, Entry] = field(default_factory=dict)
    held: Mapping[str, Entry] = field(default_factory=dict)
    proposed: Mapping[str, Proposal] = field(default_factory=dict)
    last: str | None = None

    def entry(self, conversation_id: str) -> Entry | None:
        """What is known of a conversation; None: it is not open here."""
        return self.waiting.get(conversation_id) or self.held.get(conversation_id)


@dataclass(frozen=True, slots=True)
class Known:
    """What the rule decides from: the directory, and the newest presence of each key of `cg.presence`."""

    directory: Directory
    presences: Mapping[str, Presence]


def step(desk: Desk, event: ConversationEvent | None, now: int, known: Known) -> tuple[Desk, list[Command]]:
    """The desk after the event (None: only time or presence went on), and what is to be proposed now.

    `event` is a record of `cg.queue` under this department's key; `now` in Unix milliseconds.
    """
    if event is not None:
        desk = _after(desk, event)
        if isinstance(event.happening, ConversationReopened):
            return desk, []  # its owner is told by the next event
    department = known.directory.departments.get(desk.department_id)
    if department is None or not desk.waiting:
        return desk, []
    return _assign(desk, department, now, known)


def rebuilt(department_id: str, entries: Iterable[Entry], last: str | None) -> Desk:
    """The desk from what was kept of it; proposals are made again, under the same ids."""
    order = sorted(entries, key=lambda e: (e.since, e.conversation_id))
    waiting = {e.conversation_id: e for e in order if e.agent is None}
    held = {e.conversation_id: e for e in order if e.agent is not None}
    return Desk(department_id, waiting, held, {}, last)


def _after(desk: Desk, event: ConversationEvent) -> Desk:
    conversation = event.conversation_id
    before, after = desk.entry(conversation), _entry(desk.department_id, event)
    if after and before and after.agent is None and before.agent is None and after.epoch == before.epoch:
        return desk  # it keeps its place
    waiting, held, proposed = dict(desk.waiting), dict(desk.held), dict(desk.proposed)
    for kept in (waiting, held, proposed):
        kept.pop(conversation, None)
    if after is not None:
        (waiting if after.agent is None else held)[conversation] = after
    return Desk(desk.department_id, waiting, held, proposed, _last(desk, event))


def _entry(department_id: str, event: ConversationEvent) -> Entry | None:
    gone = event.department_id != department_id or isinstance(event.happening, ConversationCompleted)
    if gone or event.blocked or event.owner.kind is OwnerKind.BOT:
        return None
    entry = Entry(
        event.conversation_id,
        event.tenant,
        event.account_id,
        event.epoch,
        event.occurred_at,
        event.event_id,
        event.hops,
    )
    if event.owner.kind is OwnerKind.AGENT:
        return replace(entry, agent=event.owner.id)
    return replace(entry, avoid=event.actor.id if event.actor.kind is ActorKind.AGENT else None)


def _last(desk: Desk, event: ConversationEvent) -> str | None:
    match event.happening:
        # What was proposed here meanwhile is further on than this event.
        case OwnerChanged(how=OwnerChange.AUTOMATIC, owner=owner) if not desk.proposed:
            return owner.id
        case _:
            return desk.last


def _assign(desk: Desk, department: Department, now: int, known: Known) -> tuple[Desk, list[Command]]:
    settings = department.assignment
    if settings is None or settings.mode is AssignmentMode.OFF:
        return desk, []
    online = _online(department, now, known)
    proposed = {
        c: p for c, p in desk.proposed.items() if c in desk.waiting and p.agent in online and p.waits(now)
    }
    load = Counter(e.agent for e in desk.held.values())
    load.update(p.agent for p in proposed.values())
    free = {agent for agent in online if load[agent] < settings.at_most}
    enabled: dict[str, frozenset[str]] = {}
    commands: list[Command] = []
    last = desk.last
    for conversation, entry in desk.waiting.items():
        if not free or len(commands) == AT_ONCE:
            break
        if conversation in proposed:
            continue
        if entry.account_id not in enabled:
            account = known.directory.accounts.get(entry.account_id)
            enabled[entry.account_id] = enabled_agents(known.directory, account, department.id)
        agent = _choose(settings.mode, (free & enabled[entry.account_id]) - {entry.avoid}, load, last)
        if agent is None:
            continue
        before = desk.proposed.get(conversation)
        attempt = before.attempt + 1 if before else 0
        proposed[conversation] = Proposal(agent, now, attempt)
        commands.append(_command(entry, agent, attempt, now))
        last = agent
        load[agent] += 1
        if load[agent] >= settings.at_most:
            free.discard(agent)
    # What was given up without a new try keeps its count of attempts.
    kept = {c: p for c, p in desk.proposed.items() if c in desk.waiting}
    return replace(desk, proposed=kept | proposed, last=last), commands


def _choose(
    mode: AssignmentMode, candidates: set[str], load: Mapping[str | None, int], last: str | None
) -> str | None:
    """Round robin: the first after `last` in the order of ids. Fewest open: of those with the fewest, the same."""
    if mode is AssignmentMode.FEWEST_OPEN and candidates:
        fewest = min(load[agent] for agent in candidates)
        candidates = {agent for agent in candidates if load[agent] == fewest}
    return min(candidates, key=lambda agent: (last is not None and agent <= last, agent), default=None)


def _online(department: Department, now: int, known: Known) -> set[str]:
    """Agents of the department who are online, not busy; nobody while no inbox proves that it lives."""
    presences = known.presences
    if not any(key.startswith(HEARTBEAT) and p.online_until > now for key, p in presences.items()):
        return set()
    return {
        agent.id
        for agent in known.directory.agents.values()
        if department.id in agent.departments
        and agent.tenant == department.tenant
        and (presence := presences.get(agent.id)) is not None
        and presence.state is PresenceState.ONLINE
        and presence.online_until > now
    }


def _command(entry: Entry, agent: str, attempt: int, now: int) -> Command:
    return Command(
        command_id=ids.command_id(entry.cause, RULE, f"{agent}:{attempt}"),
        conversation_id=entry.conversation_id,
        tenant=entry.tenant,
        actor=ACTOR,
        action=Assign(agent),
        issued_at=now,
        cause=entry.cause,
        epoch=entry.epoch,
        hops=entry.hops + 1,
    )
