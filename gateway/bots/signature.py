"""Signatures of our webhooks, as Standard Webhooks has them, so that its libraries verify them.

Signed is `<id>.<timestamp>.<raw body>` with HMAC-SHA256; a secret that begins with `whsec_` is base64, any
other is taken as it is. Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

TOLERANCE_SECONDS = 300
"""How far a receiver should let the timestamp be off, so that an old request cannot be played again."""
_PREFIX = "whsec_"


def signature(secret: str, identifier: str, timestamp: int, body: bytes) -> str:
    """The value of the header `webhook-signature`; `timestamp` is Unix seconds. Raises ValueError for a bad secret."""
    signed = f"{identifier}.{timestamp}.".encode() + body
    digest = hmac.new(_key(secret), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def headers(secret: str, identifier: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of a signed request. Raises ValueError for a bad secret."""
    return {
        "webhook-id": identifier,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(secret, identifier, timestamp, body),
    }


def verify(secret: str, given: dict[str, str], body: bytes, now: int) -> bool:
    """What a receiver does: right signature (one of several), and not older than `TOLERANCE_SECONDS`."""
    try:
        timestamp = int(given["webhook-timestamp"])
        right = signature(secret, given["webhook-id"], timestamp, body)
        offered = given["webhook-signature"].split()
    except (KeyError, ValueError):
        return False
    return abs(now - timestamp) <= TOLERANCE_SECONDS and any(hmac.compare_digest(right, o) for o in offered)


def _key(secret: str) -> bytes:
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("a secret that begins with whsec_ goes on in base64") from None
