"""Agents' presence: leases in Redis that open screens renew, transitions and our proof of life on `cg.presence`."""

from __future__ import annotations

import asyncio
import logging
from typing import cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.bus.producer import BrokerUnavailable, Producer
from gateway.core.clock import Clock
from gateway.core.directory import Agent
from gateway.core.messages import Presence, PresenceState
from gateway.inbox import leases
from gateway.inbox.leases import Timing
from gateway.inbox.live import Live
from gateway.inbox.replicas import Replicas
from gateway.wire.framing import encode
from gateway.wire.headers import headers_for, type_name

log = logging.getLogger(__name__)

FAREWELL_SECONDS = 2.0


class Leases:
    """Until when agents count as present, and what they chose. Raises RedisError when Redis cannot be reached."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        self._until = f"{prefix}presence:leases"
        self._chosen = f"{prefix}presence:chosen"

    async def choose(self, agent_id: str, state: PresenceState, until: int) -> None:
        """The agent chose this; the lease begins, or (offline) is given up."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(self._chosen, agent_id, state.value)
            if state is PresenceState.OFFLINE:
                pipe.zrem(self._until, agent_id)
            else:
                pipe.zadd(self._until, {agent_id: until})
            await pipe.execute()

    async def chosen(self, agent_id: str) -> PresenceState | None:
        """What the agent chose last; None when Redis does not know (it was emptied)."""
        found = cast("bytes | None", await self._redis.hget(self._chosen, agent_id))
        return PresenceState(found.decode()) if found else None

    async def all(self) -> dict[str, int]:
        """The end of every lease."""
        found = cast(
            "list[tuple[bytes, float]]", await self._redis.zrange(self._until, 0, -1, withscores=True)
        )
        return {agent.decode(): int(until) for agent, until in found}

    async def drop_ended(self, now: int) -> None:
        """Leases that ended are gone."""
        await self._redis.zremrangebyscore(self._until, "-inf", now)


class Presences:
    """Publishes presence, renews the leases of agents with an open stream, and ends those that ran out."""

    def __init__(
        self,
        producer: Producer,
        topic: str,
        replicas: Replicas,
        live: Live,
        clock: Clock,
        held: Leases,
        instance: str,
        timing: Timing,
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._replicas = replicas
        self._live = live
        self._clock = clock
        self._held = held
        self._instance = instance
        self._timing = timing
        self._alive: bool | None = None
        replicas.on_presence = self._tell

    async def put(self, agent: Agent, state: PresenceState) -> None:
        """The agent chose this presence. Raises RedisError, BrokerUnavailable."""
        now = self._clock()
        await self._held.choose(agent.id, state, self._timing.lease(now))
        await self._publish(leases.chosen(agent, state, now, self._timing))

    async def renew(self, agent_id: str) -> None:
        """Renews the lease of an agent whose screen is open, also when it ran out meanwhile."""
        try:
            await self._renew(agent_id)
        except (RedisError, BrokerUnavailable) as error:
            # The next round tries again; until then the grace holds, or presence is unknown.
            log.warning("a presence lease is not renewed: %r", error)

    async def _renew(self, agent_id: str) -> None:
        agent = self._replicas.known.directory.agents.get(agent_id)
        if agent is None:
            return
        known = self._replicas.presences.get(agent_id)
        state = await self._held.chosen(agent_id) or (known.state if known else PresenceState.OFFLINE)
        if state is PresenceState.OFFLINE:
            return
        now = self._clock()
        await self._held.choose(agent_id, state, self._timing.lease(now))
        due = leases.renewal(agent, state, known, now, self._timing)
        if due is not None:
            await self._publish(due)

    async def run(self, stop: asyncio.Event) -> None:
        """Renews, ends and proves that we live, until `stop` is set.

        The first round comes after one period: screens that were cut off with us come back first.
        """
        try:
            while not stop.is_set():
                try:
                    async with asyncio.timeout(self._timing.renew / 1000):
                        await stop.wait()
                except TimeoutError:
                    await self._round()
        finally:
            await self._farewell()

    async def _round(self) -> None:
        try:
            alive = await self._keep_leases()
            if alive or self._alive:
                await self._publish(
                    leases.proof_of_life(self._instance, self._clock(), self._timing, alive=alive)
                )
            self._alive = alive
        except BrokerUnavailable as error:
            log.warning("presence cannot be published: %s", error)

    async def _keep_leases(self) -> bool:
        """Whether Redis works; without it nobody knows who is there, and we must not say that we do."""
        try:
            for agent_id in sorted({stream.agent_id for stream in self._live.streams}):
                await self._renew(agent_id)
            await self._end_lapsed()
        except RedisError as error:
            log.warning("presence is unknown while Redis is away: %r", error)
            return False
        return True

    async def _end_lapsed(self) -> None:
        now = self._clock()
        for gone in leases.lapses(self._replicas.presences, await self._held.all(), now):
            await self._publish(gone)
        await self._held.drop_ended(now)
        for key in leases.forgotten(self._replicas.heartbeats, now, self._timing):
            await self._producer.send(self._topic, key.encode(), None)

    async def _farewell(self) -> None:
        """Our proof of life is taken back at once; others need not wait until it ends."""
        if self._alive is None:
            return
        try:
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self._producer.send(self._topic, leases.heartbeat_key(self._instance).encode(), None)
        except (BrokerUnavailable, TimeoutError) as error:
            log.warning("the proof of life ends by itself: %r", error)

    async def _publish(self, presence: Presence) -> None:
        key, now = presence.agent_id, presence.at
        headers = headers_for(f"{key}:{now}", type_name(Presence), "inbox", key, now)
        await self._producer.send(self._topic, key.encode(), encode(presence), headers)

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
