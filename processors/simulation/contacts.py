"""Contacts: what they write, and how their webhooks arrive."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.core import ids
from gateway.core.content import (
    Clear,
    Content,
    Edit,
    Media,
    MediaKind,
    MediaRef,
    MediaState,
    Postback,
    Reaction,
    Target,
    Text,
    Unsend,
)
from gateway.core.messages import Contact, InboundEvent, InboundKind
from processors.simulation import setting
from processors.simulation.setting import CHANNEL, TENANT

if TYPE_CHECKING:
    from processors.simulation.world import World

_TEXTS = ("hello", "human please", "I wait", "thank you", "長い文章です。" * 12)
_FILE = MediaRef(MediaState.PENDING, "image/jpeg", "file-1")


class Contacts:
    """So many contacts, one conversation each. `ids` are the conversations'."""

    def __init__(self, world: World, count: int) -> None:
        self._world = world
        self._schedule = world.schedule
        self._rng = world.schedule.rng
        self._places = setting.conversations(count)
        self.ids = list(self._places)
        self._said: dict[str, list[str]] = {c: [] for c in self.ids}
        self._count = 0

    def writes(self, conversation: str) -> None:
        """This one writes a text now."""
        self._write(conversation, self._text())

    def _text(self) -> Text:
        return Text(self._rng.choice(_TEXTS))

    def act(self) -> None:
        """One of them does something."""
        conversation = self._rng.choice(self.ids)
        said = self._said[conversation]
        chance = self._rng.random()
        if not said or chance < 0.7:
            self._write(conversation, self._text())
        elif chance < 0.9:
            self._write(conversation, self._about(self._rng.choice(said)))
        else:
            self._other(conversation, said)

    def _about(self, provider_id: str) -> Content:
        target = Target(provider_id)
        return self._rng.choice(
            (
                Reaction(target, self._rng.choice(("👍", None))),
                Edit(target, Text("edited")),
                Unsend(target),
                Postback("yes", "Yes", target),
                Media(MediaKind.IMAGE, _FILE),
            )
        )

    def _other(self, conversation: str, said: list[str]) -> None:
        kind = self._rng.choice(
            (
                InboundKind.TYPING,
                InboundKind.OPENED,
                InboundKind.IDENTITY,
                InboundKind.ECHO,
                InboundKind.MEDIA,
            )
        )
        if kind is InboundKind.ECHO:
            self._write(conversation, Text("from the native app"), kind=kind)
        elif kind is InboundKind.MEDIA:
            account, _ = self._places[conversation]
            about = ids.inbound_id(CHANNEL, account, self._rng.choice(said))
            media = replace(_FILE, state=MediaState.READY, stored="file:x")
            self._write(conversation, None, kind=kind, media_of=about, media=media)
        else:
            self._write(conversation, None, kind=kind)

    def _write(self, conversation: str, content: Content | None, **more: object) -> None:
        account, address = self._places[conversation]
        self._count += 1
        provider_id = f"in-{self._count}"
        name = self._rng.choice(("Lena", "Lena Meyer", None))
        delivered = self._world.channel_delivered(conversation)
        now = self._schedule.now
        kind = more.get("kind", InboundKind.MESSAGE)
        values: dict[str, object] = {
            "event_id": ids.inbound_id(CHANNEL, account, provider_id),
            "conversation_id": conversation,
            "tenant": TENANT,
            "channel": CHANNEL,
            "account_id": account,
            "kind": kind,
            "contact": Contact(address, "id", name),
            "occurred_at": now,
            "received_at": now,
            "content": Clear(content) if content is not None else None,
            "provider_message_id": provider_id,
            "reply_to": self._rng.choice(delivered) if delivered and self._rng.random() < 0.1 else None,
        }
        if kind is InboundKind.MESSAGE:
            self._said[conversation].append(provider_id)
        self._webhook(InboundEvent(**{**values, **more}))  # type: ignore[arg-type]

    def _webhook(self, event: InboundEvent) -> None:
        schedule = self._schedule
        late = schedule.rng.randint(1_000, 600_000) if schedule.fault("webhook late", 0.05) else 0
        schedule.after(late or schedule.rng.choice((0, schedule.soon())), lambda: self._world.inbound(event))
        while schedule.fault("webhook repeated", 0.12):
            schedule.after(schedule.rng.randint(0, 900_000), lambda: self._world.inbound(event))
