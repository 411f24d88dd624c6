"""The fake channel and its connector: takes send requests once each, and tells about them as badly as channels do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.core import ids
from gateway.core.messages import Receipt, ReceiptSource, SendRequest
from gateway.core.receipts import Fault, Problem, Rung, Verdict
from processors.simulation.schedule import Schedule

_PROBLEM = Problem("rejected", "The channel refused it.", Fault.CHANNEL, True)


@dataclass(slots=True)
class Told:
    """What the channel told about one part in one attempt, and whether it can be matched to the message."""

    joined: bool = False
    rung: Rung = Rung.QUEUED


class Channel:
    """`write` puts a receipt into its topic; `told` is what the log must know in the end."""

    def __init__(self, schedule: Schedule, write: Callable[[Receipt], None]) -> None:
        self._schedule = schedule
        self._write = write
        self._sent: set[str] = set()
        self._count = 0
        self.told: dict[tuple[str, str, int, int], Told] = {}
        self.failed: list[tuple[str, str]] = []
        self.delivered: list[tuple[str, str, str]] = []

    def take(self, request: SendRequest) -> None:
        """A request was read from the outbound topic."""
        self._schedule.after(self._schedule.soon(), lambda: self._send(request))

    def _send(self, request: SendRequest) -> None:
        if request.request_id in self._sent:
            return  # the connector's ledger knows it
        self._sent.add(request.request_id)
        schedule = self._schedule
        if schedule.now >= request.not_after:
            self._answer(request, None, verdict=Verdict.EXPIRED)
            return
        self._count += 1
        provider_id = f"out-{self._count}"
        if schedule.fault("channel failed", 0.06):
            self._answer(request, None, verdict=Verdict.FAILED, problem=_PROBLEM)
        elif schedule.fault("channel gave no answer", 0.04):
            self._answer(request, None, verdict=Verdict.UNKNOWN)
            if schedule.rng.random() < 0.5:
                self._webhooks(request, provider_id, joined=False)
        else:
            early = schedule.fault("receipt early", 0.1)
            delay = schedule.rng.randint(100, 5_000) if early else 0
            schedule.after(delay, lambda: self._answer(request, provider_id))
            self._webhooks(request, provider_id, joined=True)
            self.delivered.append((request.conversation_id, provider_id, request.message_id))

    def _answer(
        self,
        request: SendRequest,
        provider_id: str | None,
        verdict: Verdict | None = None,
        problem: Problem | None = None,
    ) -> None:
        now = self._schedule.now
        if verdict is not None:
            self.failed.append((request.conversation_id, request.message_id))
        receipt = Receipt(
            ids.derive("answer", request.request_id),
            request.conversation_id,
            request.tenant,
            request.channel,
            request.account_id,
            ReceiptSource.SEND_ANSWER,
            now,
            now,
            message_id=request.message_id,
            part=request.part,
            attempt=request.attempt,
            provider_message_id=provider_id,
            verdict=verdict,
            problem=problem,
        )
        self._write(receipt)

    def _webhooks(self, request: SendRequest, provider_id: str, joined: bool) -> None:
        schedule, rng = self._schedule, self._schedule.rng
        rungs = [Rung.SENT, Rung.DELIVERED] + ([Rung.READ] if rng.random() < 0.6 else [])
        delays = sorted(rng.randint(1, 4_000) for _ in rungs)
        if schedule.fault("receipts shuffled", 0.2):
            rng.shuffle(delays)
        told = Told(joined)
        self.told[(request.conversation_id, request.message_id, request.attempt, request.part)] = told
        for rung, delay in zip(rungs, delays, strict=True):
            if schedule.fault("receipt lost", 0.06):
                continue
            told.rung = rung
            self._webhook(request, provider_id, rung, delay)
            if schedule.fault("receipt doubled", 0.1):
                self._webhook(request, provider_id, rung, delay + rng.randint(0, 20_000))

    def _webhook(self, request: SendRequest, provider_id: str, rung: Rung, delay: int) -> None:
        at = self._schedule.now + delay
        receipt = Receipt(
            ids.receipt_id(request.channel, request.account_id, provider_id, rung.value),
            request.conversation_id,
            request.tenant,
            request.channel,
            request.account_id,
            ReceiptSource.WEBHOOK,
            at,
            at,
            provider_message_id=provider_id,
            rung=rung,
        )
        self._schedule.after(delay, lambda: self._write(receipt))
