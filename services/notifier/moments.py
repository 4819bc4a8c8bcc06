"""Days and times as people say them."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from services.notifier.words import Words

UNITS: Final = (("day", 1, 7), ("week", 7, 60), ("month", 30.44, 360))  # of so many days, up to so many


def zone(name: str) -> ZoneInfo:
    """Return the zone of this name, UTC when there is none."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):  # the scheduler has refused these; a message must come out all the same
        return ZoneInfo("UTC")


def ago(then: datetime, now: datetime, zone: ZoneInfo, words: Words) -> str:
    """Return how long ago that is, counted in days of the reader's calendar."""
    days = (now.astimezone(zone).date() - then.astimezone(zone).date()).days
    if days < 2:
        return words.say("ago.today" if days < 1 else "ago.yesterday")
    unit, length = next(((unit, length) for unit, length, below in UNITS if days < below), ("year", 365.25))
    n = max(round(days / length), 1)
    return words.say(f"ago.{unit}" if n == 1 else f"ago.{unit}s", n=n)


def date(at: datetime, zone: ZoneInfo, words: Words) -> str:
    """Return the day, without a weekday or a zone."""
    local = at.astimezone(zone)
    return words.say("dates.date", day=local.day, month=words.say(f"dates.months.{local.month - 1}"), year=local.year)


def moment(at: datetime, zone: ZoneInfo, words: Words) -> str:
    """Return the day and the time, with the zone that they are in."""
    local = at.astimezone(zone)
    return words.say(
        "dates.moment",
        weekday=words.say(f"dates.weekdays.{local.weekday()}"),
        day=local.day,
        month=words.say(f"dates.months.{local.month - 1}"),
        year=local.year,
        time=f"{local:%H:%M}",
        zone=zone.key,
    )


def listed(things: Sequence[str], words: Words) -> str:
    """Return "a, b and c"."""
    *before, last = [thing for thing in things if thing] or [""]
    if not before:
        return last
    # Before the sound of an i, as in "Ana e Inés" but not in "hielo", Spanish says e.
    changes = words.has("dates.and_before_i") and re.match(r"h?[ií](?![aeo])", last, re.IGNORECASE)
    joined = words.say("dates.and_before_i" if changes else "dates.and")
    return f"{', '.join(before)} {joined} {last}"
