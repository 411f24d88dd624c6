"""The log's own net under the timers: which conversations it fires by itself, and how fast."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.conversation_log.deadlines import GRACE_MS, Deadlines
from gateway.core.timers import Timer, TimerKind

G = GRACE_MS


def at(*times: int) -> tuple[Timer, ...]:
    return tuple(Timer(kind, time, 1) for kind, time in zip(TimerKind, times, strict=False))


def test_the_first_timer_counts_and_only_after_the_grace() -> None:
    deadlines = Deadlines()
    deadlines.put(0, b"a", at(5_000, 1_000))
    deadlines.put(0, b"b", at(500))
    assert deadlines.due(0, G + 499, 10) == []
    assert deadlines.due(0, G + 500, 10) == [b"b"]
    assert deadlines.due(0, G + 999, 10) == []
    assert deadlines.due(0, G + 1_000, 10) == [b"a"]


def test_oldest_first_and_no_more_than_asked_for() -> None:
    deadlines = Deadlines()
    for n in range(10):
        deadlines.put(0, b"%d" % n, at(10 - n))
    assert deadlines.due(0, 2 * G, 3) == [b"9", b"8", b"7"]
    assert deadlines.due(0, 2 * G, 3) == [b"6", b"5", b"4"]


def test_a_timer_that_was_moved_or_taken_away_is_not_due() -> None:
    deadlines = Deadlines()
    deadlines.put(0, b"a", at(1_000))
    deadlines.put(0, b"b", at(1_000))
    deadlines.put(0, b"a", at(9_000))
    deadlines.put(0, b"b", ())
    assert deadlines.due(0, G + 1_000, 10) == []
    deadlines.put(0, b"a", at(1_000))
    assert deadlines.due(0, G + 1_000, 10) == [b"a"], "once, though it was set to this time twice"


def test_what_stays_is_tried_again_after_another_grace_and_hides_nothing() -> None:
    deadlines = Deadlines()
    deadlines.put(0, b"stuck", at(0))
    now = G
    assert deadlines.due(0, now, 1) == [b"stuck"]
    deadlines.put(0, b"stuck", at(0))  # its conversation was written, its timer is the same
    deadlines.put(0, b"other", at(10))
    assert deadlines.due(0, now + 10, 1) == [b"other"]
    deadlines.put(0, b"other", ())
    asked = [key for n in range(1, 121) for key in deadlines.due(0, now + 1_000 * n, 5)]
    assert asked == [b"stuck", b"stuck"]
    deadlines.put(0, b"stuck", at(1))
    assert deadlines.due(0, now + 121_000, 5) == [b"stuck"], "a new timer is a new try"


def test_partitions_do_not_see_each_other_and_a_released_one_is_forgotten() -> None:
    deadlines = Deadlines()
    deadlines.put(0, b"a", at(0))
    deadlines.put(1, b"b", at(0))
    deadlines.release(0)
    assert deadlines.due(0, 2 * G, 10) == []
    assert deadlines.due(1, 2 * G, 10) == [b"b"]
    deadlines.put(0, b"a", at(0))
    assert deadlines.due(0, 2 * G, 10) == [b"a"]


def test_a_backlog_is_let_out_at_the_rate_of_the_worker_over_its_partitions() -> None:
    deadlines = Deadlines(rate=100)
    for partition in range(4):
        for n in range(1_000):
            deadlines.put(partition, b"%d" % n, at(0))
    begin = G + 1_000_000
    went = {tick: sum(len(deadlines.due(p, begin + 250 * tick, 500)) for p in range(4)) for tick in range(41)}
    assert went[0] == 48, "at most what half a second allows"
    assert 950 <= sum(went.values()) - went[0] <= 1_000
    assert max(list(went.values())[1:]) <= 28


STEPS = st.lists(
    st.tuples(
        st.sampled_from([b"a", b"b", b"c"]), st.one_of(st.none(), st.integers(0, 50_000)), st.booleans()
    ),
    max_size=60,
)


@given(STEPS)
def test_nothing_overdue_is_ever_lost(steps: list[tuple[bytes, int | None, bool]]) -> None:
    deadlines, wanted, now = Deadlines(), dict[bytes, int](), 0
    for key, first, look in steps:
        deadlines.put(0, key, at(first) if first is not None else ())
        wanted.pop(key, None)
        if first is not None:
            wanted[key] = first
        if look:
            now += 20_000
            for found in deadlines.due(0, now, 2):
                assert wanted[found] + G <= now
    last = max(now, 50_000) + 2 * G
    found = deadlines.due(0, last, 100)
    assert sorted(found) == sorted(wanted)
    assert deadlines.due(0, last, 100) == []


def test_an_active_conversation_does_not_fill_the_memory() -> None:
    deadlines = Deadlines()
    for n in range(10_000):
        deadlines.put(0, b"busy", at(n))
    assert len(deadlines) <= 2_100
