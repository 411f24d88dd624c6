"""What the conformance kit needs to know of WhatsApp: recorded-shape webhooks, signatures, answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from connectors._meta.webhook import SIGNATURE_HEADER, sign
from connectors.contract import HttpRequest, HttpResponse, OpenAccount
from connectors.testing.samples import RECEIVED, Samples
from connectors.whatsapp.errors import TABLE
from gateway.core.content import Clear, Text
from gateway.core.directory import Account
from gateway.core.messages import SendRequest

_NUMBER = "305511998877665"
_CASES = Path(__file__).parent / "cases"


def _webhooks() -> tuple[bytes, ...]:
    """Every case of the folder that is whole, as bytes."""
    hooks = [case["webhook"] for case in _read("webhooks") if "unreadable" not in case["expect"]]
    for name in ("messages", "media", "answers", "events"):
        hooks += [_envelope(messages=[case["element"]]) for case in _read(name) if "from" in case["element"]]
    hooks += [_envelope(statuses=[case["element"]]) for case in _read("statuses")]
    return tuple(json.dumps(hook, separators=(",", ":")).encode() for hook in hooks if hook["entry"])


def _read(name: str) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = json.loads((_CASES / f"{name}.json").read_bytes())
    return cases


def _envelope(**value: Any) -> dict[str, Any]:
    value["metadata"] = {"display_phone_number": "4930901820", "phone_number_id": _NUMBER}
    changes = [{"field": "messages", "value": value}]
    return {"object": "whatsapp_business_account", "entry": [{"id": "418200517733001", "changes": changes}]}


def _sign(body: bytes, secret: str) -> dict[str, str]:
    return {SIGNATURE_HEADER: sign(body, secret)}


def _error(code: int, status: int = 400) -> HttpResponse:
    error = {"message": f"(#{code})", "type": "OAuthException", "code": code, "fbtrace_id": "x"}
    return HttpResponse(status, {}, json.dumps({"error": error}).encode())


def _happy(_: HttpRequest) -> HttpResponse:
    return HttpResponse(200, {}, b'{"messaging_product":"whatsapp","messages":[{"id":"wamid.OUT"}]}')


SAMPLES = Samples(
    account=OpenAccount(
        Account("wa-1", "acme", "whatsapp", "support", settings={"phone_number_id": _NUMBER}),
        {
            "access_token": ("sample-access-token",),
            "app_secret": ("sample-app-secret-new", "sample-app-secret-old"),
            "verify_token": ("sample-verify-token",),
        },
    ),
    signed_by="app_secret",
    sign=_sign,
    webhooks=_webhooks(),
    request=SendRequest(
        request_id="request-1",
        conversation_id="6c1f6d5e-0f5e-5d6c-8f55-6c3a5a4a8a10",
        tenant="acme",
        channel="whatsapp",
        account_id="wa-1",
        address="4915223456789",
        address_kind="phone",
        message_id="0b6a3c8e-1d1f-5b7e-9c53-9be1f6f8f001",
        part=0,
        parts=1,
        attempt=1,
        content=Clear(Text("Hello")),
        created_at=RECEIVED,
        not_after=RECEIVED + 86_400_000,
        cause="command-1",
    ),
    happy=_happy,
    errors=tuple(_error(code) for code in TABLE),
    unlisted=(_error(999_999), _error(999_999, 500), _error(999_999, 429), HttpResponse(400, {}, b"<html>")),
)
