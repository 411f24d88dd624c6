"""The log's view of the directory, the channels' profiles and who is online: fed by replicas of their topics."""

from __future__ import annotations

from gateway.core.capabilities import CapabilityProfile
from gateway.core.directory import Directory, DirectoryEntry
from gateway.core.facts import Facts
from gateway.core.messages import Presence, PresenceState
from gateway.wire.framing import decode

INBOX_KEY = "@inbox"
"""Keys of `cg.presence` by which inboxes prove that they live; while none does, presence is unknown."""
REFRESH_MS = 1_000
"""How often leases of presence are looked at again."""


class FactsSource:
    """Takes records of the compacted topics and gives `Facts`; a snapshot is made anew only after a change."""

    def __init__(self) -> None:
        self._directory = Directory()
        self._profiles: dict[str, CapabilityProfile] = {}
        self._presence: dict[str, Presence] = {}
        self._facts: Facts | None = None
        self._made_at = 0

    def __call__(self, now: int) -> Facts:
        """The facts at `now` (Unix milliseconds)."""
        if self._facts is None or abs(now - self._made_at) >= REFRESH_MS:
            known = any(p.online_until > now for k, p in self._presence.items() if k.startswith(INBOX_KEY))
            self._facts = Facts(self._directory, dict(self._profiles), self._online(now), known)
            self._made_at = now
        return self._facts

    def _online(self, now: int) -> frozenset[str]:
        present = (PresenceState.ONLINE, PresenceState.BUSY)
        return frozenset(
            p.agent_id for p in self._presence.values() if p.state in present and p.online_until > now
        )

    def directory(self, key: bytes, value: bytes | None) -> None:
        """A record of `cg.directory`. Raises WireError."""
        if value is None:
            self._directory = self._directory.without(key.decode())
        else:
            self._directory = self._directory.with_entity(decode(value, DirectoryEntry).entity)
        self._facts = None

    def capabilities(self, key: bytes, value: bytes | None) -> None:
        """A record of `cg.capabilities`. Raises WireError."""
        if value is None:
            self._profiles.pop(key.decode(), None)
        else:
            self._profiles[key.decode()] = decode(value, CapabilityProfile)
        self._facts = None

    def presence(self, key: bytes, value: bytes | None) -> None:
        """A record of `cg.presence`. Raises WireError."""
        if value is None:
            self._presence.pop(key.decode(), None)
        else:
            self._presence[key.decode()] = decode(value, Presence)
        self._facts = None
