"""Durations: read and shown."""

from __future__ import annotations

import pytest

from gateway.directory.durations import format_duration, parse_duration

CASES = [
    ("90s", 90_000), ("5m", 300_000), ("24h", 86_400_000), ("3d", 259_200_000), ("1h30m", 5_400_000),
    ("1d12h", 129_600_000), ("1500ms", 1500), ("366d", 31_622_400_000),
]  # fmt: skip


@pytest.mark.parametrize(("text", "milliseconds"), CASES)
def test_read(text: str, milliseconds: int) -> None:
    assert parse_duration(text) == milliseconds
    assert parse_duration(format_duration(milliseconds)) == milliseconds


@pytest.mark.parametrize(
    ("milliseconds", "text"), [(90_000, "90s"), (86_400_000, "24h"), (604_800_000, "7d"), (1, "1ms")]
)
def test_shown(milliseconds: int, text: str) -> None:
    assert format_duration(milliseconds) == text


@pytest.mark.parametrize("text", ["", "5", "0s", "5 m", "m5", "-5m", "1.5h", "367d", "5分", "５m"])
def test_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)
