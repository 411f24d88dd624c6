"""Meta's webhook handshake and signature (Graph API, "Create a webhook endpoint", read 2026-11-21)."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable

from connectors.contract import Answer, OpenAccount, Refused, WebhookRequest

SIGNATURE_HEADER = "x-hub-signature-256"

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{1,256}")


def sign(body: bytes, secret: str) -> str:
    """Value of `X-Hub-Signature-256` for these raw bytes: `sha256=` and 64 lower-case hex digits."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def verify(request: WebhookRequest, account: OpenAccount) -> Answer | None:
    """The answer to a handshake; None for a webhook with a genuine signature of any secret `app_secret`.

    Raises Refused: 403 `verify_token` or `challenge`, 401 `signature`, 405 `method`.
    """
    if request.method == "GET":
        return _handshake(request, account.secrets.get("verify_token", ()))
    if request.method != "POST":
        raise Refused(405, "method")
    _check_signature(request, account.secrets.get("app_secret", ()))
    return None


def _handshake(request: WebhookRequest, tokens: Iterable[str]) -> Answer:
    given = request.query.get("hub.verify_token", "").encode(errors="replace")
    known = [hmac.compare_digest(given, token.encode()) for token in tokens if token]
    if request.query.get("hub.mode") != "subscribe" or not any(known):
        raise Refused(403, "verify_token")
    challenge = request.query.get("hub.challenge", "")
    # It is echoed into a page of ours: nothing that a browser could take for markup.
    if not _CHALLENGE.fullmatch(challenge):
        raise Refused(403, "challenge")
    return Answer(200, challenge.encode())


def _check_signature(request: WebhookRequest, secrets: Iterable[str]) -> None:
    given = request.headers.get(SIGNATURE_HEADER, "").encode(errors="replace")
    # Every secret is tried, so the time taken does not tell which one was right.
    known = [hmac.compare_digest(given, sign(request.body, secret).encode()) for secret in secrets if secret]
    if not any(known):
        raise Refused(401, "signature")
