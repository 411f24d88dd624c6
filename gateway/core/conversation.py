"""A conversation's state: small, rebuilt from its events alone, and looked up while deciding.

The state is a head and blocks. Blocks remember which causes were handled (so that a repeat is
recognised) and how the messages we sent are doing; old blocks are dropped as DESIGN section 4 says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.core import ids
from gateway.core.actors import Owner
from gateway.core.content import Body
from gateway.core.messages import Contact
from gateway.core.receipts import PartStatus, Rung, Shown, roll_up
from gateway.core.timers import Timer

MEMORY_MS = 8 * 24 * 3_600_000
"""How long causes and sent messages are remembered at least (providers repeat for up to 7 days)."""
SEEN_PER_BLOCK = 64
SEEN_AT_LEAST = 256
SEEN_AT_MOST = 4_096
SENT_PER_BLOCK = 8
SENT_AT_LEAST = 64
SENT_AT_MOST = 512
CONTENT_KEPT = 16
"""For how many of the newest sent messages the content is kept, so that a failed one can be sent again."""
EARLY_AT_MOST = 64
"""Receipts that wait for their message, per conversation; the oldest goes first and is counted."""

_ENTRY = 20  # 16 bytes of id, 4 of seq


class ConversationStatus(StrEnum):
    """Whether somebody is expected to act."""

    OPEN = "open"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class EarlyReceipt:
    """A receipt whose message is not known yet."""

    provider_message_id: str
    status: PartStatus


@dataclass(frozen=True, slots=True)
class Head:
    """What every decision needs.

    `contact_at` is when the contact last wrote, by the channel's clock. `waiting_since`: the contact waits for us.
    `awaiting_since`: we wait for the contact, since our last text that was not automatic. `offline_hold`: an
    offline message was sent and neither a person nor the contact has acted since. `not_understood`: how often
    in a row the bot did not understand. `ticket` is the newest ticket's number. `last_decision` names
    the last recorded decision of a rule. `escalated`: handed over, and the outcome is not recorded yet.
    """

    conversation_id: str
    tenant: str
    channel: str
    account_id: str
    contact: Contact
    department_id: str
    owner: Owner
    seq: int = 0
    episode: int = 1
    epoch: int = 1
    status: ConversationStatus = ConversationStatus.OPEN
    blocked: bool = False
    attention: bool = False
    last_at: int = 0
    contact_at: int | None = None
    waiting_since: int | None = None
    last_agent: Owner | None = None
    last_sent: str | None = None
    early: tuple[EarlyReceipt, ...] = ()
    timers: tuple[Timer, ...] = ()
    awaiting_since: int | None = None
    warned: bool = False
    offline_at: int | None = None
    offline_hold: bool = False
    not_understood: int = 0
    ticket: int | None = None
    last_decision: str | None = None
    escalated: bool = False
    seen_from: int = 0
    seen_to: int = 0
    sent_from: int = 0
    sent_to: int = 0


@dataclass(frozen=True, slots=True)
class SeenBlock:
    """Handled causes: 20 bytes each (16 of `ids.short`, 4 of the seq of its first event, big endian)."""

    entries: bytes = b""
    newest_at: int = 0

    def __len__(self) -> int:
        return len(self.entries) // _ENTRY

    def seq_of(self, short: bytes) -> int | None:
        """Seq of the first event of this cause; None if it is not in the block."""
        at = self.entries.find(short)
        while at >= 0:
            if at % _ENTRY == 0:
                return int.from_bytes(self.entries[at + 16 : at + _ENTRY], "big")
            at = self.entries.find(short, at + 1)
        return None

    def with_cause(self, short: bytes, seq: int, at: int) -> SeenBlock:
        """The block with one more cause."""
        return SeenBlock(self.entries + short + seq.to_bytes(4, "big"), at)


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message of ours: its parts, the number of the newest attempt, and every status known.

    `content` is kept while the message may have to be sent again.
    """

    message_id: str
    seq: int
    at: int
    parts: int
    content: Body | None
    reply_to: str | None = None
    attempt: int = 1
    statuses: tuple[PartStatus, ...] = ()
    overdue: tuple[str, ...] = ()

    def status(self, attempt: int, part: int) -> PartStatus:
        """What is known of this part in this attempt."""
        for status in self.statuses:
            if status.attempt == attempt and status.part == part:
                return status
        return PartStatus(attempt, part)

    def part(self, part: int) -> PartStatus:
        """The status that counts for a part: of the newest attempt, unless only an older one arrived."""
        tried = [s for s in self.statuses if s.part == part]
        arrived = (Rung.DELIVERED, Rung.READ)
        return max(tried, key=lambda s: (s.rung in arrived, s.attempt), default=PartStatus(1, part))

    @property
    def shown(self) -> Shown:
        """The one status of the message."""
        if self.parts == 1 and len(self.statuses) == 1 and self.statuses[0].part == 0:
            return self.statuses[0].shown  # nearly every message; asked twice per receipt
        return roll_up(self.part(n).shown for n in range(self.parts))


@dataclass(frozen=True, slots=True)
class SentBlock:
    """Some of our messages."""

    messages: tuple[SentMessage, ...] = ()


@dataclass(frozen=True, slots=True)
class ConversationState:
    """One record of `cg.conversation-state`: the head or a block of one conversation."""

    part: Head | SeenBlock | SentBlock


@dataclass(frozen=True, slots=True)
class Conversation:
    """Head and blocks together; block n of `seen` has the number `head.seen_from + n`."""

    head: Head
    seen: Sequence[SeenBlock] = ()
    sent: Sequence[SentBlock] = ()

    def seq_of_cause(self, cause: str) -> int | None:
        """Seq of the first event this cause led to; None if the cause is not remembered."""
        short = ids.short(cause)
        for block in reversed(self.seen):
            seq = block.seq_of(short)
            if seq is not None:
                return seq
        return None

    def sent_messages(self) -> Iterator[SentMessage]:
        """Our messages, newest first."""
        for block in reversed(self.sent):
            yield from reversed(block.messages)

    def sent_message(self, message_id: str) -> SentMessage | None:
        """Our message with this id, if it is remembered."""
        return next((m for m in self.sent_messages() if m.message_id == message_id), None)

    def find_part(self, provider_id: str) -> tuple[SentMessage, PartStatus] | None:
        """Our message and part that the provider calls `provider_id`."""
        for message in self.sent_messages():
            for status in message.statuses:
                if provider_id in status.provider_ids:
                    return message, status
        return None

    def message_of(self, provider_id: str) -> str | None:
        """Id of the remembered message, theirs or ours, that the provider calls `provider_id`."""
        inbound = ids.inbound_id(self.head.channel, self.head.account_id, provider_id)
        if self.seq_of_cause(inbound) is not None:
            return inbound
        found = self.find_part(provider_id)
        return found[0].message_id if found else None
