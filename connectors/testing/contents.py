"""One content of every kind, and contents just at and just over a limit, for the conformance kit."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.core.capabilities import CapabilityProfile, content_kind
from gateway.core.content import (
    Card,
    Carousel,
    CarouselCard,
    Choice,
    ChoiceStyle,
    ContactCard,
    Content,
    Edit,
    Form,
    FormField,
    Location,
    Media,
    MediaKind,
    MediaRef,
    MediaState,
    Note,
    Option,
    Postback,
    Reaction,
    Sticker,
    Target,
    Template,
    TemplateParameter,
    Text,
    Unsend,
    Unsupported,
)

_OPTIONS = (Option("yes", "Yes"), Option("no", "No"))


def contents(profile: CapabilityProfile) -> Iterator[tuple[str, Content]]:
    """Each kind of content with its name, in a shape that the channel takes if it takes the kind at all."""
    for kind in MediaKind:
        yield kind.value, Media(kind, _file(profile, kind.value))
    others: tuple[Content, ...] = (
        Text("Hello"),
        Sticker(_file(profile, "sticker")),
        Location(52.5, 13.4, "Alexanderplatz"),
        ContactCard((Card("Uwe Brandt", ("+4930111222",)),)),
        *(Choice("Well?", _OPTIONS, style) for style in ChoiceStyle),
        Carousel((CarouselCard("one", options=_OPTIONS[:1]), CarouselCard("two", options=_OPTIONS[:1]))),
        Form("Your size", (FormField("size", "Size"),)),
        Template("order_update", "en", (TemplateParameter("body", "Lena"),), "Hello Lena"),
        Reaction(Target("provider-id", "message-id"), "👍"),
        Edit(Target("provider-id"), Text("new")),
        Unsend(Target("provider-id")),
        Postback("yes", "Yes"),
        Note("between us"),
        Unsupported("poll"),
    )
    for content in others:
        yield content_kind(content), content


def overlong(profile: CapabilityProfile) -> Iterator[tuple[str, Content, Content]]:
    """For limits that mean the same on every channel: its name, what just fits, and what is one too long."""
    text, caption, buttons = (profile.limit(name) for name in ("text", "caption", "buttons"))
    if text:
        yield "text", Text("x" * text), Text("x" * (text + 1))
    if caption and "image" in profile.content:
        file = _file(profile, "image")
        fits, too_long = (Media(MediaKind.IMAGE, file, "x" * size) for size in (caption, caption + 1))
        yield "caption", fits, too_long
    if buttons and "buttons" in profile.content:
        yield "buttons", Choice("Well?", _options(buttons)), Choice("Well?", _options(buttons + 1))


def _options(count: int) -> tuple[Option, ...]:
    return tuple(Option(f"id{number}", f"Option {number}") for number in range(count))


def _file(profile: CapabilityProfile, kind: str) -> MediaRef:
    mimes = next((limit.mimes for limit in profile.media if limit.kind == kind), ("image/png",))
    return MediaRef(
        MediaState.READY, mimes[0], url="https://cdn.example.org/file", filename="file", size=1000
    )
