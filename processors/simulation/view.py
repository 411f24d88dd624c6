"""One conversation as its events tell it, and what else was written: what the checks judge from."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.core.commands import Command
from gateway.core.directory import Account, AutoCompletion, Department, Entity
from gateway.core.events import ConversationEvent
from gateway.core.messages import Presence
from gateway.core.receipts import PartStatus
from gateway.core.timers import Timer


@dataclass(slots=True)
class View:
    """One conversation as its events tell it.

    `judged`: the epoch in which the contact last wrote, or a bot handed over; `decided`: the offline rule has said
    something since the owner changed, or sent something before.
    """

    events: list[ConversationEvent] = field(default_factory=list)
    open: bool = True
    blocked: bool = False
    waiting: bool = False
    awaiting: int | None = None
    hold: bool = False
    contact_at: int | None = None
    offline_at: int | None = None
    warned: bool = False
    escalated: bool = False
    judged: int = 0
    decided: bool = False
    timers: tuple[Timer, ...] = ()
    messages: dict[str, ConversationEvent] = field(default_factory=dict)
    statuses: dict[tuple[str, int, int], PartStatus] = field(default_factory=dict)
    causes: set[str] = field(default_factory=set)

    @property
    def last(self) -> ConversationEvent:
        """The newest event."""
        return self.events[-1]


@dataclass(slots=True)
class Beside:
    """Everything that was written beside the events: commands by id, settings and presence in the order of writing."""

    commands: dict[str, Command] = field(default_factory=dict)
    entities: list[Entity] = field(default_factory=list)
    presences: list[Presence] = field(default_factory=list)

    def completions(self, view: View) -> list[AutoCompletion]:
        """Every setting that may have counted for the conversation at some time."""
        last = view.last
        found: list[AutoCompletion] = []
        for entity in self.entities:
            if isinstance(entity, Account) and entity.id == last.account_id and entity.completion:
                found.append(entity.completion)
            if isinstance(entity, Department) and entity.completion:
                found.append(entity.completion)
        return found
