"""How far a plain consumer may commit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.bus.progress import Progress


def test_commits_up_to_the_oldest_unfinished() -> None:
    p = Progress()
    assert not p.uncommitted
    for offset in (3, 4, 7):
        assert p.begin(offset)
    p.finish(7)
    p.finish(4)
    assert p.commit == 3
    p.finish(3)
    assert p.commit == 8
    p.committed(8)
    assert not p.uncommitted


def test_after_a_reassignment_nothing_is_handled_twice_and_nothing_is_left_out() -> None:
    p = Progress()
    for offset in range(5):
        p.begin(offset)
    p.finish(2)
    p.drop_waiting(running={0})
    assert p.commit == 0
    assert not p.wanted(1)
    p.reassigned()
    assert [o for o in range(6) if p.begin(o)] == [1, 3, 4, 5]
    p.finish(0)
    assert p.commit == 1


@given(st.data())
def test_never_commits_past_an_unfinished_record(data: st.DataObject) -> None:
    p = Progress()
    unfinished: set[int] = set()
    following = 0
    for _ in range(data.draw(st.integers(1, 40))):
        if unfinished and data.draw(st.booleans()):
            offset = data.draw(st.sampled_from(sorted(unfinished)))
            unfinished.discard(offset)
            p.finish(offset)
        else:
            following += data.draw(st.integers(1, 3))
            assert p.begin(following)
            unfinished.add(following)
        assert p.commit == min(unfinished, default=following + 1)
        assert len(p) == len(unfinished)
