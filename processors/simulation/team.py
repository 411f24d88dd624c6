"""Agents and the bot: what they ask of the log, how late, how often, and in which ownership they believe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core import commands as k
from gateway.core import events as e
from gateway.core import ids
from gateway.core.actors import Actor, ActorKind, OwnerKind
from gateway.core.content import Clear, Note, Text
from gateway.core.events import ConversationEvent
from processors.simulation.setting import AGENTS, BOT, DEPARTMENTS, TENANT
from processors.simulation.view import View

if TYPE_CHECKING:
    from processors.simulation.world import World


class Team:
    """Everybody who answers."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._schedule = world.schedule
        self._rng = world.schedule.rng
        self._count = 0

    def accept_at_once(self, conversation: str) -> None:
        """Two agents take the same conversation at the same instant."""
        for agent in self._rng.sample(list(AGENTS), 2):
            self._command(conversation, _actor(agent), k.Accept())

    def act(self) -> None:
        """An agent does something with a conversation."""
        known = list(self._world.checks.views)
        if not known:
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
