"""What the kit needs to know of a channel, and how it uses it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from connectors.contract import Connector, HttpRequest, HttpResponse, OpenAccount, Parsed, WebhookRequest
from gateway.core.messages import SendRequest

RECEIVED = 1_795_260_000_000
"""Unix milliseconds at which the samples' webhooks arrive."""


@dataclass(frozen=True, slots=True)
class Samples:
    """What the kit needs to know of a channel.

    `sign` gives the headers (or nothing, if the channel signs elsewhere) of a genuine webhook with this
    body and secret; `signed_by` names the credential it is signed with. `webhooks` are bodies as recorded.
    `request` is any part to send; `happy` answers a request as the provider does when all is well.
    `errors` holds an answer for each listed error, `unlisted` one that the list does not have.
    """

    account: OpenAccount
    signed_by: str
    sign: Callable[[bytes, str], Mapping[str, str]]
    webhooks: tuple[bytes, ...]
    request: SendRequest
    happy: Callable[[HttpRequest], HttpResponse]
    errors: tuple[HttpResponse, ...]
    unlisted: tuple[HttpResponse, ...]


Check = Callable[[Connector, Samples], list[str]]
"""What it found wrong, in sentences."""


def webhook(samples: Samples, body: bytes, secret: str | None = None) -> WebhookRequest:
    """A genuine webhook with this body, signed with this secret or the account's first."""
    used = samples.account.secret(samples.signed_by) if secret is None else secret
    return WebhookRequest("POST", samples.sign(body, used), {}, body)


def parse(connector: Connector, samples: Samples, body: bytes, at: int = RECEIVED) -> Parsed:
    """What the connector makes of this body."""
    return connector.parse(webhook(samples, body), samples.account, at)
