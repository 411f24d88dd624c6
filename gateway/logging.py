"""Logging of every process: structlog, and what libraries log, through one renderer.

A log line names things by their ids. Never put message text, a contact's address, a token or another secret
into one; keys that look like one are masked here as a second line of defence.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_SECRET_KEYS = re.compile(
    r"token|secret|password|authorization|api_?key|signature|cookie|^(text|body|content|payload)$",
    re.IGNORECASE,
)
# aiokafka tells every lost connection and rejoin at these levels; our own services say what matters.
_QUIET = {
    "aiokafka": logging.WARNING,
    "faust": logging.WARNING,
    "mode": logging.WARNING,
    "asyncio": logging.WARNING,
}


class Sparing(logging.Filter):
    """Lets a library say the same thing a few times, then says how often it was said.

    During a broker's outage aiokafka writes the same line a hundred times a second. `name` is the library's
    logger; nothing of others is left out.
    """

    TIMES = 5
    SECONDS = 10.0

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        if not f"{record.name}.".startswith(f"{self._name}."):
            return True
        key = (record.name, str(record.msg))
        began, count = self._said.get(key, (record.created, 0))
        if record.created - began >= self.SECONDS:
            left_out = max(0, count - self.TIMES)
            began, count = record.created, 0
            if left_out:
                record.msg = f"{record.msg} (and {left_out} times more before)"
        self._said[key] = (began, count + 1)
        return count < self.TIMES


def mask_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replaces the values of keys that name a secret or a text by `***`."""
    for key in event:
        if key != "event" and _SECRET_KEYS.search(key):
            event[key] = "***"
    return event


def configure(
    form: Literal["console", "json"] = "console",
    level: Literal["debug", "info", "warning", "error"] = "info",
    *,
    service: str | None = None,
    stream: TextIO = sys.stderr,
) -> None:
    """Sets the process up: lines for a person or one JSON object per line, to `stream`, from `level` on."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        mask_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderer(form, stream)],
        )
    )
    handler.addFilter(Sparing("aiokafka"))
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(max(least, logging.getLevelName(level.upper())))
    structlog.contextvars.clear_contextvars()
    if service is not None:
        structlog.contextvars.bind_contextvars(service=service)


def _renderer(form: Literal["console", "json"], stream: TextIO) -> list[Processor]:
    if form == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    return [structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=_plain_traceback)]


def _plain_traceback(stream: TextIO, info: Any) -> None:
    # The rich formatter shows local variables, and those hold message text and secrets.
    structlog.dev.plain_traceback(stream, info)
