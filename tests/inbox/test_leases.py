"""Leases of presence: case tables over the pure rules."""

from __future__ import annotations

import pytest

from gateway.core.availability import Present, availability
from gateway.core.messages import Presence, PresenceState
from gateway.inbox import leases
from gateway.inbox.leases import Timing
from tests.core.build import DIRECTORY, T0

ONLINE, BUSY, OFFLINE = PresenceState.ONLINE, PresenceState.BUSY, PresenceState.OFFLINE
TIMING = Timing()
ANN = DIRECTORY.agents["ann"]
SECOND = 1000


def record(state: PresenceState = ONLINE, at: int = 0, until: int = 90) -> Presence:
    """Ann's newest record; seconds after T0."""
    return Presence("ann", ANN.tenant, state, T0 + at * SECOND, T0 + until * SECOND)


RENEWALS: dict[str, tuple[PresenceState, Presence | None, int, bool]] = {
    "nothing is known: she came back": (ONLINE, None, 0, True),
    "it is told well enough": (ONLINE, record(), 10, False),
    "it would end soon": (ONLINE, record(), 45, True),
    "it ended": (ONLINE, record(), 90, True),
    "somebody thought that she had gone": (ONLINE, record(OFFLINE, 40, 40), 41, True),
    "busy, and told as online": (BUSY, record(ONLINE), 10, True),
    "busy, and told so": (BUSY, record(BUSY), 10, False),
    "she chose to be offline; the screen is open all the same": (OFFLINE, record(OFFLINE, 0, 0), 10, False),
}


@pytest.mark.parametrize("name", RENEWALS)
def test_what_an_open_screen_publishes(name: str) -> None:
    state, known, after, published = RENEWALS[name]
    now = T0 + after * SECOND
    due = leases.renewal(ANN, state, known, now, TIMING)
    assert (due is not None) is published
    if due is not None:
        assert due == Presence("ann", ANN.tenant, state, now, now + TIMING.valid)
        assert leases.renewal(ANN, state, due, now + TIMING.renew, TIMING) is None


LAPSES: dict[str, tuple[Presence, int | None, int, int | None]] = {
    "the screen renews": (record(), 40, 39, None),
    "the screen was closed, the grace lasts": (record(), 50, 49, None),
    "the grace is over": (record(), 50, 50, 50),
    "noticed late: the end counts": (record(), 50, 70, 50),
    "she is busy": (record(BUSY), 50, 60, 50),
    "she is offline already": (record(OFFLINE, 0, 0), 50, 60, None),
    "no lease, but the record still holds": (record(), None, 89, None),
    "no lease, and the record does not hold any more": (record(), None, 90, 90),
    "the lease holds, whatever the record says": (record(), 100, 95, None),
    "never before the record began": (record(at=60), 50, 70, 60),
}


@pytest.mark.parametrize("name", LAPSES)
def test_when_an_agent_goes_offline_by_itself(name: str) -> None:
    known, lease, after, ended = LAPSES[name]
    held = {} if lease is None else {"ann": T0 + lease * SECOND}
    found = leases.lapses({"ann": known}, held, T0 + after * SECOND)
    at = T0 + (ended or 0) * SECOND
    assert found == ([] if ended is None else [Presence("ann", ANN.tenant, OFFLINE, at, at)])
    assert leases.lapses({p.agent_id: p for p in found}, held, T0 + 10**6) == [], "twice is once"


@pytest.mark.parametrize("away", [0, 5, 20, 29])
def test_a_flap_shorter_than_the_grace_changes_nothing(away: int) -> None:
    renewed = T0 + 3 * TIMING.renew
    lease = TIMING.lease(renewed)
    back = renewed + TIMING.renew + away * SECOND
    assert leases.lapses({"ann": record()}, {"ann": lease}, back) == []
    assert leases.renewal(ANN, ONLINE, record(until=200), back, TIMING) is None


def test_a_published_presence_outlasts_every_lease() -> None:
    # Else an agent in the grace would seem offline without a transition.
    assert TIMING.valid // 2 >= TIMING.lease(0)


def test_an_inbox_proves_that_it_lives_and_takes_it_back() -> None:
    key = leases.heartbeat_key("i1")
    ann = leases.chosen(ANN, ONLINE, T0, TIMING)
    proof = leases.proof_of_life("i1", T0, TIMING, alive=True)
    for presences, at, expected in (
        ({"ann": ann, key: proof}, T0, Present.SOME),
        ({"ann": ann, key: proof}, T0 + TIMING.alive, Present.UNKNOWN),
        ({"ann": ann, key: leases.proof_of_life("i1", T0 + 1, TIMING, alive=False)}, T0 + 2, Present.UNKNOWN),
        ({"ann": leases.chosen(ANN, OFFLINE, T0, TIMING), key: proof}, T0, Present.NONE),
        ({"ann": leases.chosen(ANN, BUSY, T0, TIMING), key: proof}, T0, Present.SOME),
    ):
        assert availability(presences, {"ann"}, at).presence is expected
    assert leases.is_heartbeat(key)
    assert not leases.is_heartbeat("ann")
    assert leases.forgotten({key: proof}, T0 + 21 * TIMING.alive, TIMING) == [key]
    assert leases.forgotten({key: proof}, T0 + 2 * TIMING.alive, TIMING) == []
