"""Business hours as they are written: zone, week, dated exceptions, holidays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date, timedelta
from typing import Any

from gateway.core.hours import BusinessHours, DatedException, Interval, Week
from gateway.core.hours_text import format_interval, parse_interval, validate
from gateway.directory.fields import Fields
from gateway.directory.holiday_dates import HolidayDates, HolidayError

WEEKDAYS = tuple(each.name for each in fields(Week))
HOURS = ("zone", "week", "exceptions", "holidays")
RANGE_AT_MOST = 366
YEARS = 3
"""Holidays are resolved for this year and the next two."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Where holidays come from, and which year it is."""

    dates: HolidayDates
    year: int


def read_hours(given: Fields, calendar: Calendar) -> BusinessHours:
    """The hours; what is wrong with them is in the report. An exception of one's own goes before a holiday."""
    exceptions = [*_exceptions(given)]
    own = {exception.date for exception in exceptions}
    holidays = [day for day in _holidays(given, calendar) if day.date not in own]
    hours = BusinessHours(
        given.needed("zone"),
        _week(given),
        tuple(sorted((*exceptions, *holidays), key=lambda exception: exception.date)),
    )
    if not hours.zone or given.report.faults:
        return hours
    for problem in validate(hours):
        given.fault(problem, *_place(problem))
    return hours


def _week(given: Fields) -> Week:
    week = given.below("week", "`week`", _DayNames())
    if week is None:
        given.fault("`hours` need `week`")
        return Week()
    days: dict[str, tuple[Interval, ...]] = {}
    for key in week.names():
        intervals = read_intervals(week, key)
        for day in days_named(key):
            if day in days:
                week.fault(f"{day} stands twice", key)
            days[day] = intervals
    return Week(**days)


class _DayNames:
    """`monday`, `sunday`, and ranges such as `monday-friday`."""

    def __contains__(self, key: object) -> bool:
        return bool(days_named(str(key)))

    def __iter__(self) -> Iterator[str]:
        return iter((*WEEKDAYS, "monday-friday"))

    def __len__(self) -> int:
        return len(WEEKDAYS)


def days_named(key: str) -> tuple[str, ...]:
    """The weekdays of `tuesday` or `monday-friday` (over the week's end too); none if it names none."""
    first, dash, last = key.lower().partition("-")
    if first not in WEEKDAYS or (dash and last not in WEEKDAYS):
        return ()
    start, end = WEEKDAYS.index(first), WEEKDAYS.index(last or first)
    return tuple(WEEKDAYS[(start + n) % 7] for n in range((end - start) % 7 + 1))


def read_intervals(given: Fields, key: str) -> tuple[Interval, ...]:
    """Intervals such as `09:00-18:00`, one or a list; none = closed."""
    found = []
    for text in given.texts(key) or ():
        try:
            found.append(parse_interval(text))
        except ValueError as error:
            given.fault(str(error), key)
    return tuple(sorted(found, key=lambda interval: interval.start))


def _exceptions(given: Fields) -> Iterator[DatedException]:
    for entry in given.items("exceptions", "an exception", ("date", "until", "open", "name")):
        first = entry.parsed("date", _date)
        last = entry.parsed("until", _date) or first
        if entry.given("date") is None:
            entry.fault("an exception needs `date`")
        intervals, name = read_intervals(entry, "open"), entry.text("name")
        if first is None or last is None:
            continue
        if not 0 <= (last - first).days < RANGE_AT_MOST:
            entry.fault("`until` is not before `date` and less than a year after it", "until")
            continue
        for n in range((last - first).days + 1):
            yield DatedException((first + timedelta(n)).isoformat(), intervals, name)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no date: write it as 2026-12-31") from None


def _holidays(given: Fields, calendar: Calendar) -> Iterator[DatedException]:
    place = given.text("holidays")
    if place is None:
        return
    try:
        found = calendar.dates(place, range(calendar.year, calendar.year + YEARS))
    except HolidayError as error:
        given.fault(str(error), "holidays")
        return
    for day, name in found.items():
        yield DatedException(day, (), name)


def _place(problem: str) -> tuple[str, ...]:
    if problem.startswith("Unknown time zone"):
        return ("zone",)
    return ("week",) if problem.partition(":")[0].lower() in WEEKDAYS else ("exceptions",)


def hours_json(hours: BusinessHours) -> dict[str, Any]:
    """The hours as `read_hours` reads them; holidays are exceptions by now."""
    week = zip(WEEKDAYS, hours.week.days(), strict=True)
    return {
        "zone": hours.zone,
        "week": {day: [format_interval(i) for i in intervals] for day, intervals in week if intervals},
        "exceptions": [
            {"date": e.date, "open": [format_interval(i) for i in e.intervals], "name": e.name}
            for e in hours.exceptions
        ],
    }
