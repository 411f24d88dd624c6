"""What rules decide from beside the events: directory and presence, from replicas of their topics."""

from __future__ import annotations

from gateway.bus.catalogue import Catalogue
from gateway.bus.exits import Die, exit_process
from gateway.bus.replica import Replica
from gateway.core.directory import Directory, DirectoryEntry
from gateway.core.messages import Presence
from gateway.wire.framing import decode


class Known:
    """Follows `cg.directory` and `cg.presence`; the attributes are always the newest.

    `presences` is by the topic's key: an agent's id, or an inbox's heartbeat.
    """

    def __init__(self, bootstrap: str, catalogue: Catalogue, die: Die = exit_process) -> None:
        self.directory = Directory()
        self.presences: dict[str, Presence] = {}
        self._replicas = (
            Replica(bootstrap, catalogue.directory, self._take_directory, die=die),
            Replica(bootstrap, catalogue.presence, self._take_presence, die=die),
        )

    async def start(self) -> None:
        """Returns when both reached their ends: no rule may decide before. Raises ReplicaBehind, WireError."""
        for replica in self._replicas:
            await replica.start()
        for replica in self._replicas:
            await replica.caught_up()

    async def stop(self) -> None:
        """Ends the reading; raises what ended a replica before."""
        for replica in self._replicas:
            await replica.stop()

    def _take_directory(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self.directory = self.directory.without(key.decode())
        else:
            self.directory = self.directory.with_entity(decode(value, DirectoryEntry).entity)

    def _take_presence(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self.presences.pop(key.decode(), None)
        else:
            self.presences[key.decode()] = decode(value, Presence)
