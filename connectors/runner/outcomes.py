"""Receipts that the attempt to send makes. Pure; ids are deterministic, so saying it twice is harmless."""

from __future__ import annotations

from connectors.runner.retry import RESTARTED, Ended
from gateway.core import ids
from gateway.core.messages import Receipt, ReceiptSource, SendRequest
from gateway.core.receipts import Problem, Rung, Verdict


def send_answer(request: SendRequest, ended: Ended, sent_by_answer: bool, now: int) -> Receipt:
    """What the end of an attempt tells the log.

    Without a verdict: `sent` where the channel's answer means that (`sent_by_answer`), else it only joins
    the provider's id to the message.
    """
    rung = Rung.SENT if ended.verdict is None and sent_by_answer else None
    return _receipt(request, ReceiptSource.SEND_ANSWER, now, rung, ended)


def settled_unknown(request: SendRequest, now: int) -> Receipt:
    """A restart found the request started and without a result: nobody knows whether it left."""
    return _receipt(request, ReceiptSource.LEDGER, now, None, Ended(Verdict.UNKNOWN, None, problem=RESTARTED))


def _receipt(
    request: SendRequest, source: ReceiptSource, now: int, rung: Rung | None, ended: Ended
) -> Receipt:
    told = ended.verdict or rung or "accepted"
    problem: Problem | None = ended.problem
    return Receipt(
        receipt_id=ids.receipt_id(
            request.channel, request.account_id, request.request_id, f"{source}:{told}"
        ),
        conversation_id=request.conversation_id,
        tenant=request.tenant,
        channel=request.channel,
        account_id=request.account_id,
        source=source,
        occurred_at=now,
        received_at=now,
        message_id=request.message_id,
        part=request.part,
        attempt=request.attempt,
        provider_message_id=ended.provider_message_id,
        rung=rung,
        verdict=ended.verdict,
        problem=problem,
        hops=request.hops,
    )
