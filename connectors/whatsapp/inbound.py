"""Webhooks of the WhatsApp Cloud API: from raw bytes to what they say (reference read 2026-11-21).

One POST may hold several entries, changes, messages and statuses; each element ends as exactly one event,
receipt, unreadable fragment or counted omission.
"""

from __future__ import annotations

from collections.abc import Callable

from connectors._meta import fields, graph
from connectors._meta.fields import Json
from connectors.contract import Alias, OpenAccount, Parsed, Refused, Unreadable, WebhookRequest
from connectors.whatsapp import elements
from connectors.whatsapp.found import Change, Found, add
from connectors.whatsapp.identity import Identity, Unroutable, identify, split
from connectors.whatsapp.statuses import read_status
from gateway.core.messages import InboundKind


def parse(request: WebhookRequest, account: OpenAccount, received_at: int) -> Parsed:
    """What the webhook says. Raises Refused: 400 `json` or `object` if it is not WhatsApp's at all."""
    try:
        body = fields.load(request.body)
    except ValueError:
        raise Refused(400, "json") from None
    if body.get("object") != "whatsapp_business_account":
        raise Refused(400, "object")
    found = Found(account.account, received_at)
    for entry in fields.items(body, "entry"):
        changes = fields.items(entry, "changes") if isinstance(entry, dict) else [entry]
        for change in changes:
            if isinstance(change, dict):
                _read_change(found, change)
            else:
                found.unreadable.append(Unreadable(fields.dump(change).encode(), "not an object"))
    return found.parsed()


def _read_change(found: Found, change: Json) -> None:
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
    shared = Change(fields.objects(value, "contacts"), alone=len(held) == 1)
    for read, part in held:
        _read_element(found, shared, read, part)


def _read_element(found: Found, change: Change, read: _Reader, part: object) -> None:
    try:
        if not isinstance(part, dict):
            raise Unroutable("not an object")
        read(found, change, part)
    except Unroutable as reason:
        found.unreadable.append(Unreadable(fields.dump(part).encode(), str(reason)))
    except Exception as error:  # noqa: BLE001 - one fragment must not take the others with it
        # The kind alone: the words of an error may repeat what the contact wrote.
        found.unreadable.append(Unreadable(fields.dump(part).encode(), type(error).__name__))


def _read_message(found: Found, change: Change, element: Json) -> None:
    if element.get("group_id"):
        found.ignored["group"] += 1
        return
    number, user_id = fields.text(element, "from"), fields.text(element, "from_user_id")
    sender = identify(number, user_id, change.contacts, change.alone)
    kind = fields.text(element, "type")
    if kind == "system":
        _add_identity(found, element, sender)
    elif kind == "request_welcome":
        add(found, element, sender, InboundKind.OPENED)
    else:
        add(found, element, sender, InboundKind.MESSAGE, elements.content_of(element))


def _read_echo(found: Found, change: Change, element: Json) -> None:
    number, user_id = fields.text(element, "to"), fields.text(element, "to_user_id")
    contact = identify(number, user_id, change.contacts, change.alone)
    add(found, element, contact, InboundKind.ECHO, elements.content_of(element))


def _add_identity(found: Found, element: Json, old: Identity) -> None:
    """The contact's number, user id or device changed; the conversation stays where it was."""
    system = fields.obj(element, "system")
    phone, user_id = split(fields.text(system, "wa_id") or fields.text(system, "new_wa_id"))
    user_id = user_id or fields.text(system, "user_id")
    former = (old.address, *old.aliases)
    now = Identity(phone or old.phone, user_id or old.user_id, former, old.name, old.username)
    for other in (now.phone, now.user_id):
        if other and other != old.address:
            found.aliases[Alias(old.address, other)] = None
    add(found, element, old, InboundKind.IDENTITY, now=now)


def _read_error(found: Found, _: Change, element: Json) -> None:
    """An error of the number as a whole: no message, no status."""
    error = graph.error_of(element)
    found.ignored[f"value_error:{error.code if error else 'none'}"] += 1


_Reader = Callable[[Found, Change, Json], None]

_FIELDS: dict[str, dict[str, _Reader]] = {
    "messages": {"messages": _read_message, "statuses": read_status, "errors": _read_error},
    "smb_message_echoes": {"message_echoes": _read_echo, "errors": _read_error},
}
