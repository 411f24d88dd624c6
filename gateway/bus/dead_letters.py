"""Dead letters: records that could not be read or decided, with where they came from and why."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from gateway.bus.parking import DeadCount, DeadLimits
from gateway.bus.records import Headers, Output, Record

NAMESPACE = uuid.UUID("9d3d4c2e-6a55-5d0a-9f0e-3c2f1b7a4e10")
ERROR_CHARACTERS = 2_000
# What the envelope itself may need beside the record's value, key and headers.
ENVELOPE_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class DeadLetterInfo:
    """The fields of the Avro record DeadLetter. `at` is Unix milliseconds; `error` ends in a note when
    `value` had to be cut to fit (the whole record is then still at its origin for the topic's retention)."""

    id: str
    origin_topic: str
    origin_partition: int
    origin_offset: int
    origin_key: bytes
    reason: str
    error: str
    value: bytes
    headers: Headers
    at: int


EncodeDeadLetter = Callable[[DeadLetterInfo], bytes]


def dead_letter_id(record: Record) -> str:
    """The same for the same record, so a repetition replaces and does not double."""
    name = f"{record.topic}/{record.partition}/{record.offset}"
    if record.offset < 0:  # a timer: it has no place in a topic
        name += f"/{record.timestamp}/{record.key.hex()}"
    return str(uuid.uuid5(NAMESPACE, name))


def dead_letter(
    record: Record, reason: str, error: BaseException | str, now: int, max_bytes: int
) -> DeadLetterInfo:
    """The envelope of a record that could not be handled.

    `reason` is a word for counting (`undecodable`, `poison`, `parked_full`, `too_large`, `no_key`).
    """
    text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    text = text[:ERROR_CHARACTERS]
    headers = record.headers
    room = max_bytes - ENVELOPE_BYTES - len(record.key or b"") - sum(len(k) + len(v) + 16 for k, v in headers)
    if room < 0:
        headers, room = (), max_bytes - ENVELOPE_BYTES
        text += " [headers left out]"
    value = record.value or b""
    if len(value) > room:
        text += f" [value cut from {len(value)} to {room} bytes]"
        value = value[:room]
    return DeadLetterInfo(
        id=dead_letter_id(record),
        origin_topic=record.topic,
        origin_partition=record.partition,
        origin_offset=record.offset,
        origin_key=(record.key or b"")[:1024],
        reason=reason,
        error=text,
        value=value,
        headers=headers,
        at=now,
    )


def dead_letter_output(topic: str, info: DeadLetterInfo, encode: EncodeDeadLetter) -> Output:
    """The record for the dead-letter topic, with the headers that tools filter by."""
    headers = (("reason", info.reason.encode()), ("origin_topic", info.origin_topic.encode()))
    return Output(topic, info.origin_key or info.id.encode(), encode(info), headers)


class DeadLetterLimit:
    """For a plain consumer: stop the worker rather than drain a topic into the dead letters."""

    def __init__(self, limits: DeadLimits | None = None) -> None:
        self._count = DeadCount({}, limits or DeadLimits())

    def good(self) -> None:
        """A record was handled."""
        self._count.good()

    def dead(self) -> None:
        """A record became a dead letter. Raises TooManyDead when this was one too many."""
        reason = self._count.dead()
        if reason is not None:
            raise TooManyDead(reason)


class TooManyDead(Exception):
    """So much cannot be handled that the fault is more likely ours: stop, look, start again."""
