"""Events that repeat (RFC 5545, 3.3.10): on which days; pure."""

import re
from collections import deque
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from itertools import islice, takewhile
from typing import Any, Final

from dateutil.rrule import rrule, rrulestr

from services.scheduler.school_days import LAST

YEARS_AHEAD: Final = timedelta(days=4 * 366)
MOST_RULES: Final = 60
MOST_TIMES: Final = 1_000  # of one recurring event, the last
MOST_COUNTED: Final = 50_000  # more than a century of days
# The last forty years that there are: what falls on no day of these never comes.
PROBED_FROM: Final = datetime(9960, 1, 1)  # noqa: DTZ001 - days have no zone
# 04:59:59 in UTC is how Google has the last moment of the day before in New York. In the east days end after ten.
END_OF_A_WESTERN_DAY: Final = re.compile(r"T0[0-9]5959Z")


class Unclear(ValueError):
    """Why an event cannot be understood, in words."""


def repeated(rules: Sequence[Any], first: date, today: date) -> list[date]:
    """Return the days of these rules (`vRecur`) that began on the first one, for some years from today.

    Raises `Unclear` for a rule that makes no sense for whole days.
    """
    start = datetime.combine(first, time())
    until = datetime.combine(min(max(today, first) + YEARS_AHEAD, LAST), time())
    days: list[date] = []
    for rule in rules:
        times = takewhile(lambda day: day <= until, _rule(rule, start))
        days += [day.date() for day in deque(islice(times, MOST_COUNTED), MOST_TIMES)]  # the last ones
    return days


def _rule(rule: Any, start: datetime) -> rrule | Sequence[datetime]:
    text = ";".join(_until_a_day(part) for part in rule.to_ical().decode().split(";"))
    if re.search(r"FREQ=(SECOND|MINUTE|HOUR)LY", text):
        raise Unclear("a rule that repeats whole days by hours, minutes or seconds is not followed")
    if re.search(r"INTERVAL=(0+(;|$)|-|\d{6})", text):
        raise Unclear("its rule repeats after no time, or after longer than there is")
    try:
        read = rrulestr(text, dtstart=start)
        assert isinstance(read, rrule)
        # Dateutil looks for the next day until the year 9999, which takes it seconds.
        probe = read.replace(dtstart=PROBED_FROM, interval=1, until=None, count=1)
        return read if next(iter(probe), None) else ()
    except (ValueError, TypeError, OverflowError, IndexError, AssertionError):
        raise Unclear("its rule (RRULE) is none that can be followed") from None


def _until_a_day(part: str) -> str:
    """Return this part of a rule, an UNTIL as a day.

    An UNTIL in UTC beside a day without a zone is common, and dateutil refuses it.
    """
    if not part.startswith("UNTIL="):
        return part
    day = part[: len("UNTIL=YYYYMMDD")]
    if END_OF_A_WESTERN_DAY.match(part, len(day)):
        return f"UNTIL={datetime.strptime(day, 'UNTIL=%Y%m%d') - timedelta(days=1):%Y%m%d}"  # noqa: DTZ007
    return day
