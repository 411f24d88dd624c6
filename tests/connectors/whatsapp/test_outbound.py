"""Sending: the exact request of each content, and what follows each answer."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from connectors.contract import HttpRequest, HttpResponse, Next, NoAnswer, OpenAccount, Scope, SendOutcome
from connectors.whatsapp import CONNECTOR, errors, outbound
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
    MediaState,
    Option,
    Reaction,
    Sealed,
    Sticker,
    Target,
    Template,
    TemplateParameter,
    Text,
)
from gateway.core.messages import SendRequest
from gateway.core.receipts import Fault
from tests.connectors.whatsapp.shapes import ACCOUNT, NUMBER, USER_ID, part

OPTIONS = (Option("order:cancel", "Cancel order"), Option("order:keep", "Keep it"))


def file(mime: str, **fields: Any) -> MediaRef:
    return MediaRef(MediaState.READY, mime, url="https://cdn.example.org/a", **fields)


def drive(request: SendRequest, *answers: HttpResponse | NoAnswer) -> tuple[list[HttpRequest], SendOutcome]:
    sending, sent, left = CONNECTOR.send(request, ACCOUNT), [], list(answers)
    try:
        sent.append(next(sending))
        while True:
            answer = left.pop(0)
            sent.append(sending.throw(answer) if isinstance(answer, NoAnswer) else sending.send(answer))
    except StopIteration as stop:
        return sent, stop.value


def answer(status: int, body: Any, **headers: str) -> HttpResponse:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpResponse(status, {k.replace("_", "-"): v for k, v in headers.items()}, raw)


OK = answer(200, {"messaging_product": "whatsapp", "messages": [{"id": "wamid.OUT"}]})


def refused(code: int, status: int = 400, details: str = "why") -> HttpResponse:
    return answer(
        status,
        {
            "error": {
                "message": "m",
                "type": "OAuthException",
                "code": code,
                "error_data": {"details": details},
            }
        },
    )


BODIES: list[tuple[str, Content, dict[str, Any]]] = [
    (
        "text",
        Text("It left: https://example.org/t/1", preview_url=True),
        {"type": "text", "text": {"body": "It left: https://example.org/t/1", "preview_url": True}},
    ),
    (
        "image",
        Media(MediaKind.IMAGE, file("image/jpeg"), "Label"),
        {"type": "image", "image": {"link": "https://cdn.example.org/a", "caption": "Label"}},
    ),
    (
        "file of the provider's",
        Media(MediaKind.VIDEO, MediaRef(MediaState.READY, "video/mp4", provider_id="77")),
        {"type": "video", "video": {"id": "77"}},
    ),
    (
        "voice memo",
        Media(MediaKind.VOICE, file("audio/ogg; codecs=opus"), "never shown"),
        {"type": "audio", "audio": {"link": "https://cdn.example.org/a", "voice": True}},
    ),
    (
        "document",
        Media(MediaKind.FILE, file("application/pdf", filename="a.pdf")),
        {"type": "document", "document": {"link": "https://cdn.example.org/a", "filename": "a.pdf"}},
    ),
    (
        "sticker",
        Sticker(file("image/webp")),
        {"type": "sticker", "sticker": {"link": "https://cdn.example.org/a"}},
    ),
    (
        "location",
        Location(52.5, 13.4, "Alex"),
        {"type": "location", "location": {"latitude": 52.5, "longitude": 13.4, "name": "Alex"}},
    ),
    (
        "contact card",
        ContactCard((Card("Uwe", ("+4930",), ("u@example.org",), "Brandt"),)),
        {
            "type": "contacts",
            "contacts": [
                {
                    "name": {"formatted_name": "Uwe", "first_name": "Uwe"},
                    "phones": [{"phone": "+4930"}],
                    "emails": [{"email": "u@example.org"}],
                    "org": {"company": "Brandt"},
                }
            ],
        },
    ),
    (
        "reaction",
        Reaction(Target("wamid.IN"), "🙏"),
        {"type": "reaction", "reaction": {"message_id": "wamid.IN", "emoji": "🙏"}},
    ),
    (
        "reaction taken back",
        Reaction(Target("wamid.IN"), None),
        {"type": "reaction", "reaction": {"message_id": "wamid.IN", "emoji": ""}},
    ),
    (
        "buttons",
        Choice("Cancel?", OPTIONS, header="Order", footer="Any time"),
        {
            "type": "interactive",
            "interactive": {
                "type": "button",
                "header": {"type": "text", "text": "Order"},
                "body": {"text": "Cancel?"},
                "footer": {"text": "Any time"},
                "action": {
                    "buttons": [
                        {"type": "reply", "reply": {"id": "order:cancel", "title": "Cancel order"}},
                        {"type": "reply", "reply": {"id": "order:keep", "title": "Keep it"}},
                    ]
                },
            },
        },
    ),
    (
        "button with an address",
        Choice("Track it", (Option("t", "Open tracking", url="https://example.org/t/1"),)),
        {
            "type": "interactive",
            "interactive": {
                "type": "cta_url",
                "body": {"text": "Track it"},
                "action": {
                    "name": "cta_url",
                    "parameters": {"display_text": "Open tracking", "url": "https://example.org/t/1"},
                },
            },
        },
    ),
    (
        "list",
        Choice(
            "Pick a time",
            (
                Option("a", "14:00", "long", "Tuesday"),
                Option("b", "15:00", None, "Friday"),
                Option("c", "16:00", None, "Tuesday"),
            ),
            ChoiceStyle.LIST,
            label="Show times",
        ),
        {
            "type": "interactive",
            "interactive": {
                "type": "list",
                "body": {"text": "Pick a time"},
                "action": {
                    "button": "Show times",
                    "sections": [
                        {
                            "title": "Tuesday",
                            "rows": [
                                {"id": "a", "title": "14:00", "description": "long"},
                                {"id": "c", "title": "16:00"},
                            ],
                        },
                        {"title": "Friday", "rows": [{"id": "b", "title": "15:00"}]},
                    ],
                },
            },
        },
    ),
    (
        "template",
        Template(
            "order_update",
            "de",
            (
                TemplateParameter("header", "https://cdn.example.org/h.jpg", "image"),
                TemplateParameter("body", "Lena", name="first_name"),
                TemplateParameter("body", "2291"),
                TemplateParameter("button:0:quick_reply", "CONFIRM_2291"),
                TemplateParameter("button:1:url", "2291"),
            ),
        ),
        {
            "type": "template",
            "template": {
                "name": "order_update",
                "language": {"code": "de"},
                "components": [
                    {
                        "type": "header",
                        "parameters": [{"type": "image", "image": {"link": "https://cdn.example.org/h.jpg"}}],
                    },
                    {
                        "type": "body",
                        "parameters": [
                            {"type": "text", "text": "Lena", "parameter_name": "first_name"},
                            {"type": "text", "text": "2291"},
                        ],
                    },
                    {
                        "type": "button",
                        "sub_type": "quick_reply",
                        "index": "0",
                        "parameters": [{"type": "payload", "payload": "CONFIRM_2291"}],
                    },
                    {
                        "type": "button",
                        "sub_type": "url",
                        "index": "1",
                        "parameters": [{"type": "text", "text": "2291"}],
                    },
                ],
            },
        },
    ),
]


@pytest.mark.parametrize(("name", "content", "wanted"), BODIES, ids=[name for name, _, _ in BODIES])
def test_the_request_of_each_content(name: str, content: Content, wanted: dict[str, Any]) -> None:
    [request], outcome = drive(part(content), OK)
    assert (request.method, request.url) == ("POST", f"https://graph.facebook.com/v25.0/{NUMBER}/messages")
    assert request.headers["authorization"] == "Bearer token-very-secret"
    body = json.loads(request.body)
    assert body.pop("biz_opaque_callback_data") == (
        "gw1:6c1f6d5e-0f5e-5d6c-8f55-6c3a5a4a8a10:0b6a3c8e-1d1f-5b7e-9c53-9be1f6f8f001:0:1"
    )
    common = {"messaging_product": "whatsapp", "recipient_type": "individual", "to": "+4915223456789"}
    assert body == common | wanted
    assert (outcome.next, outcome.provider_message_id) == (Next.DONE, "wamid.OUT")


def test_to_a_user_id() -> None:
    [request], _ = drive(part(Text("x"), address=USER_ID, address_kind="user_id"), OK)
    body = json.loads(request.body)
    assert body["recipient"] == USER_ID
    assert "to" not in body


def test_reply_to_names_the_quoted_message_but_not_on_a_reaction() -> None:
    [request], _ = drive(part(Text("x"), reply_to="wamid.IN"), OK)
    assert json.loads(request.body)["context"] == {"message_id": "wamid.IN"}
    [request], _ = drive(part(Reaction(Target("wamid.IN"), "x"), reply_to="wamid.IN"), OK)
    assert "context" not in json.loads(request.body)


def test_base_and_version_of_the_account() -> None:
    settings = ACCOUNT.account.settings | {"api_version": "v26.0"}
    account = dataclasses.replace(
        ACCOUNT.account, api_base="http://127.0.0.1:8090/whatsapp/", settings=settings
    )
    request = next(CONNECTOR.send(part(Text("x")), dataclasses.replace(ACCOUNT, account=account)))
    assert request.url == f"http://127.0.0.1:8090/whatsapp/v26.0/{NUMBER}/messages"


def test_callback_data_comes_back_as_it_went_and_fits() -> None:
    request = part(Text("x"), part=3, attempt=12)
    told = outbound.callback_data(request)
    assert outbound.read_callback_data(told) == (request.conversation_id, request.message_id, 3, 12)
    assert len(told) <= (CONNECTOR.profile.limit("callback_data") or 0)


def options(count: int, **fields: Any) -> tuple[Option, ...]:
    return tuple(Option(f"id{n}", f"title {n}", **fields) for n in range(count))


TOO_MUCH: list[tuple[str, Content, str]] = [
    ("text", Text("x" * 4097), "content_too_long"),
    ("caption", Media(MediaKind.IMAGE, file("image/jpeg"), "x" * 1025), "content_too_long"),
    ("file", Media(MediaKind.IMAGE, file("image/jpeg", size=6_000_000)), "content_too_long"),
    ("buttons", Choice("b", options(4)), "content_too_long"),
    ("button title", Choice("b", (Option("i", "x" * 21),)), "content_too_long"),
    ("button id", Choice("b", (Option("i" * 257, "x"),)), "content_too_long"),
    ("buttons' body", Choice("x" * 1025, options(1)), "content_too_long"),
    ("header", Choice("b", options(1), header="x" * 61), "content_too_long"),
    ("footer", Choice("b", options(1), footer="x" * 61), "content_too_long"),
    ("rows", Choice("b", options(11), ChoiceStyle.LIST), "content_too_long"),
    ("row title", Choice("b", (Option("i", "x" * 25),), ChoiceStyle.LIST), "content_too_long"),
    ("row description", Choice("b", options(1, description="x" * 73), ChoiceStyle.LIST), "content_too_long"),
    ("section title", Choice("b", options(1, section="x" * 25), ChoiceStyle.LIST), "content_too_long"),
    ("list label", Choice("b", options(1), ChoiceStyle.LIST, label="x" * 21), "content_too_long"),
    ("url title", Choice("b", (Option("i", "x" * 21, url="https://e.org"),)), "content_too_long"),
    ("empty text", Text("  "), "empty_content"),
    ("mime", Media(MediaKind.IMAGE, file("image/gif")), "unsupported_content"),
    ("no file", Media(MediaKind.IMAGE, MediaRef(MediaState.PENDING, "image/png")), "invalid_request"),
    ("no options", Choice("b", ()), "invalid_request"),
    ("same titles", Choice("b", (Option("1", "x"), Option("2", "x"))), "invalid_request"),
    ("same row ids", Choice("b", (Option("1", "x"), Option("1", "y")), ChoiceStyle.LIST), "invalid_request"),
    (
        "a section without title",
        Choice("b", (Option("1", "x", section="s"), Option("2", "y")), ChoiceStyle.LIST),
        "invalid_request",
    ),
    (
        "address beside replies",
        Choice("b", (*OPTIONS, Option("u", "u", url="https://e.org"))),
        "invalid_request",
    ),
    ("reaction to nothing", Reaction(Target(), "x"), "invalid_request"),
]


@pytest.mark.parametrize(("name", "content", "code"), TOO_MUCH, ids=[name for name, _, _ in TOO_MUCH])
def test_what_whatsapp_cannot_take_fails_before_any_request(name: str, content: Content, code: str) -> None:
    sent, outcome = drive(part(content))
    assert sent == []
    assert outcome.next is Next.FAIL
    assert outcome.problem is not None
    assert (outcome.problem.code, outcome.problem.fault) == (code, Fault.CONTENT)


def test_what_just_fits_goes_out() -> None:
    full = Choice("b" * 1024, options(10, description="d" * 72, section="s" * 24), ChoiceStyle.LIST)
    for content in (Text("x" * 4096), Text("荷" * 4096), full, Choice("b" * 1024, options(3))):
        assert drive(part(content), OK)[1].next is Next.DONE


def test_sealed_content_and_an_incomplete_account_fail_before_any_request() -> None:
    sent, outcome = drive(dataclasses.replace(part(Text("x")), content=Sealed("k", b"n", b"d")))
    assert (sent, outcome.next) == ([], Next.FAIL)
    bare = OpenAccount(dataclasses.replace(ACCOUNT.account, settings={}), ACCOUNT.secrets)
    with pytest.raises(StopIteration) as stop:
        next(CONNECTOR.send(part(Text("x")), bare))
    assert stop.value.value.problem.code == "account_incomplete"


ANSWERS: list[tuple[str, HttpResponse | NoAnswer, dict[str, Any]]] = [
    (
        "pair rate",
        refused(131056),
        {"next": "retry", "retry_after": 1000, "growth": 4, "scope": "conversation"},
    ),
    ("number rate", refused(130429), {"next": "retry", "retry_after": 1000, "scope": "account"}),
    ("app rate", refused(4), {"next": "retry", "retry_after": 60_000, "scope": "account"}),
    (
        "429 without a body",
        answer(429, b"", retry_after="7"),
        {"next": "retry", "retry_after": 7000, "scope": "account"},
    ),
    (
        "429, code of tomorrow",
        refused(999999, 429),
        {"next": "retry", "retry_after": 60_000, "scope": "account"},
    ),
    (
        "429, date",
        answer(429, b"", retry_after="Wed, 21 Oct 2026 07:28:00 GMT"),
        {"next": "retry", "retry_after": 60_000},
    ),
    ("token", refused(190, 401), {"next": "retry", "stop_account": True, "scope": "account"}),
    ("code 0", refused(0, 401), {"next": "retry", "stop_account": True}),
    ("401 without a body", answer(401, b""), {"next": "retry", "stop_account": True}),
    ("permission", refused(10, 403), {"next": "retry", "stop_account": True}),
    ("permission 2xx", refused(250, 403), {"next": "retry", "stop_account": True}),
    ("locked", refused(131031, 403), {"next": "retry", "stop_account": True}),
    ("outage", refused(2, 503), {"next": "retry", "retry_after": None}),
    ("outage with Retry-After", answer(503, b"", retry_after="3"), {"next": "retry", "retry_after": 3000}),
    ("something", refused(131000, 500), {"next": "retry"}),
    ("code of tomorrow, 500", refused(999999, 500), {"next": "retry"}),
    ("bare 500", answer(500, b"oops"), {"next": "unknown"}),
    ("bare 502", answer(502, b"<html>"), {"next": "unknown"}),
    ("bare 504", answer(504, b""), {"next": "unknown"}),
    ("window", refused(131047), {"next": "fail", "code": "window_closed", "fault": "window", "retry": False}),
    ("undeliverable", refused(131026), {"next": "fail", "code": "undeliverable", "fault": "contact"}),
    ("parameter", refused(100), {"next": "fail", "code": "invalid_request", "fault": "content"}),
    ("media", refused(131053), {"next": "fail", "code": "media_rejected", "fault": "content", "retry": True}),
    ("template", refused(132001, 404), {"next": "fail", "code": "template_invalid"}),
    (
        "payment",
        refused(131042),
        {"next": "fail", "code": "payment", "fault": "account", "stop_account": False},
    ),
    ("code of tomorrow", refused(999999), {"next": "fail", "code": "unknown_error", "fault": "channel"}),
    ("no envelope", answer(400, b"<html>"), {"next": "fail", "code": "unknown_error"}),
    ("moved", answer(302, b""), {"next": "fail", "code": "unknown_error"}),
    ("200 without an id", answer(200, {"messages": []}), {"next": "unknown"}),
    ("200 that is no JSON", answer(200, b"OK"), {"next": "unknown"}),
    ("no answer", NoAnswer(left=True), {"next": "unknown", "code": "no_answer"}),
    ("no connection", NoAnswer(left=False), {"next": "retry", "code": "channel_unavailable"}),
]


@pytest.mark.parametrize(("name", "given", "wanted"), ANSWERS, ids=[name for name, _, _ in ANSWERS])
def test_what_follows_an_answer(name: str, given: HttpResponse | NoAnswer, wanted: dict[str, Any]) -> None:
    _, outcome = drive(part(Text("x")), given)
    for key, value in wanted.items():
        holder = outcome.problem if key in ("code", "fault", "retry") else outcome
        assert getattr(holder, key) == value, key
    assert outcome.problem is not None
    assert outcome.scope in Scope


@pytest.mark.parametrize("code", sorted(errors.TABLE))
def test_each_listed_error_has_an_outcome(code: int) -> None:
    _, outcome = drive(part(Text("x")), refused(code))
    problem = outcome.problem
    assert problem is not None
    assert problem.code != "unknown_error"
    assert problem.provider_code == str(code)
    assert outcome.next in (Next.FAIL, Next.RETRY)
    assert problem.retry or outcome.next is Next.FAIL


def test_metas_words_stay_out_where_they_may_hold_a_token() -> None:
    _, outcome = drive(part(Text("x")), refused(190, 401, "Malformed access token token-very-secret"))
    assert "token-very-secret" not in repr(outcome)


def test_the_fact_sheets_error_list_is_complete() -> None:
    listed = """0 190 3 10 131005 1 2 4 80007 130429 131056 131048 131064 133016 613 33 100 368 131031 130497 130472
    131000 131008 131009 131016 131021 131026 131030 131035 131036 131037 131042 131045 131047 131049 131050 131051
    131052 131053 131055 131057 131062 131063 132000 132001 132005 132007 132008 132012 132018 132015 132016 132068
    132069 133004 133000 133005 133006 133008 133009 133010 133015 134011 134101 135000 137000 139100 139101 139102
    139103"""
    assert {int(code) for code in listed.split()} <= errors.TABLE.keys()
