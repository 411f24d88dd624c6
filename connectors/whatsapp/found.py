"""What one webhook said so far, and how an event is added to it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from connectors._meta import fields
from connectors._meta.fields import Json
from connectors.contract import Alias, Parsed, Unreadable
from connectors.whatsapp import elements
from connectors.whatsapp.identity import Identity, Unroutable
from gateway.core import ids
from gateway.core.content import Clear, Content
from gateway.core.directory import Account
from gateway.core.messages import InboundEvent, InboundKind, Receipt


@dataclass
class Found:
    """What the webhook said so far."""

    account: Account
    received_at: int
    events: list[InboundEvent] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    aliases: dict[Alias, None] = field(default_factory=dict)
    unreadable: list[Unreadable] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)

    def conversation(self, identity: Identity) -> str:
        """The conversation of this contact, and a note of their other addresses."""
        for alias in identity.aliases:
            self.aliases[Alias(identity.address, alias)] = None
        account = self.account
        return ids.conversation_id(account.tenant, account.channel, account.id, identity.address)

    def parsed(self) -> Parsed:
        """All of it."""
        return Parsed(
            tuple(self.events),
            tuple(self.receipts),
            tuple(self.aliases),
            tuple(self.unreadable),
            dict(self.ignored),
        )


@dataclass(frozen=True)
class Change:
    """What the elements of one change share."""

    contacts: list[Json]
    alone: bool


def add(
    found: Found,
    element: Json,
    contact: Identity,
    kind: InboundKind,
    content: Content | None = None,
    now: Identity | None = None,
) -> None:
    """An event in the conversation of `contact`, who is known as `now` from here on."""
    account, provider_id = found.account, provider_id_of(element)
    found.events.append(
        InboundEvent(
            event_id=ids.inbound_id(account.channel, account.id, provider_id),
            conversation_id=found.conversation(contact),
            tenant=account.tenant,
            channel=account.channel,
            account_id=account.id,
            kind=kind,
            contact=(now or contact).contact(),
            occurred_at=fields.time(element, "timestamp", found.received_at),
            received_at=found.received_at,
            content=Clear(content) if content else None,
            provider_message_id=provider_id,
            reply_to=elements.reply_to(element),
            context=elements.context_of(element),
        )
    )


def provider_id_of(element: Json) -> str:
    """The element's own id. Raises Unroutable if it has none."""
    provider_id = fields.text(element, "id")
    if provider_id is None:
        raise Unroutable("no id")
    return provider_id
