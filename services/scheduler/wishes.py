"""Wishes as they are typed: instants, times of day, days, quiet hours, breaks."""

import re
from datetime import UTC, date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from services.scheduler import zones
from services.scheduler.school_days import WEEKDAYS
from services.scheduler.zones import FIRST_YEAR, LAST_YEAR, ZONES
from shared.events import Break, Weekday

TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
OFFSET: Final = r"(?:[01][0-9]|2[0-3]):?[0-5][0-9]"  # a day and more is none
INSTANT: Final = re.compile(
    rf"{DATE.pattern}(?:[Tt ]{TIME.pattern}(?::[0-5][0-9](?:\.[0-9]{{1,6}})?)?(?:[Zz]|[+-]{OFFSET})?)?"
)


class Unreadable(ValueError):
    """What was typed is not what is wanted here: which, and an example."""


def instant(text: str, zone: ZoneInfo) -> datetime:
    """Return "2026-10-21T14:10", with or without an offset, as an instant; without one it is read in the zone."""
    if not INSTANT.fullmatch(text):
        raise Unreadable(f"{text[:60]!r} is no date and time such as 2026-10-21T14:10 or 2026-10-21T14:10:00-04:00")
    try:
        read = datetime.fromisoformat(text.upper().replace("Z", "+00:00"))
    except ValueError as error:
        raise Unreadable(f"{text[:60]!r} does not exist: {error}") from None
    if not FIRST_YEAR <= read.year <= LAST_YEAR:
        raise Unreadable(f"{text[:60]!r} is not between {FIRST_YEAR} and {LAST_YEAR}")
    # In UTC: the zone's wall clock would go on showing a time, or a day, that it skips.
    return (read if read.tzinfo else read.replace(tzinfo=zone)).astimezone(UTC)


def zone(text: str) -> ZoneInfo:
    """Return the zone of an IANA or Windows name, in any case, as the API takes it; raises `NoSuchTime`."""
    if text in ZONES:
        return zones.zone(text)
    from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON  # 50 ms, which hardly anybody needs

    folded = text.strip().casefold()
    return zones.zone(next((name for name in (*ZONES, *WINDOWS_TO_OLSON) if name.casefold() == folded), text))


def local_time(text: str) -> time:
    """Return "15:30" as a time of day."""
    if not TIME.fullmatch(text):
        raise Unreadable(f"{text[:40]!r} is no time of day such as 15:30")
    return time.fromisoformat(text)


def quiet(text: str) -> tuple[time, time]:
    """Return "21:00-07:00" as two times of day; the same twice is no quiet hours at all."""
    first, dash, last = text.partition("-")
    if not (dash and TIME.fullmatch(first.strip()) and TIME.fullmatch(last.strip())):
        raise Unreadable(f"{text[:40]!r} are no quiet hours such as 21:00-07:00")
    return time.fromisoformat(first.strip()), time.fromisoformat(last.strip())


def days(text: str) -> tuple[Weekday, ...]:
    """Return "mon,tue" as weekdays, in the week's order."""
    given = [part.strip().lower() for part in text.split(",")]
    if wrong := [part for part in given if part not in WEEKDAYS]:
        raise Unreadable(f"{wrong[0][:40]!r} is no day: a list of {', '.join(WEEKDAYS)} is wanted, such as mon,tue")
    return tuple(day for day in WEEKDAYS if day in given)


def breaks(text: str) -> tuple[Break, ...]:
    """Return "2026-12-21..2027-01-02,2027-02-15" as breaks; both ends are part of one."""
    return tuple(_break(part.strip()) for part in text.split(","))


def _break(text: str) -> Break:
    first, dots, last = text.partition("..")
    off = Break(first=_date(first, text), last=_date(last if dots else first, text))
    if off.first > off.last:
        raise Unreadable(f"{text!r} ends before it begins")
    return off


def _date(text: str, whole: str) -> date:
    try:
        if not DATE.fullmatch(text.strip()):
            raise ValueError("another form")
        return date.fromisoformat(text.strip())
    except ValueError:
        raise Unreadable(f"{whole[:40]!r} is no break such as 2026-12-21..2027-01-02") from None
