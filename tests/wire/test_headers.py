"""CloudEvents headers there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.events import ConversationEvent, MessageReceived
from gateway.wire.errors import WireError, WireReason
from gateway.wire.headers import Headers, headers_for, parse_headers, rfc3339, type_name

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_headers_follow_the_binding() -> None:
    kind = type_name(ConversationEvent, MessageReceived)
    assert headers_for("id-1", kind, "/log", "conv-1", 1_763_768_221_005, TRACE) == (
        ("ce_specversion", b"1.0"),
        ("ce_id", b"id-1"),
        ("ce_type", b"gateway.v1.ConversationEvent.MessageReceived"),
        ("ce_source", b"/log"),
        ("ce_subject", b"conv-1"),
        ("ce_time", b"2025-11-21T23:37:01.005Z"),
        ("content-type", b"application/avro"),
        ("traceparent", TRACE.encode()),
    )
    assert "traceparent" not in dict(headers_for("i", "t", "s", "c", 0))


TIMES = [
    (0, "1970-01-01T00:00:00.000Z"),
    (-1, "1969-12-31T23:59:59.999Z"),
    (951_782_400_000, "2000-02-29T00:00:00.000Z"),
]


@pytest.mark.parametrize(("time", "text"), TIMES)
def test_time(time: int, text: str) -> None:
    assert rfc3339(time) == text


@given(st.text(min_size=1), st.text(min_size=1), st.integers(-(10**13), 10**14))
def test_headers_come_back(record_id: str, subject: str, time: int) -> None:
    parsed = parse_headers(headers_for(record_id, "t", "/s", subject, time, TRACE))
    assert parsed == Headers(record_id, "t", "/s", subject, time, "application/avro", TRACE)


PARSED = [
    ("none", None, Headers()),
    ("foreign", [("x", b"\xff"), ("ce_id", None), ("ce_type", b"")], Headers()),
    ("last counts", [("ce_id", b"1"), ("ce_id", b"2")], Headers(id="2")),
    ("other zone", [("ce_time", b"2025-11-22T08:37:01+09:00")], Headers(time=1_763_768_221_000)),
    ("zero trace", [("traceparent", b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01")], Headers()),
    ("no trace", [("traceparent", b"hello")], Headers()),
    ("trace that is no text", [("traceparent", b"\xff"), ("ce_id", b"1")], Headers(id="1")),
]


@pytest.mark.parametrize(("raw", "expected"), [p[1:] for p in PARSED], ids=[p[0] for p in PARSED])
def test_parse(raw: list[tuple[str, bytes | None]] | None, expected: Headers) -> None:
    assert parse_headers(raw) == expected


BAD = [("ce_id", b"\xff"), ("ce_time", b"yesterday"), ("ce_time", b"2025-11-21T23:37:01")]


@pytest.mark.parametrize("header", BAD)
def test_a_header_that_cannot_be_read(header: tuple[str, bytes]) -> None:
    with pytest.raises(WireError) as caught:
        parse_headers([header])
    assert caught.value.reason is WireReason.MALFORMED


@pytest.mark.parametrize(("subject", "time"), [("\ud800", 0), ("s", 2**60), ("s", 253_402_300_800_000)])
def test_a_header_that_cannot_be_written(subject: str, time: int) -> None:
    with pytest.raises(WireError) as caught:
        headers_for("i", "t", "/s", subject, time)
    assert caught.value.reason is WireReason.INVALID_VALUE
