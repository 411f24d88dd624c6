"""The audit itself: it finds nothing in a right log, and each kind of damage in a damaged one."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gateway.conversation_log.state import encode_part, seen_key, sent_key
from gateway.core import events as e
from gateway.core.conversation import Conversation
from gateway.core.decide import decide
from gateway.core.messages import InboundEvent, Receipt
from tests.core.build import FACTS
from tests.faults.audit import Topics, find_problems
from tests.faults.traffic import Channel, Mix, Sent


def right_log() -> Topics:
    """What a log without faults makes of some traffic."""
    chance = random.Random(7)
    mix, channel = Mix(chance, 8), Channel(random.Random(8))
    states: dict[str, Conversation] = {}
    topics = Topics([], [], [], [], [], [], [], {}, {})

    def put(one: Sent) -> None:
        given = one.given
        if isinstance(given, InboundEvent):
            topics.inbound.append(given)
        elif isinstance(given, Receipt):
            topics.receipts.append(given)
        else:
            topics.commands.append((given, bool(one.headers)))
        name = given.conversation_id
        decision = decide(states.get(name), given, 1_795_300_000_000, FACTS)
        if decision.conversation is not None:
            states[name] = decision.conversation
        topics.events.extend((0, event) for event in decision.events)
        topics.requests.extend(decision.outbound)
        if decision.result and one.headers:
            topics.results.append(decision.result)
        for request in decision.outbound:
            channel.take(request)

    for _ in range(2_000):
        put(channel.pending.pop(0) if channel.pending and chance.random() < 0.4 else mix.next())
    while channel.pending:
        put(channel.pending.pop(0))
    for name, state in states.items():
        key, head = name.encode(), state.head
        topics.state[key] = encode_part(head)
        for n, seen in enumerate(state.seen, head.seen_from):
            topics.state[seen_key(key, n)] = encode_part(seen)
        for n, sent in enumerate(state.sent, head.sent_from):
            topics.state[sent_key(key, n)] = encode_part(sent)
    return topics


RIGHT = right_log()


def fresh() -> Topics:
    """A copy of the right log; the records themselves cannot be changed."""
    lists = ("inbound", "receipts", "commands", "events", "results", "requests", "dead")
    copies = {name: list(getattr(RIGHT, name)) for name in lists}
    return replace(RIGHT, **copies, state=dict(RIGHT.state), behind={}, folded={})


def test_a_right_log_has_no_problems() -> None:
    assert find_problems(fresh()) == []
    kinds = {type(event.happening) for _, event in RIGHT.events}
    assert {e.MessageReceived, e.MessageQueued, e.MessageResent, e.StatusChanged, e.ReceiptParked} <= kinds
    assert len(RIGHT.requests) > 100
    assert any(not result.accepted for result in RIGHT.results)


def _event(topics: Topics, kind: type) -> int:
    return next(n for n, (_, event) in enumerate(topics.events) if isinstance(event.happening, kind))


def _doubled_effect(topics: Topics) -> None:
    """The same input decided again at the end of its conversation."""
    partition, event = topics.events[_event(topics, e.MessageReceived)]
    last = max(ev.seq for _, ev in topics.events if ev.conversation_id == event.conversation_id)
    topics.events.append((partition, replace(event, event_id="again", seq=last + 1)))


def _swapped(topics: Topics) -> None:
    first = topics.events[0][1].conversation_id
    a, b = [n for n, (_, ev) in enumerate(topics.events) if ev.conversation_id == first][:2]
    topics.events[a], topics.events[b] = topics.events[b], topics.events[a]


def _old_state(topics: Topics) -> None:
    """The state of a moment ago."""
    key = next(iter(topics.state))
    head = replace(find_folded(topics)[key.decode()].head, epoch=99)
    topics.state[key] = encode_part(head)


def find_folded(topics: Topics) -> dict[str, Conversation]:
    find_problems(topics)
    folded, topics.folded = topics.folded, {}
    return folded


def _accepted(topics: Topics) -> int:
    return next(n for n, result in enumerate(topics.results) if result.accepted)


DAMAGE: dict[str, Callable[[Topics], Any]] = {
    "an event lost": lambda t: t.events.pop(_event(t, e.MessageReceived)),
    "an event twice": lambda t: t.events.append(t.events[5]),
    "an effect twice": _doubled_effect,
    "events swapped": _swapped,
    "an event in another partition": lambda t: t.events.append((1, t.events.pop()[1])),
    "an input lost": lambda t: t.inbound.append(replace(t.inbound[0], event_id="lost")),
    "a result lost": lambda t: t.results.pop(),
    "a result twice": lambda t: t.results.append(t.results[0]),
    "a result turned": lambda t: t.results.append(replace(t.results.pop(_accepted(t)), accepted=False)),
    "a request lost": lambda t: t.requests.pop(),
    "a request twice": lambda t: t.requests.append(t.requests[3]),
    "a receipt not joined": lambda t: t.receipts.append(replace(t.receipts[0], occurred_at=1)),
    "old state": _old_state,
    "state lost": lambda t: t.state.popitem(),
    "state too much": lambda t: t.state.update({b"more": encode_part(find_folded(t).popitem()[1].head)}),
    "input not decided": lambda t: t.behind.update({"inbound/0": 1}),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found(damage: str) -> None:
    topics = fresh()
    DAMAGE[damage](topics)
    assert find_problems(topics)


def test_an_acknowledged_input_must_be_there() -> None:
    missing = replace(RIGHT.inbound[0], event_id="never written")
    assert find_problems(fresh(), [missing])
