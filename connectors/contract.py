"""What a channel is: pure functions and data that the runner (`runner.py`) puts on the wire.

A channel's folder exports `CONNECTOR`, an object of the shape `Connector`. Nothing in it does I/O:
receiving is a function of the raw request, sending is a generator that yields HTTP requests and is
handed responses.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from gateway.core.capabilities import CapabilityProfile
from gateway.core.directory import Account
from gateway.core.messages import InboundEvent, Receipt, SendRequest
from gateway.core.receipts import Problem


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """A request of the provider, exactly as it came; header names are lower case."""

    method: str
    headers: Mapping[str, str] = field(repr=False)
    query: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class OpenAccount:
    """A channel account with its secrets resolved. Lives in memory only."""

    account: Account
    secrets: Mapping[str, tuple[str, ...]] = field(repr=False)

    def secret(self, name: str) -> str:
        """The first secret of that name. Raises KeyError when the account has none."""
        return self.secrets[name][0]


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer the provider at once."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """A webhook that is refused with an HTTP status and a reason; nothing goes on any topic.

    `reason` is a stable code for logs and metrics: `signature`, `verify_token`, `method`, `json`, ….
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Alias:
    """Two addresses of one contact that one payload showed: `address` is also known as `alias`."""

    address: str
    alias: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A fragment that our parser failed on; the runner puts it into `cg.dead`. `fragment` is raw JSON bytes."""

    fragment: bytes = field(repr=False)
    error: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """All that one webhook held, in its order. The sum of the counts is what the webhook held (PRODUCT X1)."""

    events: tuple[InboundEvent, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    aliases: tuple[Alias, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    ignored: Mapping[str, int] = field(default_factory=dict)
    """How many entries were left out on purpose, by reason."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request to the provider; `url` is whole. `timeout` is seconds."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    timeout: float = 20.0


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """The provider's answer; header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class NoAnswer(Exception):
    """Thrown into the send generator when no answer came. `left`: the request may have reached the provider."""

    def __init__(self, left: bool) -> None:
        super().__init__("no answer")
        self.left = left


class Next(StrEnum):
    """What to do after an attempt to send."""

    DONE = "done"
    FAIL = "fail"
    RETRY = "retry"
    """Again later, same request: it certainly did not go out."""
    UNKNOWN = "unknown"
    """It may have gone out: never again by itself."""


class Scope(StrEnum):
    """What has to pause after a rate limit."""

    CONVERSATION = "conversation"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class SendOutcome:
    """How an attempt to send ended. `retry_after` is milliseconds; `scope` says what pauses until then.

    `growth`: with each further try of the request the wait `retry_after` is that many times longer.
    `stop_account`: credentials or policy: nothing more is sent on this account until somebody acts.
    """

    next: Next
    provider_message_id: str | None = None
    problem: Problem | None = None
    retry_after: int | None = None
    scope: Scope = Scope.CONVERSATION
    stop_account: bool = False
    growth: int = 1


Sending = Generator[HttpRequest, HttpResponse, SendOutcome]


@dataclass(frozen=True, slots=True)
class Rates:
    """Rates the runner keeps to: messages per second of an account; one message each `pair_every`
    milliseconds to one contact with bursts up to `pair_burst`; at most `retries` tries, waiting from
    `backoff` milliseconds, doubling."""

    account_per_second: float
    pair_every: int
    pair_burst: int
    retries: int
    backoff: int


class Connector(Protocol):
    """A channel."""

    channel: str
    profile: CapabilityProfile
    rates: Rates
    max_body: int
    """Bytes a webhook may have at most."""
    sent_by_answer: bool
    """Whether a good send answer means `sent`; else it only joins the provider's id."""
    secrets: tuple[str, ...]
    """Names of the credentials an account of this channel needs."""
    secondary_kinds: tuple[str, ...]
    """Kinds of address (`Contact.address_kind`) under which a contact may be seen besides the usual one; usually ()."""

    def verify(self, request: WebhookRequest, account: OpenAccount) -> Answer | None:
        """Check who sent it, over the raw bytes, in constant time. An answer ends it (handshake);
        None means: go on and parse. Raises Refused."""
        ...

    def parse(self, request: WebhookRequest, account: OpenAccount, received_at: int) -> Parsed:
        """What the webhook says; never raises for content it does not know. Raises Refused when the
        body as a whole cannot be read as this channel's."""
        ...

    def send(self, request: SendRequest, account: OpenAccount) -> Sending:
        """Send one part. NoAnswer is thrown in where a request got no answer."""
        ...
