"""Content to and from the JSON of the HTTP API: `{"type": "text", …}` with the fields of `core.content`."""

from __future__ import annotations

import dataclasses
import re
from enum import Enum
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gateway.core import content as c

Row = dict[str, Any]
"""A JSON object: what Redis holds and the API answers."""

HIDDEN: Row = {"type": "hidden", "reason": "sealed"}

_SENDABLE: tuple[type, ...] = (
    c.Text,
    c.Media,
    c.Sticker,
    c.Location,
    c.ContactCard,
    c.Choice,
    c.Carousel,
    c.Form,
    c.Template,
    c.Reaction,
)
# Where a file lies at the channel or in our store is nobody's business on a screen.
_NOT_SHOWN: dict[type, tuple[str, ...]] = {c.MediaRef: ("provider_id", "stored", "sha256")}


_ATOMS = frozenset({str, int, float, bool, type(None)})


class ContentError(ValueError):
    """The JSON is no content; the text says where it goes wrong, without quoting it."""


@cache
def type_name(cls: type) -> str:
    """`contact_card` for ContactCard."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


_BY_NAME = {type_name(cls): cls for cls in _SENDABLE}


@cache
def _fields(cls: type) -> tuple[str, ...]:
    hidden = _NOT_SHOWN.get(cls, ())
    return tuple(f.name for f in dataclasses.fields(cls) if f.name not in hidden)


def content_json(content: c.Content) -> Row:
    """The content as JSON."""
    cls: type = content.__class__
    return {"type": type_name(cls), **_plain(content)}


def body_json(body: c.Body) -> Row:
    """The content as JSON; sealed content shows only that it is there (PRODUCT M8)."""
    return content_json(body.content) if isinstance(body, c.Clear) else HIDDEN


def body_text(body: c.Body) -> str:
    """Plain text of the content; empty for sealed content."""
    return c.plain_text(body.content) if isinstance(body, c.Clear) else ""


def _plain(value: Any) -> Any:
    # One class look-up instead of questions: every event of the log passes here.
    cls = value.__class__
    if cls in _ATOMS:
        return value
    if cls is tuple:
        return [_plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    return {name: _plain(getattr(value, name)) for name in _fields(cls)}


def media_json(media: c.MediaRef) -> Row:
    """A file as the screen sees it."""
    shown: Row = _plain(media)
    return shown


@cache
def _adapter(cls: type) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def parse_content(value: Any) -> c.Content:
    """The content that an agent wants to send. Raises ContentError."""
    if not isinstance(value, dict) or value.get("type") not in _BY_NAME:
        raise ContentError(f"content.type must be one of: {', '.join(sorted(_BY_NAME))}.")
    cls = _BY_NAME[value["type"]]
    fields = {k: v for k, v in value.items() if k != "type"}
    unknown = sorted(set(fields) - {f.name for f in dataclasses.fields(cls)})
    if unknown:
        raise ContentError(f"{value['type']} has no field {unknown[0]!r}.")
    try:
        content: c.Content = _adapter(cls).validate_python(fields)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise ContentError(f"content.{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    return content
