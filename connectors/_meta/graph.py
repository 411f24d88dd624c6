"""Answers of the Graph API: JSON, the error envelope, and how long to wait."""

from __future__ import annotations

from dataclasses import dataclass, field

from connectors._meta import fields
from connectors.contract import HttpResponse


@dataclass(frozen=True, slots=True)
class GraphError:
    """The `error` object of a Graph answer. Only `code` decides; `words` are Meta's own, for people."""

    code: int
    words: str = field(default="", repr=False)
    trace: str = ""


def read_json(response: HttpResponse) -> fields.Json:
    """The answer's JSON object; empty if it is none."""
    try:
        return fields.load(response.body)
    except ValueError:
        return {}


def read_error(response: HttpResponse) -> GraphError | None:
    """The answer's error envelope; None if it has none with a code."""
    return error_of(fields.obj(read_json(response), "error"))


def error_of(error: fields.Json) -> GraphError | None:
    """An error object of an answer or of a webhook; None if it has no code."""
    code = fields.number(error, "code")
    if code is None:
        return None
    details = fields.text(fields.obj(error, "error_data"), "details")
    words = details or fields.text(error, "message") or fields.text(error, "title") or ""
    return GraphError(int(code), words, fields.text(error, "fbtrace_id") or "")


def retry_after(response: HttpResponse) -> int | None:
    """Milliseconds that the header Retry-After asks for; None if it is absent or is a date."""
    value = response.headers.get("retry-after", "").strip()
    return int(value) * 1000 if value.isascii() and value.isdigit() and len(value) < 7 else None
