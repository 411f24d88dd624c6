"""Presence end to end: leases in Redis, transitions and proofs of life on the real topic."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from gateway.bus.replica import Replica
from gateway.core.clock import system_clock
from gateway.core.messages import Presence, PresenceState
from gateway.embedded.redis import EmbeddedRedis
from gateway.inbox.leases import Timing, is_heartbeat
from gateway.wire.framing import decode
from tests.helpers import eventually
from tests.inbox.events import listening
from tests.inbox.world import World, world

QUICK = Timing(renew=200, grace=1_500, valid=6_000, alive=1_500)
Heard = list[tuple[str, Presence | None]]


class Listener:
    """Every record of `cg.presence`, in order per key."""

    def __init__(self, inbox: World) -> None:
        self.heard: Heard = []
        self._replica = Replica(inbox.bootstrap, inbox.catalogue.presence, self._take)

    def _take(self, key: bytes, value: bytes | None) -> None:
        self.heard.append((key.decode(), None if value is None else decode(value, Presence)))

    async def __aenter__(self) -> Listener:
        await self._replica.start()
        await self._replica.caught_up()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._replica.stop()

    def states(self, agent: str) -> list[PresenceState]:
        """The agent's states; the same one again is no transition."""
        found = [p.state for key, p in self.heard if key == agent and p is not None]
        return [state for n, state in enumerate(found) if n == 0 or found[n - 1] is not state]

    def proof(self) -> Presence | None:
        """The newest proof of life."""
        proofs = [p for key, p in self.heard if is_heartbeat(key)]
        return proofs[-1] if proofs else None

    def alive(self) -> bool:
        """Whether an inbox proves now that it lives."""
        proof = self.proof()
        return proof is not None and proof.online_until > system_clock()


async def test_a_closed_screen_counts_for_the_grace_and_a_flap_changes_nothing(
    kafka: str, redis_url: str, topic_prefix: str
) -> None:
    async with (
        world(kafka, redis_url, topic_prefix, log=False, timing=QUICK) as inbox,
        Listener(inbox) as told,
    ):
        ann, bob = await inbox.client("ann@example.org"), await inbox.client("bob@example.org")
        async with listening(bob) as heard:
            async with listening(ann):
                assert await ann.call("PUT", "/presence", {"state": "busy"}) == (200, {"state": "busy"})
                await eventually(told.alive)
            await asyncio.sleep(QUICK.grace / 3000)  # the connection flaps
            async with listening(ann):
                before = len([1 for key, _ in told.heard if key == "ann"])
                await eventually(lambda: len([1 for key, _ in told.heard if key == "ann"]) > before)
                assert told.states("ann") == [PresenceState.ONLINE, PresenceState.BUSY]
            closed = system_clock()
            await eventually(lambda: told.states("ann")[-1] is PresenceState.OFFLINE)
            assert system_clock() - closed >= QUICK.grace
            await eventually(lambda: heard.of("presence")[-1] == {"agent_id": "ann", "state": "offline"})
            assert told.states("bob") == [PresenceState.ONLINE], "an open screen is online, idle or not"
            async with listening(ann):
                await eventually(lambda: told.states("ann")[-1] is PresenceState.BUSY)
        agents = (await bob.get("/agents"))["agents"]
        assert [a["id"] for a in agents] == ["ann", "bob"], "a proof of life is nobody's presence"
    async with Listener(inbox) as after:
        assert after.proof() is None, "taken back when the inbox stopped"


async def test_without_redis_no_inbox_claims_to_know_who_is_there(
    kafka: str, tmp_path: Path, topic_prefix: str
) -> None:
    server = EmbeddedRedis(tmp_path / "redis")
    await server.start()
    try:
        made = world(kafka, server.url, topic_prefix, log=False, timing=QUICK)
        async with made as inbox, Listener(inbox) as told:
            ann = await inbox.client("ann@example.org")
            async with listening(ann):
                await eventually(told.alive)
                port = server.port
                await server.stop()
                await eventually(lambda: not told.alive(), 30)
                assert told.states("ann") == [PresenceState.ONLINE]
                server.wanted_port = port
                await server.start()
                await eventually(told.alive, 30)
                await eventually(_present(told))
                assert told.states("ann") == [PresenceState.ONLINE], "an outage is no transition"
    finally:
        await server.stop()


def _present(told: Listener) -> Callable[[], bool]:
    def now() -> bool:
        newest = [p for key, p in told.heard if key == "ann" and p is not None][-1]
        return newest.online_until > system_clock() + QUICK.valid // 3

    return now


async def test_signing_out_or_choosing_offline_is_told_at_once(inbox: World) -> None:
    async with Listener(inbox) as told:
        ann, bob = await inbox.client("ann@example.org"), await inbox.client("bob@example.org")
        await ann.call("PUT", "/presence", {"state": "offline"})
        await bob.call("DELETE", "/session")
        for agent in ("ann", "bob"):
            await eventually(
                lambda agent=agent: told.states(agent) == [PresenceState.ONLINE, PresenceState.OFFLINE]
            )
