"""Was anything lost, doubled or out of order? Judged from the topics alone, after the traffic has ended."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from gateway.bus.parking import is_parked_key
from gateway.bus.partition_state import POSITION_KEY, Meta
from gateway.conversation_log.state import decode_part, seen_key, sent_key
from gateway.core import commands as k
from gateway.core import events as e
from gateway.core.apply import apply
from gateway.core.commands import Command, CommandResult
from gateway.core.conversation import Conversation
from gateway.core.events import ConversationEvent
from gateway.core.evolve import evolve
from gateway.core.messages import DeadLetter, InboundEvent, InboundKind, Receipt, SendRequest
from gateway.core.receipts import PartStatus, join, observed
from gateway.wire.errors import WireError
from gateway.wire.framing import decode
from tests.conversation_log.harness import Bench
from tests.core.build import CHANNEL

Key = tuple[str, int, int]
"""Message, attempt, part."""


@dataclass
class Topics:
    """Everything on the topics; what cannot be decoded is poison and only counted."""

    inbound: list[InboundEvent]
    receipts: list[Receipt]
    commands: list[tuple[Command, bool]]
    """Each with: was a result asked for?"""
    events: list[tuple[int, ConversationEvent]]
    """Each with its partition, in the topic's order."""
    results: list[CommandResult]
    requests: list[SendRequest]
    dead: list[DeadLetter]
    state: dict[bytes, bytes]
    behind: dict[str, int]
    """Input partitions whose position is not their end, by how much."""
    undecodable: int = 0
    folded: dict[str, Conversation] = field(default_factory=dict)


async def read_all(bench: Bench, *topics: str) -> list[list[Any]]:
    """Every committed record of these topics, each topic's partitions one after the other."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bench.settings.kafka_bootstrap_servers,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        tps = [TopicPartition(topic, n) for topic in topics for n in range(bench.catalogue.partitions)]
        consumer.assign(tps)
        ends = await consumer.end_offsets(tps)
        await consumer.seek_to_beginning(*tps)
        found: dict[TopicPartition, list[Any]] = {tp: [] for tp in tps}
        while any([await consumer.position(tp) < ends[tp] for tp in tps]):
            for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                found[tp].extend(records)
    finally:
        await consumer.stop()
    return [[r for tp in tps if tp.topic == topic for r in found[tp]] for topic in topics]


async def read_topics(bench: Bench) -> Topics:
    """A snapshot, complete once nothing writes any more."""
    c = bench.catalogue
    names = (c.inbound, c.receipts, c.commands, c.conversations, c.command_results, c.outbound(CHANNEL))
    inbound, receipts, commands, events, results, requests, dead, state = await read_all(
        bench, *names, c.dead, c.conversation_state
    )
    unread: list[Any] = []

    def decoded(records: list[Any], cls: Any) -> Iterator[tuple[Any, Any]]:
        for record in records:
            try:
                yield record, decode(record.value, cls)
            except WireError:
                unread.append(record)

    kept, positions = _state(state)
    return Topics(
        inbound=[given for _, given in decoded(inbound, InboundEvent)],
        receipts=[given for _, given in decoded(receipts, Receipt)],
        commands=[(given, bool(r.headers)) for r, given in decoded(commands, Command)],
        events=[(r.partition, decode(r.value, ConversationEvent)) for r in events],
        results=[decode(r.value, CommandResult) for r in results],
        requests=[decode(r.value, SendRequest) for r in requests],
        dead=[decode(r.value, DeadLetter) for r in dead],
        state=kept,
        behind=_behind((inbound, receipts, commands), positions),
        undecodable=len(unread),
    )


def _state(records: list[Any]) -> tuple[dict[bytes, bytes], dict[int, Meta]]:
    kept: dict[bytes, bytes] = {}
    positions: dict[int, Meta] = {}
    for record in records:
        if record.key == POSITION_KEY:
            positions[record.partition] = Meta.decode(record.value)
        elif record.value is None:
            kept.pop(record.key, None)
        else:
            kept[record.key] = record.value
    return kept, positions


def _behind(inputs: Sequence[list[Any]], positions: dict[int, Meta]) -> dict[str, int]:
    last: dict[tuple[str, int], int] = {}
    for record in (record for records in inputs for record in records):
        last[record.topic, record.partition] = record.offset
    found = {}
    for (topic, number), offset in last.items():
        position = positions[number].positions.get(topic, 0) if number in positions else 0
        if position != offset + 1:
            found[f"{topic}/{number}"] = offset + 1 - position
    return found


async def audit(bench: Bench, acknowledged: Sequence[Any] = ()) -> Topics:
    """Raises AssertionError with what is wrong."""
    topics = await read_topics(bench)
    problems = find_problems(topics, acknowledged)
    assert not problems, f"{len(problems)} problems, among them:\n" + "\n".join(problems[:20])
    return topics


def find_problems(topics: Topics, acknowledged: Sequence[Any] = ()) -> list[str]:
    """One line for each thing that is wrong."""
    return [
        *(f"{name} is {count} behind" for name, count in topics.behind.items()),
        *_inputs_there(topics, acknowledged),
        *_sequences(topics),
        *_inbound(topics),
        *_commands(topics),
        *_one_decision_each(topics),
        *_requests(topics),
        *_statuses(topics),
        *_states(topics),
    ]


def _identity(given: Any) -> str:
    return str(getattr(given, "event_id", None) or getattr(given, "receipt_id", None) or given.command_id)


def _inputs_there(topics: Topics, acknowledged: Sequence[Any]) -> Iterator[str]:
    there = {*map(_identity, topics.inbound), *map(_identity, topics.receipts)}
    there |= {command.command_id for command, _ in topics.commands}
    for given in acknowledged:
        if _identity(given) not in there:
            yield f"an acknowledged input is not on its topic: {_identity(given)}"


def _sequences(topics: Topics) -> Iterator[str]:
    """Gap-free, in the log's order, in one partition; and folds every conversation."""
    where: dict[str, int] = {}
    for event_id, count in Counter(event.event_id for _, event in topics.events).items():
        if count > 1:
            yield f"event {event_id} is there {count} times"
    for partition, event in topics.events:
        name = event.conversation_id
        if where.setdefault(name, partition) != partition:
            yield f"{name} is in two partitions"
        before = topics.folded.get(name)
        try:
            topics.folded[name] = apply(before, event)
        except (ValueError, TypeError) as error:
            yield f"{name}, event {event.seq} after {before.head.seq if before else None}: {error}"


