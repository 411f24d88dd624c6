"""What somebody asks for (topic `cg.commands`), and the answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.core.actors import Actor
from gateway.core.content import Body, Target
from gateway.core.events import Escalation
from gateway.core.receipts import Rung
from gateway.core.timers import TimerKind


@dataclass(frozen=True, slots=True)
class Assign:
    """Give the conversation to an agent: oneself or another."""

    agent_id: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """Put the conversation into a department's queue."""

    department_id: str


@dataclass(frozen=True, slots=True)
class Accept:
    """Take the conversation from the queue."""


@dataclass(frozen=True, slots=True)
class SendMessage:
    """Send a message to the contact. Only the owner may.

    `reply_to` names the quoted message by our id and the provider's. `not_understood`: a bot says that it
    does not understand.
    """

    content: Body
    reply_to: Target | None = None
    complete: bool = False
    not_understood: bool = False


@dataclass(frozen=True, slots=True)
class Resend:
    """Try a failed message again; after an unknown outcome only with `confirm_double`.

    `content` replaces what is sent, e.g. by a template after the service window closed.
    """

    message_id: str
    confirm_double: bool = False
    content: Body | None = None


@dataclass(frozen=True, slots=True)
class End:
    """Complete the conversation without a message."""


@dataclass(frozen=True, slots=True)
class Reopen:
    """Open a completed conversation by hand."""


@dataclass(frozen=True, slots=True)
class Block:
    """Block the contact."""


@dataclass(frozen=True, slots=True)
class Unblock:
    """Unblock the contact."""


@dataclass(frozen=True, slots=True)
class AddNote:
    """Add a note between agents."""

    content: Body


@dataclass(frozen=True, slots=True)
class ReportOverdue:
    """A rule proposes: this rung of this part is overdue."""

    message_id: str
    attempt: int
    part: int
    rung: Rung


class HandOverReason(StrEnum):
    """Why a bot hands over (PRODUCT B2)."""

    BOT_ASKED = "bot_asked"
    CONTACT_ASKED = "contact_asked"
    BOT_SILENT = "bot_silent"
    BOT_FAILED = "bot_failed"
    NOT_UNDERSTOOD = "not_understood"


@dataclass(frozen=True, slots=True)
class HandOver:
    """From the bot to people: into a department's queue (absent: the conversation's own).

    A bot that asks is told `nobody_available` where nobody could answer and nothing would be sent instead;
    `anyway` hands over all the same.
    """

    reason: HandOverReason
    department_id: str | None = None
    anyway: bool = False


@dataclass(frozen=True, slots=True)
class FireTimer:
    """A rule proposes: this timer is due."""

    kind: TimerKind
    generation: int


@dataclass(frozen=True, slots=True)
class OfferOffline:
    """The offline rule proposes to send the department's offline message.

    `last_available_at` is when somebody could last answer (absent: never known). The rest is the decision's
    record.
    """

    row: str
    about: str
    decided_at: int
    facts: dict[str, str]
    last_available_at: int | None = None


@dataclass(frozen=True, slots=True)
class RecordDecision:
    """A rule decided that nothing is to be done; kept once per owner, row and rule."""

    rule: str
    row: str
    outcome: str
    about: str
    decided_at: int
    facts: dict[str, str]


@dataclass(frozen=True, slots=True)
class CreateTicket:
    """Make a ticket of the conversation, or of one message."""

    subject: str
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class RecordEscalation:
    """The escalation rule proposes the outcome of a hand-over."""

    outcome: Escalation


@dataclass(frozen=True, slots=True)
class RetryParked:
    """An operator: replay the records parked behind a poison record."""


@dataclass(frozen=True, slots=True)
class DiscardParked:
    """An operator: drop the record that blocks a parked conversation; the rest waits for `RetryParked`."""


Action = (
    Assign
    | Transfer
    | Accept
    | SendMessage
    | Resend
    | End
    | Reopen
    | Block
    | Unblock
    | AddNote
    | ReportOverdue
    | HandOver
    | FireTimer
    | OfferOffline
    | RecordDecision
    | CreateTicket
    | RecordEscalation
    | RetryParked
    | DiscardParked
)


@dataclass(frozen=True, slots=True)
class Command:
    """A request to act. Repeating it with the same id is harmless.

    `epoch` is the ownership the sender believes in (absent: any). `cause` is the event or request
    that led to it.
    """

    command_id: str
    conversation_id: str
    tenant: str
    actor: Actor
    action: Action
    issued_at: int
    cause: str
    epoch: int | None = None
    hops: int = 0


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The one answer to a command (topic `cg.command-results`).

    Accepted: `seq` is the number of its first event, `message_id` the message it made. Refused:
    `code`, `detail` and `offer` as in `errors.Refusal`.
    """

    command_id: str
    conversation_id: str
    accepted: bool
    at: int
    seq: int | None = None
    message_id: str | None = None
    code: str | None = None
    detail: str | None = None
    offer: str | None = None
