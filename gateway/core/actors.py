"""Who acts on a conversation, and who owns it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ActorKind(StrEnum):
    """What kind of participant acts."""

    CONTACT = "contact"
    AGENT = "agent"
    BOT = "bot"
    RULE = "rule"
    """A processor, or the log itself."""
    OPERATOR = "operator"
    """The channel's native app, or the command line."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it. `name` is as it was then, since the record is for good; for a rule it is the feature."""

    kind: ActorKind
    id: str
    name: str = ""


class OwnerKind(StrEnum):
    """Who may answer."""

    BOT = "bot"
    QUEUE = "queue"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Owner:
    """The one owner of a conversation: a bot, a department's queue, or an agent."""

    kind: OwnerKind
    id: str
    name: str = ""
