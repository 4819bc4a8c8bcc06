"""How long to put a follow-up off: "1 week", "2 months", or until a day; pure."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

AT_MOST: Final = timedelta(days=2 * 366)
DAYS: Final = {"day": 1, "week": 7, "month": 31, "year": 366}


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """Not before a day, or for a span such as "1 week". One of the two."""

    until: date | None = None
    span: str | None = None


class Unclear(ValueError):
    """What was asked for is no such time; `field` says where, the message why."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(problem)
        self.field = field


def read(*, span: str | None, until: str | None, today: date) -> Later:
    """Return what these texts mean, `today` being the owner's; raises `Unclear`."""
    if span and until:
        raise Unclear("until", "cannot be given together with `for`")
    if until:
        return Later(until=_day(until, today))
    if span:
        return Later(span=_span(span))
    raise Unclear("for", 'is required with later: "1 week", "1 month", or `until` with a day such as "2026-12-01"')


def earliest(today: date) -> date:
    """Return the first day it can be put off to."""
    return today + timedelta(days=1)


def latest(today: date) -> date:
    """Return the last day it can be put off to."""
    return today + AT_MOST


def _day(text: str, today: date) -> date:
    try:
        day = date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII) else None
    except ValueError:
        day = None
    if day is None:
        raise Unclear("until", 'must be a day such as "2026-12-01"')
    if not earliest(today) <= day <= latest(today):
        raise Unclear("until", "must be a day after today, within two years")
    return day


def _span(text: str) -> str:
    match = re.fullmatch(r"\s*([1-9]\d{0,2})\s+(day|week|month|year)s?\s*", text, re.ASCII)
    if match is None:
        raise Unclear("for", 'must be a time such as "3 days", "1 week" or "1 month"')
    number, unit = int(match[1]), match[2]
    if number * DAYS[unit] > AT_MOST.days:
        raise Unclear("for", "must be at most two years")
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
