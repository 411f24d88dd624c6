"""What the API answers, for OpenAPI; a test holds real answers against these models."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.core.capabilities import CapabilityProfile
from gateway.core.directory import Role
from gateway.core.messages import PresenceState
from gateway.core.receipts import Fault, Shown


class Model(BaseModel):
    """Nothing but the named fields; times are Unix milliseconds."""

    model_config = ConfigDict(extra="forbid", serialize_by_alias=True)


class Problem(Model):
    """RFC 9457, with a stable code; `offer` names an act that would help."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    offer: str | None = None


class Named(Model):
    """Something with a name."""

    id: str
    name: str


class SignedInAgent(Model):
    """The agent who asks."""

    id: str
    name: str
    email: str
    locale: str
    role: Role
    departments: list[Named]
    presence: PresenceState


class SessionOut(Model):
    """Who is signed in; `csrf` goes into the header X-CSRF-Token of every write."""

    agent: SignedInAgent
    csrf: str


class PresenceOut(Model):
    """The presence now."""

    state: PresenceState


class Colleague(Model):
    """An agent, and the departments shared with the one who asks."""

    id: str
    name: str
    departments: list[str]


class Agents(Model):
    """Agents who share a department."""

    agents: list[Colleague]


class AccountOut(Model):
    """A channel account."""

    id: str
    channel: str
    name: str
    department: str


class Accounts(Model):
    """Channel accounts of the agent's departments."""

    accounts: list[AccountOut]


class ContactOut(Model):
    """The contact as the channel shows them."""

    name: str | None
    address: str
    username: str | None


class OwnerOut(Model):
    """Who may answer."""

    kind: Literal["bot", "queue", "agent"]
    id: str
    name: str


class Last(Model):
    """The newest message, for lists: at most 200 code points of it."""

    text: str
    at: int
    from_: Literal["contact", "agent", "bot", "automatic", "operator", "note"] = Field(alias="from")


class Conversation(Model):
    """A conversation; `unread` is the asking agent's, `seq` the number of its newest event.

    `completes_at`: when it is completed by itself if the contact stays silent.
    """

    id: str
    channel: str
    account_id: str
    account_name: str
    department_id: str
    department_name: str
    contact: ContactOut
    status: Literal["open", "completed"]
    owner: OwnerOut
    epoch: int
    episode: int
    seq: int
    blocked: bool
    attention: bool
    last: Last | None
    last_at: int
    opened_at: int
    waiting_since: int | None
    completes_at: int | None
    window_closes: int | None
    unread: int
    capabilities_ref: str


class Counts(Model):
    """How many conversations each view holds."""

    mine: int
    unassigned: int
    all: int
    completed: int
    blocked: int
    attention: int


class Conversations(Model):
    """A page of a view; `cursor` begins the next one."""

    conversations: list[Conversation]
    cursor: str | None
    counts: Counts


class RungOut(Model):
    """How far one rung is known; `may_be_hidden`: the contact can switch it off."""

    state: Literal["reached", "implied", "not_yet", "cannot_tell", "overdue"]
    at: int | None
    may_be_hidden: bool


class Rungs(Model):
    """The rungs above queued."""

    sent: RungOut
    delivered: RungOut
    read: RungOut


class ProblemOut(Model):
    """Why a message failed, and whose fault it is."""

    code: str
    detail: str
    provider_code: str | None
    fault: Fault
    retry: bool


class Status(Model):
    """Status of a message of ours, all parts together; `resend` says how it can be sent again."""

    shown: Shown
    rungs: Rungs
    problem: ProblemOut | None
    overdue: list[str]
    parts: int
    resend: Literal["again", "template", "confirm"] | None


class Quote(Model):
    """The quoted message; `text` is unknown when it was never seen."""

    id: str | None
    text: str | None
    sender: str | None


class ReactionOut(Model):
    """A reaction."""

    from_: str = Field(alias="from")
    emoji: str


class Message(Model):
    """A message. `content` is `{type, …}` with the fields of `core.content`; `fallback` is it as plain text."""

    kind: Literal["message"]
    seq: int
    id: str
    at: int
    from_: Literal["contact", "agent", "bot", "automatic", "operator", "note"] = Field(alias="from")
    sender: Named
    channel: str
    content: dict[str, Any]
    fallback: str
    reply_to: Quote | None
    status: Status | None
    edited_at: int | None
    unsent_at: int | None
    history: list[dict[str, Any]]
    reactions: list[ReactionOut]
    attempts: int


class By(Model):
    """Who did it, with the name of then."""

    kind: Literal["contact", "agent", "bot", "rule", "operator"]
    id: str
    name: str


class System(Model):
    """A system message; its text is the screen's, in the agent's language."""

    kind: Literal["system"]
    seq: int
    id: str
    at: int
    code: Literal[
        "opened",
        "assigned",
        "accepted",
        "assigned_automatically",
        "queued",
        "reopened",
        "ended",
        "sent_and_completed",
        "auto_completed",
        "blocked",
        "unblocked",
        "handed_over",
        "attention",
        "ticket",
    ]
    by: By
    params: dict[str, Any]


class Messages(Model):
    """A page of items in the order of `seq`; `seq` is the conversation's newest."""

    items: list[Message | System]
    has_before: bool
    has_after: bool
    seq: int


class Ticket(Model):
    """A ticket; `message_id` is the message it was made of, absent for the whole conversation."""

    number: int
    subject: str
    conversation_id: str
    message_id: str | None
    created_at: int
    by: By


class CommandOut(Model):
    """An accepted command: `seq` of its first event, and the message it made."""

    command_id: str
    accepted: Literal[True]
    seq: int | None
    message_id: str | None


class CommandLater(Model):
    """The result did not come in time; ask GET /commands/{command_id}, or repeat with the same client_id."""

    command_id: str


Responses = dict[int | str, dict[str, Any]]

_PROBLEMS: Responses = {
    code: {"model": Problem, "description": text}
    for code, text in {
        401: "Not signed in",
        403: "Not allowed, or the CSRF token is wrong",
        404: "Not found",
        422: "Cannot be understood",
        503: "Redis or Kafka is away, or the lists are being rebuilt; `Retry-After` says when to try again",
    }.items()
}


def answers(model: Any) -> Responses:
    """The responses of a route that reads."""
    return {200: {"model": model}, **_PROBLEMS}


COMMAND: Responses = {
    **answers(CommandOut),
    202: {"model": CommandLater, "description": "No result within 5 s"},
    409: {"model": Problem, "description": "Refused, with the reason"},
}
LIMITED: Responses = {429: {"model": Problem, "description": "Too many failed attempts"}}
PROFILE: Responses = answers(CapabilityProfile)
