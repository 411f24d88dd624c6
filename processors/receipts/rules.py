"""What time tells about receipts (PRODUCT S6, S8). Pure: a state per conversation and one per account.

A status says what came; only time says what is missing. Per part of a message the watch keeps how far it
came and since when it is on its way; the channel's capability profile says which rungs to wait for and how
long. Events may come again, and statuses in any order: the proposals are the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from gateway.core import ids
from gateway.core.actors import Actor, ActorKind
from gateway.core.capabilities import CapabilityProfile, RungSupport, Told
from gateway.core.commands import Command, ReportOverdue
from gateway.core.events import (
    ConversationEvent,
    MessageQueued,
    MessageResent,
    ReceiptParked,
    StatusChanged,
    StatusOverdue,
)
from gateway.core.receipts import PartStatus, Rung, Verdict

RULE = "receipts"
ACTOR = Actor(ActorKind.RULE, RULE, RULE)
MATCH_WITHIN = 15 * 60_000
"""Milliseconds after which a receipt that found no message is counted as never matched."""
PARTS_KEPT = 200
PARKED_KEPT = 50
HEARD_STEP = 60_000
"""Milliseconds; how exactly it is kept when an account last got a receipt."""

_ORDER = {rung: number for number, rung in enumerate(Rung)}


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a message in one attempt. `left_at`: since when it is known to be on its way.

    `cause` and `hops` are of the event that began it; `overdue` are rungs that the log knows to be overdue.
    """

    message_id: str
    attempt: int
    part: int
    cause: str
    hops: int
    not_after: int
    left_at: int | None = None
    rung: Rung = Rung.QUEUED
    ended: bool = False
    overdue: tuple[Rung, ...] = ()


@dataclass(frozen=True, slots=True)
class Parked:
    """A receipt that waits for its message since `at`."""

    receipt_id: str
    provider_message_id: str
    at: int


