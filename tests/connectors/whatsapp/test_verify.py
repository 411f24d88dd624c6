"""Handshake and signature, with the fact sheet's vectors."""

from __future__ import annotations

import json

import pytest

from connectors._meta.webhook import SIGNATURE_HEADER, sign
from connectors.contract import Refused, WebhookRequest
from connectors.whatsapp import CONNECTOR
from connectors.whatsapp.simulator.hooks import signature
from tests.connectors.whatsapp.shapes import ACCOUNT, post

VECTORS = [
    (
        b'{"object":"page","entry":[]}',
        "sha256=1ec9b6710e7428b35bbd50cbd2e2c5ef947fa64be25acf6a2ea133223a3bd44f",
    ),
    (
        (
            rb'{"object":"page","entry":[{"id":"1","time":1,"messaging":[{"sender":{"id":"2"},"recipient":{"id":"1"},'
            rb'"timestamp":1,"message":{"mid":"m_1","text":"Gr\u00fc\u00dfe"}}]}]}'
        ),
        "sha256=347663b02b4efb6722bbbc38c07e6693875f9d155e2fcde04c1ea91a3fa81f19",
    ),
]


@pytest.mark.parametrize(("body", "header"), VECTORS)
def test_the_vectors(body: bytes, header: str) -> None:
    assert sign(body, "gw-test-secret-1") == header
    assert signature(body, "gw-test-secret-1") == header
    assert len(header) == 71
    assert CONNECTOR.verify(WebhookRequest("POST", {SIGNATURE_HEADER: header}, {}, body), ACCOUNT) is None


def test_a_vector_written_again_does_not_verify() -> None:
    body, header = VECTORS[1]
    again = json.dumps(json.loads(body), ensure_ascii=False, separators=(",", ":")).encode()
    with pytest.raises(Refused):
        CONNECTOR.verify(WebhookRequest("POST", {SIGNATURE_HEADER: header}, {}, again), ACCOUNT)


@pytest.mark.parametrize("secret", ["gw-test-secret-1", "gw-test-secret-2"])
def test_each_secret_will_do(secret: str) -> None:
    assert CONNECTOR.verify(post(b"{}", secret), ACCOUNT) is None


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha256=",
        "sha256=" + "0" * 64,
        sign(b"{}", "gw-test-secret-1").upper(),
        sign(b"{}", "gw-test-secret-1")[:-1],
        sign(b"{}", "gw-test-secret-1").removeprefix("sha256="),
        sign(b"{}", "gw-test-secret-3"),
        sign(b"{}", ""),
        "sha256=ünïcödé",
    ],
)
def test_any_other_signature_is_refused(header: str | None) -> None:
    headers = {} if header is None else {SIGNATURE_HEADER: header}
    with pytest.raises(Refused) as refused:
        CONNECTOR.verify(WebhookRequest("POST", headers, {}, b"{}"), ACCOUNT)
    assert (refused.value.status, refused.value.reason) == (401, "signature")


def _handshake(**changes: str) -> WebhookRequest:
    query = {"hub.mode": "subscribe", "hub.verify_token": "verify-me", "hub.challenge": "1158201444"}
    return WebhookRequest("GET", {}, query | {k.replace("_", ".", 1): v for k, v in changes.items()}, b"")


@pytest.mark.parametrize("token", ["verify-me", "verify-old"])
def test_the_handshake_is_answered_with_the_challenge(token: str) -> None:
    answer = CONNECTOR.verify(_handshake(hub_verify_token=token), ACCOUNT)
    assert answer is not None
    assert (answer.status, answer.body) == (200, b"1158201444")
    assert answer.content_type.startswith("text/plain")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"hub_verify_token": "wrong"}, "verify_token"),
        ({"hub_verify_token": ""}, "verify_token"),
        ({"hub_mode": "unsubscribe"}, "verify_token"),
        ({"hub_challenge": "<script>alert(1)</script>"}, "challenge"),
        ({"hub_challenge": ""}, "challenge"),
    ],
)
def test_any_other_handshake_is_refused(changes: dict[str, str], reason: str) -> None:
    with pytest.raises(Refused) as refused:
        CONNECTOR.verify(_handshake(**changes), ACCOUNT)
    assert (refused.value.status, refused.value.reason) == (403, reason)


def test_another_method_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        CONNECTOR.verify(WebhookRequest("PUT", {}, {}, b""), ACCOUNT)
    assert refused.value.status == 405
