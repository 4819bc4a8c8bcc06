"""School days: which days a person wants to hear from us, less public holidays and breaks."""

import difflib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from itertools import count
from typing import Final

import holidays

from shared.events import Break, Weekday

WEEKDAYS: Final[tuple[Weekday, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LAST: Final = date(2400, 1, 1)  # nothing is planned later; plans reach a century past the last date we take
DAYS_WITHOUT_ONE: Final = 3660  # outside breaks; ten years of holidays alone are a mistake in the wishes

REGIONS: Final[dict[str, list[str]]] = holidays.list_supported_countries()


class NoSuchDay(ValueError):
    """There is no day as asked for: why, in words."""


@dataclass(frozen=True, slots=True)
class Region:
    """The public holidays of a country, or of a part of it, as far as the `holidays` library knows them."""

    name: str
    first_year: int
    last_year: int
    days: holidays.HolidayBase = field(repr=False, compare=False)

    def has_holiday(self, day: date) -> bool:
        """Whether this day is known to be a public holiday here."""
        if not self.first_year <= day.year <= self.last_year:
            return False
        if day.year not in self.days.years:
            with warnings.catch_warnings():  # once a year: the library says so when it knows only some of its holidays
                warnings.simplefilter("ignore")
                return day in self.days
        return day in self.days


@lru_cache(maxsize=256)
def region(name: str) -> Region:
    """Return the region of this name, such as `US` or `US-MA`, in any case; raises `NoSuchDay` in words when there is
    none.

    The first one costs half a second: the library reads its tables.
    """
    country, dash, part = name.strip().partition("-")
    country = country.upper()
    if country not in REGIONS:
        near = difflib.get_close_matches(country[:40], REGIONS, n=1)
        raise NoSuchDay(f"{name[:40]!r} is no region such as US or US-MA{f'; is {near[0]} meant?' if near else ''}")
    known = next((one for one in REGIONS[country] if one.upper() == part.upper()), None)
    if dash and known is None:
        parts = ", ".join(REGIONS[country][:60])
        raise NoSuchDay(f"{name[:40]!r} is no region: {country} has {parts or 'no parts'}")
    days = holidays.country_holidays(country, subdiv=known)
    return Region(f"{country}-{known}" if known else country, days.start_year, days.end_year, days)


@dataclass(frozen=True, slots=True, kw_only=True)
class SchoolDays:
    """The days on which a person may be written to."""

    days: Sequence[Weekday] = WEEKDAYS[:5]
    holidays: Region | None = None
    breaks: Sequence[Break] = ()
    # When no day is wanted at all: whether the last there is will do. What is planned for it waits, in effect, for
    # other wishes; whoever only asks for dates is told instead.
    or_never: bool = False

    def wants(self, day: date) -> bool:
        """Whether this day is one of theirs, no holiday, and in no break."""
        return (
            WEEKDAYS[day.weekday()] in self.days
            and not any(off.first <= day <= off.last for off in self.breaks)
            and (self.holidays is None or not self.holidays.has_holiday(day))
        )

    def wanted_from(self, day: date, *, backwards: bool = False) -> Iterator[date]:
        """Yield the wanted days from this one on, itself included; raises `NoSuchDay` where there are no more.

        A break is stepped over as a whole, so that one of a hundred years costs no more than one of a week.
        """
        step = timedelta(days=-1 if backwards else 1)
        in_vain = 0
        while date.min < day < LAST:
            if edges := [off.first if backwards else off.last for off in self.breaks if off.first <= day <= off.last]:
                day = min(edges) if backwards else max(edges)
            elif self.wants(day):
                in_vain = 0
                yield day
            else:
                in_vain += 1
                if in_vain > DAYS_WITHOUT_ONE:
                    break
            if day in {date.min, date.max}:
                break
            day += step
        if not self.or_never:
            raise NoSuchDay(f"no day {'before' if backwards else 'after'} {day} is wanted: see days, holidays, breaks")
        for n in count():
            yield LAST + timedelta(days=n)
