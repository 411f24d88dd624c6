"""What must always hold, judged from the log's records alone by a model of its own (not by the code it checks)."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from gateway.core import events as e
from gateway.core.actors import ActorKind, OwnerKind
from gateway.core.commands import Command, CommandResult
from gateway.core.conversation import ConversationStatus, Head
from gateway.core.directory import Account, AutoCompletion, Department, Entity
from gateway.core.events import ConversationEvent
from gateway.core.hours import last_opening
from gateway.core.messages import Presence, PresenceState, SendRequest
from gateway.core.receipts import PartStatus, Rung, Verdict
from gateway.core.timers import Timer, TimerKind
from processors.simulation.schedule import Broken
from processors.simulation.setting import AGENTS

_RUNGS = {rung: n for n, rung in enumerate(Rung)}
_VERDICTS: dict[Verdict | None, int] = {None: 0, **{v: n for n, v in enumerate(Verdict, 1)}}
HOPS_AT_MOST = 9


@dataclass(slots=True)
class View:
    """One conversation as its events tell it.

    `judged`: the epoch in which the contact last wrote, or a bot handed over; `decided`: the offline rule has said
    something since the owner changed, or sent something before.
    """

    events: list[ConversationEvent] = field(default_factory=list)
    open: bool = True
    blocked: bool = False
    waiting: bool = False
    awaiting: int | None = None
    hold: bool = False
    contact_at: int | None = None
    offline_at: int | None = None
    warned: bool = False
    escalated: bool = False
    judged: int = 0
    decided: bool = False
    timers: tuple[Timer, ...] = ()
    messages: dict[str, ConversationEvent] = field(default_factory=dict)
    statuses: dict[tuple[str, int, int], PartStatus] = field(default_factory=dict)
    causes: set[str] = field(default_factory=set)

    @property
    def last(self) -> ConversationEvent:
        """The newest event."""
        return self.events[-1]


class Checks:
    """Hears every record that is written, and says what is wrong at once. Raises Broken."""

    def __init__(self) -> None:
        self.views: dict[str, View] = {}
        self.commands: dict[str, Command] = {}
        self.asked: Counter[str] = Counter()
        self.results: dict[str, list[CommandResult]] = defaultdict(list)
        self.requests: dict[str, SendRequest] = {}
        self.entities: list[Entity] = []
        self.presences: list[Presence] = []
        self.count = 0
        self._ids: set[str] = set()
        self._tickets: set[int] = set()

    # What is put in.

    def command(self, command: Command, asks: bool) -> None:
        """A command was written to its topic."""
        known = self.commands.setdefault(command.command_id, command)
        if known.epoch != command.epoch and command.actor.kind is not ActorKind.RULE:
            raise Broken(f"one id for two commands: {command.command_id}")
        self.asked[command.command_id] += asks

    def result(self, result: CommandResult) -> None:
        """A result was written. A verdict that was given once stays."""
        given = self.results[result.command_id]
        accepted = next((r for r in given if r.accepted), None)
        if accepted and (not result.accepted or accepted.seq != result.seq):
            raise Broken(f"command {result.command_id} was accepted, then answered otherwise")
        given.append(result)
        if len(given) > self.asked[result.command_id]:
            raise Broken(f"command {result.command_id} has {len(given)} results")

    def request(self, request: SendRequest) -> None:
        """A send request was written."""
        if request.request_id in self.requests:
            raise Broken(f"request {request.request_id} was written twice")
        self.requests[request.request_id] = request
        view = self.views[request.conversation_id]
        if view.blocked:
            raise Broken(f"a send request to a blocked contact: {request.request_id}")
        if request.message_id not in view.messages:
            raise Broken(f"a send request for a message that was never queued: {request.message_id}")

    def event(self, event: ConversationEvent) -> None:
        """An event was written."""
        self.count += 1
        view = self.views.setdefault(event.conversation_id, View())
        try:
            self._in_order(view, event)
            self._owner(view, event)
            self._happened(view, event)
        except Broken as broken:
            raise Broken(f"{broken} (conversation {event.conversation_id}, seq {event.seq})") from None
        view.events.append(event)

    # Order, ids, owners.

    def _in_order(self, view: View, event: ConversationEvent) -> None:
        last = view.events[-1] if view.events else None
        if event.seq != (last.seq + 1 if last else 1):
            raise Broken(f"seq {event.seq} after {last.seq if last else 0}")
        if event.event_id in self._ids:
            raise Broken("an event id twice")
        self._ids.add(event.event_id)
        if last and event.occurred_at < last.occurred_at:
            raise Broken("time goes back")
        if event.hops > HOPS_AT_MOST:
            raise Broken(f"{event.hops} hops: a loop of automatic acts")
        if event.remembered and event.cause in view.causes and not (last and last.cause == event.cause):
            raise Broken(f"{event.cause} was decided twice")
        view.causes.add(event.cause)
        reopened = isinstance(event.happening, e.ConversationReopened)
        if last and event.episode != last.episode + reopened:
            raise Broken("the episode does not count the reopenings")

    def _owner(self, view: View, event: ConversationEvent) -> None:
        if not view.events:
            return
        last = view.last
        if isinstance(event.happening, e.OwnerChanged):
            if event.epoch <= last.epoch or event.happening.epoch != event.epoch:
                raise Broken(f"epoch {event.epoch} after {last.epoch}")
            if event.happening.former != last.owner:
                raise Broken("the former owner was another")
        elif (event.epoch, event.owner) != (last.epoch, last.owner):
            raise Broken("the owner changed without an event")
        if event.owner.kind is OwnerKind.AGENT and event.department_id not in AGENTS[event.owner.id]:
            raise Broken(f"{event.owner.id} holds a conversation of {event.department_id}")
        command = self.commands.get(event.cause)
        first = last.cause != event.cause
        if command and first and command.epoch is not None and command.epoch != last.epoch:
            raise Broken(f"a command of epoch {command.epoch} was accepted in epoch {last.epoch}")

    # What happened.

    def _happened(self, view: View, event: ConversationEvent) -> None:
        match event.happening:
            case e.MessageReceived() as received:
                self._received(view, event, received)
            case e.ChatOpened(opened_at=at):
                view.contact_at = max(view.contact_at or 0, at)
            case e.MessageQueued() as queued:
                self._queued(view, event, queued)
            case e.MessageEchoed():
                view.waiting, view.awaiting, view.hold, view.warned = False, event.occurred_at, False, False
            case e.MessageResent():
                self._may_send(view, event)
            case e.StatusChanged(message_id=message_id, status=status):
                self._status(view, message_id, status)
            case e.TimersChanged(timers=timers):
                view.timers = timers
            case e.TicketCreated(number=number):
                if number in self._tickets:
                    raise Broken(f"ticket {number} twice")
                self._tickets.add(number)
            case _:
                self._conversation(view, event)

    def _conversation(self, view: View, event: ConversationEvent) -> None:
        match event.happening:
            case e.ConversationCompleted(how=how):
                if not view.open:
                    raise Broken("completed twice")
                if how is e.Completion.AUTOMATIC:
                    self._completed_by_time(view, event)
                view.open, view.waiting, view.awaiting = False, False, None
            case e.ConversationReopened():
                if view.open or view.blocked:
                    raise Broken("reopened though it was open, or the contact blocked")
                view.open = True
            case e.ContactBlocked():
                view.blocked, view.waiting = True, False
            case e.ContactUnblocked():
                view.blocked = False
            case e.OwnerChanged(owner=owner):
                if owner.kind is OwnerKind.AGENT:
                    view.hold = False
                view.decided = view.offline_at is not None
                if event.happening.how is e.OwnerChange.HANDED_OVER:
                    view.escalated, view.judged = True, event.epoch
            case e.EscalationRecorded():
                view.escalated = False
            case e.AutomaticDecision(rule="offline", outcome=outcome):
                view.decided = True
                if outcome == "sent":
                    self._offline(view, event)

    def _received(self, view: View, event: ConversationEvent, received: e.MessageReceived) -> None:
        self._new_message(view, received.message_id, event)
        if not received.counted or view.blocked:
            return
        if not view.open:
            raise Broken("a message came to a completed conversation and did not reopen it")
        view.waiting, view.awaiting, view.hold, view.warned = True, None, False, False
        view.contact_at = max(view.contact_at or 0, received.sent_at)
        view.judged = event.epoch

    def _new_message(self, view: View, message_id: str, event: ConversationEvent) -> None:
        if message_id in view.messages:
            raise Broken(f"message {message_id} is there twice")
        view.messages[message_id] = event

    def _queued(self, view: View, event: ConversationEvent, queued: e.MessageQueued) -> None:
        self._new_message(view, queued.message_id, event)
        self._may_send(view, event)
        for part in range(queued.parts):
            view.statuses[(queued.message_id, 1, part)] = PartStatus(1, part)
        if event.actor.kind in (ActorKind.AGENT, ActorKind.BOT):
            view.waiting, view.awaiting, view.hold, view.warned = False, event.occurred_at, False, False
            return
        self._automatic(view, event)

    def _may_send(self, view: View, event: ConversationEvent) -> None:
        if view.blocked:
            raise Broken("a message to a blocked contact")
        if event.actor.kind in (ActorKind.AGENT, ActorKind.BOT) and event.actor.id != event.owner.id:
            raise Broken(f"{event.actor.id} sent though {event.owner.id} is the owner")
        if event.actor.kind is ActorKind.BOT and not view.open:
            raise Broken("a bot wrote into a completed conversation")

    def _automatic(self, view: View, event: ConversationEvent) -> None:
        """No automatic text because of an automatic text; each has a person, a hand-over or a clock behind it."""
        command = self.commands.get(event.cause)
        cause = next((x for x in view.events if command and x.event_id == command.cause), None)
        if event.actor.id == "offline":
            ok = cause is not None and (
                isinstance(cause.happening, e.MessageReceived)
                or (
                    isinstance(cause.happening, e.OwnerChanged)
                    and cause.happening.how is e.OwnerChange.HANDED_OVER
                )
            )
            if not ok:
                raise Broken("an automatic message answers what is no message of the contact")
            if event.owner.kind is not OwnerKind.QUEUE or not view.open:
                raise Broken("an offline message though the conversation does not wait in a queue")
        elif cause is not None and isinstance(cause.happening, e.MessageQueued):
            raise Broken("an automatic message answers a message of ours")

    def _offline(self, view: View, event: ConversationEvent) -> None:
        before, now = view.offline_at, event.occurred_at
        if before is not None and not self._somebody_came(before, now, event.department_id):
            raise Broken(f"two offline messages in one closed period, {before} and {now}")
        view.offline_at, view.hold = now, True

    def _somebody_came(self, start: int, end: int, department_id: str) -> bool:
        present = (PresenceState.ONLINE, PresenceState.BUSY)
        for presence in self.presences:
            if presence.state in present and presence.at <= end and presence.online_until >= start:
                return True
            if presence.state is PresenceState.OFFLINE and start <= presence.at <= end:
                return True
        for entity in self.entities:
            if isinstance(entity, Department) and entity.id == department_id and entity.hours:
                opened = last_opening(entity.hours, end)
                if opened is not None and opened >= start:
                    return True
        return False

    def _status(self, view: View, message_id: str, status: PartStatus) -> None:
        place = (message_id, status.attempt, status.part)
        known = view.statuses.get(place, PartStatus(status.attempt, status.part))
        if _RUNGS[status.rung] < _RUNGS[known.rung] or _VERDICTS[status.verdict] < _VERDICTS[known.verdict]:
            raise Broken(f"the status of {message_id} went down: {known.rung} to {status.rung}")
        if set(known.provider_ids) - set(status.provider_ids):
            raise Broken(f"the status of {message_id} forgot an id of the provider")
        view.statuses[place] = status

    # Deadlines.

    def _completions(self, view: View) -> list[AutoCompletion]:
        last = view.last
        found: list[AutoCompletion] = []
        for entity in self.entities:
            if isinstance(entity, Account) and entity.id == last.account_id and entity.completion:
                found.append(entity.completion)
            if isinstance(entity, Department) and entity.completion:
                found.append(entity.completion)
        return found

    def _completed_by_time(self, view: View, event: ConversationEvent) -> None:
        if view.waiting:
            raise Broken("completed by time while the contact waits for an answer")
        if view.hold:
            raise Broken("completed by time after an offline message, before anybody acted")
        if view.awaiting is None:
            raise Broken("completed by time though nobody waits for the contact")
        earliest = []
        for completion in self._completions(view):
            silences = (completion.agent_after, completion.bot_after, completion.queue_after)
            earliest += [view.awaiting + silence for silence in silences if silence is not None]
        if view.contact_at is not None:
            earliest.append(view.contact_at + 24 * 3_600_000)
        if event.occurred_at < min(earliest):
            raise Broken(f"completed {min(earliest) - event.occurred_at} ms before its time")
        timer = next((t for t in view.timers if t.kind is TimerKind.COMPLETION), None)
        if timer is None or event.occurred_at < timer.at:
            raise Broken("completed by time though its timer was not due")

    def same_as(self, head: Head) -> None:
        """What the log keeps of a conversation is what this model makes of its events."""
        view = self.views[head.conversation_id]
        kept = (
            head.status is ConversationStatus.OPEN,
            head.blocked,
            head.waiting_since is not None,
            head.awaiting_since,
            head.offline_hold,
            head.offline_at,
            head.contact_at,
        )
        model = (
            view.open,
            view.blocked,
            view.waiting,
            view.awaiting,
            view.hold,
            view.offline_at,
            view.contact_at,
        )
        if kept != model:
            raise Broken(f"{head.conversation_id}: the log keeps {kept}, its events say {model}")

    def rules_finished(self) -> None:
        """The rules were left to run until nothing was left to do: nothing that they owe is missing."""
        for conversation_id, view in self.views.items():
            last = view.last
            if view.escalated:
                raise Broken(f"{conversation_id}: the outcome of a hand-over was never recorded")
            if view.open and not view.blocked and view.judged == last.epoch and not view.decided:
                raise Broken(f"{conversation_id}: nothing was decided about the offline message")

    def finished(self, now: int, grace: int) -> None:
        """Everything has come to rest: results are complete, and nothing stays past its deadline."""
        for command_id, asked in self.asked.items():
            if asked != len(self.results[command_id]):
                raise Broken(
                    f"command {command_id} asked {asked} times, has {len(self.results[command_id])} results"
                )
        for conversation_id, view in self.views.items():
            for timer in view.timers:
                if timer.at + grace < now:
                    raise Broken(f"{conversation_id} stays past its deadline {timer}, now is {now}")
            self._left_lying(conversation_id, view, now)

    def _left_lying(self, conversation_id: str, view: View, now: int) -> None:
        """Also without a timer: a conversation that must end by time has ended."""
        if not view.open or view.blocked:
            return
        if view.last.owner.kind is OwnerKind.BOT and view.waiting:
            raise Broken(f"{conversation_id}: the bot is silent, and nobody was told")
        if view.awaiting is None or view.hold:
            return
        key = {OwnerKind.AGENT: "agent_after", OwnerKind.BOT: "bot_after", OwnerKind.QUEUE: "queue_after"}
        silences = [getattr(c, key[view.last.owner.kind]) for c in self._completions(view)]
        if all(s is not None and view.awaiting + s + 120_000 < now for s in silences) and silences:
            raise Broken(f"{conversation_id} should have been completed by time")

    @property
    def opened(self) -> int:
        """How many conversations there are."""
        return len(self.views)
