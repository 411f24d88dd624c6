"""When an agent's presence changes by itself: pure rules over leases and what was last published.

An open screen holds a lease and renews it; closed, the lease lasts for the grace, so that a connection that flaps
changes nothing. What follows depends only on the leases (Redis) and on the newest record per agent (`cg.presence`),
so every inbox comes to the same end, and doing it twice is harmless. Being idle changes nothing (PRODUCT O10).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.core.availability import HEARTBEAT
from gateway.core.directory import Agent
from gateway.core.messages import Presence, PresenceState


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds. `renew`: how often open screens renew, and the inbox proves that it lives; `grace`: how long a
    closed screen still counts; `valid`: how long a published presence holds without another record; `alive`: the
    same for the proof of life. A presence holds at least twice as long as a lease."""

    renew: int = 10_000
    grace: int = 30_000
    valid: int = 90_000
    alive: int = 30_000

    def lease(self, now: int) -> int:
        """End of a lease that is taken or renewed now."""
        return now + self.renew + self.grace


TIMING = Timing()
"""As in production."""


def is_present(known: Presence | None, now: int) -> bool:
    """Whether the agent counts as online or busy at `now`."""
    return known is not None and known.state is not PresenceState.OFFLINE and known.online_until > now


def chosen(agent: Agent, state: PresenceState, now: int, timing: Timing) -> Presence:
    """The record of what an agent chose, or came back with."""
    until = now if state is PresenceState.OFFLINE else now + timing.valid
    return Presence(agent.id, agent.tenant, state, now, until)


def renewal(
    agent: Agent, state: PresenceState, known: Presence | None, now: int, timing: Timing
) -> Presence | None:
    """What to publish for an agent with an open screen; None while the newest record tells it well enough."""
    if state is PresenceState.OFFLINE:
        return None
    enough = known is not None and known.state is state and known.online_until - now > timing.valid // 2
    return None if enough else chosen(agent, state, now, timing)


def lapses(known: Mapping[str, Presence], leases: Mapping[str, int], now: int) -> list[Presence]:
    """The transitions to offline that are due: of present agents whose lease ran out.

    Without a lease (Redis was emptied) the published validity decides. `at` is when it ended, not when it was noticed.
    """
    found = []
    for agent_id, presence in sorted(known.items()):
        end = leases.get(agent_id, presence.online_until)
        if presence.state is not PresenceState.OFFLINE and end <= now:
            at = max(end, presence.at)
            found.append(Presence(agent_id, presence.tenant, PresenceState.OFFLINE, at, at))
    return found


def proof_of_life(instance: str, now: int, timing: Timing, *, alive: bool) -> Presence:
    """The record by which an inbox proves that it lives, or (Redis is away) takes that back: presence is unknown."""
    until = now + timing.alive if alive else now
    return Presence(heartbeat_key(instance), "", PresenceState.ONLINE, now, until)


def heartbeat_key(instance: str) -> str:
    """Key of an inbox's proof of life in `cg.presence`; nobody's presence."""
    return f"{HEARTBEAT}/{instance}"


def is_heartbeat(key: str) -> bool:
    """Whether the key is an inbox's and no agent's."""
    return key.startswith(HEARTBEAT)


def forgotten(heartbeats: Mapping[str, Presence], now: int, timing: Timing) -> list[str]:
    """Keys of inboxes that went without taking their proof of life back, long enough ago to be removed."""
    return sorted(key for key, proof in heartbeats.items() if proof.online_until + 20 * timing.alive <= now)
