"""From what a bot wants to commands: deterministic ids, the epoch it believes in, content its channel can show.

A typed number or title is understood by the menu bot, so a numbered text is a whole substitute for buttons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.bots.menu import Act
from gateway.core import ids
from gateway.core.actors import Actor, ActorKind, Owner
from gateway.core.capabilities import CapabilityProfile, content_kind
from gateway.core.commands import Command, SendMessage
from gateway.core.content import Choice, ChoiceStyle, Clear, Content, Text, plain_text


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a bot reacts to: the event (or the answer to a command of it) and whose turn it was."""

    cause: str
    conversation_id: str
    tenant: str
    bot: Owner
    epoch: int
    hops: int


def commands(occasion: Occasion, acts: Sequence[Act], now: int) -> list[Command]:
    """The commands of a bot's acts. Their ids come from the cause, so proposing again after a restart is harmless."""
    actor = Actor(ActorKind.BOT, occasion.bot.id, occasion.bot.name)
    return [
        Command(
            command_id=ids.command_id(occasion.cause, "bot", str(number)),
            conversation_id=occasion.conversation_id,
            tenant=occasion.tenant,
            actor=actor,
            action=act,
            issued_at=now,
            cause=occasion.cause,
            epoch=occasion.epoch,
            hops=occasion.hops + 1,
        )
        for number, act in enumerate(acts)
    ]


_FEW = (ChoiceStyle.BUTTONS, ChoiceStyle.QUICK_REPLIES, ChoiceStyle.LIST)
# Names of the channels' limits: how many options, their titles, descriptions and ids, the text above.
_LIMITS = {
    ChoiceStyle.BUTTONS: ("buttons", "button_title", "", "button_id", "buttons_body"),
    ChoiceStyle.LIST: ("list_rows", "list_row_title", "list_row_description", "list_row_id", "list_body"),
}


def fitted(act: Act, profile: CapabilityProfile | None) -> Act:
    """The act with choices in a style that the channel has and that holds them, else as a numbered text."""
    if profile is None or not isinstance(act, SendMessage) or not isinstance(act.content, Clear):
        return act
    content = act.content.content
    return replace(act, content=Clear(_fit(content, profile))) if isinstance(content, Choice) else act


def _fit(choice: Choice, profile: CapabilityProfile) -> Content:
    styles = [choice.style, *(_FEW if choice.style is not ChoiceStyle.LIST else ())]
    for style in styles:
        styled = replace(choice, style=style)
        if content_kind(styled) in profile.content and _within_limits(styled, profile):
            return styled
    return Text(plain_text(choice))


def _within_limits(choice: Choice, profile: CapabilityProfile) -> bool:
    options = choice.options
    sizes = (
        len(options),
        max((len(o.title) for o in options), default=0),
        max((len(o.description or "") for o in options), default=0),
        max((len(o.id) for o in options), default=0),
        len(choice.body),
    )
    limits = (profile.limit(name) for name in _LIMITS.get(choice.style, ()))
    return all(limit is None or size <= limit for size, limit in zip(sizes, limits, strict=False))
