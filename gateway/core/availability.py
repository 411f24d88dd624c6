"""Whether somebody could answer: from what is known of presence (PRODUCT O10)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from gateway.core.messages import Presence, PresenceState

HEARTBEAT = "@inbox"
"""Keys of `cg.presence` that begin so are heartbeats of inboxes; while none is valid, presence is unknown."""

_PRESENT = (PresenceState.ONLINE, PresenceState.BUSY)


class Present(StrEnum):
    """Who of the agents in question is online."""

    SOME = "some"
    NONE = "none"
    UNKNOWN = "unknown"
    """No inbox proves that it lives, so leases that ran out say nothing."""


@dataclass(frozen=True, slots=True)
class Availability:
    """Presence of the enabled agents at one instant.

    `last_left_at`: when one of them who is not online any more was last available (Unix milliseconds; None:
    never known). Who is online now is not counted in it: outside hours an agent may stay signed in all night,
    and that must not make each message of the contact the first of a new closed period (O14).
    """

    presence: Present
    last_left_at: int | None = None


def availability(presences: Mapping[str, Presence], enabled: Collection[str], at: int) -> Availability:
    """Who is available at `at` (Unix milliseconds), by the newest presence of each key of `cg.presence`.

    `enabled`: ids of the agents who answer on the channel account; none at all counts as all offline. For an
    instant that has passed this is what the newest records still tell of it. Idle and busy count as online.
    """
    known = any(p.online_until > at for key, p in presences.items() if key.startswith(HEARTBEAT))
    theirs = [presences[agent] for agent in enabled if agent in presences]
    left = [end for p in theirs if (end := _left_at(p)) <= at]
    present = Present.SOME if any(_is_online(p, at) for p in theirs) else Present.NONE
    return Availability(present if known else Present.UNKNOWN, max(left, default=None))


def _is_online(presence: Presence, at: int) -> bool:
    return presence.state in _PRESENT and presence.at <= at < presence.online_until


def _left_at(presence: Presence) -> int:
    """When the agent was last available: the end of the lease, or the moment they went offline."""
    return presence.online_until if presence.state in _PRESENT else presence.at
