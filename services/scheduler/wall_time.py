"""Wall time: offsets from a meeting, and the moments they come to.

Days, weeks, months and years are counted on the wall clock of the person; hours, minutes and seconds pass on any clock.
"""

import calendar
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.scheduler.offset import SECONDS, NoSuchTime, Offset, Unit
from services.scheduler.school_days import LAST
from services.scheduler.wall_clock import Clock, remember


class Target(NamedTuple):
    """When something is wanted, before a person's days and quiet hours have their say; what is kept of a timer's rule.

    With a day: at the send time, or `at`, of that day, or of a later one when that would be before `not_before`.
    Without: at `not_before` itself.
    """

    day: date | None = None
    at: time | None = None
    not_before: datetime | None = None


class Moment(NamedTuple):
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
    found = clock.placed.get(key)
    return found or remember(clock.placed, key, _place(target, clock, heeds_quiet=heeds_quiet))


def _place(target: Target, clock: Clock, *, heeds_quiet: bool) -> Moment:
    target = _after_the_pause(target, clock)
    if target.day is None:
        if target.not_before is None:
            raise NoSuchTime("a target needs a day or an instant")
        return moment(clock.held(target.not_before) if heeds_quiet else target.not_before, clock.zone)
    day, local_time = target.day, target.at or clock.send_at
    while True:
        day = clock.next_wanted(day)
        due_at = clock.resolve(day, local_time)
        local = due_at.astimezone(clock.zone)
        if heeds_quiet and (clock.texting or clock.is_quiet_at(local.time())):
            due_at = clock.held(due_at)
            local = due_at.astimezone(clock.zone)
        if local.date() != day and not clock.wants_day(local.date()):
            # Quiet hours, or a gap, have carried it over midnight into a day that is not wanted.
            day, local_time = local.date(), local.time()
        elif target.not_before is not None and due_at < target.not_before:
            day, local_time = day + timedelta(days=1), target.at or clock.send_at
        else:
            return Moment(due_at=due_at, local=local.replace(tzinfo=None, fold=0), zone=clock.zone.key)


def _after_the_pause(target: Target, clock: Clock) -> Target:
    until = clock.paused_until
    day = target.day
    if day is None and target.not_before is not None:
        day = target.not_before.astimezone(clock.zone).date()
    return target if until is None or day is None or day >= until else target._replace(day=until)


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
    found = clock.counted.get(key)
    if found is None and by.unit == "school day" and times > 1:
        # The one before is known: 400 times "3 school days" is not 400 times a walk from the anchor.
        found = _school_days_on(clock.counted.get((day, by.unit, count - by.count)), by, clock)
    return Target(day=remember(clock.counted, key, found or _day(day, by.unit, count, clock)), at=at)


def _school_days_on(counted: date | None, by: Offset, clock: Clock) -> date | None:
    """Return the day so many school days after one that was counted; None when that was none, or there are no more."""
    if counted is None or not clock.wants_day(counted):
        return None
    found = _day(counted, by.unit, by.count, clock)
    return found if clock.wants_day(found) else None


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
            return _months_later(day, count)
        case _:
            return _months_later(day, 12 * count)


def _months_later(day: date, months: int) -> date:
    """Return the same day of the month so many months later, or the last that month has."""
    year, month = divmod(12 * day.year + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
