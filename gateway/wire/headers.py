"""Record headers: CloudEvents' Kafka binding in binary mode, and W3C `traceparent` passed through.

Sources: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md,
https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from gateway.wire.avro_types import NAMESPACE
from gateway.wire.errors import WireError, WireReason

CONTENT_TYPE = "application/avro"

_SPECVERSION = ("ce_specversion", b"1.0")
_CONTENT_TYPE = ("content-type", CONTENT_TYPE.encode())
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

RawHeaders = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Headers:
    """What a record's headers say; absent ones are None. `time` is Unix milliseconds."""

    id: str | None = None
    type: str | None = None
    source: str | None = None
    subject: str | None = None
    time: int | None = None
    content_type: str | None = None
    traceparent: str | None = None


def type_name(record: type, body: type | None = None) -> str:
    """Value of `ce_type`: `gateway.v1.<Record>`, and `.<Body>` where the record has a union body."""
    name = f"{NAMESPACE}.{record.__name__}"
    return name if body is None else f"{name}.{body.__name__}"


def headers_for(
    record_id: str, kind: str, source: str, subject: str, time: int, traceparent: str | None = None
) -> RawHeaders:
    """Headers of a record: its id, `type_name`, the writing service, the conversation (or key), and when.

    `time` is Unix milliseconds. Raises WireError (`invalid_value`) when the time is not within the years
    1 to 9999 or a text is not Unicode.
    """
    try:
        found = (
            _SPECVERSION,
            ("ce_id", record_id.encode()),
            ("ce_type", kind.encode()),
            ("ce_source", source.encode()),
            ("ce_subject", subject.encode()),
            ("ce_time", rfc3339(time).encode()),
            _CONTENT_TYPE,
        )
        return (*found, ("traceparent", traceparent.encode())) if traceparent else found
    except (OverflowError, UnicodeEncodeError) as error:
        raise WireError(WireReason.INVALID_VALUE, "a header cannot be written") from error


def rfc3339(time: int) -> str:
    """Unix milliseconds as RFC 3339 in UTC, e.g. `2026-11-21T23:22:00.000Z`. Raises OverflowError."""
    seconds, milliseconds = divmod(time, 1000)
    return f"{_date_time(seconds)}.{milliseconds:03}Z"


@lru_cache(maxsize=64)
def _date_time(seconds: int) -> str:
    # Many records share a second, and this is most of a header's cost.
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()[:-6]


def parse_headers(raw: Iterable[tuple[str, bytes | None]] | None) -> Headers:
    """What the headers of a record say, whoever wrote it; of a repeated one the last counts.

    An invalid `traceparent` counts as absent, as W3C asks. Raises WireError (`malformed`) when a header
    that we know is not UTF-8 or the time is no RFC 3339.
    """
    found = dict(raw or ())
    if not _TRACEPARENT.fullmatch(found.get("traceparent") or b""):
        found.pop("traceparent", None)
    try:
        values = {name: found[key].decode() for name, key in _KNOWN if found.get(key)}  # type: ignore[union-attr]
        time = values.pop("time", None)
        parsed = None if time is None else _milliseconds(time)
    except ValueError as error:
        raise WireError(WireReason.MALFORMED, f"a header cannot be read ({type(error).__name__})") from error
    return Headers(time=parsed, **values)


_KNOWN = (
    ("id", "ce_id"),
    ("type", "ce_type"),
    ("source", "ce_source"),
    ("subject", "ce_subject"),
    ("time", "ce_time"),
    ("content_type", "content-type"),
    ("traceparent", "traceparent"),
)


def _milliseconds(text: str) -> int:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("a time without zone")
    return (time - _EPOCH) // _MILLISECOND
