"""One renderer for all lines; nothing that looks like a secret or a text passes."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from gateway.logging import configure


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_lines_of_ours_and_of_libraries() -> None:
    stream = io.StringIO()
    configure("json", service="log", stream=stream)
    structlog.get_logger("ours").info("started", partition=3)
    logging.getLogger("theirs").warning("odd %d", 7)
    first, second = lines(stream)
    assert (first["event"], first["partition"], first["service"], first["level"]) == (
        "started",
        3,
        "log",
        "info",
    )
    assert (second["event"], second["logger"], second["service"]) == ("odd 7", "theirs", "log")
    assert str(first["timestamp"]).endswith("Z")


def test_secrets_and_texts_are_masked() -> None:
    stream = io.StringIO()
    configure("json", stream=stream)
    structlog.get_logger().info(
        "x", access_token="a", App_Secret="b", text="hi", content={"a": 1}, message_id="m"
    )
    (line,) = lines(stream)
    assert [line[key] for key in ("access_token", "App_Secret", "text", "content")] == ["***"] * 4
    assert line["message_id"] == "m"


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_shows_no_local_variables(form: str) -> None:
    stream = io.StringIO()
    configure(form, stream=stream)  # type: ignore[arg-type]
    secret_local = "s3cret" + str(len(form))
    try:
        raise ValueError("broken")
    except ValueError:
        structlog.get_logger().exception("failed")
    assert "ValueError: broken" in stream.getvalue()
    assert secret_local not in stream.getvalue()


def test_the_level_holds_and_chatty_libraries_are_quiet() -> None:
    stream = io.StringIO()
    configure("json", "info", stream=stream)
    structlog.get_logger("ours").debug("hidden")
    logging.getLogger("aiokafka.consumer").info("hidden")
    assert stream.getvalue() == ""


def test_a_library_that_repeats_itself_is_cut_short_and_the_number_told() -> None:
    stream = io.StringIO()
    configure("json", stream=stream)
    client = logging.getLogger("aiokafka.conn")
    made = [
        client.makeRecord("aiokafka.conn", logging.ERROR, "f", 1, "no broker %d", (n,), None)
        for n in range(50)
    ]
    for n, record in enumerate(made):
        record.created = 1000.0 + n / 10
        client.handle(record)
    late = client.makeRecord("aiokafka.conn", logging.ERROR, "f", 1, "no broker %d", (99,), None)
    late.created = 1011.0
    client.handle(late)
    for n in range(20):
        logging.getLogger("ours").error("mine %d", n)
    said = [str(line["event"]) for line in lines(stream)]
    assert [s for s in said if s.startswith("no broker")] == [
        *(f"no broker {n}" for n in range(5)),
        "no broker 99 (and 45 times more before)",
    ]
    assert sum(s.startswith("mine") for s in said) == 20
