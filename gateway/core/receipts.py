"""The status lattice: receipts join in any order, any number of times, to the same result (PRODUCT S0–S10)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Rung(StrEnum):
    """How far a message came, lowest first."""

    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"


class Verdict(StrEnum):
    """What stands beside the rungs: an end other than success, weakest first."""

    UNKNOWN = "unknown"
    """The request left and no answer came back."""
    EXPIRED = "expired"
    """Too late to be sent; it never left."""
    FAILED = "failed"


class Shown(StrEnum):
    """The one status shown for a part or a message."""

    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    FAILED = "failed"


class Fault(StrEnum):
    """Whose fault a problem is, so that the right person is told what to do."""

    CONTENT = "content"
    CONTACT = "contact"
    WINDOW = "window"
    ACCOUNT = "account"
    CHANNEL = "channel"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a message failed: our stable `code`, the channel's own code and words, whose fault, retry or not."""

    code: str
    detail: str
    fault: Fault
    retry: bool
    provider_code: str | None = None


class Basis(StrEnum):
    """How we know a rung."""

    OBSERVED = "observed"
    IMPLIED = "implied"


_ORDER = {rung: n for n, rung in enumerate(Rung)}
_VERDICT_ORDER: dict[Verdict | None, int] = {None: 0, **{v: n for n, v in enumerate(Verdict, 1)}}


@dataclass(frozen=True, slots=True)
class PartStatus:
    """All that is known of one part in one attempt.

    Each time is when that rung was observed (the earliest of several), absent if it was not;
    a rung below the highest observed one, without a time of its own, is implied.
    """

    attempt: int = 1
    part: int = 0
    sent_at: int | None = None
    delivered_at: int | None = None
    read_at: int | None = None
    verdict: Verdict | None = None
    verdict_at: int | None = None
    problem: Problem | None = None
    provider_ids: tuple[str, ...] = ()

    @property
    def rung(self) -> Rung:
        """The highest rung reached."""
        if self.read_at is not None:
            return Rung.READ
        if self.delivered_at is not None:
            return Rung.DELIVERED
        return Rung.QUEUED if self.sent_at is None else Rung.SENT

    def basis(self, rung: Rung) -> Basis | None:
        """How `rung` is known; None if it is not reached."""
        if _ORDER[rung] > _ORDER[self.rung]:
            return None
        if rung is Rung.QUEUED:
            return Basis.OBSERVED
        at = {Rung.SENT: self.sent_at, Rung.DELIVERED: self.delivered_at, Rung.READ: self.read_at}[rung]
        return Basis.IMPLIED if at is None else Basis.OBSERVED

    @property
    def shown(self) -> Shown:
        """The status to show: a rung that proves success outweighs a verdict that came with or before it."""
        if self.rung in (Rung.DELIVERED, Rung.READ) or self.verdict is None:
            return Shown(self.rung)
        if self.verdict is not Verdict.FAILED and self.rung is Rung.SENT:
            return Shown.SENT
        return Shown(self.verdict)


def join(a: PartStatus, b: PartStatus) -> PartStatus:
    """Least upper bound of two statuses of the same part and attempt: commutative, associative, idempotent.

    Raises ValueError when they are not of the same part and attempt.
    """
    if (a.attempt, a.part) != (b.attempt, b.part):
        raise ValueError("only statuses of the same attempt and part can be joined")
    verdict, verdict_at, problem = max(_verdict_key(a), _verdict_key(b))[-1]
    return PartStatus(
        attempt=a.attempt,
        part=a.part,
        sent_at=_earliest(a.sent_at, b.sent_at),
        delivered_at=_earliest(a.delivered_at, b.delivered_at),
        read_at=_earliest(a.read_at, b.read_at),
        verdict=verdict,
        verdict_at=verdict_at,
        problem=problem,
        provider_ids=tuple(sorted({*a.provider_ids, *b.provider_ids})),
    )


_VerdictKey = tuple[int, int, str, tuple[Verdict | None, int | None, Problem | None]]


def _verdict_key(status: PartStatus) -> _VerdictKey:
    # The stronger verdict wins; of two equal ones the earlier; of two at the same time the text decides,
    # so that no order of arrival can.
    at = -(status.verdict_at or 0)
    told = (status.verdict, status.verdict_at, status.problem)
    return (_VERDICT_ORDER[status.verdict], at, repr(status.problem), told)


def _earliest(a: int | None, b: int | None) -> int | None:
    if a is None or b is None:
        return b if a is None else a
    return min(a, b)


def observed(
    attempt: int,
    part: int,
    at: int,
    rung: Rung | None = None,
    verdict: Verdict | None = None,
    problem: Problem | None = None,
    provider_id: str | None = None,
) -> PartStatus:
    """The status that one receipt alone tells."""
    return PartStatus(
        attempt=attempt,
        part=part,
        sent_at=at if rung is Rung.SENT else None,
        delivered_at=at if rung is Rung.DELIVERED else None,
        read_at=at if rung is Rung.READ else None,
        verdict=verdict,
        verdict_at=at if verdict else None,
        problem=problem,
        provider_ids=(provider_id,) if provider_id else (),
    )


_TROUBLE = (Shown.FAILED, Shown.UNKNOWN, Shown.EXPIRED)


def roll_up(parts: Iterable[Shown]) -> Shown:
    """One status for a message of several parts: the worst trouble, else the part that came least far.

    Raises ValueError when there is no part.
    """
    seen = list(parts)
    for trouble in _TROUBLE:
        if trouble in seen:
            return trouble
    return min(seen, key=lambda shown: _ORDER[Rung(shown)])
