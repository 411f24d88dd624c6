"""Business hours as text: read from a file, checked, and told to people in English and Japanese."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from itertools import groupby, pairwise
from zoneinfo import ZoneInfo, available_timezones

from gateway.core.hours import DAY, BusinessHours, Interval

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INTERVAL = re.compile(r"\s*(\d{1,2}):(\d{2})\s*[-–—~〜～]\s*(\d{1,2}):(\d{2})\s*", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
# Files of the time zone database that are no zones, or that mean another one on each machine.
_NO_ZONE = re.compile(r"(?i)(posix|right)/.*|posixrules|localtime|factory")
_DAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "ja": ("月", "火", "水", "木", "金", "土", "日"),
}
_MONTHS = (
    "January February March April May June July August September October November December".split()  # noqa: SIM905
)


def parse_interval(text: str) -> Interval:
    """The interval written `09:00-18:00`; `22:00-02:00` and `22:00-26:00` are over midnight.

    `00:00-24:00` is the whole day. Raises ValueError, with what to write instead, for anything else; equal
    times are refused because they could mean all day or never.
    """
    match = _INTERVAL.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no interval: write it as 09:00-18:00")
    hour, minute, end_hour, end_minute = (int(group) for group in match.groups())
    if minute > 59 or end_minute > 59:
        raise ValueError(f"{text!r}: minutes go from 00 to 59")
    start, end = hour * 60 + minute, end_hour * 60 + end_minute
    if start == end:
        raise ValueError(f"{text!r} is no time at all: write 00:00-24:00 for the whole day")
    if end < start:
        end += DAY
    if problem := _out_of_range(Interval(start, end)):
        raise ValueError(f"{text!r}: {problem}")
    return Interval(start, end)


def format_interval(interval: Interval) -> str:
    """The interval as `parse_interval` reads it: 22:00-02:00 for one over midnight, 24:00 for midnight."""
    end = interval.end if interval.end - DAY in (0, interval.start) else interval.end % DAY
    return f"{_clock(interval.start)}-{_clock(end)}"


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def validate(hours: BusinessHours) -> list[str]:
    """What is wrong with these hours, one sentence each, in English; empty if they can be used."""
    return [*_zone_problems(hours.zone), *_week_problems(hours), *_exception_problems(hours)]


def _zone_problems(zone: str) -> Iterator[str]:
    try:
        ZoneInfo(zone)
        known = not _NO_ZONE.fullmatch(zone)
    except (KeyError, ValueError, OSError):
        known = False
    if not known:
        names = sorted(name for name in available_timezones() if not _NO_ZONE.fullmatch(name))
        near = get_close_matches(zone, names, 1)
        hint = f"; did you mean {near[0]}?" if near else "; write an IANA name such as Asia/Tokyo."
        yield f"Unknown time zone {zone!r}{hint}"


def _week_problems(hours: BusinessHours) -> Iterator[str]:
    week = hours.week.days()
    for number, name in enumerate(_DAYS["en"]):
        yield from _day_problems(name, week[number])
        late = max((interval.end - DAY for interval in week[number - 1]), default=0)
        early = min((interval.start for interval in week[number]), default=DAY)
        if late > early:
            yield f"{name}: it opens at {_clock(early)}, but the day before stays open until {_clock(late)}."


def _exception_problems(hours: BusinessHours) -> Iterator[str]:
    seen: set[str] = set()
    for exception in hours.exceptions:
        if not _is_date(exception.date):
            yield f"{exception.date!r} is no date: write it as 2026-12-31."
        if exception.date in seen:
            yield f"{exception.date}: there are two exceptions for this date."
        seen.add(exception.date)
        yield from _day_problems(exception.date, exception.intervals)


def _is_date(text: str) -> bool:
    if not _DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _day_problems(day: str, intervals: Sequence[Interval]) -> Iterator[str]:
    wrong = [problem for interval in intervals if (problem := _out_of_range(interval))]
    yield from (f"{day}: {problem}" for problem in wrong)
    if wrong:
        return
    for one, other in pairwise(sorted(intervals, key=lambda each: (each.start, each.end))):
        if one.end > other.start:
            yield f"{day}: {format_interval(one)} and {format_interval(other)} overlap."


def _out_of_range(interval: Interval) -> str | None:
    if not 0 <= interval.start < DAY:
        return f"an interval starts between 00:00 and 23:59, not at {_clock(interval.start)}."
    if not interval.start < interval.end <= interval.start + DAY:
        return f"the interval from {_clock(interval.start)} to {_clock(interval.end)} is not 1 minute to 24 hours long."
    return None


def describe(hours: BusinessHours, language: str) -> str:
    """The weekly hours for a contact, e.g. `Monday–Friday 09:00–18:00 (Japan time)`; empty if never open.

    `language` is a tag such as `ja` or `ja-JP`; anything but Japanese is told in English. Dated exceptions
    are not told: the next opening takes them into account.
    """
    lang, days = _language(language), list(enumerate(hours.week.days()))
    groups = [(intervals, [n for n, _ in of]) for intervals, of in groupby(days, key=lambda each: each[1])]
    told = [f"{_day_range(of, lang)} {_times(intervals, lang)}" for intervals, of in groups if intervals]
    if not told:
        return ""
    return ("; " if lang == "en" else " / ").join(told) + _zone_note(hours.zone, lang)


def describe_instant(at: int, zone: str, language: str) -> str:
    """The instant (Unix milliseconds) as a contact reads it, e.g. `Monday, 7 December 2026, 09:00 (Japan time)`."""
    local = (_EPOCH + timedelta(milliseconds=at)).astimezone(ZoneInfo(zone))
    lang, clock = _language(language), f"{local.hour:02}:{local.minute:02}"
    day = _DAYS[lang][local.weekday()]
    if lang == "ja":
        return f"{local.year}年{local.month}月{local.day}日（{day}）{clock}{_zone_note(zone, lang)}"
    return f"{day}, {local.day} {_MONTHS[local.month - 1]} {local.year}, {clock}{_zone_note(zone, lang)}"


def _language(tag: str) -> str:
    return "ja" if tag.lower().replace("_", "-").split("-")[0] == "ja" else "en"


def _day_range(days: list[int], lang: str) -> str:
    if len(days) == 7:
        return "every day" if lang == "en" else "毎日"
    first, last = _DAYS[lang][days[0]], _DAYS[lang][days[-1]]
    if len(days) == 1:
        return first if lang == "en" else f"{first}曜"
    return f"{first}–{last}" if lang == "en" else f"{first}曜～{last}曜"


def _times(intervals: tuple[Interval, ...], lang: str) -> str:
    if intervals == (Interval(0, DAY),):
        return "around the clock" if lang == "en" else "24時間"
    ordered = sorted(intervals, key=lambda each: each.start)
    if lang == "en":
        return ", ".join(f"{_clock(i.start)}–{_end(i.end)}" for i in ordered)
    return "、".join(f"{_clock(i.start)}～{'翌' * (i.end > DAY)}{_end(i.end)}" for i in ordered)


def _end(minutes: int) -> str:
    return _clock(minutes if minutes <= DAY else minutes - DAY)


def _zone_note(zone: str, lang: str) -> str:
    # The city names the zone for people; abbreviations such as CST mean several zones.
    city = "Japan" if zone == "Asia/Tokyo" else zone.rsplit("/", 1)[-1].replace("_", " ")
    if lang == "en":
        return f" ({city if city == 'UTC' else city + ' time'})"
    return f"（{'日本時間' if zone == 'Asia/Tokyo' else city if city == 'UTC' else city + '時間'}）"
