"""Assigns partition *numbers* to the members of a group: a number of every topic, or of none."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

NAME = "gateway-copartition-1"
VERSION = 0


class AssignmentRefused(Exception):
    """The group cannot be given partitions: topics or subscriptions differ. The text says how."""


def assign_numbers(
    members: Mapping[str, str], partitions: int, previous: Mapping[str, Collection[int]] | None = None
) -> dict[str, list[int]]:
    """Every number of `range(partitions)` to exactly one member; shares differ by at most one.

    `members` maps a member id to its instance's name. A member keeps what it holds (`previous`) as far as its
    share allows. The rest goes home: which member is a number's home depends on the instance names alone, so
    an instance that was restarted gets its partitions back.
    """
    if not members:
        return {}
    order = sorted(members, key=lambda member: (members[member], member))
    home = _homes(order, members, partitions)
    room = Counter(home.values())  # the shares, too, depend on the names alone
    taken: dict[int, str] = {}

    def take(number: int, member: str) -> bool:
        if number in taken or not room[member]:
            return False
        room[member] -= 1
        taken[number] = member
        return True

    for member in order:
        held = [p for p in (previous or {}).get(member, ()) if 0 <= p < partitions]
        for number in sorted(held, key=lambda p: (home[p] != member, p)):
            take(number, member)
    for number in range(partitions):
        any(take(number, member) for member in (home[number], *_ranking(order, members, number)))
    return {member: [p for p in range(partitions) if taken[p] == member] for member in order}


def _ranking(order: list[str], members: Mapping[str, str], number: int) -> list[str]:
    """Rendezvous hashing: a member's rank for a number does not depend on who else is there."""
    return sorted(
        order, key=lambda m: hashlib.md5(f"{members[m]}/{number}".encode(), usedforsecurity=False).digest()
    )


def _homes(order: list[str], members: Mapping[str, str], partitions: int) -> dict[int, str]:
    """The first member of each number's ranking that has room: everybody the floor, a few of them one more."""
    floor, extras = divmod(partitions, len(order))
    count = dict.fromkeys(order, 0)
    homes: dict[int, str] = {}
    for number in range(partitions):
        limit = floor + 1 if extras else floor
        member = next(m for m in _ranking(order, members, number) if count[m] < limit)
        extras -= count[member] == floor
        count[member] += 1
        homes[number] = member
    return homes


class Copartition(AbstractPartitionAssignor):  # type: ignore[misc]
    """The assignor of one consumer; aiokafka takes an instance as well as a class.

    `instance` is this worker's name, `owned` tells which numbers it holds now. Raises AssignmentRefused from
    `assign`, which aiokafka raises again from `getmany` of the group's leader.
    """

    name = NAME

    def __init__(self, instance: str, owned: Callable[[], Collection[int]]) -> None:
        self._instance = instance
        self._owned = owned

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """What this member tells the leader when it joins."""
        data = json.dumps({"instance": self._instance, "owned": sorted(self._owned())}).encode()
        return ConsumerProtocolMemberMetadata(VERSION, sorted(topics), data)

    def assign(self, cluster: Any, members: Mapping[str, Any]) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Runs in the group's leader only."""
        topics = _common_topics({member: tuple(sorted(m.subscription)) for member, m in members.items()})
        count = _common_count({topic: len(cluster.partitions_for_topic(topic) or ()) for topic in topics})
        told = {member: json.loads(m.user_data) for member, m in members.items()}
        numbers = assign_numbers(
            {member: data["instance"] for member, data in told.items()},
            count,
            {member: data["owned"] for member, data in told.items()},
        )
        return {
            member: ConsumerProtocolMemberAssignment(VERSION, [(t, mine) for t in topics], b"")
            for member, mine in numbers.items()
        }

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Nothing to remember: the loop's listener sees the same."""


def _common_topics(subscriptions: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    different = set(subscriptions.values())
    if len(different) != 1:
        raise AssignmentRefused(f"members of one group read different topics: {sorted(different)}")
    return different.pop()


def _common_count(counts: Mapping[str, int]) -> int:
    if len(set(counts.values())) != 1 or 0 in counts.values():
        raise AssignmentRefused(f"topics read together must have the same partition count: {dict(counts)}")
    return next(iter(counts.values()))
