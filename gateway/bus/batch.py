"""Decides a batch of one partition's records: pure, before anything is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.bus.dead_letters import EncodeDeadLetter, dead_letter, dead_letter_output
from gateway.bus.parking import DeadCount, DeadLimits, Parked
from gateway.bus.partition_state import POSITION_KEY, Overlay, PartitionState
from gateway.bus.records import TIMER_TOPIC, Control, Controlled, Logic, Output, Record

# What Kafka adds to a record, at most, beside key, value and headers.
RECORD_OVERHEAD = 80
HEADER_OVERHEAD = 12


class RecordTooLarge(Exception):
    """An output or a state record is larger than the broker takes in one piece."""


class StateTooLarge(Exception):
    """A state record cannot be written; which record of the batch is to blame is found by deciding again."""


@dataclass(frozen=True, slots=True)
class BatchRules:
    """`max_record_bytes` must stay below the topics' `max.message.bytes`."""

    dead_topic: str
    encode_dead_letter: EncodeDeadLetter
    limits: DeadLimits = field(default_factory=DeadLimits)
    park_limit: int = 200
    max_record_bytes: int = 900_000


@dataclass(slots=True)
class Decided:
    """What one transaction will write. `stop` = the reason why it must not, and the worker must end."""

    overlay: Overlay
    outputs: list[Output]
    written: dict[bytes, bytes | None]
    records: Counter[str]
    dead: Counter[str]
    stop: str | None

    @property
    def empty(self) -> bool:
        """True when there is nothing to write, not even a position."""
        return not self.records and not self.outputs and not self.written


def decide_batch(
    state: PartitionState,
    logic: Logic,
    rules: BatchRules,
    now: int,
    records: Iterable[Record],
    due: Sequence[bytes] = (),
) -> Decided:
    """Decides records, then timers that are due, on a copy of the state.

    Records before the position (a repeated read) are left out. A record that raises becomes a dead letter and
    parks its conversation. Deciding is pure, so a batch whose state cannot be encoded is decided again,
    record by record, to find the one to blame.
    """
    records = list(records)
    try:
        return _decide(_Batch(state, logic, rules, now, careful=False), records, due)
    except StateTooLarge:
        return _decide(_Batch(state, logic, rules, now, careful=True), records, due)


def _decide(batch: _Batch, records: Sequence[Record], due: Sequence[bytes]) -> Decided:
    for record in records:
        batch.take(record)
    for key in due:
        batch.fire(key)
    return batch.finish()


def record_bytes(key: bytes, value: bytes | None, headers: Sequence[tuple[str, bytes]] = ()) -> int:
    """An upper bound of a record's size on the wire."""
    size = len(key) + len(value or b"") + RECORD_OVERHEAD
    for name, content in headers:
        size += len(name) + len(content) + HEADER_OVERHEAD
    return size


