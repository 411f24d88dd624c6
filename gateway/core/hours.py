"""Business hours: open or closed at an instant, the next and the last change (DESIGN section 4).

Instants are Unix milliseconds (UTC). A local time means the first instant at which the local clock shows
that time or a later one. So a time that the clock skips (DST gap) means the end of the gap, and one that it
shows twice (fold) means the first; an interval stays one unbroken span on such days too, and one that lies
wholly in a gap does not take place. Intervals that touch or overlap are one open period. Every function here
raises zoneinfo.ZoneInfoNotFoundError or ValueError for a zone that `hours_text.validate` refuses.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = 1440
"""Minutes of a day on the wall clock."""

SEARCH_DAYS = 400
"""How many days forward and back a change is looked for: a year and its longest holidays."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOOK_BACK = (8, 64, SEARCH_DAYS)  # most changes are found within a week; the rest costs more days each


@dataclass(frozen=True, slots=True)
class Interval:
    """Open from `start` until just before `end`, in minutes of the wall clock from the day's midnight.

    0 <= start < 1440 and start < end <= start + 1440. An end above 1440 is over midnight (22:00-02:00 is
    1320-1560); the whole interval belongs to the day on which it starts. 0-1440 is the whole day.
    """

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Week:
    """The intervals of each weekday; an empty one is closed."""

    monday: tuple[Interval, ...] = ()
    tuesday: tuple[Interval, ...] = ()
    wednesday: tuple[Interval, ...] = ()
    thursday: tuple[Interval, ...] = ()
    friday: tuple[Interval, ...] = ()
    saturday: tuple[Interval, ...] = ()
    sunday: tuple[Interval, ...] = ()

    def days(self) -> tuple[tuple[Interval, ...], ...]:
        """The seven days, Monday first (as `date.weekday` counts)."""
        return (
            self.monday,
            self.tuesday,
            self.wednesday,
            self.thursday,
            self.friday,
            self.saturday,
            self.sunday,
        )


@dataclass(frozen=True, slots=True)
class DatedException:
    """Other hours for one local date (`YYYY-MM-DD`), e.g. a holiday; no interval means closed.

    Replaces the intervals that start on this date. What began the evening before still runs to its end.
    """

    date: str
    intervals: tuple[Interval, ...] = ()
    name: str | None = None


@dataclass(frozen=True, slots=True)
class BusinessHours:
    """When a department is open. `zone` is an IANA time zone such as `Asia/Tokyo`."""

    zone: str
    week: Week
    exceptions: tuple[DatedException, ...] = ()


def is_open(hours: BusinessHours, at: int) -> bool:
    """Whether the department is open at this instant."""
    # A fold over midnight can show the day before once more, hence one day on either side.
    day = _local_day(hours, at)
    return any(start <= at < end for start, end in _spans(hours, day - timedelta(1), 3))


def next_opening(hours: BusinessHours, at: int) -> int | None:
    """The first instant after `at` at which closed turns to open; None if there is none in `SEARCH_DAYS`.

    While open this is the opening after the coming break, not `at` itself.
    """
    # What starts after `at` starts today or later; only yesterday's intervals can run into it.
    first = _local_day(hours, at) - timedelta(1)
    return next((start for start, _ in _periods(hours, first, SEARCH_DAYS) if start > at), None)


def next_closing(hours: BusinessHours, at: int) -> int | None:
    """The first instant after `at` at which open turns to closed; None if there is none in `SEARCH_DAYS`."""
    first = _local_day(hours, at) - timedelta(1)
    horizon = _instant(ZoneInfo(hours.zone), first + timedelta(SEARCH_DAYS), 0)
    end = next((end for _, end in _periods(hours, first, SEARCH_DAYS) if end > at), None)
    return end if end is not None and end < horizon else None


def last_opening(hours: BusinessHours, at: int) -> int | None:
    """The last instant up to and including `at` at which closed turned to open.

    While open this is the start of the current open period. None if there was none in `SEARCH_DAYS`: never
    open, or open all that time. A message sent at or after it belongs to the same closed period (PRODUCT O14).
    """
    return _last(hours, at, 0)


