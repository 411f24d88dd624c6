"""Conversation events for the tests of the rules."""

from __future__ import annotations

from typing import Any

from gateway.core import ids
from gateway.core.actors import Actor, ActorKind, Owner, OwnerKind
from gateway.core.capabilities import CapabilityProfile, RungSupport, Told
from gateway.core.content import Clear, Text
from gateway.core.events import (
    ConversationEvent,
    Happening,
    MessageQueued,
    MessageResent,
    ReceiptParked,
    StatusChanged,
    StatusOverdue,
)
from gateway.core.receipts import PartStatus, Rung, Shown, Verdict, observed

MINUTE = 60_000
ANN = Actor(ActorKind.AGENT, "ann", "Ann")


def profile(**changes: Any) -> CapabilityProfile:
    fields: dict[str, Any] = {
        "channel": "fake",
        "name": "Fake",
        "content": ("text",),
        "rungs": (
            RungSupport(Rung.SENT, Told.WEBHOOK, overdue_after=5 * MINUTE),
            RungSupport(Rung.DELIVERED, Told.WEBHOOK, overdue_after=60 * MINUTE),
            RungSupport(Rung.READ, Told.WEBHOOK, may_be_hidden=True, overdue_after=MINUTE),
        ),
        "limits": (),
        "silent_after": 30 * MINUTE,
    }
    return CapabilityProfile(**{**fields, **changes})


class History:
    """Makes the events of one conversation with their numbers."""

    def __init__(self, conversation: str = "c1", account: str = "acc", channel: str = "fake") -> None:
        self.conversation = conversation
        self.account = account
        self.channel = channel
        self.seq = 0

    def event(self, at: int, happening: Happening) -> ConversationEvent:
        self.seq += 1
        return ConversationEvent(
            event_id=ids.event_id(self.conversation, self.seq),
            conversation_id=self.conversation,
            tenant="t",
            channel=self.channel,
            account_id=self.account,
            seq=self.seq,
            episode=1,
            occurred_at=at,
            actor=ANN,
            cause="cmd",
            remembered=True,
            hops=0,
            department_id="support",
            owner=Owner(OwnerKind.AGENT, ANN.id, ANN.name),
            epoch=2,
            blocked=False,
            happening=happening,
        )

    def queued(self, at: int, message: str = "m", parts: int = 1) -> ConversationEvent:
        return self.event(at, MessageQueued(message, Clear(Text("hi")), parts, at + 10 * MINUTE))

    def resent(self, at: int, attempt: int, message: str = "m") -> ConversationEvent:
        return self.event(at, MessageResent(message, attempt, (0,), at + 10 * MINUTE))

    def status(
        self,
        at: int,
        rung: Rung | None = None,
        *,
        message: str = "m",
        attempt: int = 1,
        part: int = 0,
        verdict: Verdict | None = None,
        provider_id: str | None = None,
    ) -> ConversationEvent:
        told = observed(attempt, part, at, rung, verdict, None, provider_id)
        return self.joined(at, told, message)

    def joined(self, at: int, told: PartStatus, message: str = "m") -> ConversationEvent:
        return self.event(at, StatusChanged(message, told, Shown.SENT))

    def overdue(self, at: int, rung: Rung, message: str = "m") -> ConversationEvent:
        return self.event(at, StatusOverdue(message, 1, 0, rung))

    def parked(self, at: int, provider_id: str = "p") -> ConversationEvent:
        return self.event(at, ReceiptParked(f"r-{provider_id}", provider_id, observed(1, 0, at, Rung.SENT)))
