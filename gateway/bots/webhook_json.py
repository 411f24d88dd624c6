"""The JSON of the webhook bot: what it is told, and what it may answer (docs/bots.md). Pure."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gateway.bots.memory import Memory
from gateway.bots.menu import Act
from gateway.core import content as c
from gateway.core.commands import End, HandOver, HandOverReason, SendMessage
from gateway.core.events import ConversationEvent, MessageReceived

ACTIONS_AT_MOST = 10
ANSWER_BYTES_AT_MOST = 256_000
Json = dict[str, Any]

_CONTENT: tuple[type, ...] = (
    c.Text,
    c.Choice,
    c.Carousel,
    c.Form,
    c.Template,
    c.Media,
    c.Sticker,
    c.Location,
    c.ContactCard,
)
# Where a file lies at the channel or in our store is no business of a bot's.
_NOT_TOLD = {c.MediaRef: {"provider_id", "stored", "sha256"}, c.Unsupported: {"raw"}, c.Card: {"raw"}}
_FIELDS = {
    "send": {"content", "not_understood", "end"},
    "hand_over": {"department", "anyway"},
    "end": set[str](),
}


class InvalidAnswer(ValueError):
    """The bot's answer is not what docs/bots.md asks for; the text says where, without quoting it."""


@cache
def _name(cls: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


_BY_NAME = {_name(cls): cls for cls in _CONTENT}


def content_json(body: c.Body) -> Json:
    """Content as JSON: `type` and its fields; sealed content is `hidden`."""
    if isinstance(body, c.Sealed):
        return {"type": "hidden"}
    cls: type = body.content.__class__
    return {"type": _name(cls), **_plain(body.content)}


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if not dataclasses.is_dataclass(value):
        return value
    hidden = _NOT_TOLD.get(type(value), set())
    return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value) if f.name not in hidden}


def body_text(body: c.Body) -> str:
    """Plain text of the content; empty when sealed."""
    return c.plain_text(body.content) if isinstance(body, c.Clear) else ""


def told_event(event: ConversationEvent, memory: Memory, answer_by: int) -> Json:
    """What a webhook bot is told when the contact wrote or opened the chat. `memory` is from before the event."""
    told = _told(event.event_id, memory, event.conversation_id, answer_by)
    told |= {
        "first": not memory.told,
        "department": event.department_id,
        "contact": {"name": event.actor.name},
    }
    happening = event.happening
    if not isinstance(happening, MessageReceived):
        return told | {"type": "chat_opened"}
    message = {
        "id": happening.message_id,
        "at": event.occurred_at,
        "content": content_json(happening.content),
        "text": body_text(happening.content),
        "reply_to": happening.reply_to.message_id if happening.reply_to else None,
    }
    return told | {"type": "message", "message": message}


def told_refusal(
    cause: str, memory: Memory, conversation_id: str, answer_by: int, refusal: Mapping[str, str | None]
) -> Json:
    """What a webhook bot is told when an action of it was refused: `action`, `code`, `detail`."""
    return _told(cause, memory, conversation_id, answer_by) | {"type": "refused", "refused": dict(refusal)}


def _told(identifier: str, memory: Memory, conversation_id: str, answer_by: int) -> Json:
    return {
        "id": identifier,
        "bot": memory.bot,
        "tenant": memory.tenant,
        "conversation": conversation_id,
        "channel": memory.channel,
        "account": memory.account_id,
        "epoch": memory.epoch,
        "answer_by": answer_by,
        "history": [dict(entry) for entry in memory.history],
    }


def parse_answer(body: bytes) -> list[Act]:
    """The acts in a bot's answer; an empty body is none. Raises InvalidAnswer."""
    if not body.strip():
        return []
    if len(body) > ANSWER_BYTES_AT_MOST:
        raise InvalidAnswer(f"the answer has more than {ANSWER_BYTES_AT_MOST} bytes")
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidAnswer("the answer is not JSON") from None
    actions = answer.get("actions") if isinstance(answer, dict) else None
    if not isinstance(actions, list) or len(actions) > ACTIONS_AT_MOST:
        raise InvalidAnswer(f"`actions` is a list of at most {ACTIONS_AT_MOST}")
    return [_act(number, given) for number, given in enumerate(actions)]


def _act(number: int, given: Any) -> Act:
    where = f"actions[{number}]"
    kind = given.get("type") if isinstance(given, dict) else None
    if not isinstance(kind, str) or kind not in _FIELDS:
        raise InvalidAnswer(f"{where}.type is one of {', '.join(_FIELDS)}")
    if set(given) - _FIELDS[kind] - {"type"}:
        raise InvalidAnswer(f"{where} has a field that `{kind}` does not know")
    for name in ("not_understood", "end", "anyway"):
        if not isinstance(given.get(name, False), bool):
            raise InvalidAnswer(f"{where}.{name} is true or false")
    if kind == "end":
        return End()
    if kind == "hand_over":
        department = given.get("department")
        if department is not None and not isinstance(department, str):
            raise InvalidAnswer(f"{where}.department is a department's id")
        return HandOver(HandOverReason.BOT_ASKED, department, given.get("anyway", False))
    content = c.Clear(_content(f"{where}.content", given.get("content")))
    return SendMessage(content, None, given.get("end", False), given.get("not_understood", False))


@cache
def _adapter(cls: type) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def _content(where: str, given: Any) -> c.Content:
    cls = _BY_NAME.get(str(given.get("type"))) if isinstance(given, dict) else None
    if cls is None:
        raise InvalidAnswer(f"{where}.type is one of {', '.join(_BY_NAME)}")
    fields = {key: value for key, value in given.items() if key != "type"}
    if set(fields) - {field.name for field in dataclasses.fields(cls)}:
        raise InvalidAnswer(f"{where} has a field that it does not know")
    try:
        content: c.Content = _adapter(cls).validate_python(fields)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        raise InvalidAnswer(f"{where}.{'.'.join(map(str, first['loc']))}: {first['type']}") from None
    if isinstance(content, c.Choice) and not content.options:
        raise InvalidAnswer(f"{where}.options holds at least one")
    return content
