"""Deterministic ids: the same cause always has the same id, on every machine and in every replay."""

from __future__ import annotations

import hashlib
from uuid import UUID

NAMESPACE = UUID("6f1d0a3e-6a5b-5c1e-9d0f-9c1f0c6a7b11")
"""Root of every id of the gateway; changing it would make a second gateway."""

_NAMESPACE = NAMESPACE.bytes
_SEPARATOR = "\x1f"


def derive(*parts: str) -> str:
    """Id of the given parts, as the text of a UUIDv5. Parts may hold any text but the unit separator."""
    # As uuid.uuid5 does it, at a third of its cost: several ids are made for every record.
    digest = bytearray(
        hashlib.sha1(_NAMESPACE + _SEPARATOR.join(parts).encode(), usedforsecurity=False).digest()
    )
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:32]}"


def conversation_id(tenant: str, channel: str, account_id: str, address: str) -> str:
    """Id of the conversation with the contact first seen under `address` on this channel account."""
    return derive("conversation", tenant, channel, account_id, address)


def inbound_id(channel: str, account_id: str, provider_id: str) -> str:
    """Id of what the provider calls `provider_id`; also the message id of a contact's message."""
    return derive("inbound", channel, account_id, provider_id)


def receipt_id(channel: str, account_id: str, provider_id: str, rung: str) -> str:
    """Id of the receipt for one provider message and rung; repeats of a receipt share it."""
    return derive("receipt", channel, account_id, provider_id, rung)


def command_id(cause: str, rule: str, kind: str) -> str:
    """Id of what `rule` proposes because of the event `cause`; proposing twice gives the same id."""
    return derive("command", cause, rule, kind)


def client_command_id(conversation: str, actor_id: str, client_id: str) -> str:
    """Id of a command a client names by its own `client_id`; repeating the request repeats the id."""
    return derive("client", conversation, actor_id, client_id)


def message_id(command: str) -> str:
    """Id of the message that the command with this id sends."""
    return derive("message", command)


def event_id(conversation: str, seq: int) -> str:
    """Id of the conversation's event number `seq`."""
    return derive("event", conversation, str(seq))


def short(identifier: str) -> bytes:
    """16 bytes that stand for an id in the state's memory: the UUID itself, or a digest of other text."""
    try:
        return bytes.fromhex(identifier.replace("-", "")) if len(identifier) == 36 else _digest(identifier)
    except ValueError:
        return _digest(identifier)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
