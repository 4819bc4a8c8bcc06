"""iCalendar: the breaks in a school's calendar (RFC 5545); pure.

An event counts when it lasts whole days, also those written from midnight to midnight, as Outlook may; meetings and
bells, which have hours, do not. Recurring events are followed for some years, less their exceptions; cancelled ones are
left out.
"""

import re
from collections import deque
from collections.abc import Collection, Iterator
from datetime import date, datetime, time, timedelta
from itertools import islice, takewhile
from typing import Any, Final

from dateutil.rrule import rrulestr
from icalendar import Calendar

from services.scheduler.school_days import LAST
from shared.events import Break

YEARS_AHEAD: Final = timedelta(days=4 * 366)
MOST_EVENTS: Final = 5_000
MOST_RULES: Final = 60  # a rule that can never be met, such as each 30 February, takes seconds to see through
MOST_TIMES: Final = 1_000  # of one recurring event, the last
MOST_COUNTED: Final = 50_000  # more than a century of days
LONGEST: Final = timedelta(days=366)


class NotACalendar(ValueError):
    """Why this is no calendar, in words."""


def breaks(text: bytes, *, today: date, only: Collection[str] = ()) -> tuple[Break, ...]:
    """Return the breaks in this calendar, in order and merged; with `only`, of events named by one of these words.

    Raises `NotACalendar` for what is none, and for what has no whole-day event that counts.
    """
    try:
        events: list[Any] = Calendar.from_ical(text).walk("VEVENT")[: MOST_EVENTS + 1]
        if len(events) > MOST_EVENTS:
            raise NotACalendar(f"it has more than {MOST_EVENTS} events")
        if sum("RRULE" in event for event in events) > MOST_RULES:
            raise NotACalendar(f"it has more than {MOST_RULES} events that repeat")
        replaced = {(str(event.get("UID")), event["RECURRENCE-ID"].dt) for event in events if "RECURRENCE-ID" in event}
        wanted = [word.casefold() for word in only]
        found = [
            off
            for event in events
            if not wanted or any(word in str(event.get("SUMMARY", "")).casefold() for word in wanted)
            for off in _of(event, replaced, today)
        ]
    except NotACalendar:
        raise
    except (ValueError, KeyError, AttributeError, TypeError, IndexError, OverflowError, RecursionError) as error:
        raise NotACalendar(f"it is no iCalendar: {error}"[:200]) from None
    if not found:
        about = f" with {' or '.join(only)} in its name" if only else ""
        raise NotACalendar(f"it has no event of whole days{about}")
    return tuple(_merged(found))


def _of(event: Any, replaced: Collection[tuple[str, Any]], today: date) -> Iterator[Break]:
    first = _first(event)
    if first is None or str(event.get("STATUS", "")).upper() == "CANCELLED":
        return
    length = _length(event, first)
    uid = str(event.get("UID"))
    for day in _days(event, first, today):
        if "RECURRENCE-ID" in event or (uid, day) not in replaced:
            yield Break(first=day, last=day + length - timedelta(days=1))


def _first(event: Any) -> date | None:
    """Return the day on which an event of whole days begins."""
    first = event["DTSTART"].dt
    if not isinstance(first, datetime):
        return first  # type: ignore[no-any-return]
    end = event["DTEND"].dt if "DTEND" in event else None
    if not isinstance(end, datetime) or first.time() != time() or end.time() != time() or end.date() <= first.date():
        return None
    # Midnight in UTC is the evening before in Boston, unless it says that it is all of a day.
    is_whole = first.tzname() != "UTC" or str(event.get("X-MICROSOFT-CDO-ALLDAYEVENT", "")).upper() == "TRUE"
    return first.date() if is_whole else None


def _length(event: Any, first: date) -> timedelta:
    if "DTEND" in event:
        end = event["DTEND"].dt  # not part of it
        length = (end.date() if isinstance(end, datetime) else end) - first
    elif "DURATION" in event:
        length = event["DURATION"].dt
    else:
        length = timedelta(days=1)
    length = max(timedelta(days=length.days), timedelta(days=1))
    if length > LONGEST:
        raise NotACalendar(f"{str(event.get('SUMMARY', 'an event'))[:60]!r} lasts longer than a year")
    return length


def _days(event: Any, first: date, today: date) -> list[date]:
    """Return on which days it begins."""
    if "RRULE" not in event:
        days = [first]
    else:
        rules = event["RRULE"] if isinstance(event["RRULE"], list) else [event["RRULE"]]
        start = datetime.combine(first, time())
        until = datetime.combine(min(max(today, first) + YEARS_AHEAD, LAST), time())
        days = []
        for rule in rules:
            # An UNTIL in UTC beside a day without a zone is common, and refused: the day alone is meant.
            text = ";".join(
                part[: len("UNTIL=YYYYMMDD")] if part.startswith("UNTIL=") else part
                for part in rule.to_ical().decode().split(";")
            )
            if re.search(r"FREQ=(SECOND|MINUTE|HOUR)LY", text):
                raise NotACalendar("a rule that repeats whole days by hours, minutes or seconds is not followed")
            times = takewhile(lambda day: day <= until, rrulestr(text, dtstart=start))
            days += [day.date() for day in deque(islice(times, MOST_COUNTED), MOST_TIMES)]  # the last ones
    return sorted({*days, *_dates(event, "RDATE")} - set(_dates(event, "EXDATE")))


def _dates(event: Any, name: str) -> list[date]:
    lists = event.get(name, [])
    found = [one.dt for dates in (lists if isinstance(lists, list) else [lists]) for one in dates.dts]
    return [day.date() if isinstance(day, datetime) else day for day in found]


def _merged(found: list[Break]) -> Iterator[Break]:
    ordered = sorted(found, key=lambda off: (off.first, off.last))
    current = ordered[0]
    for off in ordered[1:]:
        if off.first <= current.last + timedelta(days=1):
            current = Break(first=current.first, last=max(current.last, off.last))
        else:
            yield current
            current = off
    yield current
