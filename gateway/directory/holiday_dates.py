"""Public holidays of a country, from the optional package `holidays`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

HolidayDates = Callable[[str, Sequence[int]], Mapping[str, str]]
"""From a country (`JP`) or subdivision (`DE-BY`) and years to names by ISO date. Raises HolidayError."""


class HolidayError(ValueError):
    """The holidays cannot be told; the message says what to do."""


def holiday_dates(place: str, years: Sequence[int]) -> Mapping[str, str]:
    """The public holidays as the package `holidays` knows them, in the country's language. Raises HolidayError."""
    try:
        package = import_module("holidays")
    except ImportError:
        raise HolidayError(
            "`holidays` needs the package `holidays`: install channel-gateway[holidays], or write the dates "
            "as `exceptions`"
        ) from None
    country, _, subdivision = place.partition("-")
    try:
        found = package.country_holidays(country, subdiv=subdivision or None, years=years)
    except (NotImplementedError, KeyError):
        raise HolidayError(f"there are no holidays for {place!r}: write a country as JP or DE-BY") from None
    return {day.isoformat(): str(name) for day, name in sorted(found.items())}