_ABOUT_INBOUND = (e.MessageReceived, e.ReactionChanged, e.MessageEdited, e.MessageUnsent)


def _inbound(topics: Topics) -> Iterator[str]:
    wanted = {one.event_id for one in topics.inbound if one.kind is not InboundKind.TYPING}
    found = Counter(ev.cause for _, ev in topics.events if isinstance(ev.happening, _ABOUT_INBOUND))
    for cause in wanted - found.keys():
        yield f"inbound event {cause} is lost"
    for cause, count in found.items():
        if count > 1:
            yield f"inbound event {cause} had its effect {count} times"
        if cause not in wanted:
            yield f"an event comes from {cause}, which is not an input"
    for _, ev in topics.events:
        if isinstance(ev.happening, e.MessageReceived) and ev.happening.message_id != ev.cause:
            yield f"message {ev.happening.message_id} has another cause: {ev.cause}"


def _commands(topics: Topics) -> Iterator[str]:
    asked = Counter(command.command_id for command, ask in topics.commands if ask)
    results: defaultdict[str, list[CommandResult]] = defaultdict(list)
    for result in topics.results:
        results[result.command_id].append(result)
    first: dict[str, int] = {}
    for _, event in topics.events:
        first.setdefault(event.cause, event.seq)
    operator = {c.command_id for c, _ in topics.commands if isinstance(c.action, _OPERATOR)}
    for command_id in {command.command_id for command, _ in topics.commands}:
        answers = results.pop(command_id, [])
        if len(answers) != asked[command_id]:
            yield f"command {command_id}: {len(answers)} results for {asked[command_id]} requests"
        if command_id in operator:
            continue
        accepted = [answer for answer in answers if answer.accepted]
        if bool(accepted) != (command_id in first) and asked[command_id]:
            yield f"command {command_id}: {len(accepted)} accepted, but an event: {command_id in first}"
        if any(answer.seq != first.get(command_id) for answer in accepted):
            yield f"command {command_id}: its results name another event"
        if accepted and not all(answer.accepted for answer in answers[answers.index(accepted[0]) :]):
            yield f"command {command_id} was accepted and then refused"
    for command_id in results:
        yield f"a result for {command_id}, which is not there"


