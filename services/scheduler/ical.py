"""iCalendar: the breaks in a school's calendar (RFC 5545); pure.

An event counts when it lasts whole days, also those written from midnight to midnight, as Outlook may; meetings and
bells, which have hours, do not. Recurring events are followed for some years, less their exceptions; cancelled ones are
left out. One that cannot be understood is named, and the others count all the same.
"""

import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from icalendar import Event, vRecur

from services.scheduler import ical_text
from services.scheduler.ical_rules import MOST_RULES, Unclear, repeated
from services.scheduler.ical_text import Written
from shared.events import Break

MOST_EVENTS: Final = 5_000
MOST_BREAKS: Final = 5_000  # the last ones, merged: planning looks through them all
LONGEST: Final = timedelta(days=366)
DAY: Final = timedelta(days=1)


class NotACalendar(ValueError):
    """Why this is no calendar, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a calendar holds."""

    breaks: tuple[Break, ...]  # in order, and merged
    left_out: tuple[str, ...] = ()  # events that could not be understood, by name, and why


def read(text: bytes, *, today: date, only: Collection[str] = ()) -> Found:
    """Return the breaks in this calendar; with `only`, of events named by one of these words.

    Raises `NotACalendar` for what is none, and for what has no whole-day event that counts.
    """
    written = ical_text.events(text)
    if written is None:
        raise NotACalendar("it is no iCalendar: no line in it says BEGIN:VCALENDAR")
    if len(written) > MOST_EVENTS:
        raise NotACalendar(f"it has more than {MOST_EVENTS} events")
    events = [(one, Event.from_ical(one.text)) for one in written]
    if sum("RRULE" in event for _, event in events) > MOST_RULES:
        raise NotACalendar(f"it has more than {MOST_RULES} events that repeat")
    replaced = {place for _, event in events if (place := _replaces(event))}
    wanted = [_folded(word) for word in only]
    found: list[Break] = []
    left_out: list[str] = []
    for one, event in events:
        if wanted and not any(word in _folded(_name(event)) for word in wanted):
            continue
        try:
            if not one.is_whole:
                raise Unclear("it is cut off")
            found += _of(event, replaced, today)
        except Unclear as error:
            left_out.append(_left_out(one, event, str(error)))
        except (ValueError, KeyError, AttributeError, TypeError, IndexError, OverflowError, RecursionError):
            left_out.append(_left_out(one, event, "its dates make no sense"))
    if not found:
        about = f" with {' or '.join(only)} in its name" if only else ""
        raise NotACalendar(left_out[0] if left_out else f"it has no event of whole days{about}")
    return Found(breaks=tuple(_merged(found))[-MOST_BREAKS:], left_out=tuple(left_out))


def _left_out(one: Written, event: Any, why: str) -> str:
    name = " ".join(_name(event).split())[:60]
    return f"{name!r} (line {one.line}): {why}" if name else f"the event in line {one.line}: {why}"


def _of(event: Any, replaced: Collection[tuple[str, Any]], today: date) -> Iterator[Break]:
    if str(_one(event, "STATUS", "")).upper() == "CANCELLED":
        return
    first = _first(event)
    if first is None:
        return
    length = _length(event, first)
    uid = str(_one(event, "UID", ""))
    for day in _days(event, first, today):
        if "RECURRENCE-ID" in event or (uid, day) not in replaced:
            yield Break(first=day, last=day + length - DAY)


def _first(event: Any) -> date | None:
    """Return the day on which an event of whole days begins."""
    first = _date(event, "DTSTART")
    if first is None:
        raise Unclear("it does not say when it begins (DTSTART)")
    if not isinstance(first, datetime):
        return first
    end = _date(event, "DTEND")
    if not isinstance(end, datetime) or first.time() != time() or end.time() != time() or end.date() <= first.date():
        return None
    # Midnight in UTC is the evening before in Boston, unless it says that it is all of a day.
    is_whole = first.tzname() != "UTC" or str(_one(event, "X-MICROSOFT-CDO-ALLDAYEVENT", "")).upper() == "TRUE"
    return first.date() if is_whole else None


def _length(event: Any, first: date) -> timedelta:
    end = _date(event, "DTEND")
    length = DAY
    if isinstance(end, datetime):
        length = end.date() - first + (DAY if end.time() != time() else timedelta())  # it lasts into that day
    elif end is not None:
        length = end - first  # not part of it
    elif "DURATION" in event:
        length = _value(event, "DURATION")
    length = max(timedelta(days=length.days), DAY)
    if length > LONGEST:
        raise Unclear("it lasts longer than a year")
    return length


def _days(event: Any, first: date, today: date) -> list[date]:
    """Return on which days it begins."""
    rules = event.get("RRULE", [])
    rules = rules if isinstance(rules, list) else [rules]
    if not all(isinstance(rule, vRecur) for rule in rules):
        raise Unclear("its rule (RRULE) is none")
    days = repeated(rules, first, today) if rules else [first]
    return sorted({*days, *_dates(event, "RDATE")} - set(_dates(event, "EXDATE")))


def _dates(event: Any, name: str) -> list[date]:
    lists = event.get(name, [])
    try:
        found = [one.dt for dates in (lists if isinstance(lists, list) else [lists]) for one in dates.dts]
    except (AttributeError, ValueError):
        raise Unclear(f"its {name} is no list of days") from None
    starts = [one[0] if isinstance(one, tuple) else one for one in found]  # a period counts by its beginning
    return [day.date() if isinstance(day, datetime) else day for day in starts]


def _replaces(event: Any) -> tuple[str, Any] | None:
    """Return which event of which series this one stands for; None when it stands for itself."""
    try:
        at = _date(event, "RECURRENCE-ID")
    except Unclear:
        return None
    return None if at is None else (str(_one(event, "UID", "")), at.date() if isinstance(at, datetime) else at)


def _date(event: Any, name: str) -> date | None:
    if name not in event:
        return None
    found = _value(event, name)
    if not isinstance(found, date):
        raise Unclear(f"its {name} is no day")
    # What says that it is a day is one, though somebody wrote a time behind it.
    says = str(getattr(_one(event, name, None), "params", {}).get("VALUE", "")).upper()
    return found.date() if says == "DATE" and isinstance(found, datetime) else found


def _value(event: Any, name: str) -> Any:
    try:
        return _one(event, name, None).dt
    except (AttributeError, ValueError):
        written = str(event.to_ical(sorted=False).decode(errors="replace"))
        said = next((line for line in written.splitlines() if line.upper().startswith(name)), "").partition(":")[2]
        raise Unclear(f"its {name} is {said[:40]!r}, which is no day or time") from None


def _one(event: Any, name: str, default: object) -> Any:
    """Return the property of this name, the first where somebody gave several."""
    found = event.get(name, default)
    return found[0] if isinstance(found, list) else found


def _name(event: Any) -> str:
    return str(_one(event, "SUMMARY", ""))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _merged(found: list[Break]) -> Iterator[Break]:
    ordered = sorted(found, key=lambda off: (off.first, off.last))
    current = ordered[0]
    for off in ordered[1:]:
        if off.first <= current.last + DAY:
            current = Break(first=current.first, last=max(current.last, off.last))
        else:
            yield current
            current = off
    yield current