class _Batch:
    def __init__(
        self, state: PartitionState, logic: Logic, rules: BatchRules, now: int, *, careful: bool
    ) -> None:
        self._state = state
        self._logic = logic
        self._rules = rules
        self._now = now
        self._careful = careful
        self._overlay = Overlay(state)
        self._outputs: list[Output] = []
        self._records: Counter[str] = Counter()
        self._dead_by_reason: Counter[str] = Counter()
        self._count = DeadCount(self._overlay.meta.dead, rules.limits)
        self._stop: str | None = None

    def take(self, record: Record) -> None:
        """One input record."""
        overlay = self._overlay
        positions = overlay.meta.positions
        if record.offset < positions.get(record.topic, 0):
            return
        positions[record.topic] = record.offset + 1
        self._records[record.topic] += 1
        if not record.key:
            self._dead(record, "no_key", "a record without a key belongs to no conversation")
            self._stop = self._stop or self._count.dead()
        elif overlay.parked_numbers(record.key):
            self._behind_parked(record)
        else:
            self._first_try(record)

    def fire(self, key: bytes) -> None:
        """One timer that is due. Timers of a parked conversation wait for the operator."""
        if not self._overlay.parked_numbers(key):
            self._first_try(Record(TIMER_TOPIC, self._state.number, -1, key, b"", (), self._now))

    def finish(self) -> Decided:
        """Encodes what changed. Raises StateTooLarge (any encoding error) unless the batch was careful."""
        overlay = self._overlay
        written = self._encode(overlay.changed)
        written.update(overlay.raw)
        if self._records or written or self._outputs:
            written[POSITION_KEY] = overlay.meta.encode()
        return Decided(overlay, self._outputs, written, self._records, self._dead_by_reason, self._stop)

    def _first_try(self, record: Record) -> None:
        try:
            self._decide_one(record)
        except MemoryError:
            raise  # not the record's fault
        except Exception as error:  # noqa: BLE001 (whatever the logic raises: the record is dead, not lost)
            self._overlay.drop()
            self._dead(record, "poison", error)
            self._park(record, type(error).__name__)
            self._stop = self._stop or self._count.dead()
        else:
            self._count.good()

    def _decide_one(self, record: Record) -> None:
        outputs = self._logic.decide(self._overlay, record, self._now)
        self._keep(outputs)

    def _keep(self, outputs: Sequence[Output]) -> None:
        limit = self._rules.max_record_bytes
        for output in outputs:
            size = record_bytes(output.key, output.value, output.headers)
            if size > limit:
                raise RecordTooLarge(f"an output for {output.topic} has {size} bytes; the limit is {limit}")
        if self._careful:
            self._encode(self._overlay.mine)
        self._overlay.keep()
        self._outputs.extend(outputs)

    def _encode(self, changed: Mapping[bytes, Any | None]) -> dict[bytes, bytes | None]:
        written: dict[bytes, bytes | None] = {}
        data = self._state.data
        for key, obj in changed.items():
            try:
                value = None if obj is None else self._logic.encode_state(key, obj)
            except Exception as error:
                raise StateTooLarge(f"the state of {key!r} cannot be encoded: {error!r}") from error
            if record_bytes(key, value) > self._rules.max_record_bytes:
                raise StateTooLarge(f"the state of {key!r} has {len(value or b'')} bytes")
            if value != data.get(key):
                written[key] = value
        return written

    def _behind_parked(self, record: Record) -> None:
        control = self._control(record)
        if control is not None:
            self._operate(control, record)
        elif len(self._overlay.parked_numbers(record.key)) >= self._rules.park_limit:
            self._dead(
                record, "parked_full", f"{self._rules.park_limit} records of the conversation wait already"
            )
        else:
            self._park(record, "waits")

    def _control(self, record: Record) -> Control | None:
        try:
            return self._logic.control(record)
        except Exception:  # noqa: BLE001 (it is kept, and raises again where it counts: when it is decided)
            return None

    def _operate(self, control: Control, record: Record) -> None:
        conversation = record.key
        numbers = self._overlay.parked_numbers(conversation)
        replayed = discarded = 0
        if control == "retry":
            replayed = self._replay(conversation, numbers)
        else:
            for number in numbers if control == "discard_all" else numbers[:1]:
                self._overlay.unpark(conversation, number)
                discarded += 1
        left = len(self._overlay.parked_numbers(conversation))
        try:
            done = Controlled(control, replayed, discarded, left)
            self._keep(self._logic.controlled(self._overlay, record, done, self._now))
        except Exception as error:  # noqa: BLE001 (as in _first_try; the command itself was carried out)
            self._overlay.drop()
            self._dead(record, "poison", error)
            self._stop = self._stop or self._count.dead()

    def _replay(self, conversation: bytes, numbers: Sequence[int]) -> int:
        """Decides what waits, in order, up to the next one that raises. Returns how many were decided."""
        for done, number in enumerate(numbers):
            record = self._overlay.parked_record(conversation, number).record
            try:
                self._decide_one(record)
            except Exception as error:  # noqa: BLE001 (an operator asked; it stays parked, in front)
                self._overlay.drop()
                self._dead(record, "poison", error)
                return done
            self._overlay.unpark(conversation, number)
        return len(numbers)

    def _park(self, record: Record, reason: str) -> None:
        parked = Parked(record, reason)
        if record_bytes(record.key, parked.encode()) > self._rules.max_record_bytes:
            self._dead(record, "too_large", "the record is too large to be parked; it is left out")
            return
        self._overlay.park(record.key, parked)

    def _dead(self, record: Record, reason: str, error: BaseException | str) -> None:
        rules = self._rules
        info = dead_letter(record, reason, error, self._now, rules.max_record_bytes)
        self._outputs.append(dead_letter_output(rules.dead_topic, info, rules.encode_dead_letter))
        self._dead_by_reason[reason] += 1
