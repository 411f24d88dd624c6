"""The log's rules as the transactional loop wants them: decode, decide, encode."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from gateway.bus.catalogue import Catalogue
from gateway.bus.records import Control, Controlled, Headers, Output, Record, StateView
from gateway.conversation_log import metrics
from gateway.conversation_log.state import decode_part, encode_part, load, store
from gateway.core.commands import Command, CommandResult, DiscardParked, RetryParked
from gateway.core.decide import decide
from gateway.core.draft import Decision
from gateway.core.errors import Code
from gateway.core.events import ConversationEvent
from gateway.core.facts import Facts
from gateway.core.messages import InboundEvent, Receipt, SendRequest
from gateway.wire.framing import decode, encode
from gateway.wire.headers import headers_for, type_name

REPLY_TO = "reply_to"
"""Header of a command that wants its result: the name of who asked. Rules ask for none."""
SOURCE = "log"


class WrongKeyError(Exception):
    """A record's key is not the conversation it names; it may be in the wrong partition."""


class ConversationLogic:
    """Decides records of `cg.inbound`, `cg.receipts` and `cg.commands`."""

    def __init__(self, catalogue: Catalogue, facts: Callable[[int], Facts]) -> None:
        self._catalogue = catalogue
        self._facts = facts
        self._types: dict[str, type[InboundEvent | Receipt | Command]] = {
            catalogue.inbound: InboundEvent,
            catalogue.receipts: Receipt,
            catalogue.commands: Command,
        }

    def decide(self, view: StateView, record: Record, now: int) -> Sequence[Output]:
        """One input. Raises WireError, WrongKeyError, UnknownAccountError: the record becomes a dead letter."""
        given = decode(record.value, self._types[record.topic])
        key = record.key
        if given.conversation_id.encode() != key:
            raise WrongKeyError("the record's key is not its conversation")
        before = load(view, key)
        decision = decide(before, given, now, self._facts(now))
        if decision.conversation is not None and decision.conversation is not before:
            store(view, key, before, decision.conversation)
        metrics.count(type(given).__name__, decision.outcome)
        return self._outputs(key, decision, record.headers)

    def _outputs(self, key: bytes, decision: Decision, headers: Headers) -> list[Output]:
        catalogue = self._catalogue
        outputs = [
            Output(catalogue.conversations, key, encode(event), _event_headers(event))
            for event in decision.events
        ]
        for request in decision.outbound:
            topic = catalogue.outbound(request.channel)
            outputs.append(Output(topic, key, encode(request), _request_headers(request)))
        asker = dict(headers).get(REPLY_TO) if headers else None
        if decision.result and asker:
            outputs.append(self._result(key, decision.result, asker))
        return outputs

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
        """No timers yet."""
        return ()

    def restored(self, partition: int, items: Iterable[tuple[bytes, bytes]]) -> None:
        """No index to build."""

    def committed(self, partition: int, changed: Mapping[bytes, Any | None]) -> None:
        """No index to keep."""

    def released(self, partition: int) -> None:
        """No index to drop."""


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
