"""A wall clock and a calendar of the checker's own: minutes, `zoneinfo`, and nothing of what it checks."""

import calendar
import math
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays

from shared.events import Break, Person

DAY = timedelta(days=1)
NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@lru_cache(maxsize=64)
def _holidays(region: str) -> frozenset[date]:
    country, _, part = region.partition("-")
    return frozenset(holidays.country_holidays(country, subdiv=part or None, years=range(2026, 2031)))


@lru_cache(maxsize=64)
def _off(breaks: tuple[Break, ...]) -> frozenset[date]:
    return frozenset(
        date.fromordinal(n) for one in breaks for n in range(one.first.toordinal(), one.last.toordinal() + 1)
    )


@lru_cache(maxsize=100_000)
def _instant(zone: str, day: date, minute: int) -> int:
    naive = calendar.timegm(day.timetuple()) + minute * 60
    before, after = (naive - _offset(zone, naive + hours * 3600) for hours in (-36, 36))
    fitting = [at for at in (before, after) if at + _offset(zone, at) == naive]
    return min(fitting) if fitting else before  # in a gap: as if the clock had not changed yet


def _offset(zone: str, at: int) -> int:
    offset = datetime.fromtimestamp(at, ZoneInfo(zone)).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


class Wall:
    """What one person's clock shows, and what they want, as they put it."""

    def __init__(self, person: Person) -> None:
        self.name = person.time_zone
        self.zone = ZoneInfo(person.time_zone)
        self.send_minute = person.send_at.hour * 60 + person.send_at.minute
        self._from = person.quiet_from.hour * 60 + person.quiet_from.minute
        self._to = person.quiet_to.hour * 60 + person.quiet_to.minute
        self._is_texted = person.channel == "sms"
        self._weekdays = {NAMES.index(day) for day in person.days}
        self._off = _off(person.breaks)
        self._holidays = _holidays(person.holidays) if person.holidays else frozenset()
        self._paused_until = person.paused_until
        self._sends: dict[tuple[date, int], int] = {}
        self.plans: dict[tuple[str, date, date | None], dict[tuple[int, int], int]] = {}  # reckoned once

    def shows(self, at: float) -> tuple[date, int]:
        """Return day and minute of the day."""
        local = datetime.fromtimestamp(at, self.zone)
        return local.date(), local.hour * 60 + local.minute

    def is_quiet(self, minute: int) -> bool:
        """Whether this minute of the day is one of their quiet hours, or of those at which nobody may be texted."""
        if self._is_texted and not 8 * 60 <= minute < 20 * 60:
            return True
        if self._from == self._to:
            return False
        since = (minute - self._from) % 1440
        return since < (self._to - self._from) % 1440

    def why_not(self, day: date) -> str | None:
        """Return why they do not want this day, or None."""
        if day.weekday() not in self._weekdays:
            return "an unwanted day of the week"
        if day in self._off:
            return "a break"
        if day in self._holidays:
            return "a public holiday"
        return None

    def days(self, day: date, step: int = 1) -> Iterator[date]:
        """Yield the wanted days from this one on."""
        while True:
            if self.why_not(day) is None:
                yield day
            day += step * DAY

    def send(self, day: date, minute: int | None = None, *, not_before: float = -math.inf) -> int:
        """Return when the first nudge from this day on goes: on a wanted day, at the send time, out of quiet hours."""
        minute = self.send_minute if minute is None else minute
        if self._paused_until is not None:
            day = max(day, self._paused_until)
        while True:
            day = next(self.days(day))
            at = self._sends.get((day, minute))
            if at is None:
                at = self._sends[day, minute] = self._held(_instant(self.name, day, minute))
            ended_on, ended_at = self.shows(at)
            if ended_on != day and self.why_not(ended_on) is not None:
                day, minute = ended_on, ended_at  # the night ended on a day they do not want: at that hour of the next
            elif at < not_before:
                day += DAY
            else:
                return at

    def _held(self, at: int) -> int:
        while self.is_quiet(self.shows(at)[1]):
            at += 900 - at % 900  # quiet hours, and the offsets of zones, end at quarters of an hour
        return at


def months_later(day: date, months: int) -> date:
    """Return the same day of a later month, or its last."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
