"""The log's rules as the transactional loop wants them: decode, decide, encode."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway.bus.catalogue import Catalogue
from gateway.bus.partitioner import partition_for
from gateway.bus.records import TIMER_TOPIC, Control, Controlled, Headers, Output, Record, StateView
from gateway.conversation_log import metrics
from gateway.conversation_log.deadlines import Deadlines
from gateway.conversation_log.state import decode_part, encode_part, load, store
from gateway.core import ids
from gateway.core.commands import (
    Command,
    CommandResult,
    CreateTicket,
    DiscardParked,
    FireTimer,
    OfferOffline,
    RetryParked,
)
from gateway.core.conversation import Head
from gateway.core.decide import decide
from gateway.core.draft import LOG, Decision
from gateway.core.errors import Code
from gateway.core.events import (
    ConversationCompleted,
    ConversationEvent,
    ConversationOpened,
    ConversationReopened,
    OwnerChanged,
)
from gateway.core.facts import Facts
from gateway.core.messages import InboundEvent, Receipt, SendRequest
from gateway.core.timers import Timer, due
from gateway.wire.framing import decode, encode
from gateway.wire.headers import headers_for, type_name

REPLY_TO = "reply_to"
"""Header of a command that wants its result: the name of who asked. Rules ask for none."""
SOURCE = "log"


class WrongKeyError(Exception):
    """A record's key is not the conversation it names; it may be in the wrong partition."""


