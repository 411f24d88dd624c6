"""Webhooks of the WhatsApp Cloud API: from raw bytes to what they say (reference read 2026-11-21).

One POST may hold several entries, changes, messages and statuses; each element ends as exactly one event,
receipt, unreadable fragment or counted omission.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from connectors._meta import fields, graph
from connectors._meta.fields import Json
from connectors.contract import Alias, OpenAccount, Parsed, Refused, Unreadable, WebhookRequest
from connectors.whatsapp import elements, errors, outbound
from connectors.whatsapp.identity import Identity, Unroutable, identify, split
from gateway.core import ids
from gateway.core.content import Clear, Content, Target, Unsend
from gateway.core.directory import Account
from gateway.core.messages import InboundEvent, InboundKind, Receipt, ReceiptSource
from gateway.core.receipts import Rung, Verdict

_RUNGS = {"sent": Rung.SENT, "delivered": Rung.DELIVERED, "read": Rung.READ, "played": Rung.READ}


@dataclass
class _Found:
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
        self.aliases |= dict.fromkeys(identity.shown_together())
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
class _Change:
    """What the elements of one change share."""

    contacts: list[Json]
    alone: bool


def parse(request: WebhookRequest, account: OpenAccount, received_at: int) -> Parsed:
    """What the webhook says. Raises Refused: 400 `json` or `object` if it is not WhatsApp's at all."""
    try:
        body = fields.load(request.body)
    except ValueError:
        raise Refused(400, "json") from None
    if body.get("object") != "whatsapp_business_account":
        raise Refused(400, "object")
    found = _Found(account.account, received_at)
    for entry in fields.items(body, "entry"):
        changes = fields.items(entry, "changes") if isinstance(entry, dict) else [entry]
        for change in changes:
            if isinstance(change, dict):
                _read_change(found, change)
            else:
                found.unreadable.append(Unreadable(fields.dump(change).encode(), "not an object"))
    return found.parsed()


def _read_change(found: _Found, change: Json) -> None:
    name = fields.text(change, "field") or "none"
    if name not in _FIELDS:
        found.ignored[f"field:{name[:40]}"] += 1
        return
    value = fields.obj(change, "value")
    held = [(read, part) for key, read in _FIELDS[name].items() for part in fields.items(value, key)]
    number = fields.text(fields.obj(value, "metadata"), "phone_number_id")
    if number is None or number != found.account.settings.get("phone_number_id"):
        found.ignored["other_number"] += max(len(held), 1)
        return
    if not held:
        found.ignored["empty"] += 1
    shared = _Change(fields.objects(value, "contacts"), alone=len(held) == 1)
    for read, part in held:
        _read_element(found, shared, read, part)


def _read_element(found: _Found, change: _Change, read: _Reader, part: object) -> None:
    try:
        if not isinstance(part, dict):
            raise Unroutable("not an object")
        read(found, change, part)
    except Unroutable as reason:
        found.unreadable.append(Unreadable(fields.dump(part).encode(), str(reason)))
    except Exception as error:  # noqa: BLE001 - one fragment must not take the others with it
        # The kind alone: the words of an error may repeat what the contact wrote.
        found.unreadable.append(Unreadable(fields.dump(part).encode(), type(error).__name__))


def _read_message(found: _Found, change: _Change, element: Json) -> None:
    if element.get("group_id"):
        found.ignored["group"] += 1
        return
    number, user_id = fields.text(element, "from"), fields.text(element, "from_user_id")
    sender = identify(number, user_id, change.contacts, change.alone)
    kind = fields.text(element, "type")
    if kind == "system":
        _add_identity(found, element, sender)
    elif kind == "request_welcome":
        _add(found, element, sender, InboundKind.OPENED)
    else:
        _add(found, element, sender, InboundKind.MESSAGE, elements.content_of(element))


def _read_echo(found: _Found, change: _Change, element: Json) -> None:
    number, user_id = fields.text(element, "to"), fields.text(element, "to_user_id")
    contact = identify(number, user_id, change.contacts, change.alone)
    _add(found, element, contact, InboundKind.ECHO, elements.content_of(element))


