"""What the Cloud API says about the body of a send, written apart from the connector on purpose. Pure.

Sources: the send reference and the error list of developers.facebook.com/docs/whatsapp/cloud-api, 2026-11-21.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from connectors.whatsapp.simulator.api_error import ApiError
from connectors.whatsapp.simulator.config import Config, FakeFile

Json = dict[str, Any]

MEGABYTE = 1024 * 1024
OFFICE = "application/vnd.openxmlformats-officedocument."
FILES: dict[str, tuple[int, tuple[str, ...]]] = {
    "image": (5 * MEGABYTE, ("image/jpeg", "image/png")),
    "video": (16 * MEGABYTE, ("video/mp4", "video/3gpp")),
    "audio": (16 * MEGABYTE, ("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg")),
    "document": (
        100 * MEGABYTE,
        ("text/plain", "application/pdf", "application/msword", "application/vnd.ms-excel", OFFICE),
    ),
    "sticker": (500 * 1024, ("image/webp",)),
}
_COMMON = {
    "messaging_product",
    "recipient_type",
    "to",
    "recipient",
    "type",
    "context",
    "biz_opaque_callback_data",
    "recipient_identity_key_hash",
}


def check(body: Json, config: Config) -> None:
    """Raises ApiError for a body that the Cloud API refuses, whoever it is for."""
    if body.get("messaging_product") != "whatsapp":
        raise ApiError(100, "The parameter messaging_product is required.")
    if body.get("recipient_type", "individual") != "individual":
        raise ApiError(131009, "recipient_type")
    _check_recipient(body)
    kind = body.get("type", "text")
    if kind not in _TYPES:
        raise ApiError(131051, f"Unsupported message type {kind}")
    _only(body, {*_COMMON, kind})
    if not isinstance(body.get(kind), list if kind == "contacts" else dict):
        raise ApiError(131008, f"Parameter {kind} is missing")
    _string(body, "biz_opaque_callback_data", 512, code=100, required=False)
    if "context" in body:
        _string(body["context"], "message_id", 1000)
    _TYPES[kind](body[kind], kind, config)


def _check_recipient(body: Json) -> None:
    to, recipient = body.get("to"), body.get("recipient")
    if not to and not recipient:
        raise ApiError(131008, "The parameter to is required.")
    if to and not re.fullmatch(r"\+?[0-9]{6,20}", str(to)):
        raise ApiError(131009, "to is not a phone number")
    if not to and not re.fullmatch(r"[A-Z]{2}\.[A-Za-z0-9]{1,128}", str(recipient)):
        raise ApiError(131009, "recipient is not a user id")


def _only(value: Json, known: set[str]) -> None:
    for key in value:
        if key not in known:
            raise ApiError(100, f"Unexpected key {key!r}")


def _string(value: Any, key: str, longest: int, code: int = 131009, required: bool = True) -> str:
    found = value.get(key) if isinstance(value, dict) else None
    if found is None and not required:
        return ""
    if found is None or found == "":
        raise ApiError(131008, f"Parameter {key} is missing")
    if not isinstance(found, str):
        raise ApiError(131009, f"Parameter {key} must be a string")
    if len(found) > longest:
        raise ApiError(code, f"Parameter {key} must be at most {longest} characters long")
    return found


def _object(value: Any, key: str) -> Json:
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, dict):
        raise ApiError(131008, f"Parameter {key} is missing")
    return found


def _list(value: Any, key: str, most: int, code: int = 131009) -> list[Any]:
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, list) or not found:
        raise ApiError(131008, f"Parameter {key} is missing")
    if len(found) > most:
        raise ApiError(code, f"At most {most} {key}")
    return found


def _text(part: Json, _: str, __: Config) -> None:
    _only(part, {"body", "preview_url"})
    if not _string(part, "body", 4096, code=100).strip():
        raise ApiError(131009, "body is blank")


def _file(part: Json, kind: str, config: Config) -> None:
    extra = {
        "image": {"caption"},
        "video": {"caption"},
        "document": {"caption", "filename"},
        "audio": {"voice"},
    }
    _only(part, {"link", "id", *extra.get(kind, set())})
    if ("link" in part) == ("id" in part):
        raise ApiError(131009, "Either link or id")
    _string(part, "caption", 1024, code=100, required=False)
    if "id" in part:
        _string(part, "id", 200)
    else:
        _check_link(_string(part, "link", 4000), kind, config.files)


def _check_link(link: str, kind: str, files: Mapping[str, FakeFile]) -> None:
    parts = urlsplit(link)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ApiError(131053, "The link is not an http address")
    guessed = mimetypes.guess_type(parts.path)[0]
    file = files.get(link) or (FakeFile(guessed) if guessed else None)
    if file is None:
        return
    most, mimes = FILES[kind]
    if not file.mime.startswith(mimes):
        raise ApiError(131053, f"Unsupported {kind} mime type {file.mime}")
    if file.size > most:
        raise ApiError(131053, f"The file is larger than {most} bytes")


def _location(part: Json, _: str, __: Config) -> None:
    _only(part, {"latitude", "longitude", "name", "address"})
    for key, most in (("latitude", 90), ("longitude", 180)):
        if key not in part:
            raise ApiError(131008, f"Parameter {key} is missing")
        try:
            inside = abs(float(part[key])) <= most
        except (TypeError, ValueError):
            inside = False
        if not inside:
            raise ApiError(131009, key)


def _contacts(part: Any, _: str, __: Config) -> None:
    for card in part or [{}]:
        name = _object(card, "name")
        _string(name, "formatted_name", 1000)
        if len(name) < 2:
            raise ApiError(131009, "name needs one more part than formatted_name")


def _reaction(part: Json, _: str, __: Config) -> None:
    _only(part, {"message_id", "emoji"})
    _string(part, "message_id", 1000)
    if not isinstance(part.get("emoji"), str):
        raise ApiError(131008, "Parameter emoji is missing")


def _interactive(part: Json, _: str, __: Config) -> None:
    kind = _string(part, "type", 40)
    if kind not in _INTERACTIVE:
        raise ApiError(131009, f"interactive type {kind}")
    if "header" in part and _string(_object(part, "header"), "type", 20) == "text":
        _string(part["header"], "text", 60)
    if "footer" in part:
        _string(_object(part, "footer"), "text", 60)
    _string(_object(part, "body"), "text", 4096 if kind == "list" else 1024)
    _INTERACTIVE[kind](_object(part, "action"))


def _buttons(action: Json) -> None:
    titles = set()
    buttons = _list(action, "buttons", 3)
    for button in buttons:
        reply = _object(button, "reply")
        _string(reply, "id", 256)
        titles.add(_string(reply, "title", 20))
    if len(titles) < len(buttons):
        raise ApiError(131009, "Duplicate button titles")


def _rows(action: Json) -> None:
    _string(action, "button", 20)
    sections, ids = _list(action, "sections", 10), []
    for section in sections:
        _string(section, "title", 24, required=len(sections) > 1)
        for row in _list(section, "rows", 10):
            ids.append(_string(row, "id", 200))
            _string(row, "title", 24)
            _string(row, "description", 72, required=False)
    if len(ids) > 10:
        raise ApiError(131009, "Total row count exceed max allowed count: 10")
    if len(set(ids)) < len(ids):
        raise ApiError(131009, "Duplicate row ids")


def _url_button(action: Json) -> None:
    parameters = _object(action, "parameters")
    _string(parameters, "display_text", 20)
    _string(parameters, "url", 2000)


def _location_request(action: Json) -> None:
    if action.get("name") != "send_location":
        raise ApiError(131009, "action name")


_INTERACTIVE: dict[str, Callable[[Json], None]] = {
    "button": _buttons,
    "list": _rows,
    "cta_url": _url_button,
    "location_request_message": _location_request,
}


def _template(part: Json, _: str, config: Config) -> None:
    _only(part, {"name", "language", "components"})
    name, language = _string(part, "name", 512), _string(_object(part, "language"), "code", 20)
    entry = next((t for t in config.templates if (t.name, t.language) == (name, language)), None)
    if entry is None:
        raise ApiError(132001, f"template name ({name}) does not exist in {language}")
    if entry.state != "approved":
        raise ApiError(132015 if entry.state == "paused" else 132016)
    components = _list(part, "components", 20) if "components" in part else []
    bodies = [c for c in components if _string(c, "type", 20) == "body"]
    given = sum(len(_list(component, "parameters", 100)) for component in bodies)
    if given != entry.values:
        raise ApiError(132000, f"number of localizable_params ({given}) does not match ({entry.values})")


_TYPES: dict[str, Callable[[Any, str, Config], None]] = {
    "text": _text,
    "image": _file,
    "video": _file,
    "audio": _file,
    "document": _file,
    "sticker": _file,
    "location": _location,
    "contacts": _contacts,
    "reaction": _reaction,
    "interactive": _interactive,
    "template": _template,
}