def last_closing(hours: BusinessHours, at: int) -> int | None:
    """The last instant up to and including `at` at which open turned to closed; None as for `last_opening`."""
    return _last(hours, at, 1)


def is_always_open(hours: BusinessHours) -> bool:
    """Whether no minute is closed, on any weekday or dated exception. Such hours still count as set (O8)."""
    week = hours.week.days()
    if not all(_covered(week[n - 1], week[n]) for n in range(7)):
        return False
    table = _exceptions(hours)
    dates = [date.fromisoformat(exception.date) for exception in hours.exceptions]
    days = [day + timedelta(n) for day in dates for n in (0, 1)]
    return all(_covered(_on(week, table, day - timedelta(1)), _on(week, table, day)) for day in days)


def _covered(before: tuple[Interval, ...], own: tuple[Interval, ...]) -> bool:
    reach = 0
    for start, end in sorted(
        [(i.start - DAY, i.end - DAY) for i in before] + [(i.start, i.end) for i in own]
    ):
        if start > reach:
            break
        reach = max(reach, end)
    return reach >= DAY


def _last(hours: BusinessHours, at: int, side: int) -> int | None:
    day = _local_day(hours, at)
    for back in _LOOK_BACK:
        first = day - timedelta(back)
        # Intervals from before the first day can reach into it, but not beyond: changes count from there on.
        known_from = _instant(ZoneInfo(hours.zone), first + timedelta(1), 0)
        changes = [period[side] for period in _periods(hours, first, back + 2)]
        if found := [change for change in changes if known_from < change <= at]:
            return found[-1]
    return None


def _periods(hours: BusinessHours, first: date, days: int) -> Iterator[tuple[int, int]]:
    # Open periods, in order, made of the intervals that start on these days.
    period: tuple[int, int] | None = None
    for start, end in _spans(hours, first, days):
        if period is None:
            period = start, end
        elif start <= period[1]:
            period = period[0], max(period[1], end)
        else:
            yield period
            period = start, end
    if period is not None:
        yield period


def _spans(hours: BusinessHours, first: date, days: int) -> Iterator[tuple[int, int]]:
    zone, week, table = ZoneInfo(hours.zone), hours.week.days(), _exceptions(hours)
    for number in range(days):
        day = first + timedelta(number)
        for interval in sorted(_on(week, table, day), key=lambda each: each.start):
            start, end = _instant(zone, day, interval.start), _instant(zone, day, interval.end)
            if start < end:
                yield start, end


def _exceptions(hours: BusinessHours) -> dict[str, tuple[Interval, ...]]:
    return {exception.date: exception.intervals for exception in hours.exceptions}


def _on(
    week: tuple[tuple[Interval, ...], ...], exceptions: dict[str, tuple[Interval, ...]], day: date
) -> tuple[Interval, ...]:
    return exceptions.get(day.isoformat(), week[day.weekday()])


def _local_day(hours: BusinessHours, at: int) -> date:
    return (_EPOCH + timedelta(milliseconds=at)).astimezone(ZoneInfo(hours.zone)).date()


def _instant(zone: ZoneInfo, day: date, minutes: int) -> int:
    """The first instant at which the local clock shows this time of this day, or a later one."""
    wall = datetime.combine(day, time(), zone) + timedelta(minutes=minutes)
    before, after = wall.utcoffset(), wall.replace(fold=1).utcoffset()
    assert before is not None and after is not None  # noqa: S101, PT018 — a ZoneInfo always knows
    utc = wall.replace(tzinfo=UTC) - _EPOCH
    if after > before:  # PEP 495: only so in a gap
        return _end_of_gap(zone, utc - after, utc - before) * 1000
    return (utc - before) // timedelta(milliseconds=1)


def _end_of_gap(zone: ZoneInfo, low: timedelta, high: timedelta) -> int:
    # The transition lies after `low` and not after `high`; Unix seconds.
    seconds = range(low // timedelta(seconds=1) + 1, high // timedelta(seconds=1) + 1)
    after = datetime.fromtimestamp(seconds[-1], zone).utcoffset()
    turned = bisect_left(seconds, True, key=lambda at: datetime.fromtimestamp(at, zone).utcoffset() == after)
    return seconds[turned]
