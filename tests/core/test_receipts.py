"""The status lattice (PRODUCT S0–S10): laws by Hypothesis, meanings by table."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.receipts import (
    Basis,
    Fault,
    PartStatus,
    Problem,
    Rung,
    Shown,
    Verdict,
    join,
    observed,
    roll_up,
)

times = st.none() | st.integers(0, 50)
problems = st.none() | st.builds(
    Problem, st.sampled_from(["a", "b"]), st.just(""), st.sampled_from(Fault), st.booleans()
)


@st.composite
def statuses(draw: st.DrawFn) -> PartStatus:
    verdict = draw(st.none() | st.sampled_from(Verdict))
    return PartStatus(
        1,
        0,
        draw(times),
        draw(times),
        draw(times),
        verdict,
        draw(st.integers(0, 9)) if verdict else None,
        draw(problems) if verdict else None,
        tuple(sorted(draw(st.sets(st.sampled_from("abc"))))),
    )


@given(statuses(), statuses())
def test_join_is_commutative(a: PartStatus, b: PartStatus) -> None:
    assert join(a, b) == join(b, a)


@given(statuses(), statuses(), statuses())
def test_join_is_associative(a: PartStatus, b: PartStatus, c: PartStatus) -> None:
    assert join(join(a, b), c) == join(a, join(b, c))


@given(statuses(), statuses())
def test_join_is_idempotent_and_absorbs(a: PartStatus, b: PartStatus) -> None:
    assert join(a, a) == a
    assert join(join(a, b), b) == join(a, b)


@given(statuses(), statuses())
def test_a_status_never_goes_down(a: PartStatus, b: PartStatus) -> None:
    order = list(Rung)
    assert order.index(join(a, b).rung) >= max(order.index(a.rung), order.index(b.rung))
    for rung in Rung:
        if a.basis(rung) is Basis.OBSERVED:
            assert join(a, b).basis(rung) is Basis.OBSERVED


def test_only_the_same_part_can_be_joined() -> None:
    with pytest.raises(ValueError, match="same attempt and part"):
        join(PartStatus(1, 0), PartStatus(1, 1))


SENT, DELIVERED, READ = (observed(1, 0, n, rung) for n, rung in enumerate(list(Rung)[1:], 1))
FAILED, UNKNOWN, EXPIRED = (
    observed(1, 0, 5, verdict=v) for v in (Verdict.FAILED, Verdict.UNKNOWN, Verdict.EXPIRED)
)
NOTHING = PartStatus()

CASES: list[tuple[str, list[PartStatus], Shown, dict[Rung, Basis | None]]] = [
    ("nothing yet", [NOTHING], Shown.QUEUED, {Rung.SENT: None}),
    ("sent", [SENT], Shown.SENT, {Rung.SENT: Basis.OBSERVED, Rung.DELIVERED: None}),
    ("all three", [SENT, DELIVERED, READ], Shown.READ, dict.fromkeys(Rung, Basis.OBSERVED)),
    (
        "read implies the rungs below",
        [READ],
        Shown.READ,
        {Rung.SENT: Basis.IMPLIED, Rung.DELIVERED: Basis.IMPLIED},
    ),
    (
        "delivered skipped",
        [SENT, READ],
        Shown.READ,
        {Rung.SENT: Basis.OBSERVED, Rung.DELIVERED: Basis.IMPLIED},
    ),
    ("failed", [FAILED], Shown.FAILED, {}),
    ("failed after sent", [SENT, FAILED], Shown.FAILED, {}),
    ("delivered outweighs failed", [FAILED, DELIVERED], Shown.DELIVERED, {}),
    ("unknown outcome", [UNKNOWN], Shown.UNKNOWN, {}),
    ("a later status settles the unknown", [UNKNOWN, SENT], Shown.SENT, {}),
    ("expired", [EXPIRED], Shown.EXPIRED, {}),
    ("failed outweighs unknown", [UNKNOWN, FAILED], Shown.FAILED, {}),
]


@pytest.mark.parametrize(("told", "shown", "bases"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_what_is_shown_in_any_order(
    told: list[PartStatus], shown: Shown, bases: dict[Rung, Basis | None]
) -> None:
    for order in itertools.permutations(told):
        status = NOTHING
        for one in (*order, *order):
            status = join(status, one)
        assert status.shown is shown
        assert {rung: status.basis(rung) for rung in bases} == bases


@pytest.mark.parametrize(
    ("parts", "shown"),
    [
        ([Shown.READ, Shown.DELIVERED], Shown.DELIVERED),
        ([Shown.READ, Shown.READ], Shown.READ),
        ([Shown.SENT, Shown.QUEUED], Shown.QUEUED),
        ([Shown.READ, Shown.FAILED], Shown.FAILED),
        ([Shown.UNKNOWN, Shown.READ], Shown.UNKNOWN),
        ([Shown.UNKNOWN, Shown.FAILED], Shown.FAILED),
        ([Shown.EXPIRED, Shown.SENT], Shown.EXPIRED),
    ],
)
def test_roll_up(parts: list[Shown], shown: Shown) -> None:
    for order in itertools.permutations(parts):
        assert roll_up(order) is shown
