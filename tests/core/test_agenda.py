"""The agenda against a plain sorted list."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.agenda import SLOT_MS, Agenda, Allowance

KEYS = st.binary(max_size=40)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 5 * SLOT_MS), KEYS),
        st.tuples(st.just("pop"), st.integers(0, 5 * SLOT_MS), st.just(b"")),
    ),
    max_size=80,
)


@given(STEPS)
def test_it_gives_the_earliest_entry_that_is_due(steps: list[tuple[str, int, bytes]]) -> None:
    agenda, model = Agenda(), list[tuple[int, bytes]]()
    for what, at, key in steps:
        if what == "add":
            agenda.add(at, key)
            model.append((at, key))
        else:
            expected = min((entry for entry in model if entry[0] <= at), default=None)
            assert agenda.pop(at) == expected
            if expected is not None:
                model.remove(expected)
        assert len(agenda) == len(model)


def test_what_is_let_out_keeps_the_rate_whenever_it_is_asked() -> None:
    allowance, went = Allowance(0), 0
    for now in (0, 100, 250, 251, 700, 1_000, 1_000, 900, 1_100):
        count = allowance.ask(now, 100)
        allowance.use(count)
        went += count
    assert went == 120, "a clock that goes back gives what comes after it again, once"


def test_only_half_a_second_is_saved_up() -> None:
    allowance = Allowance(0)
    assert allowance.ask(3_600_000, 50) == 25
    slow = Allowance(0)
    assert [slow.ask(now, 0.5) for now in (1_000, 2_000, 60_000)] == [0, 1, 1]