def _add_identity(found: _Found, element: Json, old: Identity) -> None:
    """The contact's number, user id or device changed; the conversation stays where it was."""
    system = fields.obj(element, "system")
    phone, user_id = split(fields.text(system, "wa_id") or fields.text(system, "new_wa_id"))
    user_id = user_id or fields.text(system, "user_id")
    former = (old.address, *old.aliases())
    now = Identity(phone or old.phone, user_id or old.user_id, former, old.name, old.username)
    for other in (now.phone, now.user_id):
        if other and other != old.address:
            found.aliases[Alias(old.address, other)] = None
    _add(found, element, old, InboundKind.IDENTITY, now=now)


def _add(
    found: _Found,
    element: Json,
    contact: Identity,
    kind: InboundKind,
    content: Content | None = None,
    now: Identity | None = None,
) -> None:
    """An event in the conversation of `contact`, who is known as `now` from here on."""
    account, provider_id = found.account, _id(element)
    edited = fields.obj(fields.obj(element, "edit"), "message")
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
            reply_to=elements.reply_to(element) or elements.reply_to(edited),
            context=elements.context_of(element),
        )
    )


def _id(element: Json) -> str:
    provider_id = fields.text(element, "id")
    if provider_id is None:
        raise Unroutable("no id")
    return provider_id


def _read_status(found: _Found, change: _Change, element: Json) -> None:
    status = fields.text(element, "status") or "none"
    if element.get("recipient_type") == "group":
        found.ignored["group"] += 1
    elif status == "deleted":
        _add_deleted(found, change, element)
    elif status in _RUNGS or status == "failed":
        _add_receipt(found, change, element, status)
    else:
        found.ignored[f"status:{status[:40]}"] += 1


def _recipient(change: _Change, element: Json) -> Identity:
    number, user_id = fields.text(element, "recipient_id"), fields.text(element, "recipient_user_id")
    return identify(number, user_id, change.contacts, change.alone)


def _add_deleted(found: _Found, change: _Change, element: Json) -> None:
    """An old way to say that the contact deleted a message of theirs."""
    contact, target = _recipient(change, element), _id(element)
    marked = element | {"id": f"{target}:deleted"}
    _add(found, marked, contact, InboundKind.MESSAGE, Unsend(Target(target)))


def _add_receipt(found: _Found, change: _Change, element: Json, status: str) -> None:
    account, provider_id = found.account, _id(element)
    conversation, message_id, part, attempt = _place(found, change, element)
    failed = status not in _RUNGS
    told = next(iter(fields.objects(element, "errors")), {})
    found.receipts.append(
        Receipt(
            receipt_id=ids.receipt_id(account.channel, account.id, provider_id, status),
            conversation_id=conversation,
            tenant=account.tenant,
            channel=account.channel,
            account_id=account.id,
            source=ReceiptSource.WEBHOOK,
            occurred_at=fields.time(element, "timestamp", found.received_at),
            received_at=found.received_at,
            message_id=message_id,
            part=part,
            attempt=attempt,
            provider_message_id=provider_id,
            rung=_RUNGS.get(status),
            verdict=Verdict.FAILED if failed else None,
            problem=errors.problem_of(graph.error_of(told)) if failed else None,
        )
    )


def _place(found: _Found, change: _Change, element: Json) -> tuple[str, str | None, int, int]:
    """Conversation, message, part and attempt: as we named them when sending, else by the recipient."""
    ours = outbound.read_callback_data(fields.text(element, "biz_opaque_callback_data"))
    try:
        conversation = found.conversation(_recipient(change, element))
    except Unroutable:
        if ours is None:
            raise
        return ours
    return ours or (conversation, None, 0, 1)


def _read_error(found: _Found, _: _Change, element: Json) -> None:
    """An error of the number as a whole: no message, no status."""
    error = graph.error_of(element)
    found.ignored[f"value_error:{error.code if error else 'none'}"] += 1


_Reader = Callable[[_Found, _Change, Json], None]

_FIELDS: dict[str, dict[str, _Reader]] = {
    "messages": {"messages": _read_message, "statuses": _read_status, "errors": _read_error},
    "smb_message_echoes": {"message_echoes": _read_echo, "errors": _read_error},
}
