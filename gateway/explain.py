"""Why something happened by itself: each automatic act and each recorded decision of a conversation (PRODUCT X3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from aiokafka import TopicPartition

from gateway.bus.catalogue import Catalogue
from gateway.bus.partitioner import partition_for
from gateway.bus.restore import group_less_consumer
from gateway.core import events as e
from gateway.core.actors import ActorKind
from gateway.core.events import ConversationEvent
from gateway.core.timers import Timer
from gateway.explain_texts import language_of, say
from gateway.wire.framing import decode

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SILENT = (e.StatusChanged, e.ReceiptParked, e.TimersChanged)
"""What rules and the log write that nobody asks about."""
_TIMES = ("due_at", "at", "now_at")


@dataclass(frozen=True, slots=True)
class Act:
    """One automatic act or recorded decision. `at`, `decided_at`: Unix milliseconds.

    `rule` did it; `row` and `outcome` are a decision's; `about` is the seq of the event that was judged;
    `facts` are as recorded, `text` and `details` say it in words.
    """

    seq: int
    at: int
    rule: str
    act: str
    row: str | None
    outcome: str | None
    about: int | None
    decided_at: int | None
    facts: dict[str, str]
    text: str
    details: str


def explain(events: Iterable[ConversationEvent], language: str) -> list[Act]:
    """The acts of one conversation in order. `language` is a tag; anything but Japanese is told in English."""
    lang = language_of(language)
    seqs: dict[str, int] = {}
    timers: tuple[Timer, ...] = ()
    acts: list[Act] = []
    for event in events:
        seqs[event.event_id] = event.seq
        if isinstance(event.happening, e.TimersChanged):
            timers = event.happening.timers
        if isinstance(event.happening, e.AutomaticDecision):
            acts.append(_decision(event, event.happening, seqs, lang))
        elif event.actor.kind is ActorKind.RULE and not isinstance(event.happening, _SILENT):
            acts.append(_act(event, timers, lang))
    return acts


def _decision(
    event: ConversationEvent, decision: e.AutomaticDecision, seqs: Mapping[str, int], lang: str
) -> Act:
    offline = decision.rule == "offline"
    text = (
        f"{say(lang, f'row.{decision.row}')} {say(lang, f'outcome.{decision.outcome}')}"
        if offline
        else say(lang, "act.decision", rule=decision.rule, row=decision.row, outcome=decision.outcome)
    )
    return Act(
        event.seq,
        event.occurred_at,
        decision.rule,
        "decision",
        decision.row,
        decision.outcome,
        seqs.get(decision.about),
        decision.decided_at,
        decision.facts,
        text,
        facts_in_words(decision.facts, lang),
    )


def _act(event: ConversationEvent, timers: tuple[Timer, ...], lang: str) -> Act:
    key, values = _words(event)
    facts = _timer_facts(event.happening, timers)
    return Act(
        event.seq,
        event.occurred_at,
        event.actor.id,
        key,
        None,
        None,
        None,
        None,
        facts,
        say(lang, f"act.{key}", **values),
        facts_in_words(facts, lang),
    )


def _words(event: ConversationEvent) -> tuple[str, dict[str, object]]:
    match event.happening:
        case e.MessageQueued():
            return "sent", {"feature": event.actor.name or event.actor.id}
        case e.ConversationCompleted():
            return "completed", {}
        case e.OwnerChanged(how=e.OwnerChange.HANDED_OVER, owner=owner, reason=reason):
            return "handed_over", {"owner": owner.name or owner.id, "reason": reason or "-"}
        case e.OwnerChanged(how=e.OwnerChange.AUTOMATIC, owner=owner):
            return "assigned", {"owner": owner.name or owner.id}
        case e.OwnerChanged(owner=owner, how=how):
            return "owner", {"owner": owner.name or owner.id, "how": how.value}
        case e.StatusOverdue(rung=rung):
            return "overdue", {"rung": rung.value}
        case e.TicketCreated(number=number):
            return "ticket", {"number": number}
        case e.EscalationRecorded(outcome=outcome):
            return "escalation", {"outcome": outcome.value}
        case _:
            return "other", {"what": type(event.happening).__name__}


def _timer_facts(happening: e.Happening, timers: tuple[Timer, ...]) -> dict[str, str]:
    """The deadline that an act without a decision record followed."""
    if not isinstance(happening, e.ConversationCompleted):
        return {}
    due = next((t for t in timers if t.kind.value == "completion"), None)
    return {"due_at": str(due.at)} if due else {}


def facts_in_words(facts: Mapping[str, str], language: str) -> str:
    """The facts of a decision in one line, e.g. `business hours: closed; presence: nobody online`."""
    lang = language_of(language)
    told = (f"{say(lang, f'fact.{key}')}: {_value(key, value, lang)}" for key, value in facts.items())
    return "; ".join(told)


def _value(key: str, value: str, lang: str) -> str:
    if key in _TIMES:
        return instant(int(value))
    kind = key.removeprefix("now_")
    return say(lang, f"{kind}.{value}") if kind in ("hours", "presence", "owner") else value


def instant(at: int) -> str:
    """Unix milliseconds as a UTC time to the second."""
    return (_EPOCH + timedelta(milliseconds=at)).isoformat(timespec="seconds").replace("+00:00", "Z")


def told(act: Act) -> Iterator[str]:
    """The lines of an act for the command line."""
    row = f" {act.row}" if act.row else ""
    yield f"{instant(act.at)}  #{act.seq}  {act.rule}{row}: {act.text}"
    if act.details:
        yield f"    {act.details}"


async def read_conversation(
    bootstrap: str,
    catalogue: Catalogue,
    conversation_id: str,
    *,
    since: int | None = None,
    last: int | None = None,
) -> list[ConversationEvent]:
    """The committed events of one conversation, read from its partition. Raises KafkaError, WireError.

    `since` (Unix milliseconds) spares reading what is older; `last` is the seq with which it may stop early.
    """
    key = conversation_id.encode()
    tp = TopicPartition(catalogue.conversations, partition_for(key, catalogue.partitions))
    found: list[ConversationEvent] = []
    async for record in _records(bootstrap, tp, since):
        if record.key != key:
            continue
        found.append(decode(record.value, ConversationEvent))
        if last is not None and found[-1].seq >= last:
            break
    return found


async def _records(bootstrap: str, tp: TopicPartition, since: int | None) -> AsyncIterator[Any]:
    async with group_less_consumer(bootstrap, "read_committed") as consumer:
        consumer.assign([tp])
        end = (await consumer.end_offsets([tp]))[tp]
        begin = (await consumer.offsets_for_times({tp: since}))[tp] if since is not None else None
        if begin is not None:
            consumer.seek(tp, begin.offset)
        elif since is None:
            await consumer.seek_to_beginning(tp)
        else:
            return  # nothing as young as that
        while await consumer.position(tp) < end:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    yield record
            await asyncio.sleep(0)
