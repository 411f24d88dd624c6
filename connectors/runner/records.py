"""The Kafka records that a connector writes: topic, key, Avro bytes, headers. Pure."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol

from gateway.bus.catalogue import Catalogue
from gateway.core.capabilities import CapabilityProfile
from gateway.core.directory import Account
from gateway.core.messages import (
    ConnectorHealth,
    ContactAlias,
    DeadLetter,
    InboundEvent,
    LedgerEntry,
    Receipt,
)
from gateway.wire.framing import encode
from gateway.wire.headers import RawHeaders, headers_for, type_name

_INBOUND = type_name(InboundEvent)
_RECEIPT = type_name(Receipt)


class Send(Protocol):
    """`gateway.bus.producer.Producer.send`: returns when the record is acknowledged; else BrokerUnavailable."""

    def __call__(
        self,
        topic: str,
        key: bytes,
        value: bytes | None,
        headers: RawHeaders = (),
        partition: int | None = None,
    ) -> Awaitable[int]: ...


@dataclass(frozen=True, slots=True)
class Record:
    """One record to produce; `partition` None = by the key."""

    topic: str
    key: bytes
    value: bytes | None
    headers: RawHeaders = ()
    partition: int | None = None


def inbound_record(catalogue: Catalogue, item: InboundEvent | Receipt) -> Record:
    """What a connector saw or learned, keyed by its conversation. Raises WireError."""
    source = f"/connectors/{item.channel}/{item.account_id}"
    if isinstance(item, InboundEvent):
        topic, identity, kind = catalogue.inbound, item.event_id, _INBOUND
    else:
        topic, identity, kind = catalogue.receipts, item.receipt_id, _RECEIPT
    headers = headers_for(identity, kind, source, item.conversation_id, item.occurred_at)
    return Record(topic, item.conversation_id.encode(), encode(item), headers)


def alias_record(catalogue: Catalogue, natural: str, alias: ContactAlias) -> Record:
    """Says that the address whose own conversation would be `natural` belongs to another one."""
    return Record(catalogue.contact_aliases, natural.encode(), encode(alias))


def dead_record(catalogue: Catalogue, letter: DeadLetter) -> Record:
    """A dead letter with the headers that tools filter by."""
    headers = (("reason", letter.reason.encode()), ("origin_topic", letter.origin_topic.encode()))
    return Record(catalogue.dead, letter.origin_key, encode(letter), headers)


def health_record(catalogue: Catalogue, health: ConnectorHealth) -> Record:
    """Health of one account as its connector sees it."""
    return Record(catalogue.health, health.account_id.encode(), encode(health))


def capabilities_record(catalogue: Catalogue, account: Account, profile: CapabilityProfile) -> Record:
    """What the account can do."""
    return Record(catalogue.capabilities, account.id.encode(), encode(profile))


def ledger_record(
    catalogue: Catalogue, channel: str, partition: int, request_id: str, entry: LedgerEntry | None
) -> Record:
    """An entry of the outbound ledger, or its tombstone; in the partition of its request."""
    value = None if entry is None else encode(entry)
    return Record(catalogue.outbound_ledger(channel), request_id.encode(), value, (), partition)
