"""What happened in a conversation: the contract of `cg.conversations`, in order and for good."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.core.actors import Actor, Owner
from gateway.core.content import Body, MediaRef, Target
from gateway.core.messages import Contact
from gateway.core.receipts import PartStatus, Rung, Shown
from gateway.core.timers import Timer


@dataclass(frozen=True, slots=True)
class ConversationOpened:
    """The first event: a contact appeared on a channel account; `owner` answers first."""

    contact: Contact
    department_id: str
    owner: Owner


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """The contact wrote (edits, reactions and unsends have events of their own).

    `sent_at` is the provider's time, `received_at` ours when the webhook arrived (before the log came to it).
    `counted` messages open, reopen and start timers.
    """

    message_id: str
    content: Body
    sent_at: int
    provider_message_id: str | None = None
    reply_to: Target | None = None
    counted: bool = True
    context: dict[str, str] | None = None
    received_at: int | None = None


@dataclass(frozen=True, slots=True)
class MessageEchoed:
    """Our side wrote with the channel's own app."""

    message_id: str
    content: Body
    sent_at: int
    provider_message_id: str | None = None
    reply_to: Target | None = None


@dataclass(frozen=True, slots=True)
class MessageQueued:
    """A message of ours was accepted and handed to the channel's connector in `parts` parts.

    `not_understood`: how often in a row, this one included, the bot said that it does not understand.
    """

    message_id: str
    content: Body
    parts: int
    not_after: int
    reply_to: Target | None = None
    not_understood: int = 0


@dataclass(frozen=True, slots=True)
class MessageResent:
    """A failed message was tried again: attempt number `attempt` under the same message.

    `parts` names the parts sent again; `content` is set when something else was sent in its place
    (a template, where the channel takes nothing else any more).
    """

    message_id: str
    attempt: int
    parts: tuple[int, ...]
    not_after: int
    content: Body | None = None


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """The status of one part grew. `status` is all that is known; `shown` is the message's rolled-up status."""

    message_id: str
    status: PartStatus
    shown: Shown


@dataclass(frozen=True, slots=True)
class StatusOverdue:
    """A rung that this channel tells did not come in its usual time; not the same as a failure."""

    message_id: str
    attempt: int
    part: int
    rung: Rung


@dataclass(frozen=True, slots=True)
class ReceiptParked:
    """A receipt named a message that is not known (yet); it is joined if the message turns up."""

    receipt_id: str
    provider_message_id: str
    status: PartStatus


@dataclass(frozen=True, slots=True)
class ChatOpened:
    """The contact opened the chat or followed the account, without writing."""

    opened_at: int


@dataclass(frozen=True, slots=True)
class MessageEdited:
    """A message has new content; the old one stays on record."""

    target: Target
    content: Body
    edited_at: int


@dataclass(frozen=True, slots=True)
class MessageUnsent:
    """The sender took a message back."""

    target: Target
    unsent_at: int


@dataclass(frozen=True, slots=True)
class ReactionChanged:
    """A reaction was set, replaced or (no emoji) taken back."""

    target: Target
    emoji: str | None


@dataclass(frozen=True, slots=True)
class MediaChanged:
    """News of a file of a message (PRODUCT F6)."""

    message_id: str
    media: MediaRef


@dataclass(frozen=True, slots=True)
class NoteAdded:
    """A note between agents; never sent."""

    message_id: str
    content: Body


class OwnerChange(StrEnum):
    """How an owner came to be."""

    ASSIGNED = "assigned"
    ACCEPTED = "accepted"
    AUTOMATIC = "automatic"
    REPLIED = "replied"
    QUEUED = "queued"
    REOPENED = "reopened"
    HANDED_OVER = "handed_over"


@dataclass(frozen=True, slots=True)
class OwnerChanged:
    """The conversation has a new owner; `epoch` is the number of this ownership.

    `reason` says why a bot handed over (`HandOverReason`).
    """

    owner: Owner
    former: Owner | None
    epoch: int
    how: OwnerChange
    reason: str | None = None


class Completion(StrEnum):
    """How a conversation came to its end."""

    ENDED = "ended"
    SENT_AND_COMPLETED = "sent_and_completed"
    AUTOMATIC = "automatic"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class ConversationCompleted:
    """The conversation is complete; a counted message, or hand, reopens it."""

    how: Completion


class Reopening(StrEnum):
    """What reopened a conversation."""

    MESSAGE = "message"
    BY_HAND = "by_hand"
    REPLY = "reply"


@dataclass(frozen=True, slots=True)
class ConversationReopened:
    """The conversation is open again; its episode number went up by one."""

    how: Reopening


@dataclass(frozen=True, slots=True)
class ContactBlocked:
    """The contact was blocked."""


@dataclass(frozen=True, slots=True)
class ContactUnblocked:
    """The contact was unblocked."""


@dataclass(frozen=True, slots=True)
class ContactChanged:
    """The contact's name, address or aliases are now these."""

    contact: Contact


@dataclass(frozen=True, slots=True)
class AttentionRaised:
    """Somebody should look though the conversation is complete: its last message failed."""

    message_id: str


@dataclass(frozen=True, slots=True)
class TimersChanged:
    """The timers of the conversation are now these."""

    timers: tuple[Timer, ...]


@dataclass(frozen=True, slots=True)
class AutomaticDecision:
    """A rule decided, yes or no: which row of its table, from which facts, by which clock (PRODUCT O15, X3).

    `about` is the id of the event that was judged.
    """

    rule: str
    row: str
    outcome: str
    about: str
    decided_at: int
    facts: dict[str, str]


@dataclass(frozen=True, slots=True)
class TicketCreated:
    """A ticket was made from the conversation, or from one message of it."""

    number: int
    subject: str
    message_id: str | None = None


class Escalation(StrEnum):
    """What came of a hand-over from bot to people (PRODUCT B6)."""

    QUEUED = "queued"
    ASSIGNED = "assigned"
    NOBODY_AVAILABLE = "nobody_available"
    TICKET_CREATED = "ticket_created"


@dataclass(frozen=True, slots=True)
class EscalationRecorded:
    """The outcome of the last hand-over."""

    outcome: Escalation


Happening = (
    ConversationOpened
    | MessageReceived
    | MessageEchoed
    | MessageQueued
    | MessageResent
    | StatusChanged
    | StatusOverdue
    | ReceiptParked
    | ChatOpened
    | MessageEdited
    | MessageUnsent
    | ReactionChanged
    | MediaChanged
    | NoteAdded
    | OwnerChanged
    | ConversationCompleted
    | ConversationReopened
    | ContactBlocked
    | ContactUnblocked
    | ContactChanged
    | AttentionRaised
    | TimersChanged
    | AutomaticDecision
    | TicketCreated
    | EscalationRecorded
)


@dataclass(frozen=True, slots=True)
class ConversationEvent:
    """One event of a conversation.

    `seq` counts 1, 2, 3 … without gaps per conversation, `episode` the reopenings. `occurred_at` is
    the log's time and never goes back within a conversation. `cause` is the id of the record that led
    to it, `remembered` says whether a repeat of that cause is recognised by the conversation's memory;
    `hops` counts how many rules lie between it and the outside. `department_id`, `owner`, `epoch` and `blocked`
    are as they are after the event, so that a reader needs no memory to know whose turn it is.
    """

    event_id: str
    conversation_id: str
    tenant: str
    channel: str
    account_id: str
    seq: int
    episode: int
    occurred_at: int
    actor: Actor
    cause: str
    remembered: bool
    hops: int
    department_id: str
    owner: Owner
    epoch: int
    blocked: bool
    happening: Happening
