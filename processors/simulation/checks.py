"""What must always hold, judged from the log's records alone by a model of its own (not by the code it checks)."""

from __future__ import annotations

from collections import Counter, defaultdict

from gateway.core import events as e
from gateway.core.actors import ActorKind, OwnerKind
from gateway.core.commands import Command, CommandResult
from gateway.core.conversation import ConversationStatus, Head
from gateway.core.events import ConversationEvent
from gateway.core.messages import SendRequest
from processors.simulation.happened import Happened
from processors.simulation.schedule import Broken
from processors.simulation.setting import AGENTS
from processors.simulation.view import Beside, View

HOPS_AT_MOST = 9


class Checks:
    """Hears every record that is written, and says what is wrong at once. Raises Broken."""

    def __init__(self) -> None:
        self.views: dict[str, View] = {}
        self.beside = Beside()
        self.asked: Counter[str] = Counter()
        self.results: dict[str, list[CommandResult]] = defaultdict(list)
        self.requests: dict[str, SendRequest] = {}
        self.count = 0
        self._ids: set[str] = set()
        self._happened = Happened(self.beside)

    # What is put in.

    def command(self, command: Command, asks: bool) -> None:
        """A command was written to its topic."""
        known = self.beside.commands.setdefault(command.command_id, command)
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
            self._happened.take(view, event)
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
        command = self.beside.commands.get(event.cause)
        first = last.cause != event.cause
        if command and first and command.epoch is not None and command.epoch != last.epoch:
            raise Broken(f"a command of epoch {command.epoch} was accepted in epoch {last.epoch}")

    # The end.

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
        silences = [getattr(c, key[view.last.owner.kind]) for c in self.beside.completions(view)]
        if all(s is not None and view.awaiting + s + 120_000 < now for s in silences) and silences:
            raise Broken(f"{conversation_id} should have been completed by time")

    @property
    def opened(self) -> int:
        """How many conversations there are."""
        return len(self.views)
