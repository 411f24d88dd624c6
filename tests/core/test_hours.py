"""Business hours: case tables, and an oracle that looks at every single minute of the local clock."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.hours import (
    BusinessHours,
    DatedException,
    Interval,
    Week,
    is_always_open,
    is_open,
    last_closing,
    last_opening,
    next_closing,
    next_opening,
)
from gateway.core.hours_text import describe, describe_instant, format_interval, parse_interval, validate

ZONES = (
    "Australia/Lord_Howe",  # half an hour of DST
    "America/New_York",
    "Europe/Berlin",
    "Africa/Casablanca",  # negative DST, twice a year around Ramadan
    "Europe/Dublin",  # winter time is the "DST"
    "Europe/London",
    "Australia/Sydney",
    "America/St_Johns",  # half-hour offset
    "Pacific/Chatham",  # 12:45
    "America/Santiago",  # changes at midnight: 00:00 is skipped, 23:00 comes twice
    "Africa/Cairo",  # changes at midnight
    "Asia/Beirut",  # changes at midnight
    "America/Nuuk",  # changes on the evening before
    "America/Havana",  # 01:00 back to 00:00
)
STILL = ("Asia/Tokyo", "Asia/Kolkata", "America/Sao_Paulo", "Pacific/Apia", "Asia/Tehran", "UTC")
MINUTE = 60_000


def interval(*texts: str) -> tuple[Interval, ...]:
    return tuple(parse_interval(text) for text in texts)


def hours(zone: str, *days: tuple[Interval, ...], **exceptions: tuple[Interval, ...]) -> BusinessHours:
    """Monday first; exceptions as `d2026_12_25=()`."""
    dated = tuple(DatedException(name[1:].replace("_", "-"), of) for name, of in exceptions.items())
    return BusinessHours(zone, Week(*days), dated)


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


def local(text: str, zone: str, fold: int = 0) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()) * 1000


# -- case tables --------------------------------------------------------------------------------------------

WORK = interval("09:00-12:00", "13:00-18:00")
OFFICE = hours(
    "Asia/Tokyo",
    *(WORK,) * 5,
    d2026_12_29=interval("09:00-12:00"),
    d2026_12_30=(),
    d2026_12_31=(),
    d2027_01_01=(),
    d2027_01_09=interval("10:00-11:00"),  # a Saturday, for once
)
CLUB = hours(
    "Asia/Tokyo", (), (), (), (), interval("22:00-02:00"), interval("20:00-24:00"), interval("00:00-05:00")
)
ROUND = hours("Asia/Tokyo", *(interval("00:00-24:00"),) * 7)
ROUND_BUT = hours("Asia/Tokyo", *(interval("00:00-24:00"),) * 7, d2026_11_23=())
NEVER = hours("Asia/Tokyo")

# now → open?, last opening, last closing, next opening, next closing; all in Tokyo
CASES = [
    ("Monday before work", OFFICE, "2026-11-23T08:59", False, "2026-11-20T13:00", "2026-11-20T18:00", "2026-11-23T09:00", "2026-11-23T12:00"),
    ("at the minute it opens", OFFICE, "2026-11-23T09:00", True, "2026-11-23T09:00", "2026-11-20T18:00", "2026-11-23T13:00", "2026-11-23T12:00"),
    ("at the minute it closes", OFFICE, "2026-11-23T12:00", False, "2026-11-23T09:00", "2026-11-23T12:00", "2026-11-23T13:00", "2026-11-23T18:00"),
    ("afternoon", OFFICE, "2026-11-23T17:59", True, "2026-11-23T13:00", "2026-11-23T12:00", "2026-11-24T09:00", "2026-11-23T18:00"),
    ("weekend", OFFICE, "2026-11-22T12:00", False, "2026-11-20T13:00", "2026-11-20T18:00", "2026-11-23T09:00", "2026-11-23T12:00"),
    ("half a day before the holidays", OFFICE, "2026-12-29T12:00", False, "2026-12-29T09:00", "2026-12-29T12:00", "2027-01-04T09:00", "2027-01-04T12:00"),
    ("in the holidays", OFFICE, "2027-01-01T10:00", False, "2026-12-29T09:00", "2026-12-29T12:00", "2027-01-04T09:00", "2027-01-04T12:00"),
    ("open on a Saturday", OFFICE, "2027-01-09T10:30", True, "2027-01-09T10:00", "2027-01-08T18:00", "2027-01-11T09:00", "2027-01-09T11:00"),
    ("after midnight", CLUB, "2026-11-28T01:59", True, "2026-11-27T22:00", "2026-11-22T05:00", "2026-11-28T20:00", "2026-11-28T02:00"),
    ("after its end", CLUB, "2026-11-28T02:00", False, "2026-11-27T22:00", "2026-11-28T02:00", "2026-11-28T20:00", "2026-11-29T05:00"),
    ("midnight is no break", CLUB, "2026-11-29T00:00", True, "2026-11-28T20:00", "2026-11-28T02:00", "2026-12-04T22:00", "2026-11-29T05:00"),
    ("around the clock", ROUND, "2026-11-23T00:00", True, None, None, None, None),
    ("around the clock but for a day", ROUND_BUT, "2026-11-23T10:00", False, None, "2026-11-23T00:00", "2026-11-24T00:00", None),
    ("the day after", ROUND_BUT, "2026-11-25T10:00", True, "2026-11-24T00:00", "2026-11-23T00:00", None, None),
    ("never", NEVER, "2026-11-23T10:00", False, None, None, None, None),
]  # fmt: skip


@pytest.mark.parametrize("row", CASES, ids=[row[0] for row in CASES])
def test_changes(
    row: tuple[str, BusinessHours, str, bool, str | None, str | None, str | None, str | None],
) -> None:
    _, given_hours, at, opened, *changes = row
    now = local(at, "Asia/Tokyo")
    assert is_open(given_hours, now) is opened
    found = [change(given_hours, now) for change in (last_opening, last_closing, next_opening, next_closing)]
    assert found == [None if change is None else local(change, "Asia/Tokyo") for change in changes]


def test_an_exception_replaces_only_what_starts_on_its_day() -> None:
    nights = hours("Asia/Tokyo", *(interval("22:00-06:00"),) * 7, d2026_11_24=())
    assert is_open(nights, local("2026-11-24T05:59", "Asia/Tokyo"))
    assert not is_open(nights, local("2026-11-24T23:00", "Asia/Tokyo"))
    assert not is_open(nights, local("2026-11-25T01:00", "Asia/Tokyo"))
    assert next_opening(nights, local("2026-11-24T06:00", "Asia/Tokyo")) == local(
        "2026-11-25T22:00", "Asia/Tokyo"
    )


def test_the_next_opening_is_found_after_a_year_and_not_for_ever() -> None:
    first = date(2026, 11, 23)
    closed = [(first + timedelta(n)).isoformat() for n in range(380)]
    long = BusinessHours("Asia/Tokyo", OFFICE.week, tuple(DatedException(day) for day in closed))
    assert next_opening(long, local("2026-11-23T08:00", "Asia/Tokyo")) == local(
        "2027-12-08T09:00", "Asia/Tokyo"
    )
    assert last_opening(long, local("2027-12-07T08:00", "Asia/Tokyo")) == local(
        "2026-11-20T13:00", "Asia/Tokyo"
    )
    assert next_opening(NEVER, 0) is None


# Change of the clock: Berlin 2026-03-29 02:00→03:00 (01:00 UTC), 2026-10-25 03:00→02:00 (01:00 UTC).
GAP_DAY, FOLD_DAY = "2026-03-29", "2026-10-25"
CLOCK_CHANGES = [
    ("starts in the gap", "02:30-05:00", GAP_DAY, "2026-03-29T01:00", "2026-03-29T03:00"),
    ("ends in the gap", "01:00-02:30", GAP_DAY, "2026-03-29T00:00", "2026-03-29T01:00"),
    ("wholly in the gap", "02:10-02:50", GAP_DAY, None, None),
    ("over the gap", "00:00-24:00", GAP_DAY, "2026-03-28T23:00", "2026-03-29T22:00"),
    ("over midnight into the gap", "22:00-02:30", "2026-03-28", "2026-03-28T21:00", "2026-03-29T01:00"),
    ("starts in the fold: the first time", "02:30-05:00", FOLD_DAY, "2026-10-25T00:30", "2026-10-25T04:00"),
    ("ends in the fold: the first time", "01:00-02:30", FOLD_DAY, "2026-10-24T23:00", "2026-10-25T00:30"),
    ("wholly in the fold: once", "02:10-02:50", FOLD_DAY, "2026-10-25T00:10", "2026-10-25T00:50"),
    ("over the fold", "00:00-24:00", FOLD_DAY, "2026-10-24T22:00", "2026-10-25T23:00"),
    ("ends where the fold ends", "00:00-03:00", FOLD_DAY, "2026-10-24T22:00", "2026-10-25T02:00"),
]


@pytest.mark.parametrize("row", CLOCK_CHANGES, ids=[row[0] for row in CLOCK_CHANGES])
def test_the_clock_changes(row: tuple[str, str, str, str | None, str | None]) -> None:
    _, text, day, opens, closes = row
    once = BusinessHours("Europe/Berlin", Week(), (DatedException(day, interval(text)),))
    before = utc(day + "T00:00") - 6 * 60 * MINUTE
    assert next_opening(once, before) == (utc(opens) if opens else None)
    assert next_closing(once, before) == (utc(closes) if closes else None)


ALWAYS = [
    ("whole days", ROUND, True),
    ("one day closed for once", ROUND_BUT, False),
    ("office", OFFICE, False),
    ("over midnight without a break", hours("UTC", *(interval("06:00-06:01", "06:01-30:00"),) * 7), True),
    ("a minute missing", hours("UTC", *(interval("00:00-23:59"),) * 7), False),
    ("an exception that changes nothing", hours("UTC", *(interval("00:00-24:00"),) * 7, d2026_11_24=interval("00:00-12:00", "12:00-24:00")), True),
    ("an exception that cuts the next morning", hours("UTC", *(interval("06:00-30:00"),) * 7, d2026_11_24=interval("06:00-24:00")), False),
    ("never", NEVER, False),
]  # fmt: skip


@pytest.mark.parametrize("row", ALWAYS, ids=[row[0] for row in ALWAYS])
def test_is_always_open(row: tuple[str, BusinessHours, bool]) -> None:
    assert is_always_open(row[1]) is row[2]


# -- the oracle ---------------------------------------------------------------------------------------------


@cache
def clock_changes(zone: str) -> tuple[int, ...]:
    """Every instant (minute) in 2025–2030 at which the zone's offset changes, found by looking at each hour."""
    tz, at, found = ZoneInfo(zone), int(datetime(2025, 1, 1, tzinfo=UTC).timestamp()), []
    end = int(datetime(2031, 1, 1, tzinfo=UTC).timestamp())
    offset = datetime.fromtimestamp(at, tz).utcoffset()
    while at < end:
        following = datetime.fromtimestamp(at + 3600, tz).utcoffset()
        if following != offset:
            found.append(
                next(
                    m
                    for m in range(at + 60, at + 3601, 60)
                    if datetime.fromtimestamp(m, tz).utcoffset() == following
                )
            )
        at, offset = at + 3600, following
    return tuple(found)  # fmt: skip


