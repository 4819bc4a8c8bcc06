"""A person's wall clock: what it shows, gaps and folds, and when they want to hear from us.

A local time that a clock change skips takes the offset before the gap, one that comes twice is the first (RFC 5545,
3.3.5). Here alone zones are reckoned with: SQL sees instants.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from services.scheduler.school_days import SchoolDays
from shared.events import Window

if TYPE_CHECKING:
    from services.scheduler.offset import Unit
    from services.scheduler.wall_time import Moment, Target

K = TypeVar("K")
V = TypeVar("V")

DAY: Final = timedelta(days=1)
TEXTS_FROM, TEXTS_UNTIL = time(8), time(20)
MOST_KEPT: Final = 1000
MOST_DAYS: Final = 50_000  # of all zones together: people of one zone share them


def remember(kept: dict[K, V], key: K, value: V) -> V:
    """Keep a value that is costly to reckon, and return it; of too many none is kept."""
    if len(kept) >= MOST_KEPT:
        kept.clear()
    kept[key] = value
    return value


@lru_cache(MOST_DAYS)
def _instant(zone: ZoneInfo, day: date, local_time: time) -> datetime:
    first = local_time.replace(fold=0) if local_time.fold else local_time
    return datetime.combine(day, first, tzinfo=zone).astimezone(UTC)


@lru_cache(MOST_DAYS)
def _has(zone: ZoneInfo, day: date) -> bool:
    return _instant(zone, day, time(12)).astimezone(zone).date() == day


@lru_cache(MOST_DAYS)
def _is_plain(zone: ZoneInfo, day: date) -> bool:
    """Whether the day has its 24 hours, in order."""
    midnight = datetime.combine(day, time(0), tzinfo=zone)
    begins = midnight.astimezone(UTC)
    is_whole = _instant(zone, day + DAY, time(0)) - begins == DAY
    return is_whole and begins.astimezone(zone).utcoffset() == midnight.utcoffset()


class Turn(NamedTuple):
    """An instant at which quiet hours, or a wanted day, may begin or end, and what it is from then on."""

    at: datetime
    is_quiet: bool
    is_wanted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """A person's wall clock, and when they want to hear from us."""

    zone: ZoneInfo
    send_at: time = time(15, 30)
    quiet_from: time = time(21, 0)
    quiet_to: time = time(7, 0)  # equal to quiet_from: no quiet hours
    school_days: SchoolDays = field(default_factory=SchoolDays)
    paused_until: date | None = None  # nothing before this day: what falls due earlier comes then
    texting: tuple[ZoneInfo, ...] = ()  # for texts: the zones in each of which it must be a time to text somebody
    # Reckoned once: a stack of meetings of one day, and a whole school's people, want the same few days.
    placed: dict[tuple[Target, bool], Moment] = field(default_factory=dict, init=False, repr=False, compare=False)
    _wanted: dict[date, date] = field(default_factory=dict, init=False, repr=False, compare=False)
    counted: dict[tuple[date, Unit, int], date] = field(default_factory=dict, init=False, repr=False, compare=False)
    _turns: dict[date, tuple[Turn, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)
    _is_wanted: dict[date, bool] = field(default_factory=dict, init=False, repr=False, compare=False)

    def is_quiet(self, instant: datetime) -> bool:
        """Whether the wall clock shows quiet hours at this instant; their last moment is not one of them."""
        if self.is_quiet_at(instant.astimezone(self.zone).time()):
            return True
        return any(not TEXTS_FROM <= instant.astimezone(zone).time() < TEXTS_UNTIL for zone in self.texting)

    def is_quiet_at(self, local_time: time) -> bool:
        """Whether this time of day is in the quiet hours that the person wants."""
        is_after, is_before = local_time >= self.quiet_from, local_time < self.quiet_to
        return (is_after and is_before) if self.quiet_from <= self.quiet_to else (is_after or is_before)

    def wants(self, instant: datetime) -> bool:
        """Whether the wall clock shows a wanted day at this instant."""
        return self.wants_day(instant.astimezone(self.zone).date())

    def wants_day(self, day: date) -> bool:
        """Whether this day is wanted."""
        found = self._is_wanted.get(day)
        return remember(self._is_wanted, day, self.school_days.wants(day)) if found is None else found

    def resolve(self, day: date, local_time: time) -> datetime:
        """Return the instant of this local time; one in a gap with the offset before it, the first of a fold."""
        return _instant(self.zone, day, local_time)

    def held(self, instant: datetime) -> datetime:
        """Return the instant itself, or the end of the quiet hours it falls in."""
        if not self.is_quiet(instant):
            return instant
        days = (instant.astimezone(self.zone).date() + n * DAY for n in range(4))
        return next(turn.at for turn in self.turns(days) if turn.at > instant and not turn.is_quiet)

    def closed(self, start: datetime, end: datetime, *, on_any_day: bool) -> list[Window]:
        """Return when, between two instants, it is quiet or, unless on any day, a day is not wanted: merged, in order.

        The last may close after the end: when it does, not before anything may go out again.
        """
        first, last = (instant.astimezone(self.zone).date() for instant in (start, end))
        found: list[Window] = []
        opens_at: datetime | None = None
        for turn in self.turns(self._days(first, last, on_any_day=on_any_day)):
            is_closed = turn.is_quiet or not (on_any_day or turn.is_wanted)
            if is_closed and opens_at is None and turn.at < end:
                opens_at = turn.at
            elif not is_closed and opens_at is not None:
                if turn.at > start and max(opens_at, start) < end:
                    found.append(Window(opens_at=max(opens_at, start), closes_at=turn.at))
                opens_at = None
            if opens_at is None and turn.at >= end:
                break
        return found

    def turns(self, days: Iterable[date]) -> Iterator[Turn]:
        """Yield, in order, the instants of these days at which quiet hours or a wanted day may begin or end."""
        for day in days:
            found = self._turns.get(day)
            yield from remember(self._turns, day, self._turns_of(day)) if found is None else found

    def _days(self, first: date, last: date, *, on_any_day: bool) -> Iterator[date]:
        """Yield the days from first to last, and those after it until there is a moment to write in."""
        day = first
        while True:
            yield day
            day += DAY
            if day > last and not on_any_day:
                day = self.next_wanted(day)

    def wanted_days(self, day: date, *, backwards: bool = False) -> Iterator[date]:
        """Yield the wanted days from this one on, itself included, as far as the zone has them at all.

        Samoa had no 30 December 2011.
        """
        for wanted in self.school_days.wanted_from(day, backwards=backwards):
            if self.has(wanted):
                yield wanted

    def next_wanted(self, day: date) -> date:
        """Return the first wanted day from this one on, itself included."""
        if self.wants_day(day) and self.has(day):
            return day
        found = self._wanted.get(day)
        return found or remember(self._wanted, day, next(self.wanted_days(day)))

    def has(self, day: date) -> bool:
        """Whether the zone's calendar has this day."""
        return _has(self.zone, day)

    def _turns_of(self, day: date) -> tuple[Turn, ...]:
        if set(self.texting) <= {self.zone} and _is_plain(self.zone, day):
            is_wanted = self.wants_day(day)
            texts = (TEXTS_FROM, TEXTS_UNTIL) if self.texting else ()
            return tuple(
                [
                    Turn(
                        self.resolve(day, edge),
                        self.is_quiet_at(edge) or (bool(texts) and not TEXTS_FROM <= edge < TEXTS_UNTIL),
                        is_wanted,
                    )
                    for edge in sorted({time(0), self.quiet_from, self.quiet_to, *texts})
                ]
            )
        # The clock changes, and itself may jump out of, or into, quiet hours and days.
        begins, ends = (self.resolve(on, time(0)) for on in (day, day + DAY))
        found = {begins, *([] if begins == ends else [self._clock_change(begins, ends)])}
        in_zones = [(edge, self.zone) for edge in (time(0), self.quiet_from, self.quiet_to)]
        in_zones += [(edge, zone) for zone in self.texting for edge in (TEXTS_FROM, TEXTS_UNTIL)]
        for on, (edge, zone), fold in product((day - DAY, day, day + DAY), in_zones, (0, 1)):
            at = datetime.combine(on, edge.replace(fold=fold), tzinfo=zone).astimezone(UTC)
            if begins <= at < ends:
                found.add(at)
        return tuple([Turn(at, self.is_quiet(at), self.wants(at)) for at in sorted(found) if at < ends])

    def _offset(self, instant: datetime) -> timedelta | None:
        return instant.astimezone(self.zone).utcoffset()

    def _clock_change(self, before: datetime, after: datetime) -> datetime:
        """Return the first whole second with the later offset: clocks change at whole ones."""
        low, high = int(before.timestamp()), -int(-after.timestamp() // 1)
        while high - low > 1:
            middle = (low + high) // 2
            if self._offset(datetime.fromtimestamp(middle, UTC)) == self._offset(before):
                low = middle
            else:
                high = middle
        return datetime.fromtimestamp(high, UTC)
