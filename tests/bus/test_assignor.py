"""Partition numbers: everyone's share, who keeps what, what a restart brings back."""

from __future__ import annotations

import json
from collections import Counter
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bus.assignor import AssignmentRefused, Copartition, assign_numbers

NAMES = st.lists(st.sampled_from([f"w{i}" for i in range(8)]), min_size=1, max_size=6, unique=True)
COUNTS = st.integers(min_value=1, max_value=40)


def members(names: list[str], generation: str = "a") -> dict[str, str]:
    return {f"{name}-{generation}": name for name in names}


def by_name(assigned: dict[str, list[int]]) -> dict[str, list[int]]:
    return {member.rsplit("-", 1)[0]: numbers for member, numbers in assigned.items()}


@given(NAMES, COUNTS, st.data())
def test_every_number_once_and_shares_differ_by_one(
    names: list[str], count: int, data: st.DataObject
) -> None:
    held = data.draw(st.dictionaries(st.sampled_from(sorted(members(names))), st.sets(st.integers(0, 45))))
    assigned = assign_numbers(members(names), count, held)
    assert sorted(n for numbers in assigned.values() for n in numbers) == list(range(count))
    sizes = [len(numbers) for numbers in assigned.values()]
    assert max(sizes) - min(sizes) <= 1


@given(NAMES, COUNTS)
def test_repeated_changes_nothing(names: list[str], count: int) -> None:
    first = assign_numbers(members(names), count)
    assert assign_numbers(members(names), count, first) == first


@given(NAMES, COUNTS)
def test_a_restart_of_all_gives_the_same(names: list[str], count: int) -> None:
    first = assign_numbers(members(names), count)
    assert by_name(assign_numbers(members(names, "b"), count)) == by_name(first)


@given(st.lists(st.sampled_from([f"w{i}" for i in range(8)]), min_size=2, max_size=6, unique=True), COUNTS)
def test_an_instance_that_comes_back_gets_its_numbers_back(names: list[str], count: int) -> None:
    first = assign_numbers(members(names), count)
    gone = f"{names[0]}-a"
    without = assign_numbers(members(names[1:]), count, {m: n for m, n in first.items() if m != gone})
    for member, numbers in without.items():
        assert len(set(first[member]) - set(numbers)) <= 1, "a survivor lost what it had"
    back = assign_numbers(members(names[1:]) | {f"{names[0]}-b": names[0]}, count, without)
    assert len(set(back[f"{names[0]}-b"]) & set(first[gone])) >= len(first[gone]) - 1


def test_a_killed_worker_of_three_gets_exactly_its_numbers_back() -> None:
    first = assign_numbers(members(["a", "b", "c"]), 12)
    two = assign_numbers(members(["a", "b"]), 12, {m: n for m, n in first.items() if m != "c-a"})
    assert all(set(first[m]) <= set(n) for m, n in two.items())
    assert by_name(assign_numbers(members(["a", "b"]) | {"c-b": "c"}, 12, two)) == by_name(first)


def test_two_members_of_one_name_share() -> None:
    assigned = assign_numbers({"old": "w", "new": "w"}, 5, {"old": [0, 1, 2, 3, 4]})
    assert Counter(n for numbers in assigned.values() for n in numbers) == Counter(range(5))


def member(topics: list[str], instance: str, owned: list[int] | None = None) -> SimpleNamespace:
    data = json.dumps({"instance": instance, "owned": owned or []}).encode()
    return SimpleNamespace(subscription=topics, user_data=data)


def cluster(**counts: int) -> SimpleNamespace:
    return SimpleNamespace(partitions_for_topic=lambda topic: set(range(counts.get(topic, 0))))


def test_a_number_of_every_topic() -> None:
    assigned = Copartition("x", list).assign(
        cluster(a=4, b=4), {"1": member(["b", "a"], "x"), "2": member(["a", "b"], "y")}
    )
    for each in assigned.values():
        (first, numbers), (second, same) = each.assignment
        assert (first, second) == ("a", "b")
        assert numbers == same


@pytest.mark.parametrize(
    ("counts", "topics", "says"),
    [
        ({"a": 4, "b": 5}, [["a", "b"]], "same partition count"),
        ({"a": 4}, [["a", "b"]], "same partition count"),
        ({"a": 4, "b": 4}, [["a", "b"], ["a"]], "different topics"),
    ],
)
def test_refused(counts: dict[str, int], topics: list[list[str]], says: str) -> None:
    group = {str(i): member(t, f"w{i}") for i, t in enumerate(topics)}
    with pytest.raises(AssignmentRefused, match=says):
        Copartition("x", list).assign(cluster(**counts), group)
