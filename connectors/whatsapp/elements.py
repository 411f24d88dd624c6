"""Content of a message element, type by type (webhooks/reference/messages/*, read 2026-11-21)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable

from connectors._meta import fields, graph
from connectors._meta.fields import Json
from gateway.core.content import (
    Card,
    ContactCard,
    Content,
    Edit,
    Editable,
    Form,
    FormField,
    Location,
    Media,
    MediaKind,
    MediaRef,
    MediaState,
    Postback,
    Reaction,
    Sticker,
    Target,
    Text,
    Unsend,
    Unsupported,
)

_UNKNOWN_TYPE = "application/octet-stream"
_HEX = re.compile(r"[0-9a-fA-F]{64}")


def content_of(element: Json) -> Content:
    """The content; Unsupported with the raw element for what is not known or not complete."""
    kind = fields.text(element, "type") or "unknown"
    reader = _READERS.get(kind)
    content = reader(element, fields.obj(element, kind)) if reader else None
    return content or _unsupported(element, kind)


_BESIDE = frozenset(("context", "referral", "system", "identity", "contacts"))
_REFERRAL = (
    "source_url", "source_id", "source_type", "headline", "body", "media_type", "image_url", "video_url",
    "thumbnail_url", "ctwa_clid",
)  # fmt: skip


def context_of(element: Json) -> dict[str, str] | None:
    """What WhatsApp adds to a message: forwarded, product, advertisement, change of identity, card's origin."""
    if _BESIDE.isdisjoint(element):
        return None
    context, referral = fields.obj(element, "context"), fields.obj(element, "referral")
    system, product = fields.obj(element, "system"), fields.obj(context, "referred_product")
    found = {f"referral.{key}": fields.text(referral, key) for key in _REFERRAL if key in referral}
    found["referral.welcome_message"] = fields.text(fields.obj(referral, "welcome_message"), "text")
    for key in ("forwarded", "frequently_forwarded"):
        found[key] = "true" if context.get(key) is True else None
    for key in ("catalog_id", "product_retailer_id"):
        found[key] = fields.text(product, key)
    found["system"], found["system.body"] = fields.text(system, "type"), fields.text(system, "body")
    found["identity_hash"] = fields.text(fields.obj(element, "identity"), "hash")
    for card in fields.objects(element, "contacts"):
        found["contact_origin"] = fields.text(card, "origin")
    return {key: value for key, value in found.items() if value} or None


def reply_to(element: Json) -> str | None:
    """Provider's id of the quoted message."""
    if "context" in element:
        return fields.text(fields.obj(element, "context"), "id")
    edited = fields.obj(fields.obj(element, "edit"), "message") if "edit" in element else element
    return fields.text(fields.obj(edited, "context"), "id")


def _text(_: Json, part: Json) -> Content | None:
    body = fields.text(part, "body")
    return Text(body) if body is not None else None


def _file(kind: MediaKind) -> Callable[[Json, Json], Content | None]:
    def read(element: Json, part: Json) -> Content | None:
        if not part and not element.get("errors"):
            return None
        shown = MediaKind.VOICE if kind is MediaKind.AUDIO and part.get("voice") is True else kind
        return Media(shown, _media(element, part), fields.text(part, "caption"))

    return read


def _media(element: Json, part: Json) -> MediaRef:
    provider_id = fields.text(part, "id")
    # The address in the webhook needs our token and lives five minutes, so it is not kept.
    return MediaRef(
        MediaState.PENDING if provider_id else MediaState.REFUSED,
        fields.text(part, "mime_type") or _UNKNOWN_TYPE,
        provider_id,
        filename=fields.text(part, "filename"),
        sha256=sha256_hex(fields.text(part, "sha256")),
        reason=None if provider_id else _reason(element) or "no media id",
    )


def sha256_hex(value: str | None) -> str | None:
    """The digest as lower-case hex, from hex or base64; None if it is neither."""
    if value is None or _HEX.fullmatch(value):
        return value.lower() if value else None
    try:
        digest = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None
    return digest.hex() if len(digest) == 32 else None


def _sticker(element: Json, part: Json) -> Content | None:
    return Sticker(_media(element, part), part.get("animated") is True) if part else None


def _location(_: Json, part: Json) -> Content | None:
    latitude, longitude = fields.number(part, "latitude"), fields.number(part, "longitude")
    if latitude is None or longitude is None:
        return None
    return Location(
        latitude,
        longitude,
        fields.text(part, "name"),
        fields.text(part, "address"),
        fields.text(part, "url"),
    )


