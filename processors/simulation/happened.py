"""What each kind of event may only do: messages, statuses, automatic acts and completion by time."""

from __future__ import annotations

from gateway.core import events as e
from gateway.core.actors import ActorKind, OwnerKind
from gateway.core.directory import Department
from gateway.core.events import ConversationEvent
from gateway.core.hours import last_opening
from gateway.core.messages import PresenceState
from gateway.core.receipts import PartStatus, Rung, Verdict
from gateway.core.timers import TimerKind
from processors.simulation.schedule import Broken
from processors.simulation.view import Beside, View

_RUNGS = {rung: n for n, rung in enumerate(Rung)}
_VERDICTS: dict[Verdict | None, int] = {None: 0, **{v: n for n, v in enumerate(Verdict, 1)}}
_WINDOW = 24 * 3_600_000


class Happened:
    """Takes events into the views, and says what must not have happened. Raises Broken."""

    def __init__(self, beside: Beside) -> None:
        self._beside = beside
        self._tickets: set[int] = set()

    def take(self, view: View, event: ConversationEvent) -> None:
        """The next event of the conversation. Raises Broken."""
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
        command = self._beside.commands.get(event.cause)
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
        for presence in self._beside.presences:
            if presence.state in present and presence.at <= end and presence.online_until >= start:
                return True
            if presence.state is PresenceState.OFFLINE and start <= presence.at <= end:
                return True
        for entity in self._beside.entities:
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

    def _completed_by_time(self, view: View, event: ConversationEvent) -> None:
        if view.waiting:
            raise Broken("completed by time while the contact waits for an answer")
        if view.hold:
            raise Broken("completed by time after an offline message, before anybody acted")
        if view.awaiting is None:
            raise Broken("completed by time though nobody waits for the contact")
        earliest = []
        for completion in self._beside.completions(view):
            silences = (completion.agent_after, completion.bot_after, completion.queue_after)
            earliest += [view.awaiting + silence for silence in silences if silence is not None]
        if view.contact_at is not None:
            earliest.append(view.contact_at + _WINDOW)
        if event.occurred_at < min(earliest):
            raise Broken(f"completed {min(earliest) - event.occurred_at} ms before its time")
        timer = next((t for t in view.timers if t.kind is TimerKind.COMPLETION), None)
        if timer is None or event.occurred_at < timer.at:
            raise Broken("completed by time though its timer was not due")
