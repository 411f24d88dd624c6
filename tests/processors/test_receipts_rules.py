"""What time tells about receipts: case tables, and that order and repeats change nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.capabilities import CapabilityProfile, RungSupport, Told
from gateway.core.commands import Command, ReportOverdue
from gateway.core.events import ConversationEvent
from gateway.core.receipts import PartStatus, Rung, Verdict, join, observed
from processors.receipts import rules
from processors.receipts.rules import Traffic, Unmatched, Watch
from processors.wheel import Wheel
from tests.processors.histories import MINUTE, History, profile

HOUR = 60 * MINUTE


def run(
    events: list[ConversationEvent], now: int, told: CapabilityProfile | None = None
) -> tuple[Watch | None, list[rules.Proposal]]:
    told = told or profile()
    state: Watch | None = None
    for event in events:
        state, _ = rules.step(state, event, 0, told)
    return rules.step(state, None, now, told)


def overdue(proposals: list[rules.Proposal]) -> list[tuple[int, int, Rung]]:
    found = [p.action for p in proposals if isinstance(p, Command)]
    assert all(isinstance(action, ReportOverdue) for action in found)
    return [(a.attempt, a.part, a.rung) for a in found]  # type: ignore[union-attr]


H = History
SENT, DELIVERED, READ = Rung.SENT, Rung.DELIVERED, Rung.READ
CASES = [
    # name, events, now, overdue rungs
    ("not yet", lambda h: [h.queued(0), h.status(0, provider_id="p")], 5 * MINUTE - 1, []),
    ("sent is overdue", lambda h: [h.queued(0), h.status(0, provider_id="p")], 5 * MINUTE, [SENT]),
    ("both are", lambda h: [h.queued(0), h.status(0, provider_id="p")], HOUR, [SENT, DELIVERED]),
    ("sent came", lambda h: [h.queued(0), h.status(1, SENT)], 5 * MINUTE + 1, []),
    ("delivered is", lambda h: [h.queued(0), h.status(1, SENT)], HOUR + 1, [DELIVERED]),
    ("delivered implies sent", lambda h: [h.queued(0), h.status(1, DELIVERED)], 9 * HOUR, []),
    ("read implies both; read itself may be hidden", lambda h: [h.queued(0), h.status(1, READ)], 9 * HOUR, []),
    ("counted from when it left", lambda h: [h.queued(0), h.status(HOUR, provider_id="p")], HOUR + 4 * MINUTE, []),
    ("failed", lambda h: [h.queued(0), h.status(1, verdict=Verdict.FAILED)], 9 * HOUR, []),
    ("unknown is its own state", lambda h: [h.queued(0), h.status(1, verdict=Verdict.UNKNOWN)], 9 * HOUR, []),
    ("never left, may still expire", lambda h: [h.queued(0)], 15 * MINUTE - 1, []),
    ("never left and never expired", lambda h: [h.queued(0)], 15 * MINUTE, [SENT]),
    ("known to be", lambda h: [h.queued(0), h.status(0, provider_id="p"), h.overdue(6 * MINUTE, SENT)], 7 * MINUTE, []),
    ("of another message", lambda h: [h.status(0, SENT, message="x")], 9 * HOUR, []),
]  # fmt: skip


@pytest.mark.parametrize(("name", "make", "now", "expected"), CASES, ids=[case[0] for case in CASES])
def test_overdue(name: str, make: object, now: int, expected: list[Rung]) -> None:
    _, proposals = run(make(History()), now)  # type: ignore[operator]
    assert overdue(proposals) == [(1, 0, rung) for rung in expected]


def test_what_the_channel_cannot_tell_is_never_overdue() -> None:
    silent = profile(
        rungs=(RungSupport(SENT, Told.SEND_ANSWER), RungSupport(DELIVERED, Told.NEVER, overdue_after=1))
    )
    h = History()
    state, proposals = run([h.queued(0), h.status(1, SENT)], 9 * HOUR, silent)
    assert (state, proposals) == (None, [])


def test_parts_and_attempts_are_watched_alone() -> None:
    h = History()
    events = [
        h.queued(0, parts=2),
        h.status(0, DELIVERED, part=0),
        h.status(0, verdict=Verdict.FAILED, part=1),
        h.resent(1, attempt=2),
        h.status(1, provider_id="q", attempt=2),
    ]
    _, proposals = run(events, HOUR + 1)
    assert overdue(proposals) == [(2, 0, SENT), (2, 0, DELIVERED)]


def test_the_proposal_names_its_cause_and_has_the_same_id_again() -> None:
    h = History()
    queued = h.queued(0)
    events = [queued, h.status(0, provider_id="p")]
    [first] = run(events, 6 * MINUTE)[1]
    [again] = run(events, 7 * MINUTE)[1]
    assert isinstance(first, Command)
    assert first == again
    assert (first.cause, first.hops, first.actor.id) == (queued.event_id, 1, "receipts")


def test_a_settled_conversation_leaves_no_state() -> None:
    h = History()
    assert run([h.queued(0), h.status(0, SENT), h.status(1, DELIVERED)], 2)[0] is None


def test_a_receipt_that_never_finds_its_message_is_counted() -> None:
    h = History()
    assert run([h.parked(0)], rules.MATCH_WITHIN - 1)[1] == []
    assert run([h.parked(0)], rules.MATCH_WITHIN)[1] == [Unmatched("fake", "r-p")]
    assert run([h.queued(0), h.parked(0), h.status(1, SENT, provider_id="p")], HOUR - 1)[1] == []


def test_the_next_deadline() -> None:
    h = History()
    state, _ = run([h.queued(0), h.status(0, provider_id="p"), h.parked(MINUTE, "other")], 0)
    told = profile()
    assert rules.next_due(state, 0, told) == 5 * MINUTE
    assert rules.next_due(state, 5 * MINUTE, told) == 16 * MINUTE
    assert rules.next_due(state, 16 * MINUTE, told) == HOUR
    assert rules.next_due(state, HOUR, told) is None
    assert rules.next_due(None, 0, told) is None


def test_a_conversation_keeps_within_bounds() -> None:
    h = History()
    state, _ = run([h.queued(0, f"m{n}") for n in range(rules.PARTS_KEPT + 50)], 0)
    assert state is not None
    assert len(state.parts) == rules.PARTS_KEPT


# Order and repeats.

statuses = st.lists(
    st.builds(
        observed,
        st.just(1),
        st.integers(0, 1),
        st.integers(1, 1_000),
        rung=st.sampled_from([None, SENT, DELIVERED, READ]),
        verdict=st.sampled_from([None, None, None, Verdict.UNKNOWN]),
        problem=st.none(),
        provider_id=st.sampled_from([None, "p1", "p2"]),
    ),
    max_size=6,
)


def told_by_log(h: History, receipts: list[PartStatus]) -> list[ConversationEvent]:
    """What the log says when the receipts reach it in this order: each time all that is known."""
    known = {part: PartStatus(1, part) for part in (0, 1)}
    events = [h.queued(0, parts=2), h.parked(0, "p1"), h.parked(0, "p9")]
    for receipt in receipts:
        grown = join(known[receipt.part], receipt)
        if grown != known[receipt.part]:
            known[receipt.part] = grown
            events.append(h.joined(500, grown))
    return events


@settings(max_examples=200)
@given(st.data(), statuses)
def test_order_and_repeats_change_no_proposal(data: st.DataObject, receipts: list[PartStatus]) -> None:
    plain = told_by_log(History(), receipts)
    shuffled = told_by_log(History(), data.draw(st.permutations(receipts)))
    # At least once: from some point on everything is read again, perhaps several times.
    repeated = list(plain)
    for cut in data.draw(st.lists(st.integers(0, len(plain)), max_size=3)):
        repeated += plain[cut:]
    for now in (0, 6 * MINUTE, 20 * MINUTE, 2 * HOUR):
        expected = run(plain, now)[1]
        assert run(shuffled, now)[1] == expected
        assert sorted(map(repr, run(repeated, now)[1])) == sorted(map(repr, expected))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5)), max_size=30))
def test_conversations_do_not_touch_each_other(order: list[tuple[int, int]]) -> None:
    """Interleaved in any way, each gets what it gets alone."""
    made = {n: told_by_log(History(f"c{n}"), [observed(1, 0, 1, SENT)][:n]) for n in range(3)}
    states: dict[int, Watch | None] = dict.fromkeys(made)
    positions = dict.fromkeys(made, 0)
    for n, _ in [*order, *((which, 0) for which in made for _ in made[which])]:
        if positions[n] < len(made[n]):
            states[n], _ = rules.step(states[n], made[n][positions[n]], 0, profile())
            positions[n] += 1
    for n, events in made.items():
        assert rules.step(states[n], None, HOUR, profile())[1] == run(events, HOUR)[1]


# Silent accounts.


def traffic(events: list[ConversationEvent]) -> list[Traffic]:
    state: Traffic | None = None
    for event in events:
        state = rules.traffic_step(state, event, profile())
    return [] if state is None else [state]


SILENT_CASES = [
    ("nothing sent", lambda h: [h.queued(0)], 9 * HOUR, False),
    ("not long enough", lambda h: [h.queued(0), h.status(1, provider_id="p")], 30 * MINUTE, False),
    ("nothing heard", lambda h: [h.queued(0), h.status(1, provider_id="p")], 30 * MINUTE + 1, True),
    ("heard", lambda h: [h.status(1, provider_id="p"), h.status(2, SENT)], 9 * HOUR, False),
    ("a failure by webhook is a receipt too", lambda h: [h.status(1, provider_id="p"), h.status(2, verdict=Verdict.FAILED, provider_id="p")], 9 * HOUR, False),
    ("silent again", lambda h: [h.status(1, provider_id="p"), h.status(2, SENT), h.status(HOUR, provider_id="q")], 90 * MINUTE, True),
    ("heard again", lambda h: [h.status(1, provider_id="p"), h.status(HOUR, SENT)], 90 * MINUTE, False),
]  # fmt: skip


@pytest.mark.parametrize(("name", "make", "now", "expected"), SILENT_CASES, ids=[c[0] for c in SILENT_CASES])
def test_silent(name: str, make: object, now: int, expected: bool) -> None:
    assert rules.silent(traffic(make(History())), profile(), now) is expected  # type: ignore[operator]


def test_one_partition_that_hears_is_enough() -> None:
    deaf = Traffic("t", "fake", "acc", waiting_since=1)
    assert rules.silent([deaf], profile(), HOUR)
    assert not rules.silent([deaf, Traffic("t", "fake", "acc", None, 50 * MINUTE)], profile(), HOUR)
    assert rules.heard_elsewhere(deaf, 50 * MINUTE).waiting_since is None
    later = Traffic("t", "fake", "acc", waiting_since=55 * MINUTE)
    assert rules.heard_elsewhere(later, 50 * MINUTE) is later


def test_a_channel_without_a_limit_is_never_silent() -> None:
    assert not rules.silent([Traffic("t", "x", "a", 1)], profile(silent_after=None), 99 * HOUR)


# The wheel.


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.none() | st.integers(0, 50)), max_size=40))
def test_the_wheel_gives_each_key_its_last_deadline(moves: list[tuple[bytes, int | None]]) -> None:
    wheel = Wheel()
    expected: dict[bytes, int] = {}
    for key, at in moves:
        wheel.set(key, at)
        if at is None:
            expected.pop(key, None)
        else:
            expected[key] = at
    assert len(wheel) == len(expected)
    assert wheel.pop_due(25, 100) == sorted(
        (k for k, at in expected.items() if at <= 25), key=lambda k: (expected[k], k)
    )
    assert wheel.pop_due(25, 100) == []


def test_the_wheel_lets_go_in_portions_and_forgets_moved_deadlines() -> None:
    wheel = Wheel()
    for n in range(5_000):
        wheel.set(b"k", n)
    for n in range(10):
        wheel.set(b"%d" % n, n)
    assert len(wheel.pop_due(100, 4)) == 4
    assert len(wheel.pop_due(100, 100)) == 6
    assert len(wheel._heap) < 3_000