def _contacts(element: Json, _: Json) -> Content | None:
    cards = tuple(_card(card) for card in fields.objects(element, "contacts"))
    return ContactCard(cards) if cards else None


def _card(card: Json) -> Card:
    name = fields.obj(card, "name")
    phones = [fields.text(p, "phone") or fields.text(p, "wa_id") for p in fields.objects(card, "phones")]
    emails = [fields.text(e, "email") for e in fields.objects(card, "emails")]
    return Card(
        fields.text(name, "formatted_name") or fields.text(name, "first_name") or "",
        tuple(phone for phone in phones if phone),
        tuple(email for email in emails if email),
        fields.text(fields.obj(card, "org"), "company"),
        fields.dump(card),
    )


def _reaction(_: Json, part: Json) -> Content | None:
    target = fields.text(part, "message_id")
    return Reaction(Target(target), fields.text(part, "emoji")) if target else None


def _interactive(element: Json, part: Json) -> Content | None:
    kind = fields.text(part, "type") or "interactive"
    answer = fields.obj(part, kind)
    if kind in ("button_reply", "list_reply") and (answer.get("id") or answer.get("title")):
        title = fields.text(answer, "title") or ""
        return Postback(fields.text(answer, "id") or title, title, _quoted(element))
    if kind == "nfm_reply" and answer:
        return _form(answer)
    return _unsupported(element, kind)


def _form(answer: Json) -> Form:
    response = fields.text(answer, "response_json") or "{}"
    try:
        values = fields.load(response.encode())
    except ValueError:
        values = {"response": response}
    # The token is our own, not something the contact filled in.
    filled = tuple(
        FormField(fields.clean(key), fields.clean(key), value=_form_value(value))
        for key, value in values.items()
        if key != "flow_token"
    )
    return Form(fields.text(answer, "body") or fields.text(answer, "name") or "", filled, answered=True)


def _form_value(value: object) -> str:
    return fields.clean(value) if isinstance(value, str) else fields.dump(value)


def _button(element: Json, part: Json) -> Content | None:
    title = fields.text(part, "text") or ""
    payload = fields.text(part, "payload") or title
    return Postback(payload, title, _quoted(element)) if payload else None


def _quoted(element: Json) -> Target | None:
    quoted = reply_to(element)
    return Target(quoted) if quoted else None


def _order(element: Json, part: Json) -> Content | None:
    lines = [
        f"{fields.text(item, 'quantity') or '?'} × {fields.text(item, 'product_retailer_id') or '?'}"
        f" ({fields.text(item, 'item_price') or '?'} {fields.text(item, 'currency') or ''})".replace(
            " )", ")"
        )
        for item in fields.objects(part, "product_items")
    ]
    words = "; ".join([*lines, *filter(None, [fields.text(part, "text")])])
    return Unsupported("order", words or None, fields.dump(element))


def _edit(element: Json, part: Json) -> Content | None:
    target, message = fields.text(part, "original_message_id"), fields.obj(part, "message")
    if not target:
        return None
    kind = fields.text(message, "type")
    inner = _unsupported(message, kind or "edit") if kind in _NOT_EDITABLE else content_of(message)
    return Edit(Target(target), inner) if isinstance(inner, Editable) else None


_NOT_EDITABLE = ("edit", "revoke", "reaction")


def _revoke(_: Json, part: Json) -> Content | None:
    target = fields.text(part, "original_message_id")
    return Unsend(Target(target)) if target else None


def _unsupported(element: Json, kind: str) -> Unsupported:
    named = fields.text(fields.obj(element, "unsupported"), "type")
    return Unsupported(named or kind, _reason(element), fields.dump(element))


def _reason(element: Json) -> str | None:
    found = [graph.error_of(error) for error in fields.objects(element, "errors")]
    return "; ".join(f"{error.code} {error.words}".strip() for error in found if error) or None


_READERS: dict[str, Callable[[Json, Json], Content | None]] = {
    "text": _text,
    "image": _file(MediaKind.IMAGE),
    "video": _file(MediaKind.VIDEO),
    "audio": _file(MediaKind.AUDIO),
    "voice": _file(MediaKind.VOICE),
    "document": _file(MediaKind.FILE),
    "sticker": _sticker,
    "location": _location,
    "contacts": _contacts,
    "reaction": _reaction,
    "interactive": _interactive,
    "button": _button,
    "order": _order,
    "edit": _edit,
    "revoke": _revoke,
}