class ConversationLogic:
    """Decides records of `cg.inbound`, `cg.receipts` and `cg.commands`."""

    def __init__(
        self, catalogue: Catalogue, facts: Callable[[int], Facts], deadlines: Deadlines | None = None
    ) -> None:
        self._catalogue = catalogue
        self._facts = facts
        self._deadlines = Deadlines() if deadlines is None else deadlines
        self._types: dict[str, type[InboundEvent | Receipt | Command]] = {
            catalogue.inbound: InboundEvent,
            catalogue.receipts: Receipt,
            catalogue.commands: Command,
        }

    def decide(self, view: StateView, record: Record, now: int) -> Sequence[Output]:
        """One input. Raises WireError, WrongKeyError, UnknownAccountError: the record becomes a dead letter."""
        if record.topic == TIMER_TOPIC:
            return self._overdue(view, record.key, now)
        given = decode(record.value, self._types[record.topic])
        key = record.key
        if given.conversation_id.encode() != key:
            raise WrongKeyError("the record's key is not its conversation")
        return self._one(view, key, given, now, record.headers)

    def _one(
        self, view: StateView, key: bytes, given: InboundEvent | Receipt | Command, now: int, headers: Headers
    ) -> list[Output]:
        before = load(view, key)
        decision = decide(before, given, now, self._facts_for(view, given, now))
        if decision.conversation is not None and decision.conversation is not before:
            store(view, key, before, decision.conversation)
        metrics.count(type(given).__name__, decision.outcome)
        return self._outputs(key, decision, headers, before.head.department_id if before else None)

    def _facts_for(self, view: StateView, given: InboundEvent | Receipt | Command, now: int) -> Facts:
        facts = self._facts(now)
        if isinstance(given, Command) and isinstance(given.action, CreateTicket | OfferOffline):
            # Unique without asking anybody: each partition counts on its own.
            number = view.counter("ticket") * self._catalogue.partitions + view.partition
            return replace(facts, ticket_number=number)
        return facts

    def _overdue(self, view: StateView, key: bytes, now: int) -> list[Output]:
        """Fire what its rule left lying. Several timers may be due; each is looked at anew after the one before."""
        outputs: list[Output] = []
        head = view.get(key)
        if head is None:
            return outputs
        for timer in due(head.timers, now):
            outputs += self._one(view, key, overdue_command(head, timer, now), now, ())
        return outputs

    def _outputs(self, key: bytes, decision: Decision, headers: Headers, former: str | None) -> list[Output]:
        catalogue = self._catalogue
        outputs: list[Output] = []
        for event in decision.events:
            outputs.append(Output(catalogue.conversations, key, encode(event), _event_headers(event)))
            outputs += self._queue(key, event, outputs[-1], former)
        for request in decision.outbound:
            topic = catalogue.outbound(request.channel)
            outputs.append(Output(topic, key, encode(request), _request_headers(request)))
        asker = dict(headers).get(REPLY_TO) if headers else None
        if decision.result and asker:
            outputs.append(self._result(key, decision.result, asker))
        return outputs

    def _queue(
        self, key: bytes, event: ConversationEvent, written: Output, former: str | None
    ) -> list[Output]:
        """The same event for automatic assignment, keyed by each department that it concerns.

        Also by the one that it left: there an agent may have held it, and is free for another now.
        """
        if not isinstance(event.happening, _ABOUT_QUEUES):
            return []
        departments = {event.department_id, former or event.department_id}
        return [
            written._replace(topic=self._catalogue.queue, key=d.encode(), partition=self._queue_partition(d))
            for d in sorted(departments)
        ]

    def _queue_partition(self, department_id: str) -> int:
        return partition_for(department_id.encode(), self._catalogue.partitions)

    def _result(self, key: bytes, result: CommandResult, asker: bytes) -> Output:
        headers = headers_for(result.command_id, _RESULT, SOURCE, result.conversation_id, result.at)
        return Output(self._catalogue.command_results, key, encode(result), (*headers, (REPLY_TO, asker)))

    def encode_state(self, key: bytes, obj: Any) -> bytes:
        """Bytes of a head or block."""
        return encode_part(obj)

    def decode_state(self, key: bytes, data: bytes) -> Any:
        """Head or block again."""
        return decode_part(data)

    def control(self, record: Record) -> Control | None:
        """An operator's command on a parked conversation."""
        if record.topic != self._catalogue.commands:
            return None
        match decode(record.value, Command).action:
            case RetryParked():
                return "retry"
            case DiscardParked():
                return "discard"
            case _:
                return None

    def controlled(self, view: StateView, record: Record, done: Controlled, now: int) -> Sequence[Output]:
        """Answer the operator with what was done."""
        command = decode(record.value, Command)
        metrics.count("Command", f"{done.action}_parked")
        asker = dict(record.headers).get(REPLY_TO)
        if asker is None:
            return ()
        detail = f"replayed {done.replayed}, discarded {done.discarded}, still parked {done.left}"
        solved = done.left == 0 or done.action != "retry"
        result = CommandResult(
            command.command_id,
            command.conversation_id,
            solved,
            now,
            code=None if solved else Code.STILL_PARKED.value,
            detail=detail,
        )
        return [self._result(record.key, result, asker)]

    def due(self, partition: int, now: int, limit: int) -> Sequence[bytes]:
        """Conversations with a timer that its rule left lying for more than the grace."""
        return self._deadlines.due(partition, now, limit)

    def restored(self, partition: int, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Build the index of deadlines."""
        for key, value in items:
            if b"|" not in key:
                head = decode_part(value)
                if isinstance(head, Head) and head.timers:
                    self._deadlines.put(partition, key, head.timers)

    def committed(self, partition: int, changed: Mapping[bytes, Any | None]) -> None:
        """Keep the index of deadlines."""
        for key, part in changed.items():
            if isinstance(part, Head):
                self._deadlines.put(partition, key, part.timers)

    def released(self, partition: int) -> None:
        """Drop the index of deadlines."""
        self._deadlines.release(partition)


def overdue_command(head: Head, timer: Timer, now: int) -> Command:
    """What the log itself proposes for a timer that its rule left lying."""
    cause = ids.derive("timer", head.conversation_id, timer.kind.value, str(timer.generation))
    action = FireTimer(timer.kind, timer.generation)
    return Command(
        ids.command_id(cause, "log", timer.kind.value),
        head.conversation_id,
        head.tenant,
        LOG,
        action,
        now,
        cause,
    )


_ABOUT_QUEUES = (ConversationOpened, OwnerChanged, ConversationCompleted, ConversationReopened)
_RESULT = type_name(CommandResult)
_EVENT_TYPES: dict[type, str] = {}


def _event_headers(event: ConversationEvent) -> Headers:
    happening = type(event.happening)
    kind = _EVENT_TYPES.get(happening)
    if kind is None:
        kind = _EVENT_TYPES[happening] = type_name(ConversationEvent, happening)
    return headers_for(event.event_id, kind, SOURCE, event.conversation_id, event.occurred_at)


def _request_headers(request: SendRequest) -> Headers:
    kind = type_name(SendRequest)
    return headers_for(request.request_id, kind, SOURCE, request.conversation_id, request.created_at)
