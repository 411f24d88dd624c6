"""What a message can hold: a closed union, each kind with a plain-text fall-back (DESIGN section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class MediaState(StrEnum):
    """Where a file stands (PRODUCT F6)."""

    PENDING = "pending"
    READY = "ready"
    EXPIRED = "expired"
    REFUSED = "refused"


class MediaKind(StrEnum):
    """How a file is shown."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    VOICE = "voice"
    FILE = "file"


class ChoiceStyle(StrEnum):
    """How the options of a choice are offered."""

    BUTTONS = "buttons"
    QUICK_REPLIES = "quick_replies"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class MediaRef:
    """A file. `provider_id` fetches it at the channel, `url` is public, `stored` is our own store's key.

    `size` is bytes, `sha256` is lower-case hex; both absent until known. `reason` explains a state
    that is neither pending nor ready.
    """

    state: MediaState
    mime: str
    provider_id: str | None = None
    url: str | None = None
    stored: str | None = None
    filename: str | None = None
    size: int | None = None
    sha256: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Another message, as the channel names it and, once the log knows it, by our own id."""

    provider_id: str | None = None
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text, exactly as written."""

    body: str
    preview_url: bool = False


@dataclass(frozen=True, slots=True)
class Media:
    """An image, video, sound, voice memo or file, with an optional caption."""

    kind: MediaKind
    media: MediaRef
    caption: str | None = None


@dataclass(frozen=True, slots=True)
class Sticker:
    """A sticker; `emoji` where the channel names one."""

    media: MediaRef
    animated: bool = False
    emoji: str | None = None


@dataclass(frozen=True, slots=True)
class Location:
    """A place; degrees of WGS 84."""

    latitude: float
    longitude: float
    name: str | None = None
    address: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """One contact card. `phones` and `emails` as written by the contact."""

    name: str
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    organisation: str | None = None
    raw: str | None = None


@dataclass(frozen=True, slots=True)
class ContactCard:
    """One or more contact cards."""

    cards: tuple[Card, ...]


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a choice; `section` groups the rows of a list."""

    id: str
    title: str
    description: str | None = None
    section: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """Buttons, quick replies or a list; `label` names the button that opens a list."""

    body: str
    options: tuple[Option, ...]
    style: ChoiceStyle = ChoiceStyle.BUTTONS
    header: str | None = None
    footer: str | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class CarouselCard:
    """One card of a carousel."""

    title: str
    body: str | None = None
    image_url: str | None = None
    options: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True)
class Carousel:
    """Several cards side by side."""

    cards: tuple[CarouselCard, ...]
    body: str | None = None


@dataclass(frozen=True, slots=True)
class FormField:
    """One field of a form; `value` is filled in an answered form."""

    name: str
    label: str
    kind: str = "text"
    required: bool = False
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """A form to fill in, or the contact's answer to one (`answered`)."""

    body: str
    fields: tuple[FormField, ...]
    answered: bool = False


@dataclass(frozen=True, slots=True)
class TemplateParameter:
    """One value of a template: `where` is header, body or `button:<index>:<quick_reply|url>`."""

    where: str
    value: str
    kind: str = "text"
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """An approved template of the channel account; `body` is its text with the values filled in."""

    name: str
    language: str
    parameters: tuple[TemplateParameter, ...] = ()
    body: str | None = None


@dataclass(frozen=True, slots=True)
class Reaction:
    """A reaction to a message; no emoji means that it was taken back."""

    target: Target
    emoji: str | None


@dataclass(frozen=True, slots=True)
class Postback:
    """What the contact picked of a choice."""

    id: str
    title: str
    target: Target | None = None


@dataclass(frozen=True, slots=True)
class Unsend:
    """The sender took a message back."""

    target: Target


@dataclass(frozen=True, slots=True)
class Note:
    """A note between agents; never leaves the gateway (PRODUCT W7)."""

    body: str


@dataclass(frozen=True, slots=True)
class Unsupported:
    """What the channel sent and we cannot show: its kind, why, and the raw fragment (JSON text)."""

    kind: str
    reason: str | None = None
    raw: str | None = None


Editable = (
    Text
    | Media
    | Sticker
    | Location
    | ContactCard
    | Choice
    | Carousel
    | Form
    | Template
    | Postback
    | Note
    | Unsupported
)


@dataclass(frozen=True, slots=True)
class Edit:
    """A message's new content."""

    target: Target
    content: Editable


Content = (
    Text
    | Media
    | Sticker
    | Location
    | ContactCard
    | Choice
    | Carousel
    | Form
    | Template
    | Postback
    | Note
    | Unsupported
    | Reaction
    | Edit
    | Unsend
)


@dataclass(frozen=True, slots=True)
class Clear:
    """Content that any reader of the topic may read."""

    content: Content


@dataclass(frozen=True, slots=True)
class Sealed:
    """Content that only the holder of the key `key_id` may read; erasing = tombstone of the key."""

    key_id: str
    nonce: bytes
    data: bytes


Body = Clear | Sealed


def plain_text(content: Content) -> str:
    """The content as plain text: for lists, search, and channels that can show nothing else."""
    match content:
        case Text(body=body) | Note(body=body):
            return body
        case Media(kind=kind, media=media, caption=caption):
            return caption or media.filename or f"[{kind.value}]"
        case Sticker(emoji=emoji):
            return emoji or "[sticker]"
        case Location():
            return ", ".join(p for p in (content.name, content.address) if p) or _coordinates(content)
        case ContactCard(cards=cards):
            return ", ".join(" ".join((card.name, *card.phones, *card.emails)) for card in cards)
        case Choice(body=body, options=options):
            return "\n".join([body, *(f"{n}. {option.title}" for n, option in enumerate(options, 1))])
        case Carousel(cards=cards, body=body):
            return "\n".join([*([body] if body else []), *(card.title for card in cards)])
        case Form(body=body, fields=fields):
            return "\n".join([body, *(f"{field.label}: {field.value or ''}".rstrip() for field in fields)])
        case Template(name=name, body=body):
            return body or f"[{name}]"
        case Postback(title=title, id=identifier):
            return title or identifier
        case Reaction(emoji=emoji):
            return emoji or ""
        case Edit(content=inner):
            return plain_text(inner)
        case Unsend():
            return ""
        case Unsupported(kind=kind):
            return f"[{kind}]"


def _coordinates(location: Location) -> str:
    return f"{location.latitude:.6f}, {location.longitude:.6f}"


def is_counted(content: Content) -> bool:
    """Whether this content from a contact counts as writing (PRODUCT O: opens, reopens, starts timers)."""
    return not isinstance(content, Reaction | Edit | Unsend | Note)
