"""What the inbox knows beside the log: directory, profiles and presence, from replicas of their topics."""

from __future__ import annotations

from collections.abc import Callable

from gateway.bus.catalogue import Catalogue
from gateway.bus.replica import Replica
from gateway.core.capabilities import CapabilityProfile
from gateway.core.directory import Agent, Directory, DirectoryEntry
from gateway.core.messages import Presence, PresenceState
from gateway.inbox.leases import is_heartbeat, is_present
from gateway.inbox.projection.present import Known
from gateway.wire.framing import decode

PresenceChanged = Callable[[Presence], None]


class Replicas:
    """Follows the three topics; `known` and the rest are always the newest.

    `presences` is by agent, `heartbeats` by the key of each inbox's proof of life: those are nobody's presence.
    `on_presence` hears of every state that changed.
    """

    def __init__(self, bootstrap: str, catalogue: Catalogue) -> None:
        self._directory = Directory()
        self._profiles: dict[str, CapabilityProfile] = {}
        self.presences: dict[str, Presence] = {}
        self.heartbeats: dict[str, Presence] = {}
        self._known = Known()
        self._replicas = (
            Replica(bootstrap, catalogue.directory, self._take_directory),
            Replica(bootstrap, catalogue.capabilities, self._take_capabilities),
            Replica(bootstrap, catalogue.presence, self._take_presence),
        )
        self.on_presence: PresenceChanged | None = None

    async def start(self, seconds: float = 60.0) -> None:
        """Returns when all three reached their ends. Raises ReplicaBehind, WireError."""
        for replica in self._replicas:
            await replica.start()
        for replica in self._replicas:
            await replica.caught_up(seconds)

    async def stop(self) -> None:
        """Ends the reading; raises what ended a replica before."""
        for replica in self._replicas:
            await replica.stop()

    @property
    def known(self) -> Known:
        """Directory and profiles as they are now."""
        return self._known

    def directory_version(self, key: str) -> int:
        """Version of a directory entry by its `entry_key`; 0 if there is none."""
        value = self._replicas[0].get(key.encode())
        return decode(value, DirectoryEntry).version if value is not None else 0

    def agent_by_email(self, email: str) -> Agent | None:
        """The agent who signs in with this address, whatever its case."""
        wanted = email.strip().casefold()
        found = (a for a in self._directory.agents.values() if a.email.casefold() == wanted)
        return min(found, key=lambda agent: agent.id, default=None)

    def presence(self, agent_id: str, now: int) -> PresenceState:
        """The agent's presence at `now` (Unix milliseconds); offline when the lease is over."""
        found = self.presences.get(agent_id)
        return found.state if found is not None and is_present(found, now) else PresenceState.OFFLINE

    def _take_directory(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self._directory = self._directory.without(key.decode())
        else:
            self._directory = self._directory.with_entity(decode(value, DirectoryEntry).entity)
        self._renew()

    def _take_capabilities(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self._profiles.pop(key.decode(), None)
        else:
            self._profiles[key.decode()] = decode(value, CapabilityProfile)
        self._renew()

    def _take_presence(self, key: bytes, value: bytes | None) -> None:
        name = key.decode()
        kept = self.heartbeats if is_heartbeat(name) else self.presences
        before = kept.pop(name, None)
        if value is None:
            return
        presence = kept[name] = decode(value, Presence)
        # One that ran out unnoticed was shown as offline meanwhile, so it is told again.
        same = before is not None and before.state is presence.state and before.online_until > presence.at
        if self.on_presence is not None and kept is self.presences and not same:
            self.on_presence(presence)

    def _renew(self) -> None:
        # A profile may be published per channel or per account; rows name both.
        by_channel = {profile.channel: profile for profile in self._profiles.values()}
        self._known = Known(self._directory, by_channel | self._profiles)
