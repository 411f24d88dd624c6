"""Contacts, agents, bots, presence and settings: what each does next is the seed's choice."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.core import commands as k
from gateway.core import events as e
from gateway.core import ids
from gateway.core.actors import Actor, ActorKind, OwnerKind
from gateway.core.availability import HEARTBEAT
from gateway.core.content import (
    Clear,
    Content,
    Edit,
    Media,
    MediaKind,
    MediaRef,
    MediaState,
    Note,
    Postback,
    Reaction,
    Target,
    Text,
    Unsend,
)
from gateway.core.directory import Entity
from gateway.core.events import ConversationEvent
from gateway.core.messages import Contact, InboundEvent, InboundKind, Presence, PresenceState
from processors.simulation import setting
from processors.simulation.setting import AGENTS, BOT, CHANNEL, DEPARTMENTS, HOUR, MINUTE, TENANT

if TYPE_CHECKING:
    from processors.simulation.checks import View
    from processors.simulation.world import World

_TEXTS = ("hello", "human please", "I wait", "thank you", "長い文章です。" * 12)
_FILE = MediaRef(MediaState.PENDING, "image/jpeg", "file-1")


class People:
    """Everybody outside the gateway. Each act is one call of `act`."""

    def __init__(self, world: World, contacts: int) -> None:
        self._world = world
        self._schedule = world.schedule
        self._rng = world.schedule.rng
        self._places = setting.conversations(contacts)
        self._ids = list(self._places)
        self._said: dict[str, list[str]] = {c: [] for c in self._ids}
        self._count = 0
        self._version = 0
        self._online: set[str] = set()

    # Settings and presence.

    def begin(self) -> None:
        """The directory, and who is there when it all starts."""
        for entity in setting.first_directory(self._rng):
            self._put(entity)
        self._world.profile()
        self.heartbeat(2 * HOUR)
        for agent in AGENTS:
            if self._rng.random() < 0.6:
                self._presence(agent, PresenceState.ONLINE, HOUR)

    def _put(self, entity: Entity) -> None:
        self._version += 1
        self._world.entity(entity, self._version)

    def heartbeat(self, lease: int) -> None:
        """An inbox proves that it lives."""
        now = self._schedule.now
        self._world.presence(f"{HEARTBEAT}-1", Presence("", TENANT, PresenceState.ONLINE, now, now + lease))

    def _presence(self, agent: str, state: PresenceState, lease: int) -> None:
        now = self._schedule.now
        if state is PresenceState.OFFLINE:
            if agent not in self._online:
                return
            self._online.discard(agent)
            lease = 0
        else:
            self._online.add(agent)
            self._schedule.at(now + lease, lambda: self._online.discard(agent))
        self._world.presence(agent, Presence(agent, TENANT, state, now, now + lease))

    def _people_move(self) -> None:
        rng, agent = self._rng, self._rng.choice(list(AGENTS))
        chance = rng.random()
        if chance < 0.2:
            for name in AGENTS:
                self._presence(name, PresenceState.OFFLINE, 0)
        elif chance < 0.5 and agent in self._online:
            self._presence(agent, PresenceState.OFFLINE, 0)
            if self._schedule.fault("presence flapped", 0.8):
                back = rng.randint(50, 3_000)
                self._schedule.after(back, lambda: self._presence(agent, PresenceState.ONLINE, 10 * MINUTE))
        else:
            state = rng.choice([PresenceState.ONLINE, PresenceState.ONLINE, PresenceState.BUSY])
            self._presence(agent, state, rng.randint(1, 40) * MINUTE)
        if self._schedule.fault("presence unknown", 0.25):
            self.heartbeat(0)
        else:
            self.heartbeat(rng.randint(30, 600) * MINUTE)

    # One act.

    def act(self) -> int:
        """Something happens; how long until the next act (milliseconds)."""
        rng = self._rng
        acts = (self._contact, self._agent, self._people_move, self._settings, self._race)
        rng.choices(acts, (42, 38, 10, 2, 8))[0]()
        chance = rng.random()
        if chance < 0.72:
            return rng.randint(1, 12_000)
        if chance < 0.93:
            return rng.randint(10, 400) * 1_000
        return rng.randint(5, 90) * MINUTE if chance < 0.99 else rng.randint(3, 16) * HOUR

    def _settings(self) -> None:
        if not self._schedule.quiet:
            self._schedule.hit("directory changed")
            self._put(setting.another_setting(self._rng))

    def _race(self) -> None:
        """Two things at the very same instant: a message and a deadline, or two agents."""
        conversation = self._rng.choice(self._ids)
        view = self._world.checks.views.get(conversation)
        if view is None:
            self._contact()
            return
        if view.timers:
            at = self._rng.choice(view.timers).at + self._rng.choice((-1, 0, 0, 0, 1, 500))
            self._schedule.hit("same instant")
            self._schedule.at(at, lambda: self._write(conversation, self._text()))
        else:
            self._schedule.hit("two at once")
            for agent in self._rng.sample(list(AGENTS), 2):
                self._command(conversation, _actor(agent), k.Accept())

    # Contacts.

    def _text(self) -> Text:
        return Text(self._rng.choice(_TEXTS))

    def _contact(self) -> None:
        conversation = self._rng.choice(self._ids)
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

    # Agents.

    def _agent(self) -> None:
        known = [c for c in self._ids if c in self._world.checks.views]
        if not known:
            self._contact()
            return
        conversation = self._rng.choice(known)
        view = self._world.checks.views[conversation]
        owner = view.last.owner
        agent = owner.id if owner.kind is OwnerKind.AGENT and self._rng.random() < 0.85 else self._anybody()
        self._command(conversation, _actor(agent), self._action(conversation, view))

    def _anybody(self) -> str:
        return self._rng.choice([*AGENTS, "ann"])

    def _action(self, conversation: str, view: View) -> k.Action:
        rng = self._rng
        failed = self._world.channel_failed(conversation)
        if failed and rng.random() < 0.35:
            return k.Resend(rng.choice(failed), confirm_double=rng.random() < 0.7)
        if view.blocked and rng.random() < 0.5:
            return k.Unblock()
        if not view.open and rng.random() < 0.5:
            return rng.choice((k.Reopen(), self._message(), self._message()))
        if view.last.owner.kind is OwnerKind.QUEUE and rng.random() < 0.6:
            return rng.choice((k.Accept(), k.Accept(), k.Assign(self._anybody())))
        if rng.random() < 0.6:
            return self._message()
        others: tuple[k.Action, ...] = (
            k.End(),
            k.End(),
            k.Block(),
            k.Transfer(rng.choice(DEPARTMENTS)),
            k.Assign(self._anybody()),
            k.AddNote(Clear(Note("a note"))),
            k.CreateTicket("A ticket"),
            k.Accept(),
        )
        return rng.choice(others)

    def _message(self) -> k.SendMessage:
        text = self._rng.choice(("Good day!", "One moment.", "A long answer. " * 9))
        return k.SendMessage(Clear(Text(text)), complete=self._rng.random() < 0.1)

    def _command(
        self, conversation: str, actor: Actor, action: k.Action, epoch: int | None = None, cause: str = ""
    ) -> None:
        self._count += 1
        view = self._world.checks.views.get(conversation)
        if epoch is None and view and self._rng.random() < 0.6:
            # What the sender saw; now and then that was a while ago.
            seen = self._rng.choice(view.events[-30:]) if self._rng.random() < 0.15 else view.last
            epoch = seen.epoch
        command_id = ids.client_command_id(conversation, actor.id, str(self._count))
        now = self._schedule.now
        command = k.Command(
            command_id, conversation, TENANT, actor, action, now, cause or command_id, epoch=epoch
        )
        asks = self._rng.random() < 0.9
        self._send(command, asks)

    def _send(self, command: k.Command, asks: bool) -> None:
        schedule = self._schedule
        late = schedule.rng.randint(500, 60_000) if schedule.fault("command late", 0.05) else schedule.soon()
        schedule.after(late, lambda: self._world.command(command, asks))
        if schedule.fault("command repeated", 0.08):
            again = late + schedule.rng.randint(0, 30_000)
            schedule.after(again, lambda: self._world.command(command, asks))

    # The bot.

    def bot_hears(self, event: ConversationEvent) -> None:
        """An event of a conversation that the bot holds: it answers when the contact wrote, or late, or not at all."""
        if event.owner.kind is not OwnerKind.BOT or event.blocked:
            return
        if not isinstance(event.happening, e.MessageReceived) or not event.happening.counted:
            return
        schedule = self._schedule
        if schedule.rng.random() < 0.06:
            return
        delay = schedule.rng.randint(50, 4_000)
        if schedule.fault("bot late", 0.15):
            delay = schedule.rng.randint(10_000, 60_000)
        schedule.after(delay, lambda: self._bot_answers(event))

    def _bot_answers(self, event: ConversationEvent) -> None:
        rng, actor = self._rng, Actor(ActorKind.BOT, BOT.id, BOT.name)
        view = self._world.checks.views[event.conversation_id]
        if view.last.owner.kind is not OwnerKind.BOT:
            self._schedule.hit("bot stale")
        action: k.Action
        if self._schedule.fault("bot did not understand", 0.3):
            action = k.SendMessage(Clear(Text("I do not understand.")), not_understood=True)
        elif rng.random() < 0.12:
            action = k.HandOver(k.HandOverReason.BOT_ASKED, anyway=rng.random() < 0.5)
        elif rng.random() < 0.04:
            action = k.End()
        else:
            action = k.SendMessage(Clear(Text("Beep.")))
        self._command(event.conversation_id, actor, action, event.epoch, event.event_id)


def _actor(agent: str) -> Actor:
    return Actor(ActorKind.AGENT, agent, agent.title())
