"""Agents' presence: published on `cg.presence` with a lease that open event streams renew."""

from __future__ import annotations

import asyncio
import logging

from gateway.bus.producer import BrokerUnavailable, Producer
from gateway.core.clock import Clock
from gateway.core.directory import Agent
from gateway.core.messages import Presence, PresenceState
from gateway.inbox.live import Live
from gateway.inbox.replicas import Replicas
from gateway.wire.framing import encode
from gateway.wire.headers import headers_for, type_name

log = logging.getLogger(__name__)

LEASE_MS = 90_000
RENEW_SECONDS = 30.0


class Presences:
    """Publishes presence and renews the leases of agents with an open stream."""

    def __init__(self, producer: Producer, topic: str, replicas: Replicas, live: Live, clock: Clock) -> None:
        self._producer = producer
        self._topic = topic
        self._replicas = replicas
        self._live = live
        self._clock = clock
        replicas.on_presence = self._tell

    async def put(self, agent: Agent, state: PresenceState) -> None:
        """Publishes the agent's presence. Raises BrokerUnavailable."""
        now = self._clock()
        until = now if state is PresenceState.OFFLINE else now + LEASE_MS
        presence = Presence(agent.id, agent.tenant, state, now, until)
        headers = headers_for(f"{agent.id}:{now}", type_name(Presence), "inbox", agent.id, now)
        await self._producer.send(self._topic, agent.id.encode(), encode(presence), headers)

    async def run(self, stop: asyncio.Event) -> None:
        """Renews leases until `stop` is set."""
        while not stop.is_set():
            try:
                async with asyncio.timeout(RENEW_SECONDS):
                    await stop.wait()
            except TimeoutError:
                await self._renew_all()

    async def _renew_all(self) -> None:
        for agent_id in sorted({stream.agent_id for stream in self._live.streams}):
            await self.renew(agent_id)

    async def renew(self, agent_id: str) -> None:
        """Extends the lease of an agent who chose to be present, also when it ran out meanwhile."""
        agent = self._replicas.known.directory.agents.get(agent_id)
        state = self._replicas.chosen_presence(agent_id)
        if agent is None or state is PresenceState.OFFLINE:
            return
        try:
            await self.put(agent, state)
        except BrokerUnavailable as error:
            # The lease then ends by itself, and others see the agent as offline.
            log.warning("a presence lease is not renewed: %s", error)

    def _tell(self, presence: Presence) -> None:
        agents = self._replicas.known.directory.agents
        agent = agents.get(presence.agent_id)
        if agent is None:
            return
        departments = set(agent.departments)
        seen_by = (
            a.id for a in agents.values() if a.tenant == agent.tenant and departments & set(a.departments)
        )
        state = self._replicas.presence(agent.id, self._clock())
        self._live.presence(agent.id, state.value, seen_by)
