"""The wall clocks of people, each by its zone and their wishes; pure."""

from datetime import date, time
from functools import lru_cache
from typing import Final

from services.scheduler import school_days, texting, zones
from services.scheduler.school_days import NoSuchDay, Region, SchoolDays
from services.scheduler.wall_clock import Clock
from shared.events import Break, Channel, Person, Weekday

CLOCKS_KEPT: Final = 256


def clock_of(person: Person, channel: Channel | None = None) -> Clock:
    """Return a person's wall clock and wishes for a channel; raises `NoSuchTime` for a zone that is none.

    A region nobody knows (any more) has no holidays: their follow-ups matter more than its. Who wants the same shares a
    clock, and what was reckoned on it: the people of a school mostly do.
    """
    return _clock(
        person.time_zone,
        person.send_at,
        person.quiet_from,
        person.quiet_to,
        person.paused_until,
        person.days,
        person.holidays,
        tuple([(off.first, off.last) for off in person.breaks]),
        ((person.phone if not person.zone_is_known else None),) if (channel or person.channel) == "sms" else None,
    )


@lru_cache(maxsize=CLOCKS_KEPT)
def _clock(
    time_zone: str,
    send_at: time,
    quiet_from: time,
    quiet_to: time,
    paused_until: date | None,
    days: tuple[Weekday, ...],
    holidays: str | None,
    breaks: tuple[tuple[date, date], ...],
    texted_at: tuple[str | None] | None,
) -> Clock:
    clock = Clock(
        zone=zones.zone(time_zone),
        send_at=send_at,
        quiet_from=quiet_from,
        quiet_to=quiet_to,
        paused_until=paused_until,
        school_days=SchoolDays(
            days=days,
            holidays=_region(holidays),
            breaks=tuple([Break(first=first, last=last) for first, last in breaks]),
            or_never=True,
        ),
    )
    return clock if texted_at is None else texting.heeding(clock, *texted_at)


def _region(name: str | None) -> Region | None:
    try:
        return school_days.region(name) if name else None
    except NoSuchDay:
        return None
