"""Everybody outside the gateway, who is there, and what is set: what happens next is the seed's choice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.availability import HEARTBEAT
from gateway.core.directory import Entity
from gateway.core.events import ConversationEvent
from gateway.core.messages import Presence, PresenceState
from processors.simulation import setting
from processors.simulation.contacts import Contacts
from processors.simulation.setting import AGENTS, HOUR, MINUTE, TENANT
from processors.simulation.team import Team

if TYPE_CHECKING:
    from processors.simulation.world import World


class People:
    """Everybody outside the gateway. Each act is one call of `act`."""

    def __init__(self, world: World, contacts: int) -> None:
        self._world = world
        self._schedule = world.schedule
        self._rng = world.schedule.rng
        self._contacts = Contacts(world, contacts)
        self._team = Team(world)
        self._version = 0
        self._online: set[str] = set()

    def hear(self, event: ConversationEvent) -> None:
        """An event that everybody may see."""
        self._team.bot_hears(event)

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
        acts = (self._contacts.act, self._team.act, self._people_move, self._settings, self._race)
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
        conversation = self._rng.choice(self._contacts.ids)
        view = self._world.checks.views.get(conversation)
        if view is None:
            self._contacts.writes(conversation)
            return
        if view.timers:
            at = self._rng.choice(view.timers).at + self._rng.choice((-1, 0, 0, 0, 1, 500))
            self._schedule.hit("same instant")
            self._schedule.at(at, lambda: self._contacts.writes(conversation))
        else:
            self._schedule.hit("two at once")
            self._team.accept_at_once(conversation)
