"""Which conversation an address belongs to when a contact has more than one (DESIGN section 4). Pure.

The natural conversation of an address is a hash of (tenant, channel, account, address), so that hash is
also the key of `cg.contact-aliases`: no address stands in the topic, and a receipt, which carries only the
conversation's id, is led to the right conversation by the same look-up.

Which addresses can have an entry, and whose miss has to be believed with care:

* Every address shown together with another one, and every address of a kind the connector calls secondary
  (`Connector.secondary_kinds`; WhatsApp: the business-scoped user id), gets an entry when it is first seen,
  also when it leads to itself: so a later payload that shows it beside a phone number finds the older
  conversation.
* A miss has to be believed only after the replica reached the end of the topic when the payload shows a
  secondary address: another worker may have seen it a moment ago. After the first time it is a hit.
* A payload with a primary address alone (nearly all traffic of the channels with one address per contact)
  takes a hit if there is one and believes a miss at once: an entry for it exists only if the contact was
  first seen under the secondary address alone and later under both, and then it is as old as that payload.
  What two workers can still split within those milliseconds is joined by `ConversationLinked`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TypeVar

from connectors.contract import Parsed
from gateway.core import ids
from gateway.core.directory import Account
from gateway.core.messages import InboundEvent, Receipt

T = TypeVar("T", InboundEvent, Receipt)

Lookup = Callable[[str], str | None]
"""From an address's natural conversation to the conversation it belongs to; None: no entry."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """Events and receipts with their right conversations; `publish` has to be acknowledged before them.

    `publish` maps natural conversation to conversation. `waited_for`: addresses whose miss must not be
    believed yet (only when asked not to believe): then the rest is empty.
    """

    events: tuple[InboundEvent, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    publish: Mapping[str, str] = field(default_factory=dict)
    must_wait: bool = False


def resolve(
    parsed: Parsed, account: Account, secondary: Collection[str], lookup: Lookup, believe: bool
) -> Resolved:
    """Leads everything in `parsed` to its conversation. With `believe` a miss is final; without it the
    answer is `must_wait` when a miss matters."""
    if (not parsed.aliases and not secondary) or _nothing_new(parsed, account, secondary, lookup):
        return Resolved(parsed.events, parsed.receipts)
    found: dict[str, str] = {}
    publish: dict[str, str] = {}
    for group in _groups(parsed, account, secondary):
        known = next((to for to in map(lookup, group.naturals) if to is not None), None)
        if known is None and group.careful and not believe:
            return Resolved(must_wait=True)
        target = group.naturals[0] if known is None else known
        for natural in group.naturals:
            found[natural] = target
            if group.careful and lookup(natural) is None and (natural in group.listed or natural != target):
                publish[natural] = target
    return Resolved(
        tuple(_moved(e, found.get(e.conversation_id)) for e in parsed.events),
        # A receipt that names our message got its conversation from us, when the message was sent.
        tuple(
            r if r.message_id else _moved(r, found.get(r.conversation_id) or lookup(r.conversation_id))
            for r in parsed.receipts
        ),
        publish,
    )


def _nothing_new(parsed: Parsed, account: Account, secondary: Collection[str], lookup: Lookup) -> bool:
    """The usual case, quickly: every address shown leads where it led before, to its first address."""
    for alias in parsed.aliases:
        natural = _natural(account, alias.address)
        if lookup(_natural(account, alias.alias)) != natural or lookup(natural) not in (None, natural):
            return False
    for event in parsed.events:
        known = lookup(event.conversation_id)
        if known is None and event.contact.address_kind in secondary:
            return False
        if known not in (None, event.conversation_id):
            return False
    return all(lookup(r.conversation_id) in (None, r.conversation_id) for r in parsed.receipts)


@dataclass(slots=True)
class _Group:
    """The addresses of one contact in one payload: the event's own first. `listed` ones get an entry."""

    naturals: list[str]
    listed: set[str] = field(default_factory=set)

    @property
    def careful(self) -> bool:
        """Whether a miss has to be believed with care."""
        return bool(self.listed)


def _groups(parsed: Parsed, account: Account, secondary: Collection[str]) -> list[_Group]:
    groups: dict[str, _Group] = {}
    for event in parsed.events:
        own = event.contact.address_kind in secondary
        group = groups.setdefault(event.conversation_id, _Group([event.conversation_id]))
        if own:
            group.listed.add(event.conversation_id)
    for alias in parsed.aliases:
        natural = _natural(account, alias.address)
        group = groups.setdefault(natural, _Group([natural]))
        other = _natural(account, alias.alias)
        if other not in group.naturals:
            group.naturals.append(other)
        group.listed.add(other)
    return list(groups.values())


def _natural(account: Account, address: str) -> str:
    return _hashed(account.tenant, account.channel, account.id, address)


_hashed = lru_cache(maxsize=20_000)(ids.conversation_id)


def _moved(record: T, target: str | None) -> T:
    if target is None or target == record.conversation_id:
        return record
    return replace(record, conversation_id=target)
