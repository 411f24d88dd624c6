"""A decision in the making: events are numbered and applied one by one, so that each rule sees the last one's effect."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core import events as e
from gateway.core import ids
from gateway.core.actors import Actor, ActorKind, Owner, OwnerKind
from gateway.core.apply import apply
from gateway.core.commands import CommandResult
from gateway.core.content import Body
from gateway.core.conversation import Conversation, SentMessage
from gateway.core.messages import SendRequest


@dataclass(frozen=True, slots=True)
class Decision:
    """What one input leads to. `outcome` names it for the accounts (PRODUCT X1); no event = no change."""

    conversation: Conversation | None
    outcome: str
    events: tuple[e.ConversationEvent, ...] = ()
    outbound: tuple[SendRequest, ...] = ()
    result: CommandResult | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the input comes from; `now` is the log's clock, `remembered` as in `ConversationEvent`."""

    conversation_id: str
    tenant: str
    channel: str
    account_id: str
    cause: str
    hops: int
    now: int
    actor: Actor
    remembered: bool = True


LOG = Actor(ActorKind.RULE, "log", "log")


class Draft:
    """Collects events on a conversation. Lives within one call of `decide`."""

    def __init__(self, state: Conversation | None, origin: Origin) -> None:
        self.state = state
        self.origin = origin
        # Time never goes back within a conversation, whatever the machine's clock does.
        self.now = max(origin.now, state.head.last_at) if state else origin.now
        self.events: list[e.ConversationEvent] = []
        self.outbound: list[SendRequest] = []

    @property
    def conversation(self) -> Conversation:
        """The conversation so far. Raises ValueError before it was opened."""
        if self.state is None:
            raise ValueError("the conversation is not open yet")
        return self.state

    def add(self, happening: e.Happening, actor: Actor | None = None) -> None:
        """Number the happening, apply it and keep it."""
        origin, state = self.origin, self.state
        seq = state.head.seq + 1 if state else 1
        episode = state.head.episode if state else 1
        if isinstance(happening, e.ConversationReopened):
            episode += 1
        department_id, owner, epoch, blocked = _after(state, happening)
        event = e.ConversationEvent(
            ids.event_id(origin.conversation_id, seq),
            origin.conversation_id,
            origin.tenant,
            origin.channel,
            origin.account_id,
            seq,
            episode,
            self.now,
            actor or origin.actor,
            origin.cause,
            origin.remembered,
            origin.hops,
            department_id,
            owner,
            epoch,
            blocked,
            happening,
        )
        self.state = apply(state, event)
        self.events.append(event)

    def send(self, message: SentMessage, parts: dict[int, Body], not_after: int) -> None:
        """Ask the channel's connector to send these parts of the message's newest attempt."""
        head, origin = self.conversation.head, self.origin
        for part, content in parts.items():
            request = SendRequest(
                request_id=ids.derive("request", message.message_id, str(part), str(message.attempt)),
                conversation_id=head.conversation_id,
                tenant=head.tenant,
                channel=head.channel,
                account_id=head.account_id,
                address=head.contact.address,
                address_kind=head.contact.address_kind,
                message_id=message.message_id,
                part=part,
                parts=message.parts,
                attempt=message.attempt,
                content=content,
                created_at=self.now,
                not_after=not_after,
                cause=origin.cause,
                reply_to=message.reply_to if part == 0 else None,
                hops=origin.hops + 1,
            )
            self.outbound.append(request)

    def done(self, outcome: str, result: CommandResult | None = None) -> Decision:
        """The finished decision."""
        return Decision(self.state, outcome, tuple(self.events), tuple(self.outbound), result)


def _after(state: Conversation | None, happening: e.Happening) -> tuple[str, Owner, int, bool]:
    """Department, owner, epoch and block as they will be after this happening."""
    if isinstance(happening, e.ConversationOpened):
        return happening.department_id, happening.owner, 1, False
    if state is None:
        raise ValueError("a conversation begins with ConversationOpened")
    head = state.head
    match happening:
        case e.OwnerChanged(owner=owner, epoch=epoch):
            department = owner.id if owner.kind is OwnerKind.QUEUE else head.department_id
            return department, owner, epoch, head.blocked
        case e.ContactBlocked():
            return head.department_id, head.owner, head.epoch, True
        case e.ContactUnblocked():
            return head.department_id, head.owner, head.epoch, False
        case _:
            return head.department_id, head.owner, head.epoch, head.blocked
