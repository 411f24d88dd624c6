"""Webhooks, accounts and requests of WhatsApp for the tests."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import connectors.whatsapp
from connectors._meta.webhook import SIGNATURE_HEADER, sign
from connectors.contract import OpenAccount, WebhookRequest
from gateway.core.content import Clear, Content
from gateway.core.directory import Account
from gateway.core.messages import SendRequest

PHONE = "4915223456789"
USER_ID = "DE.20481937756210044871"
NUMBER = "305511998877665"
RECEIVED = 1795260000000
LENA = {"profile": {"name": "Lena Vogt", "username": "lenavogt"}, "wa_id": PHONE, "user_id": USER_ID}
CASES = Path(connectors.whatsapp.__file__).parent / "cases"

ACCOUNT = OpenAccount(
    Account("wa-1", "acme", "whatsapp", "support", settings={"phone_number_id": NUMBER}),
    {
        "access_token": ("token-very-secret",),
        "app_secret": ("gw-test-secret-1", "gw-test-secret-2"),
        "verify_token": ("verify-me", "verify-old"),
    },
)


def cases(name: str) -> list[dict[str, Any]]:
    return json.loads((CASES / f"{name}.json").read_text())


def envelope(value: dict[str, Any], field: str = "messages") -> dict[str, Any]:
    metadata = {"display_phone_number": "4930901820", "phone_number_id": NUMBER}
    value = {"messaging_product": "whatsapp", "metadata": metadata, **value}
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": "418200517733001", "changes": [{"field": field, "value": value}]}],
    }


def post(body: bytes | dict[str, Any], secret: str = "gw-test-secret-1") -> WebhookRequest:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return WebhookRequest("POST", {SIGNATURE_HEADER: sign(raw, secret)}, {}, raw)


def plain(value: Any) -> Any:
    """A record as JSON shows it, without the fields that hold their default."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kept = {
            field.name: plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if getattr(value, field.name) != field.default
        }
        return {"is": type(value).__name__, **kept}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value.value if hasattr(value, "value") else value


def part(content: Content, **changes: Any) -> SendRequest:
    return dataclasses.replace(
        SendRequest(
            request_id="r-1",
            conversation_id="6c1f6d5e-0f5e-5d6c-8f55-6c3a5a4a8a10",
            tenant="acme",
            channel="whatsapp",
            account_id="wa-1",
            address=PHONE,
            address_kind="phone",
            message_id="0b6a3c8e-1d1f-5b7e-9c53-9be1f6f8f001",
            part=0,
            parts=1,
            attempt=1,
            content=Clear(content),
            created_at=RECEIVED,
            not_after=RECEIVED + 1000,
            cause="c-1",
        ),
        **changes,
    )
