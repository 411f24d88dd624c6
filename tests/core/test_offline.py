"""The table of PRODUCT O, held against an oracle written another way, over every combination."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from gateway.core.availability import Availability, Present, availability
from gateway.core.directory import Department, OfflineMessage
from gateway.core.hours import BusinessHours, Interval, Week
from gateway.core.messages import Presence, PresenceState
from gateway.core.offline import REASONS, Holder, Hours, judge, judge_backlog, sent_in_this_period

HOUR = 3_600_000
DAY = 24 * HOUR
NOON = 1_795_262_400_000  # 2026-11-21 12:00 UTC, a Saturday
NIGHT = NOON + 8 * HOUR
NINE_TO_SIX = BusinessHours("UTC", Week(*[(Interval(9 * 60, 18 * 60),)] * 7))
ALWAYS = BusinessHours("UTC", Week(*[(Interval(0, 24 * 60),)] * 7))
ON = OfflineMessage(enabled=True, text="We got it.")


def department(hours: BusinessHours | None = NINE_TO_SIX, **offline: object) -> Department:
    return Department("d", "t", "D", hours=hours, offline=replace(ON, **offline))  # type: ignore[arg-type]


# The oracle: PRODUCT O read as lines of a table, first match counts; "*" = anything.
# switch, when_no_hours, blocked, owner, hours, presence -> row, sent
ORACLE = """
off *           *   *           *    *       -> switch_off no
on  *           yes *           *    *       -> blocked    no
on  *           no  agent       *    *       -> O9 no
on  *           no  bot         *    *       -> O4 no
on  *           no  handed_over out  *       -> O1 yes
on  *           no  handed_over in   none    -> O2 yes
on  *           no  handed_over in   some    -> O3 no
on  *           no  handed_over in   unknown -> O3 no
on  *           no  unassigned  out  *       -> O5 yes
on  *           no  unassigned  in   none    -> O6 yes
on  *           no  unassigned  in   some    -> O7 no
on  *           no  unassigned  in   unknown -> O7 no
on  open        no  *           none *       -> O8 no
on  by_presence no  handed_over none none    -> O2 yes
on  by_presence no  unassigned  none none    -> O6 yes
on  by_presence no  handed_over none some    -> O3 no
on  by_presence no  unassigned  none some    -> O7 no
on  by_presence no  *           none unknown -> O8 no
"""
LINES = [
    (tuple(left.split()), *right.split())
    for left, right in (line.split("->") for line in ORACLE.strip().splitlines())
]


def oracle(*situation: str) -> tuple[str, str]:
    for pattern, row, sent in LINES:
        if all(p in ("*", s) for p, s in zip(pattern, situation, strict=True)):
            return row, sent
    raise AssertionError(f"the oracle says nothing about {situation}")


SITUATIONS = list(
    product(
        ("off", "on"),
        ("open", "by_presence"),
        ("yes", "no"),
        ("bot", "handed_over", "unassigned", "agent"),
        ("in", "out", "none"),
        ("some", "none", "unknown"),
    )
)


def test_the_whole_table() -> None:
    assert len(SITUATIONS) == 2 * 2 * 2 * 4 * 3 * 3
    seen = set()
    for situation in SITUATIONS:
        switch, no_hours, blocked, owner, hours, presence = situation
        one = department(
            None if hours == "none" else NINE_TO_SIX,
            enabled=switch == "on",
            by_presence_without_hours=no_hours == "by_presence",
        )
        at = NIGHT if hours == "out" else NOON
        found = judge(one, Holder(owner), blocked == "yes", Present(presence), at)
        assert (found.row, "yes" if found.send else "no") == oracle(*situation), situation
        facts = found.facts
        assert (facts["owner"], facts["hours"], facts["presence"], facts["at"]) == (
            owner,
            hours,
            presence,
            str(at),
        )
        assert found.reason == REASONS[found.row]
        seen.add(found.row)
    assert seen == set(REASONS)


def test_hours_around_the_clock_count_as_set() -> None:
    one = department(ALWAYS)
    assert judge(one, Holder.UNASSIGNED, False, Present.NONE, NOON).row == "O6"
    assert judge(one, Holder.UNASSIGNED, False, Present.NONE, NIGHT).row == "O6"


@pytest.mark.parametrize("nothing", [None, Department("d", "t", "D")])
def test_a_department_without_a_text_is_switched_off(nothing: Department | None) -> None:
    found = judge(nothing, Holder.UNASSIGNED, False, Present.NONE, NOON)
    assert (found.row, found.send) == ("switch_off", False)


def test_the_clock_is_the_departments() -> None:
    tokyo = department(BusinessHours("Asia/Tokyo", NINE_TO_SIX.week))
    found = judge(tokyo, Holder.UNASSIGNED, False, Present.SOME, NOON)
    assert (found.row, found.facts["clock"]) == ("O5", "2026-11-21T21:00+09:00 Asia/Tokyo")


@pytest.mark.parametrize(
    ("then", "now", "row", "send"),
    [
        ((NIGHT, Present.NONE), (NIGHT + 10, Present.NONE), "O5", True),
        ((NIGHT, Present.NONE), (NIGHT + HOUR, Present.SOME), "O5", True),
        ((NOON - 4 * HOUR, Present.NONE), (NOON - 2 * HOUR, Present.SOME), "O7", False),
        ((NOON - 4 * HOUR, Present.NONE), (NOON - 2 * HOUR, Present.NONE), "O6", True),
        ((NOON, Present.NONE), (NOON + HOUR, Present.SOME), "O7", False),
        ((NOON, Present.NONE), (NOON + HOUR, Present.NONE), "O6", True),
        ((NOON, Present.SOME), (NOON + HOUR, Present.NONE), "O7", False),
        ((NOON, Present.SOME), (NIGHT, Present.NONE), "O7", False),
    ],
    ids=[
        "at once",
        "outside hours both times, whoever is online",
        "opened since, and somebody came",
        "opened since, but nobody came",
        "somebody came since",
        "nobody came",
        "somebody was there and could have seen it",
        "somebody was there, closed since",
    ],
)
def test_a_backlog_is_judged_twice(
    then: tuple[int, Present], now: tuple[int, Present], row: str, send: bool
) -> None:
    found = judge_backlog(department(), Holder.UNASSIGNED, False, then, now)
    assert (found.row, found.send) == (row, send)
    late = now[0] - then[0] >= 60_000
    assert found.facts.get("now_at") == (str(now[0]) if late else None)


@pytest.mark.parametrize(
    ("sent_at", "available_at", "now", "already"),
    [
        (None, None, NIGHT, False),
        (NIGHT, None, NIGHT + HOUR, True),
        (NIGHT, None, NIGHT + DAY, False),
        (NIGHT, NIGHT + HOUR, NIGHT + 2 * HOUR, False),
        (NIGHT, NIGHT - HOUR, NIGHT + 2 * HOUR, True),
    ],
    ids=["none yet", "the same night", "the next night", "somebody was there since", "somebody before"],
)
def test_once_per_closed_period(
    sent_at: int | None, available_at: int | None, now: int, already: bool
) -> None:
    assert sent_in_this_period(sent_at, NINE_TO_SIX, available_at, now) is already


def test_without_hours_the_period_ends_when_somebody_was_there() -> None:
    assert sent_in_this_period(NOON, None, None, NOON + 9 * DAY) is True
    assert sent_in_this_period(NOON, None, NOON + HOUR, NOON + 2 * HOUR) is False


def presence(agent: str, state: PresenceState, at: int, until: int) -> tuple[str, Presence]:
    return agent, Presence(agent, "t", state, at, until)


ALIVE = presence("@inbox-1", PresenceState.ONLINE, NOON - HOUR, NOON + HOUR)
DEAD = presence("@inbox-2", PresenceState.ONLINE, NOON - HOUR, NOON - 1)
ANN_ON = presence("ann", PresenceState.ONLINE, NOON - HOUR, NOON + HOUR)
ANN_BUSY = presence("ann", PresenceState.BUSY, NOON - HOUR, NOON + HOUR)
ANN_OFF = presence("ann", PresenceState.OFFLINE, NOON - HOUR, NOON - HOUR)
BOB_GONE = presence("bob", PresenceState.ONLINE, NOON - HOUR, NOON - 5)


@pytest.mark.parametrize(
    ("records", "enabled", "expected"),
    [
        ([ALIVE, ANN_ON], {"ann"}, Availability(Present.SOME)),
        ([ALIVE, ANN_BUSY], {"ann"}, Availability(Present.SOME)),
        ([ALIVE, ANN_OFF], {"ann"}, Availability(Present.NONE, NOON - HOUR)),
        ([ALIVE, ANN_OFF, BOB_GONE], {"ann", "bob"}, Availability(Present.NONE, NOON - 5)),
        ([ALIVE, ANN_ON, BOB_GONE], {"ann", "bob"}, Availability(Present.SOME, NOON - 5)),
        ([ALIVE, ANN_ON], {"bob"}, Availability(Present.NONE)),
        ([ALIVE, ANN_ON], (), Availability(Present.NONE)),
        ([DEAD, ANN_ON], {"ann"}, Availability(Present.UNKNOWN)),
        ([DEAD, BOB_GONE], {"bob"}, Availability(Present.UNKNOWN, NOON - 5)),
        ([ALIVE, DEAD, ANN_ON], {"ann"}, Availability(Present.SOME)),
        ([], {"ann"}, Availability(Present.UNKNOWN)),
    ],
    ids=[
        "online",
        "busy",
        "offline",
        "lease over",
        "one of two",
        "another's agent",
        "nobody enabled",
        "no inbox lives",
        "no inbox lives, lease over",
        "one inbox is enough",
        "nothing known",
    ],
)
def test_availability(records: list[tuple[str, Presence]], enabled: set[str], expected: Availability) -> None:
    assert availability(dict(records), enabled, NOON) == expected


def test_of_a_past_instant_the_newest_records_tell_what_they_can() -> None:
    records = dict([ALIVE, presence("ann", PresenceState.ONLINE, NOON, NOON + HOUR)])
    assert availability(records, {"ann"}, NOON - 1).presence is Present.NONE
    assert availability(records, {"ann"}, NOON).presence is Present.SOME


def test_hours_are_named() -> None:
    found = [
        judge(department(h), Holder.BOT, False, Present.SOME, NOON).facts["hours"]
        for h in (NINE_TO_SIX, None)
    ]
    assert found == [Hours.IN, Hours.NONE]