_OPERATOR = (k.RetryParked, k.DiscardParked)


def _one_decision_each(topics: Topics) -> Iterator[str]:
    """The events of one cause are one run of numbers: it was decided once. Receipts leave no memory."""
    receipts = {receipt.receipt_id for receipt in topics.receipts}
    numbers: defaultdict[str, list[int]] = defaultdict(list)
    for _, event in topics.events:
        if event.cause not in receipts:
            numbers[event.cause].append(event.seq)
    for cause, seqs in numbers.items():
        if seqs != list(range(seqs[0], seqs[0] + len(seqs))):
            yield f"{cause} led to events {seqs}: it was decided more than once"


def _requests(topics: Topics) -> Iterator[str]:
    wanted: Counter[Key] = Counter()
    for _, event in topics.events:
        match event.happening:
            case e.MessageQueued(message_id=message_id, parts=parts):
                wanted.update((message_id, 1, part) for part in range(parts))
            case e.MessageResent(message_id=message_id, attempt=attempt, parts=numbers):
                wanted.update((message_id, attempt, part) for part in numbers)
    found = Counter((r.message_id, r.attempt, r.part) for r in topics.requests)
    for key in wanted - found:
        yield f"no request for {key}"
    for key in found - wanted:
        yield f"request for {key}: {found[key]} instead of {wanted[key]}"
    for request_id, count in Counter(r.request_id for r in topics.requests).items():
        if count > 1:
            yield f"request {request_id} is there {count} times"


def _statuses(topics: Topics) -> Iterator[str]:
    """Each part's status is the join of all that was told of it."""
    wanted, never = _told(topics.receipts)
    for name, conversation in topics.folded.items():
        for message in conversation.sent_messages():
            for status in message.statuses:
                key = (message.message_id, status.attempt, status.part)
                told = wanted.pop(key, PartStatus(status.attempt, status.part))
                if status != told:
                    yield f"{name}: status of {key} is {status}, not {told}"
        for early in conversation.head.early:
            if early.provider_message_id not in never:
                yield f"{name}: a receipt for {early.provider_message_id} is still parked"
    for key in wanted:
        yield f"receipts for {key}, which is not there"


def _told(receipts: Sequence[Receipt]) -> tuple[dict[Key, PartStatus], set[str]]:
    keys: dict[str, Key] = {}
    for r in receipts:
        if r.message_id and r.provider_message_id:
            keys[r.provider_message_id] = (r.message_id, r.attempt, r.part)
    told: defaultdict[Key, list[PartStatus]] = defaultdict(list)
    never: set[str] = set()
    for r in receipts:
        known = keys.get(r.provider_message_id or "")
        key = (r.message_id, r.attempt, r.part) if r.message_id else known
        if key is None:
            never.add(r.provider_message_id or "")
        else:
            status = observed(1, 0, r.occurred_at, r.rung, r.verdict, r.problem, r.provider_message_id)
            told[key].append(evolve(status, attempt=key[1], part=key[2]))
    return {key: reduce(join, statuses) for key, statuses in told.items()}, never


def _states(topics: Topics) -> Iterator[str]:
    """What the service keeps is what the log says."""
    wanted: dict[bytes, Any] = {}
    for name, conversation in topics.folded.items():
        key, head = name.encode(), conversation.head
        wanted[key] = head
        wanted |= _numbered(key, seen_key, head.seen_from, conversation.seen)
        wanted |= _numbered(key, sent_key, head.sent_from, conversation.sent)
    kept = {key: value for key, value in topics.state.items() if not is_parked_key(key)}
    for key in kept.keys() ^ wanted.keys():
        yield f"state {key!r} is only in the {'state topic' if key in kept else 'recomputation'}"
    for key in kept.keys() & wanted.keys():
        if (part := decode_part(kept[key])) != wanted[key]:
            yield f"state {key!r} is {part}, but the log says {wanted[key]}"


def _numbered(
    key: bytes, name: Callable[[bytes, int], bytes], start: int, blocks: Sequence[Any]
) -> dict[bytes, Any]:
    return {name(key, number): block for number, block in enumerate(blocks, start)}
