"""Settings of the simulator: numbers, secrets, templates, limits, and how each contact behaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

HOUR = 3_600_000


@dataclass(frozen=True, slots=True)
class Number:
    """A business number and where its webhooks go; no callback: they are only recorded."""

    phone_number_id: str
    display_phone_number: str
    waba_id: str = "418200517733001"
    callback_url: str = ""


@dataclass(frozen=True, slots=True)
class TemplateEntry:
    """An entry of the template catalogue; `values` is how many the body takes."""

    name: str
    language: str
    values: int = 0
    state: Literal["approved", "paused", "disabled"] = "approved"


@dataclass(frozen=True, slots=True)
class FakeFile:
    """What Meta would find behind an address; `size` in bytes."""

    mime: str
    size: int = 1000


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a contact's phone tells about the messages we send. Times are seconds.

    `up_to` is the last status told, `order` whether they come as they happened, `copies` how often each
    comes, `delay` how long before each. `fails_with`: after `sent` the message fails with this error code.
    """

    up_to: Literal["none", "sent", "delivered", "read"] = "read"
    order: Literal["in_order", "shuffled"] = "in_order"
    copies: int = 1
    delay: float = 0.02
    fails_with: int | None = None


class Injected(StrEnum):
    """Faults that can be asked for; each hits one send."""

    ERROR = "error"
    """500 with Meta's error envelope; not accepted."""
    BARE_ERROR = "bare_error"
    """502 of some machine in between; not accepted."""
    RATE = "rate"
    """429 with Retry-After; not accepted."""
    DROP = "drop"
    """The connection is closed before anything was accepted."""
    LOSE_ANSWER = "lose_answer"
    """Accepted, then the connection is closed without an answer."""
    LATE_ANSWER = "late_answer"
    """Accepted, answered only after `hold` seconds."""


@dataclass(frozen=True, slots=True)
class Config:
    """The simulated part of Meta. `None` switches a rate off.

    `undeliverable`: numbers with this ending are not on WhatsApp. `late_window`: a closed window shows as a
    `failed` status, not as the answer. `retry_delays`: seconds before each repeat of a webhook that was not
    answered 200. `hold`: seconds that a late answer takes.
    """

    numbers: tuple[Number, ...] = (Number("305511998877665", "4930901820"),)
    access_token: str = field(default="sim-access-token", repr=False)
    app_secret: str = field(default="sim-app-secret", repr=False)
    verify_token: str = field(default="sim-verify-token", repr=False)
    templates: tuple[TemplateEntry, ...] = (
        TemplateEntry("order_update", "de", 2),
        TemplateEntry("hello_world", "en_US"),
    )
    files: Mapping[str, FakeFile] = field(default_factory=dict)
    undeliverable: str = "0000"
    window: int = 24 * HOUR
    late_window: bool = False
    per_second: int | None = 80
    pair_every: int | None = 6_000
    pair_burst: int = 45
    retry_delays: tuple[float, ...] = (1, 5, 30, 120, 600, 3600)
    hold: float = 60.0
    behaviour: Behaviour = Behaviour()
    seed: int = 0
