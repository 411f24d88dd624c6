"""Rates as pure state: when may the next message go (PRODUCT C8; DESIGN section 7).

A `Pace` is the generic cell rate algorithm: one number says when the bucket is full again, so a state is
small, needs no refill and is the same whoever computes it. Times are milliseconds; `now` is passed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from connectors.contract import Next, Rates, SendOutcome

# How much of one second's allowance may go at once. More would break a limit that is counted per second.
ACCOUNT_BURST_SHARE = 0.05
LONGEST_REST = 5 * 60_000


@dataclass(frozen=True, slots=True)
class Pace:
    """One message each `every` milliseconds, up to `burst` at once after a quiet time.

    `full_at` is when the whole burst is there again; `closed_until`: nothing goes before (a pause the
    provider asked for).
    """

    every: float
    burst: int = 1
    full_at: float = 0.0
    closed_until: int = 0

    def wait(self, now: int) -> float:
        """Milliseconds until the next message may go; 0 = now."""
        return max(0.0, self.full_at - (self.burst - 1) * self.every - now, self.closed_until - now)

    def taken(self, now: int) -> Pace:
        """The state after a message left at `now`."""
        return replace(self, full_at=max(self.full_at, now) + self.every)

    def paused(self, until: int) -> Pace:
        """Nothing before `until`; then only at the steady rate: the provider says that the burst is used up."""
        full_at = max(self.full_at, until + (self.burst - 1) * self.every)
        return replace(self, full_at=full_at, closed_until=max(self.closed_until, until))

    def idle(self, now: int) -> bool:
        """True when this state says no more than a fresh one would."""
        return self.full_at <= now and self.closed_until <= now


def account_pace(rates: Rates, share: float = 1.0) -> Pace:
    """The pace of one account in a process that holds `share` (0–1] of the outbound partitions.

    The shares of all processes add up to one, so together they keep to the account's rate.
    """
    per_second = rates.account_per_second * max(share, 0.001)
    return Pace(every=1000 / per_second, burst=max(1, int(per_second * ACCOUNT_BURST_SHARE)))


def pair_pace(rates: Rates) -> Pace:
    """The pace of one account towards one contact."""
    return Pace(every=rates.pair_every, burst=max(1, rates.pair_burst))


def without_idle(paces: Mapping[str, Pace], now: int) -> dict[str, Pace]:
    """The paces that still hold somebody back."""
    return {key: pace for key, pace in paces.items() if not pace.idle(now)}


def rest(pace: Pace, strikes: int, outcome: SendOutcome, now: int, backoff: int) -> tuple[Pace, int]:
    """The account's pace after it was refused as a whole, and how many such refusals came in a row.

    Without a Retry-After the pauses double from `backoff` milliseconds. Calls that were on their way when
    the first refusal came say nothing new.
    """
    if outcome.retry_after is not None:
        return pace.paused(now + outcome.retry_after), strikes
    if outcome.next is not Next.RETRY or pace.closed_until > now:
        return pace, strikes
    return pace.paused(now + min(LONGEST_REST, backoff << min(strikes, 20))), strikes + 1
