"""What a channel can do and tell, as data: a profile per channel, each limit with its source and date."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.core.content import (
    Body,
    Carousel,
    Choice,
    ChoiceStyle,
    ContactCard,
    Content,
    Form,
    Location,
    Media,
    Reaction,
    Sealed,
    Sticker,
    Template,
    Text,
)
from gateway.core.errors import Code, Refusal
from gateway.core.receipts import Rung


class Told(StrEnum):
    """How a channel tells that a rung was reached."""

    SEND_ANSWER = "send_answer"
    WEBHOOK = "webhook"
    WATERMARK = "watermark"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class RungSupport:
    """What a channel tells about one rung.

    `may_be_hidden`: the contact can switch it off, so its absence proves nothing. `overdue_after` is
    milliseconds after the message left; absent: never overdue.
    """

    rung: Rung
    told: Told
    may_be_hidden: bool = False
    overdue_after: int | None = None


class Unit(StrEnum):
    """What a length limit counts."""

    CODE_POINTS = "code_points"
    UTF16 = "utf16"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of the channel with the page it is from and the day it was read (ISO date)."""

    name: str
    value: int
    source: str
    read_on: str
    unit: Unit = Unit.CODE_POINTS


@dataclass(frozen=True, slots=True)
class MediaLimit:
    """What files of one kind the channel takes; `max_bytes` each."""

    kind: str
    mimes: tuple[str, ...]
    max_bytes: int
    source: str
    read_on: str


@dataclass(frozen=True, slots=True)
class Window:
    """How long after the contact's last message we may write freely, in milliseconds; afterwards only `outside`."""

    duration: int
    outside: tuple[str, ...]
    source: str
    read_on: str


@dataclass(frozen=True, slots=True)
class CapabilityProfile:
    """What a channel account can do (topic `cg.capabilities`).

    `content` lists the kinds of content that can be sent (`content_kind`). `send_within` is how many
    milliseconds a queued message stays worth sending. `silent_after`: milliseconds without any receipt,
    though messages were sent, after which the account's receipts count as stopped.
    """

    channel: str
    name: str
    content: tuple[str, ...]
    rungs: tuple[RungSupport, ...]
    limits: tuple[Limit, ...]
    media: tuple[MediaLimit, ...] = ()
    window: Window | None = None
    reply_to: bool = False
    typing_shown: bool = False
    mark_read: bool = False
    block: bool = False
    send_within: int = 24 * 3_600_000
    silent_after: int | None = None

    def limit(self, name: str) -> int | None:
        """Value of the named limit; None if the channel sets none."""
        return next((limit.value for limit in self.limits if limit.name == name), None)

    def rung(self, rung: Rung) -> RungSupport:
        """What the channel tells about `rung`."""
        return next((r for r in self.rungs if r.rung is rung), RungSupport(rung, Told.NEVER))


_CHOICE = {
    ChoiceStyle.BUTTONS: "buttons",
    ChoiceStyle.QUICK_REPLIES: "quick_replies",
    ChoiceStyle.LIST: "list",
}


def content_kind(content: Content) -> str:
    """Name of the content's kind as profiles list it, e.g. `text`, `image`, `buttons`, `template`."""
    match content:
        case Media(kind=kind):
            return kind.value
        case Choice(style=style):
            return _CHOICE[style]
        case ContactCard():
            return "contact_card"
        case _:
            return type(content).__name__.lower()


SENDABLE = (Text, Media, Sticker, Location, ContactCard, Choice, Carousel, Form, Template, Reaction)
"""Kinds of content that may leave the gateway at all; notes, edits and the rest never do."""


def check_sendable(profile: CapabilityProfile, body: Body) -> Refusal | None:
    """Why this content cannot be sent on the channel; None if it can (degrading comes before this)."""
    if isinstance(body, Sealed):
        return Refusal(Code.UNSUPPORTED_CONTENT, "Sealed content cannot be sent; open it first.")
    content = body.content
    kind = content_kind(content)
    if not isinstance(content, SENDABLE) or kind not in profile.content:
        return Refusal(Code.UNSUPPORTED_CONTENT, f"{profile.name} cannot take {kind}.")
    if isinstance(content, Text) and not content.body.strip():
        return Refusal(Code.EMPTY_CONTENT, "The message is empty.")
    return _check_file(profile, content) if isinstance(content, Media) else None


def _check_file(profile: CapabilityProfile, content: Media) -> Refusal | None:
    allowed = next((m for m in profile.media if m.kind == content.kind.value), None)
    mime = content.media.mime.split(";")[0].strip()
    if allowed is None or mime not in allowed.mimes:
        return Refusal(
            Code.UNSUPPORTED_CONTENT, f"{profile.name} cannot take {mime} as {content.kind.value}."
        )
    if content.media.size is not None and content.media.size > allowed.max_bytes:
        return Refusal(Code.CONTENT_TOO_LONG, f"The file is larger than {allowed.max_bytes} bytes.")
    return None


def window_closes(profile: CapabilityProfile, contact_at: int | None) -> int | None:
    """When the service window closes (Unix milliseconds); None if the channel has none or it never opened."""
    if profile.window is None or contact_at is None:
        return None
    return contact_at + profile.window.duration


def check_window(
    profile: CapabilityProfile, content: Content, contact_at: int | None, now: int
) -> Refusal | None:
    """Why this content may not be sent now because of the service window; None if it may."""
    if profile.window is None or content_kind(content) in profile.window.outside:
        return None
    closes = window_closes(profile, contact_at)
    if closes is not None and now < closes:
        return None
    allowed = ", ".join(profile.window.outside) or "nothing"
    return Refusal(
        Code.WINDOW_CLOSED,
        f"{profile.name}'s service window is closed. Still allowed: {allowed}.",
        offer="template" if "template" in profile.window.outside else None,
    )