def wall_clock(zone: str, first: int, minutes: int) -> Iterator[tuple[int, datetime]]:
    """Each minute from `first` (Unix seconds) with the latest local time that the clock has shown so far."""
    tz, latest = ZoneInfo(zone), datetime(1, 1, 1)  # noqa: DTZ001
    for at in range(first, first + minutes * 60, 60):
        latest = max(latest, datetime.fromtimestamp(at, tz).replace(tzinfo=None))
        yield at * 1000, latest


WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def open_by_the_clock(given_hours: BusinessHours, shown: datetime) -> bool:
    for back in (0, 1):
        day = shown.date() - timedelta(back)
        listed = [each.intervals for each in given_hours.exceptions if each.date == str(day)]
        own = listed[0] if listed else getattr(given_hours.week, WEEKDAYS[day.weekday()])
        minute = shown.hour * 60 + shown.minute + back * 1440
        if own and any(each.start <= minute < each.end for each in own):
            return True
    return False


def compare(given_hours: BusinessHours, first: int, days: int, step: int = 1) -> None:
    """All functions against the oracle, from a day after `first` (Unix seconds) to two days before the end."""
    shown = list(wall_clock(given_hours.zone, first, days * 1440))
    states = [(at, open_by_the_clock(given_hours, clock)) for at, clock in shown]
    openings = [at for (_, was), (at, now) in itertools.pairwise(states) if now and not was]
    closings = [at for (_, was), (at, now) in itertools.pairwise(states) if was and not now]
    wanted = {*openings, *closings}
    look = {*states[1440 : -2 * 1440 : step], *((at, state) for at, state in states if at in wanted)}
    last = states[-1][0]
    for at, state in sorted(look):
        assert is_open(given_hours, at) is state, at
        if step > 1:
            assert is_open(given_hours, at + MINUTE - 1) is state, at
    for at, _ in sorted(look)[:: max(1, len(look) // 10)]:
        agree(next_opening(given_hours, at), [c for c in openings if c > at][:1], lambda c: c > last)
        agree(next_closing(given_hours, at), [c for c in closings if c > at][:1], lambda c: c > last)
        agree(
            last_opening(given_hours, at), [c for c in openings if c <= at][-1:], lambda c: c <= first * 1000
        )
        agree(
            last_closing(given_hours, at), [c for c in closings if c <= at][-1:], lambda c: c <= first * 1000
        )


def agree(found: int | None, seen: list[int], unseen: Callable[[int], bool]) -> None:
    assert [found] == seen if seen else found is None or unseen(found)


DAY_SHAPES = (
    interval("00:00-24:00"),
    interval("09:00-18:00"),
    interval("00:15-00:45", "01:45-02:15", "02:20-02:40", "02:45-03:30", "22:00-23:30"),
    interval("23:30-02:10"),
    interval("00:00-00:30", "23:00-24:00"),
    (),
)


EDGES = (-1501, -1440, -121, -61, -31, -1, 0, 1, 15, 29, 30, 31, 59, 60, 61, 120, 1440, 1501)


@pytest.mark.parametrize("zone", ZONES)
def test_every_change_of_the_clock(zone: str) -> None:
    changes = clock_changes(zone)
    assert len(changes) >= 10
    for change in changes:
        shown = dict(wall_clock(zone, change - 2 * 86400, 4 * 1440))
        for shape, edge in itertools.product(DAY_SHAPES, EDGES):
            every, at = BusinessHours(zone, Week(*(shape,) * 7)), (change + edge * 60) * 1000
            assert is_open(every, at) is open_by_the_clock(every, shown[at]), (change, shape, edge)


@pytest.mark.parametrize("zone", ZONES)
def test_openings_and_closings_around_every_change_of_the_clock(zone: str) -> None:
    changing = [shape for shape in DAY_SHAPES if shape not in (interval("00:00-24:00"), ())]
    for change, shape in zip(clock_changes(zone), itertools.cycle(changing), strict=False):
        compare(BusinessHours(zone, Week(*(shape,) * 7)), change - 3 * 86400, 6, step=97)


@pytest.mark.parametrize("zone", STILL)
def test_zones_without_changes(zone: str) -> None:
    assert clock_changes(zone) == ()
    compare(BusinessHours(zone, Week(*DAY_SHAPES, DAY_SHAPES[3])), 1_790_000_000 // 60 * 60, 10, step=97)


def test_a_day_that_was_skipped() -> None:
    # Samoa had no 30 December 2011: the 29th ended with the start of the 31st.
    apia = hours("Pacific/Apia", *(interval("22:00-26:00"),) * 7)
    compare(apia, utc("2011-12-27T00:00") // 1000, 9, step=23)


def test_a_midnight_that_came_twice() -> None:
    # Until 2011 St John's set the clock back from 00:01 to 23:01 of the day before.
    compare(
        hours("America/St_Johns", *(interval("00:00-00:30"),) * 7), utc("2010-11-05T00:00") // 1000, 6, step=7
    )


INTERVALS = st.tuples(st.integers(0, 1439), st.integers(1, 1440)).map(
    lambda pair: Interval(pair[0], sum(pair))
)
DAYS = st.lists(
    INTERVALS
    | st.sampled_from([Interval(0, 1440), Interval(1320, 1560), Interval(60, 180), Interval(0, 120)]),
    max_size=3,
).map(tuple)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(ZONES), st.data())
def test_any_hours_against_the_oracle(zone: str, data: st.DataObject) -> None:
    """Overlapping intervals included: they are refused on saving, but are the union all the same."""
    change = data.draw(st.sampled_from(clock_changes(zone)))
    week = Week(*data.draw(st.tuples(*[DAYS] * 7)))
    around = datetime.fromtimestamp(change, UTC).date()
    dates = data.draw(st.lists(st.integers(-3, 3), unique=True, max_size=3))
    dated = tuple(DatedException(str(around + timedelta(n)), data.draw(DAYS)) for n in dates)
    compare(BusinessHours(zone, week, dated), change - 3 * 86400, 6, step=97)


# -- text ---------------------------------------------------------------------------------------------------

WRITTEN = [
    ("09:00-18:00", 540, 1080),
    ("9:00 – 18:30", 540, 1110),
    ("9:00～18:00", 540, 1080),
    ("22:00-02:00", 1320, 1560),
    ("22:00-26:00", 1320, 1560),
    ("18:00-24:00", 1080, 1440),
    ("18:00-00:00", 1080, 1440),
    ("00:00-24:00", 0, 1440),
    ("06:00-30:00", 360, 1800),
]


@pytest.mark.parametrize(("text", "start", "end"), WRITTEN)
def test_parse_interval(text: str, start: int, end: int) -> None:
    assert parse_interval(text) == Interval(start, end)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no interval"),
        ("9-18", "no interval"),
        ("09:00", "no interval"),
        ("09:00-18:00x", "no interval"),
        ("٠٩:٠٠-18:00", "no interval"),
        ("09:60-18:00", "minutes"),
        ("09:00-18:99", "minutes"),
        ("00:00-00:00", "whole day"),
        ("24:00-26:00", "23:59"),
        ("08:00-33:00", "24 hours"),
    ],
)
def test_parse_interval_refuses(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_interval(text)


@settings(deadline=None)
@given(INTERVALS)
def test_format_is_the_inverse_of_parse(one: Interval) -> None:
    assert parse_interval(format_interval(one)) == one


BROKEN = [
    ("zone", hours("Asia/Tokio"), "did you mean Asia/Tokyo?"),
    ("zone of the machine", hours("localtime"), "Unknown time zone"),
    ("zone with leap seconds", hours("right/UTC"), "Unknown time zone"),
    ("zone outside of the data", hours("../etc/passwd"), "Unknown time zone"),
    ("overlap", hours("UTC", interval("09:00-12:00", "11:00-13:00")), "Monday: 09:00-12:00 and 11:00-13:00 overlap."),
    ("twice the same", hours("UTC", interval("09:00-12:00", "09:00-12:00")), "overlap"),
    ("into the next day", hours("UTC", interval("22:00-02:00"), interval("01:00-05:00")), "Tuesday: it opens at 01:00"),
    ("Sunday into Monday", hours("UTC", interval("01:00-05:00"), (), (), (), (), (), interval("22:00-02:00")), "Monday: it opens at 01:00"),
    ("start", hours("UTC", (Interval(1440, 1500),)), "starts between"),
    ("end", hours("UTC", (Interval(10, 10),)), "not 1 minute to 24 hours long"),
    ("length", hours("UTC", (Interval(10, 1451),)), "not 1 minute to 24 hours long"),
    ("date", hours("UTC", d2026_02_30=()), "'2026-02-30' is no date"),
    ("date in another form", BusinessHours("UTC", Week(), (DatedException("20260203"),)), "is no date"),
    ("the same date twice", BusinessHours("UTC", Week(), (DatedException("2026-12-25"),) * 2), "two exceptions"),
    ("overlap on a date", hours("UTC", d2026_12_25=interval("09:00-12:00", "11:00-13:00")), "2026-12-25: 09:00-12:00"),
]  # fmt: skip


@pytest.mark.parametrize("row", BROKEN, ids=[row[0] for row in BROKEN])
def test_validate_names_the_problem(row: tuple[str, BusinessHours, str]) -> None:
    problems = validate(row[1])
    assert len(problems) == 1
    assert row[2] in problems[0]


@pytest.mark.parametrize("good", [OFFICE, CLUB, ROUND, NEVER, *(hours(zone) for zone in (*ZONES, *STILL))])
def test_validate_accepts(good: BusinessHours) -> None:
    assert validate(good) == []


TOLD = [
    (OFFICE, "Monday–Friday 09:00–12:00, 13:00–18:00 (Japan time)", "月曜～金曜 09:00～12:00、13:00～18:00（日本時間）"),
    (CLUB, "Friday 22:00–02:00; Saturday 20:00–24:00; Sunday 00:00–05:00 (Japan time)", "金曜 22:00～翌02:00 / 土曜 20:00～24:00 / 日曜 00:00～05:00（日本時間）"),
    (ROUND, "every day around the clock (Japan time)", "毎日 24時間（日本時間）"),
    (hours("America/New_York", (), interval("09:00-17:00")), "Tuesday 09:00–17:00 (New York time)", "火曜 09:00～17:00（New York時間）"),
    (hours("UTC", *(interval("09:00-17:00"),) * 7), "every day 09:00–17:00 (UTC)", "毎日 09:00～17:00（UTC）"),
    (NEVER, "", ""),
]  # fmt: skip


@pytest.mark.parametrize(("told", "english", "japanese"), TOLD)
def test_describe(told: BusinessHours, english: str, japanese: str) -> None:
    assert describe(told, "en") == describe(told, "de") == english
    assert describe(told, "ja") == describe(told, "ja-JP") == japanese


def test_describe_instant() -> None:
    at = utc("2026-12-07T00:00")
    assert describe_instant(at, "Asia/Tokyo", "en") == "Monday, 7 December 2026, 09:00 (Japan time)"
    assert describe_instant(at, "Asia/Tokyo", "ja") == "2026年12月7日（月）09:00（日本時間）"
    assert describe_instant(at, "America/New_York", "en") == "Sunday, 6 December 2026, 19:00 (New York time)"
