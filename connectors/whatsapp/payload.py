"""Bodies of the send API (developers.facebook.com/docs/whatsapp/cloud-api/guides/send-messages, 2026-11-21)."""

from __future__ import annotations

from typing import Any

from gateway.core.content import (
    Card,
    Choice,
    ChoiceStyle,
    ContactCard,
    Content,
    Location,
    Media,
    MediaKind,
    MediaRef,
    Option,
    Reaction,
    Sticker,
    Template,
    TemplateParameter,
    Text,
)

Json = dict[str, Any]

_LIST_LABEL = "Menu"  # the button that opens a list must have a word; this one is the same in most languages
_FILE_TYPES = {
    MediaKind.IMAGE: "image",
    MediaKind.VIDEO: "video",
    MediaKind.AUDIO: "audio",
    MediaKind.VOICE: "audio",
    MediaKind.FILE: "document",
}
_WITHOUT_CAPTION = (MediaKind.AUDIO, MediaKind.VOICE)


def build(content: Content) -> Json | None:
    """The fields `type` and the one named like it; None for content that WhatsApp cannot take."""
    match content:
        case Text(body=body, preview_url=preview):
            return {"type": "text", "text": {"body": body, "preview_url": preview}}
        case Media():
            return _media(content)
        case Sticker(media=media):
            return {"type": "sticker", "sticker": _file(media)}
        case Location():
            return {"type": "location", "location": _location(content)}
        case ContactCard(cards=cards):
            return {"type": "contacts", "contacts": [_card(card) for card in cards]}
        case Choice():
            return {"type": "interactive", "interactive": _choice(content)}
        case Template():
            return {"type": "template", "template": _template(content)}
        case Reaction(target=target, emoji=emoji):
            return {"type": "reaction", "reaction": {"message_id": target.provider_id, "emoji": emoji or ""}}
        case _:
            return None


def _media(content: Media) -> Json:
    kind = _FILE_TYPES[content.kind]
    file = _file(content.media)
    if content.caption and content.kind not in _WITHOUT_CAPTION:
        file["caption"] = content.caption
    if content.kind is MediaKind.VOICE:
        file["voice"] = True
    if content.kind is MediaKind.FILE and content.media.filename:
        file["filename"] = content.media.filename
    return {"type": kind, kind: file}


def _file(media: MediaRef) -> Json:
    return {"link": media.url} if media.url else {"id": media.provider_id}


def _location(content: Location) -> Json:
    named = {"name": content.name, "address": content.address}
    place = {"latitude": content.latitude, "longitude": content.longitude}
    return place | {key: value for key, value in named.items() if value}


def _card(card: Card) -> Json:
    # A name needs one part beside the whole.
    built: Json = {"name": {"formatted_name": card.name, "first_name": card.name}}
    if card.phones:
        built["phones"] = [{"phone": phone} for phone in card.phones]
    if card.emails:
        built["emails"] = [{"email": email} for email in card.emails]
    if card.organisation:
        built["org"] = {"company": card.organisation}
    return built


def _choice(content: Choice) -> Json:
    built: Json = {"type": "button", "body": {"text": content.body}}
    if content.header:
        built["header"] = {"type": "text", "text": content.header}
    if content.footer:
        built["footer"] = {"text": content.footer}
    if content.style is ChoiceStyle.LIST:
        titles = dict.fromkeys(option.section for option in content.options)
        sections = [_section(t, [o for o in content.options if o.section == t]) for t in titles]
        return built | {
            "type": "list",
            "action": {"button": content.label or _LIST_LABEL, "sections": sections},
        }
    if is_url_button(content):
        option = content.options[0]
        parameters = {"display_text": option.title, "url": option.url}
        return built | {"type": "cta_url", "action": {"name": "cta_url", "parameters": parameters}}
    replies = [{"type": "reply", "reply": {"id": o.id, "title": o.title}} for o in content.options]
    return built | {"action": {"buttons": replies}}


def is_url_button(content: Choice) -> bool:
    """Whether it is one button that opens a page: WhatsApp has no mix of those with replies."""
    return (
        content.style is not ChoiceStyle.LIST and len(content.options) == 1 and bool(content.options[0].url)
    )


def _section(title: str | None, options: list[Option]) -> Json:
    rows: list[Json] = [
        {"id": o.id, "title": o.title} | ({"description": o.description} if o.description else {})
        for o in options
    ]
    return ({"title": title} if title else {}) | {"rows": rows}


def _template(content: Template) -> Json:
    built: Json = {"name": content.name, "language": {"code": content.language}}
    components = [
        _component(where, [p for p in content.parameters if p.where == where])
        for where in dict.fromkeys(p.where for p in content.parameters)
    ]
    return built | ({"components": components} if components else {})


def _component(where: str, parameters: list[TemplateParameter]) -> Json:
    kind, _, rest = where.partition(":")
    if kind != "button":
        return {"type": kind, "parameters": [_parameter(p) for p in parameters]}
    index, _, sub_type = rest.partition(":")
    if sub_type == "quick_reply":
        values: list[Json] = [{"type": "payload", "payload": p.value} for p in parameters]
    else:
        values = [{"type": "text", "text": p.value} for p in parameters]
    return {"type": "button", "sub_type": sub_type, "index": index, "parameters": values}


def _parameter(parameter: TemplateParameter) -> Json:
    if parameter.kind in ("image", "video", "document"):
        return {"type": parameter.kind, parameter.kind: {"link": parameter.value}}
    built: Json = {"type": parameter.kind, parameter.kind: parameter.value}
    return built | ({"parameter_name": parameter.name} if parameter.name else {})
