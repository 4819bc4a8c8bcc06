"""Wall time: offsets, zones, gaps and folds, quiet hours.

Days, weeks, months and years are counted on the wall clock of the person; hours, minutes and seconds pass on any clock.
A local time that a clock change skips takes the offset before the gap, one that comes twice is the first (RFC 5545,
3.3.5). The one place where zones are reckoned with: SQL sees instants.
"""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from dateutil.relativedelta import relativedelta

from services.scheduler.offset import SECONDS, NoSuchTime, Offset, Unit
from services.scheduler.school_days import LAST, SchoolDays
from shared.events import Window

# `shared` has taken the system's files away from zoneinfo, so these are the names of the pinned tzdata package alone.
ZONES: Final = frozenset(available_timezones() - {"Factory", "localtime", "posixrules"})
FIRST_YEAR, LAST_YEAR = 1900, 2200


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """Return the zone of this IANA or Windows name; its `key` is the IANA name. Raises `NoSuchTime` for any other."""
    if name not in ZONES:
        # 50 ms at the first call, and hardly anybody needs it.
        from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

        if name not in WINDOWS_TO_OLSON:
            lower = {known.lower(): known for known in ZONES}
            near = difflib.get_close_matches(name.lower()[:60], lower, n=1)
            hint = f"; is {lower[near[0]]} meant?" if near else ""
            raise NoSuchTime(f"{name[:60]!r} is no time zone such as America/New_York{hint}")
        name = WINDOWS_TO_OLSON[name]
    return ZoneInfo(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """A person's wall clock, and when they want to hear from us."""

    zone: ZoneInfo
    send_at: time = time(15, 30)
    quiet_from: time = time(21, 0)
    quiet_to: time = time(7, 0)  # equal to quiet_from: no quiet hours
    school_days: SchoolDays = field(default_factory=SchoolDays)
    paused_until: date | None = None  # nothing before this day: what falls due earlier comes then
    # What a full nudge rolls, and what a stack of meetings of one day has, is wanted on the same few days.
    _placed: "dict[tuple[Target, bool], Moment]" = field(default_factory=dict, init=False, repr=False, compare=False)
    _wanted: dict[date, date] = field(default_factory=dict, init=False, repr=False, compare=False)
    _counted: dict[tuple[date, Unit, int], date] = field(default_factory=dict, init=False, repr=False, compare=False)

    def is_quiet(self, instant: datetime) -> bool:
        """Whether the wall clock shows quiet hours at this instant; their last moment is not one of them."""
        local_time = instant.astimezone(self.zone).time()
        is_after, is_before = local_time >= self.quiet_from, local_time < self.quiet_to
        return (is_after and is_before) if self.quiet_from <= self.quiet_to else (is_after or is_before)

    def wants(self, instant: datetime) -> bool:
        """Whether the wall clock shows a wanted day at this instant."""
        return self.school_days.wants(instant.astimezone(self.zone).date())

    def resolve(self, day: date, local_time: time) -> datetime:
        """Return the instant of this local time; one in a gap with the offset before it, the first of a fold."""
        return datetime.combine(day, local_time.replace(fold=0), tzinfo=self.zone).astimezone(UTC)

    def held(self, instant: datetime) -> datetime:
        """Return the instant itself, or the end of the quiet hours it falls in."""
        return self._next(instant, quiet=False) if self.is_quiet(instant) else instant

    def quiet_windows(self, start: datetime, end: datetime) -> Iterator[Window]:
        """Yield the quiet hours between two instants, in order."""
        while self.quiet_from != self.quiet_to:
            opens_at = start if self.is_quiet(start) else self._next(start, quiet=True)
            if opens_at >= end:
                return
            start = self._next(opens_at, quiet=False)
            yield Window(opens_at=opens_at, closes_at=start)

    def wanted_days(self, day: date, *, backwards: bool = False) -> Iterator[date]:
        """Yield the wanted days from this one on, itself included, as far as the zone has them at all.

        Samoa had no 30 December 2011.
        """
        for wanted in self.school_days.wanted_from(day, backwards=backwards):
            if self.has(wanted):
                yield wanted

    def next_wanted(self, day: date) -> date:
        """Return the first wanted day from this one on, itself included."""
        if day not in self._wanted:
            self._wanted[day] = next(self.wanted_days(day))
        return self._wanted[day]

    def has(self, day: date) -> bool:
        """Whether the zone's calendar has this day."""
        return self.resolve(day, time(12)).astimezone(self.zone).date() == day

    def _next(self, instant: datetime, *, quiet: bool) -> datetime:
        """Return the first instant after this one at which it is (not) quiet, knowing that now it is the other way."""
        edge = self.quiet_from if quiet else self.quiet_to
        day = instant.astimezone(self.zone).date()
        days = (day + timedelta(days=n) for n in range(4))
        reached = next(at for on in days if (at := self._edge(on, edge, instant, quiet=quiet)))
        if self._offset(instant) != self._offset(reached):  # the clock itself may jump out of, or into, quiet hours
            jump = self._clock_change(instant, reached)
            if self.is_quiet(jump) == quiet:
                return jump
        return reached

    def _edge(self, day: date, edge: time, instant: datetime, *, quiet: bool) -> datetime | None:
        """Return when this time of day first comes after the instant, if it is (not) quiet then."""
        both = (datetime.combine(day, edge.replace(fold=fold), tzinfo=self.zone).astimezone(UTC) for fold in (0, 1))
        return min((at for at in both if at > instant and self.is_quiet(at) == quiet), default=None)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """When something is wanted, before a person's days and quiet hours have their say; what is kept of a timer's rule.

    With a day: at the send time, or `at`, of that day, or of a later one when that would be before `not_before`.
    Without: at `not_before` itself.
    """

    day: date | None = None
    at: time | None = None
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """An instant, and what the wall clock shows then."""

    due_at: datetime
    local: datetime  # without a zone
    zone: str


def after(anchor: datetime, by: Offset, clock: Clock, *, times: int = 1, at: time | None = None) -> Target:
    """Return when `times` this offset after the anchor is: always counted from the anchor, never step by step."""
    return _counted(anchor, by, clock, times=times, at=at)


def before(goal: datetime, by: Offset, clock: Clock, *, at: time | None = None) -> Target:
    """Return when this offset before the goal is."""
    return _counted(goal, by, clock, times=-1, at=at)


def next_send_time(now: datetime, clock: Clock, *, day: date | None = None, at: time | None = None) -> Target:
    """Return the first send time, or `at`, from now on, or that of a given day when it is still to come."""
    today = now.astimezone(clock.zone).date()
    return Target(day=max(today, day or today), at=at, not_before=now)


def next_days_send_time(now: datetime, clock: Clock, *, at: time | None = None) -> Target:
    """Return the first send time, or `at`, of a day after this one on the wall clock.

    Where quiet hours hold a send time over midnight, today's is one of tomorrow.
    """
    today = now.astimezone(clock.zone).date()
    return Target(day=today, at=at, not_before=clock.resolve(today + timedelta(days=1), time(0)))


def place(target: Target, clock: Clock, *, heeds_quiet: bool = True) -> Moment:
    """Return the moment for this target on a wanted day, outside quiet hours.

    Raises `NoSuchDay` when no day is wanted. An elapsed target may fall on any day.
    """
    key = target, heeds_quiet
    if key not in clock._placed:
        clock._placed[key] = _place(target, clock, heeds_quiet=heeds_quiet)
    return clock._placed[key]


def _place(target: Target, clock: Clock, *, heeds_quiet: bool) -> Moment:
    held = clock.held if heeds_quiet else lambda instant: instant
    target = _after_the_pause(target, clock)
    if target.day is None:
        if target.not_before is None:
            raise NoSuchTime("a target needs a day or an instant")
        return moment(held(target.not_before), clock.zone)
    day, local_time = target.day, target.at or clock.send_at
    while True:
        day = clock.next_wanted(day)
        due_at = held(clock.resolve(day, local_time))
        local = due_at.astimezone(clock.zone)
        if local.date() != day and clock.next_wanted(local.date()) != local.date():
            # Quiet hours, or a gap, have carried it over midnight into a day that is not wanted.
            day, local_time = local.date(), local.time()
        elif target.not_before is not None and due_at < target.not_before:
            day, local_time = day + timedelta(days=1), target.at or clock.send_at
        else:
            return moment(due_at, clock.zone)


def _after_the_pause(target: Target, clock: Clock) -> Target:
    until = clock.paused_until
    day = target.day
    if day is None and target.not_before is not None:
        day = target.not_before.astimezone(clock.zone).date()
    return target if until is None or day is None or day >= until else replace(target, day=until)


def moment(due_at: datetime, zone: ZoneInfo) -> Moment:
    """Return this instant with what the zone's wall clock shows then."""
    return Moment(
        due_at=due_at.astimezone(UTC), local=due_at.astimezone(zone).replace(tzinfo=None, fold=0), zone=zone.key
    )


def _counted(anchor: datetime, by: Offset, clock: Clock, *, times: int, at: time | None) -> Target:
    count = by.count * times
    if by.elapses:
        return Target(not_before=anchor.astimezone(UTC) + timedelta(seconds=count * SECONDS[by.unit]))
    day = anchor.astimezone(clock.zone).date()
    if count == 0:
        return Target(day=day, at=at, not_before=anchor if times > 0 else None)
    key = day, by.unit, count
    found = clock._counted.get(key)
    if found is None:
        found = clock._counted[key] = _day(day, by.unit, count, clock)
    return Target(day=found, at=at)


def _day(day: date, unit: Unit, count: int, clock: Clock) -> date:
    match unit:
        case "school day":
            step = timedelta(days=1 if count > 0 else -1)
            days = clock.wanted_days(day + step, backwards=count < 0)
            found = next(islice(days, abs(count) - 1, None))
            # Who wants no day gets it never; should they want one again, it must not be counted from then.
            return found if found < LAST else day + count * timedelta(days=1)
        case "day":
            return day + timedelta(days=count)
        case "week":
            return day + timedelta(weeks=count)
        case "month":
            return day + relativedelta(months=count)
        case _:
            return day + relativedelta(years=count)
