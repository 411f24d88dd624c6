"""Statuses of messages we sent, as receipts (webhooks/reference/messages/status, read 2026-11-21)."""

from __future__ import annotations

from connectors._meta import fields, graph
from connectors._meta.fields import Json
from connectors.whatsapp import errors, outbound
from connectors.whatsapp.found import Change, Found, add, provider_id_of
from connectors.whatsapp.identity import Identity, Unroutable, identify
from gateway.core import ids
from gateway.core.content import Target, Unsend
from gateway.core.messages import InboundKind, Receipt, ReceiptSource
from gateway.core.receipts import Rung, Verdict

_RUNGS = {"sent": Rung.SENT, "delivered": Rung.DELIVERED, "read": Rung.READ, "played": Rung.READ}


def read_status(found: Found, change: Change, element: Json) -> None:
    """One element of `statuses`. Raises Unroutable."""
    status = fields.text(element, "status") or "none"
    if element.get("recipient_type") == "group":
        found.ignored["group"] += 1
    elif status == "deleted":
        _add_deleted(found, change, element)
    elif status in _RUNGS or status == "failed":
        _add_receipt(found, change, element, status)
    else:
        found.ignored[f"status:{status[:40]}"] += 1


def _recipient(change: Change, element: Json) -> Identity:
    number, user_id = fields.text(element, "recipient_id"), fields.text(element, "recipient_user_id")
    return identify(number, user_id, change.contacts, change.alone)


def _add_deleted(found: Found, change: Change, element: Json) -> None:
    """An old way to say that the contact deleted a message of theirs."""
    contact, target = _recipient(change, element), provider_id_of(element)
    marked = element | {"id": f"{target}:deleted"}
    add(found, marked, contact, InboundKind.MESSAGE, Unsend(Target(target)))


def _add_receipt(found: Found, change: Change, element: Json, status: str) -> None:
    account, provider_id = found.account, provider_id_of(element)
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


def _place(found: Found, change: Change, element: Json) -> tuple[str, str | None, int, int]:
    """Conversation, message, part and attempt: as we named them when sending, else by the recipient."""
    ours = outbound.read_callback_data(fields.text(element, "biz_opaque_callback_data"))
    try:
        conversation = found.conversation(_recipient(change, element))
    except Unroutable:
        if ours is None:
            raise
        return ours
    return ours or (conversation, None, 0, 1)
