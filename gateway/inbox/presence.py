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
                await self._renew()

    async def _renew(self) -> None:
        for agent_id in sorted({stream.agent_id for stream in self._live.streams}):
            agent = self._replicas.known.directory.agents.get(agent_id)
            state = self._replicas.presence(agent_id, self._clock())
            if agent is None or state is PresenceState.OFFLINE:
                continue
            try:
                await self.put(agent, state)
            except BrokerUnavailable as error:
                # The lease then ends by itself: presence unknown to others, as it is.
                log.warning("presence leases are not renewed: %s", error)
                return

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
