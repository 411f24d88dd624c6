"""Dead letters of a connector: what a provider sent and we could not read. Pure."""

from __future__ import annotations

import hashlib

from gateway.core import ids
from gateway.core.directory import Account
from gateway.core.messages import DeadLetter

CHUNK_BYTES = 900_000
"""A webhook may be larger than a Kafka record; its dead letter then comes in numbered parts."""


def dead_letters(
    account: Account, raw: bytes, reason: str, error: str, now: int, query: bytes = b""
) -> list[DeadLetter]:
    """The dead letters that hold `raw`; the same bytes always get the same ids, so a repeat is recognised.

    `query` is the webhook's query string; channels that encrypt need it to read the body again.
    """
    digest = hashlib.sha256(raw).hexdigest()
    pieces = [raw[at : at + CHUNK_BYTES] for at in range(0, len(raw), CHUNK_BYTES)] or [b""]
    return [
        DeadLetter(
            dead_id=ids.derive("dead", account.channel, account.id, reason, digest, str(number)),
            origin_topic=f"webhooks/{account.channel}/{account.id}",
            origin_partition=-1,
            origin_offset=-1,
            origin_key=account.id.encode(),
            reason=reason,
            error=error[:2000],
            value=piece,
            headers={"part": f"{number}/{len(pieces)}".encode(), **({"query": query} if query else {})},
            at=now,
        )
        for number, piece in enumerate(pieces, 1)
    ]
