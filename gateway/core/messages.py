"""Records at the edge: what a connector saw, and what it is asked to send. Times are Unix milliseconds, UTC."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.core.content import Body, MediaRef
from gateway.core.receipts import Problem, Rung, Verdict


class InboundKind(StrEnum):
    """What the connector saw."""

    MESSAGE = "message"
    """From the contact; what it is (text, edit, unsend, reaction, postback, …) is in the content."""
    ECHO = "echo"
    """Sent by our side with the channel's own app, outside the gateway."""
    MEDIA = "media"
    """News of a file of an earlier message."""
    TYPING = "typing"
    OPENED = "opened"
    """The contact opened the chat or followed the account, without writing."""
    IDENTITY = "identity"
    """The contact's address or identity changed."""


@dataclass(frozen=True, slots=True)
class Contact:
    """The contact as the channel shows them. `address` is where an answer goes now."""

    address: str
    address_kind: str = "id"
    name: str | None = None
    username: str | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InboundEvent:
    """What a connector saw from the contact (topic `cg.inbound`).

    `event_id` is `ids.inbound_id` of the provider's id; for a message it is the message id too.
    `occurred_at` is the provider's time, `received_at` ours when the webhook arrived.
    `reply_to` is the provider's id of the quoted message. `context` holds what the channel adds
    (forwarded, referral, …) as text.
    """

    event_id: str
    conversation_id: str
    tenant: str
    channel: str
    account_id: str
    kind: InboundKind
    contact: Contact
    occurred_at: int
    received_at: int
    content: Body | None = None
    provider_message_id: str | None = None
    reply_to: str | None = None
    media_of: str | None = None
    media: MediaRef | None = None
    context: dict[str, str] | None = None
    hops: int = 0


class ReceiptSource(StrEnum):
    """Where a receipt comes from."""

    SEND_ANSWER = "send_answer"
    WEBHOOK = "webhook"
    LEDGER = "ledger"
    """Settled after a restart, from the outbound ledger."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the channel, or the attempt to send, tells about one part of our message (topic `cg.receipts`).

    Either `rung` or `verdict` is set, or neither: then the receipt only joins `provider_message_id`
    to the message. `message_id` is absent when only the provider's id is known. `watermark` covers
    every message of ours that was sent up to that time.
    """

    receipt_id: str
    conversation_id: str
    tenant: str
    channel: str
    account_id: str
    source: ReceiptSource
    occurred_at: int
    received_at: int
    message_id: str | None = None
    part: int = 0
    attempt: int = 1
    provider_message_id: str | None = None
    rung: Rung | None = None
    verdict: Verdict | None = None
    problem: Problem | None = None
    watermark: int | None = None
    hops: int = 0


@dataclass(frozen=True, slots=True)
class SendRequest:
    """One part of a message to hand to the channel (topic `cg.outbound.<channel>`).

    Not to be sent after `not_after`. `address` is the contact's current one. `reply_to` is the
    provider's id of the quoted message. `cause` is the command that asked.
    """

    request_id: str
    conversation_id: str
    tenant: str
    channel: str
    account_id: str
    address: str
    address_kind: str
    message_id: str
    part: int
    parts: int
    attempt: int
    content: Body
    created_at: int
    not_after: int
    cause: str
    reply_to: str | None = None
    hops: int = 0


class LedgerState(StrEnum):
    """How far a provider call came."""

    STARTED = "started"
    SETTLED = "settled"
    """Its outcome is acknowledged; only the commit of its offset waits for a slower conversation."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """`started` before the provider is called (topic `cg.outbound-ledger.<channel>`), tombstone afterwards.

    `offset` is the request's own in its partition of the outbound topic.
    """

    request: SendRequest
    state: LedgerState
    offset: int
    started_at: int
    worker: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record nobody could handle, with its origin, the reason and its bytes (topic `cg.dead`)."""

    dead_id: str
    origin_topic: str
    origin_partition: int
    origin_offset: int
    origin_key: bytes
    reason: str
    error: str
    value: bytes
    headers: dict[str, bytes]
    at: int


@dataclass(frozen=True, slots=True)
class ContactAlias:
    """A second address of a contact (topic `cg.contact-aliases`, keyed by the hashed alias)."""

    tenant: str
    channel: str
    account_id: str
    conversation_id: str
    at: int


class HealthState(StrEnum):
    """Health of a channel account."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ConnectorHealth:
    """Health of one channel account as its connector sees it, and what to do (topic `cg.health`)."""

    tenant: str
    channel: str
    account_id: str
    state: HealthState
    code: str
    detail: str
    at: int


class PresenceState(StrEnum):
    """An agent's presence; idle counts as online (PRODUCT O10)."""

    ONLINE = "online"
    BUSY = "busy"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Presence:
    """A change of an agent's presence (topic `cg.presence`); not valid after `online_until`."""

    agent_id: str
    tenant: str
    state: PresenceState
    at: int
    online_until: int
