"""Every row of the benchmark runs, in a size whose figures mean nothing, and has the shape that is promised."""

from __future__ import annotations

import json
import math

import pytest

from gateway.bench.report import Failed, Row, lines, number
from gateway.bench.run import ROWS, bench
from gateway.settings import Settings

KEYS = {
    "kind", "name", "what", "unit", "measured", "bare", "bare_is", "ratio", "target", "met", "more", "growth",
}  # fmt: skip
GROWTH = {
    "log": ["1x (50)", "10x (150)"],
    "restore": ["1x (100)", "10x (1,000)"],
    "timers": ["1x (1,000)", "10x (10,000)"],
}
ROW = Row("log", "the log", "records/s", 5_000, 20_000, "bare loop", "ratio at least 15%", True)


@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_measured(name: str, kafka: str, redis_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    settings = Settings(KAFKA_BOOTSTRAP_SERVERS=kafka, REDIS_URL=redis_url)
    code = bench(settings, [name], json_lines=True, scale=0.01)
    out, err = capsys.readouterr()
    machine, row = (json.loads(line) for line in out.splitlines())
    assert code == 0, (row, err)
    assert machine["kind"] == "machine"
    assert {"cores", "memory_gb", "cpu", "python", "kafka", "load"} <= machine.keys()
    assert row.keys() == KEYS
    assert (row["kind"], row["name"]) == ("row", name)
    assert math.isfinite(row["measured"])
    assert row["measured"] >= 0
    assert row["met"] in (True, False, None)
    if row["bare"] is not None:
        assert row["ratio"] == row["measured"] / row["bare"]
    assert list(row["growth"]) == GROWTH.get(name, [])
    assert err.splitlines()[0].endswith(f" s] {name}: begins")


def test_an_unknown_row_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(Settings(), ["nonsense"]) == 2
    assert "there are webhook, log, processor" in capsys.readouterr().err


def test_a_row_that_cannot_be_measured_is_said_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    nobody = Settings(KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:9", REDIS_URL="redis://127.0.0.1:9/0")
    assert bench(nobody, ["restore"], json_lines=True) == 1
    failed = json.loads(capsys.readouterr().out.splitlines()[1])
    assert (failed["kind"], failed["name"]) == ("failed", "restore")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (ROW, ["measured  5,000 records/s", "bare      20,000 records/s (bare loop); ratio 0.25", ": met"]),
        (Row("x", "x", "s", 1, None, "", "5 s", False, {"note": "n"}, {"1x": 2}), ["MISSED", "note: n", "1x: 2.00"]),
        (Row("x", "x", "s", 1, None, "", "5 s", None), ["cannot be judged yet"]),
        (Failed("x", "no broker"), ["x: NOT MEASURED: no broker"]),
    ],
)  # fmt: skip
def test_rows_for_a_person(row: Row | Failed, words: list[str]) -> None:
    text = "\n".join(lines(row))
    assert all(word in text for word in words), text


@pytest.mark.parametrize(
    ("value", "text"), [(8_600.4, "8,600"), (59.26, "59.3"), (0.128, "0.13"), (0, "0.00")]
)
def test_numbers_have_no_more_digits_than_they_deserve(value: float, text: str) -> None:
    assert number(value) == text