@dataclass(frozen=True, slots=True)
class Watch:
    """What is awaited in one conversation; nothing awaited = no state."""

    conversation_id: str
    tenant: str
    channel: str
    account_id: str
    parts: tuple[Part, ...] = ()
    parked: tuple[Parked, ...] = ()


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A receipt never found its message."""

    channel: str
    receipt_id: str


Proposal = Command | Unmatched


def step(
    state: Watch | None, event: ConversationEvent | None, now: int, profile: CapabilityProfile
) -> tuple[Watch | None, list[Proposal]]:
    """The state after the event (None: only time went by), and what is to be proposed or counted now.

    `now` 0 asks for the state alone. What is proposed stays in the state until the log's own event says that it is known, so a proposal that
    got lost is made again after a restart; it has the same id.
    """
    rungs = watched(profile)
    if event is not None:
        state = _after(state, event, rungs)
    if state is None or now <= 0:
        return state, []
    due: list[Proposal] = [
        _command(state, part, support.rung, at)
        for part in state.parts
        for support, at in _deadlines(part, rungs)
        if at <= now
    ]
    due += [Unmatched(state.channel, p.receipt_id) for p in state.parked if p.at + MATCH_WITHIN <= now]
    return state, due


def next_due(state: Watch | None, now: int, profile: CapabilityProfile) -> int | None:
    """When the next deadline after `now` is; None: there is none."""
    if state is None:
        return None
    rungs = watched(profile)
    times = [at for part in state.parts for _, at in _deadlines(part, rungs)]
    times += [p.at + MATCH_WITHIN for p in state.parked]
    return min((at for at in times if at > now), default=None)


def watched(profile: CapabilityProfile) -> tuple[RungSupport, ...]:
    """The rungs whose absence means something on this channel."""
    return tuple(
        rung
        for rung in profile.rungs
        if rung.told is not Told.NEVER and not rung.may_be_hidden and rung.overdue_after is not None
    )


def _deadlines(part: Part, rungs: tuple[RungSupport, ...]) -> Iterable[tuple[RungSupport, int]]:
    """Rungs that are missing, with the time from which each is overdue."""
    for support in rungs:
        if not _missing(part, support.rung):
            continue
        if part.left_at is not None:
            yield support, part.left_at + (support.overdue_after or 0)
        elif support.rung is Rung.SENT:
            # It never left, and by now its connector should have said that it expired.
            yield support, part.not_after + (support.overdue_after or 0)


def _command(state: Watch, part: Part, rung: Rung, at: int) -> Command:
    return Command(
        command_id=ids.command_id(part.cause, RULE, f"overdue:{part.attempt}:{part.part}:{rung}"),
        conversation_id=state.conversation_id,
        tenant=state.tenant,
        actor=ACTOR,
        action=ReportOverdue(part.message_id, part.attempt, part.part, rung),
        issued_at=at,
        cause=part.cause,
        hops=part.hops + 1,
    )


def _after(state: Watch | None, event: ConversationEvent, rungs: tuple[RungSupport, ...]) -> Watch | None:
    happening = event.happening
    watch = state or Watch(event.conversation_id, event.tenant, event.channel, event.account_id)
    match happening:
        case MessageQueued(message_id=message, parts=count, not_after=not_after):
            watch = _begin(watch, event, message, 1, range(count), not_after)
        case MessageResent(message_id=message, attempt=attempt, parts=parts, not_after=not_after):
            watch = _begin(watch, event, message, attempt, parts, not_after)
        case StatusChanged(message_id=message, status=status):
            watch = _status(watch, message, status, event.occurred_at)
        case StatusOverdue(message_id=message, attempt=attempt, part=number, rung=rung):
            watch = _known_overdue(watch, (message, attempt, number), rung)
        case ReceiptParked(receipt_id=receipt, provider_message_id=provider):
            parked = Parked(receipt, provider, event.occurred_at)
            if receipt not in {p.receipt_id for p in watch.parked}:
                watch = replace(watch, parked=(*watch.parked, parked)[-PARKED_KEPT:])
        case _:
            return state
    return _tidy(watch, event.occurred_at, rungs)


def _begin(
    watch: Watch, event: ConversationEvent, message: str, attempt: int, numbers: Iterable[int], not_after: int
) -> Watch:
    known = {_place(part) for part in watch.parts}
    fresh = [
        Part(message, attempt, number, event.event_id, event.hops, not_after)
        for number in numbers
        if (message, attempt, number) not in known
    ]
    return replace(watch, parts=(*watch.parts, *fresh)[-PARTS_KEPT:])


def _status(watch: Watch, message: str, status: PartStatus, at: int) -> Watch:
    place = (message, status.attempt, status.part)
    parts = tuple(_moved(p, status, at) if _place(p) == place else p for p in watch.parts)
    parked = tuple(p for p in watch.parked if p.provider_message_id not in status.provider_ids)
    return replace(watch, parts=parts, parked=parked)


def _moved(part: Part, status: PartStatus, at: int) -> Part:
    left = at if _left(status) else None
    times = [time for time in (part.left_at, left) if time is not None]
    return replace(
        part,
        left_at=min(times, default=None),
        rung=max(part.rung, status.rung, key=_ORDER.__getitem__),
        ended=part.ended or status.verdict is not None,
    )


def _known_overdue(watch: Watch, place: tuple[str, int, int], rung: Rung) -> Watch:
    parts = tuple(
        replace(p, overdue=(*p.overdue, rung)) if _place(p) == place and rung not in p.overdue else p
        for p in watch.parts
    )
    return replace(watch, parts=parts)


def _tidy(watch: Watch, now: int, rungs: tuple[RungSupport, ...]) -> Watch | None:
    """Without what nothing is awaited of any more."""
    parts = tuple(p for p in watch.parts if any(_missing(p, support.rung) for support in rungs))
    # Twice the time: the first is for counting it.
    parked = tuple(p for p in watch.parked if p.at + 2 * MATCH_WITHIN > now)
    return replace(watch, parts=parts, parked=parked) if parts or parked else None


def _missing(part: Part, rung: Rung) -> bool:
    return not part.ended and _ORDER[rung] > _ORDER[part.rung] and rung not in part.overdue


def _place(part: Part) -> tuple[str, int, int]:
    return part.message_id, part.attempt, part.part


def _left(status: PartStatus) -> bool:
    return bool(status.provider_ids) or status.rung is not Rung.QUEUED


# Accounts whose receipts stopped.


@dataclass(frozen=True, slots=True)
class Traffic:
    """One account in one partition: since when a message waits for any receipt, and when one last came."""

    tenant: str
    channel: str
    account_id: str
    waiting_since: int | None = None
    heard_at: int = 0


def traffic_step(
    traffic: Traffic | None, event: ConversationEvent, profile: CapabilityProfile
) -> Traffic | None:
    """The account after this event; the very same object when nothing is worth keeping."""
    if profile.silent_after is None or not isinstance(event.happening, StatusChanged):
        return traffic
    status, at = event.happening.status, event.occurred_at
    known = traffic or Traffic(event.tenant, event.channel, event.account_id)
    if _heard(status, profile):
        if known.waiting_since is None and at < known.heard_at + HEARD_STEP:
            return traffic
        waiting = known.waiting_since if (known.waiting_since or 0) > at else None
        return replace(known, waiting_since=waiting, heard_at=max(known.heard_at, at))
    if _left(status) and at > known.heard_at and (known.waiting_since is None or at < known.waiting_since):
        return replace(known, waiting_since=at)
    return traffic


def heard_elsewhere(traffic: Traffic, at: int) -> Traffic:
    """Another partition of the account got a receipt at `at`: what waited before that waits for no proof now."""
    if traffic.waiting_since is None or traffic.waiting_since > at:
        return traffic
    return replace(traffic, waiting_since=None, heard_at=max(traffic.heard_at, at))


def _heard(status: PartStatus, profile: CapabilityProfile) -> bool:
    """Whether the status holds something that only a webhook tells."""
    webhook = (Told.WEBHOOK, Told.WATERMARK)
    observed = {Rung.SENT: status.sent_at, Rung.DELIVERED: status.delivered_at, Rung.READ: status.read_at}
    if any(at is not None and profile.rung(rung).told in webhook for rung, at in observed.items()):
        return True
    return status.verdict is Verdict.FAILED and bool(status.provider_ids)


def silent(traffics: Iterable[Traffic], profile: CapabilityProfile, now: int) -> bool:
    """Whether an account's receipts stopped, seen over all its partitions: something was sent at least
    `silent_after` ago, and nothing was heard since."""
    if profile.silent_after is None:
        return False
    seen = list(traffics)
    heard = max((t.heard_at for t in seen), default=0)
    waiting = [t.waiting_since for t in seen if t.waiting_since is not None and t.waiting_since > heard]
    return (
        bool(waiting) and now >= min(waiting) + profile.silent_after and now >= heard + profile.silent_after
    )
