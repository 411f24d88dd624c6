"""Sending: one part becomes one request; the answer becomes an outcome."""

from __future__ import annotations

import re
from collections.abc import Iterator

from connectors._meta import fields, graph
from connectors.contract import (
    HttpRequest,
    HttpResponse,
    Next,
    NoAnswer,
    OpenAccount,
    Sending,
    SendOutcome,
)
from connectors.whatsapp import errors, payload
from connectors.whatsapp.profile import PROFILE
from gateway.core.capabilities import check_sendable
from gateway.core.content import Choice, ChoiceStyle, Clear, Content, Media, Reaction, Sealed, Sticker, Text
from gateway.core.errors import Code
from gateway.core.messages import SendRequest
from gateway.core.receipts import Fault, Problem

API_BASE = "https://graph.facebook.com"
API_VERSION = "v25.0"

_CALLBACK_DATA = re.compile(r"gw1:([0-9a-f-]{36}):([^:]{1,64}):(\d{1,4}):(\d{1,6})", re.ASCII)


def send(request: SendRequest, account: OpenAccount) -> Sending:
    """Send one part. Nothing is requested if WhatsApp could not take it."""
    if isinstance(request.content, Sealed):
        return SendOutcome(Next.FAIL, problem=_SEALED)
    content = request.content.content
    problem = check(content) or _incomplete(account)
    if problem:
        return SendOutcome(Next.FAIL, problem=problem)
    try:
        response = yield _http_request(request, content, account)
    except NoAnswer as lost:
        return _no_answer(lost)
    return _outcome(response)


def callback_data(request: SendRequest) -> str:
    """What WhatsApp repeats in each status, so that a status finds its part without our having its id."""
    return f"gw1:{request.conversation_id}:{request.message_id}:{request.part}:{request.attempt}"


def read_callback_data(value: str | None) -> tuple[str, str, int, int] | None:
    """Conversation, message, part and attempt; None if it is not ours."""
    found = _CALLBACK_DATA.fullmatch(value or "")
    return (found[1], found[2], int(found[3]), int(found[4])) if found else None


def check(content: Content) -> Problem | None:
    """Why WhatsApp cannot take this; None if it can."""
    refusal = check_sendable(PROFILE, Clear(content))
    if refusal:
        return Problem(refusal.code.value, refusal.detail, Fault.CONTENT, retry=False)
    for name, size in _sizes(content):
        limit = PROFILE.limit(name)
        if limit is not None and size > limit:
            detail = f"WhatsApp takes at most {limit} for {name}; this has {size}."
            return Problem(Code.CONTENT_TOO_LONG.value, detail, Fault.CONTENT, retry=False)
    missing = _missing(content)
    return Problem("invalid_request", missing, Fault.CONTENT, retry=False) if missing else None


def _sizes(content: Content) -> Iterator[tuple[str, int]]:
    """What of this content is limited: the limit's name and how much there is."""
    match content:
        case Text(body=body):
            yield "text", len(body)
        case Media(caption=caption):
            yield "caption", len(caption or "")
        case Choice():
            yield "header", len(content.header or "")
            yield "footer", len(content.footer or "")
            yield from _list_sizes(content) if content.style is ChoiceStyle.LIST else _button_sizes(content)


def _button_sizes(content: Choice) -> Iterator[tuple[str, int]]:
    yield "buttons", len(content.options)
    yield "buttons_body", len(content.body)
    for option in content.options:
        yield "button_title", len(option.title)
        yield "button_id", len(option.id)


def _list_sizes(content: Choice) -> Iterator[tuple[str, int]]:
    yield "list_rows", len(content.options)
    yield "list_body", len(content.body)
    yield "list_label", len(content.label or "")
    for option in content.options:
        yield "list_section_title", len(option.section or "")
        yield "list_row_id", len(option.id)
        yield "list_row_title", len(option.title)
        yield "list_row_description", len(option.description or "")


def _missing(content: Content) -> str | None:
    match content:
        case Media(media=media) | Sticker(media=media) if not (media.url or media.provider_id):
            return "The file has no address that WhatsApp could fetch it from."
        case Reaction(target=target) if not target.provider_id:
            return "The message to react to is not known to WhatsApp."
        case Choice():
            return _choice_fault(content)
    return None


def _choice_fault(content: Choice) -> str | None:
    titles = [option.title for option in content.options]
    sections = {option.section for option in content.options}
    is_list = content.style is ChoiceStyle.LIST
    if not titles or not all(titles) or not content.body.strip():
        return "A choice needs a text and options with titles."
    if not is_list and len(set(titles)) < len(titles):
        return "The titles of buttons must differ."
    if is_list and len({option.id for option in content.options}) < len(titles):
        return "The ids of a list's rows must differ."
    if is_list and len(sections) > 1 and None in sections:
        return "In a list of several sections each needs a title."
    if any(option.url for option in content.options) and not payload.is_url_button(content):
        return "WhatsApp takes a button with an address only alone."
    return None


def _incomplete(account: OpenAccount) -> Problem | None:
    if account.account.settings.get("phone_number_id") and account.secrets.get("access_token"):
        return None
    detail = "The channel account lacks the setting phone_number_id or the credential access_token."
    return Problem("account_incomplete", detail, Fault.ACCOUNT, retry=True)


def _http_request(request: SendRequest, content: Content, account: OpenAccount) -> HttpRequest:
    settings = account.account.settings
    base = (account.account.api_base or API_BASE).rstrip("/")
    version = settings.get("api_version", API_VERSION)
    headers = {
        "authorization": f"Bearer {account.secret('access_token')}",
        "content-type": "application/json",
    }
    body = fields.dump(_body(request, content)).encode()
    return HttpRequest("POST", f"{base}/{version}/{settings['phone_number_id']}/messages", headers, body)


def _body(request: SendRequest, content: Content) -> fields.Json:
    body: fields.Json = {"messaging_product": "whatsapp", "recipient_type": "individual"}
    if request.address_kind == "phone":
        body["to"] = "+" + request.address.lstrip("+")
    else:
        body["recipient"] = request.address
    if request.reply_to and not isinstance(content, Reaction):
        body["context"] = {"message_id": request.reply_to}
    return body | (payload.build(content) or {}) | {"biz_opaque_callback_data": callback_data(request)}


def _outcome(response: HttpResponse) -> SendOutcome:
    if not 200 <= response.status < 300:
        return errors.outcome(response)
    messages = fields.objects(graph.read_json(response), "messages")
    provider_id = fields.text(messages[0], "id") if messages else None
    if provider_id is None:
        return SendOutcome(Next.UNKNOWN, problem=_NO_ID)
    return SendOutcome(Next.DONE, provider_id)


_SEALED = Problem("unsupported_content", "Sealed content must be opened first.", Fault.GATEWAY, retry=False)
_NO_ID = Problem("no_answer", "WhatsApp took it but named no id.", Fault.CHANNEL, retry=False)
_UNREACHABLE = Problem("channel_unavailable", "WhatsApp could not be reached.", Fault.CHANNEL, retry=True)
_LOST = Problem("no_answer", "WhatsApp did not answer: it may have been sent.", Fault.CHANNEL, retry=False)


def _no_answer(lost: NoAnswer) -> SendOutcome:
    if lost.left:
        return SendOutcome(Next.UNKNOWN, problem=_LOST)
    return SendOutcome(Next.RETRY, problem=_UNREACHABLE)
