"""When something is said to have happened: a time that has come; pure."""

from datetime import datetime, timedelta
from typing import Final

from services.intake import fields
from services.intake.body import Invalid
from services.intake.meeting import OLDEST

CLOCKS_DIFFER_BY: Final = timedelta(minutes=5)


def at(field: str, value: fields.Moment, zone: str, *, now: datetime) -> datetime:
    """Return the instant that was meant, at most now; raises `Invalid` for one that is to come, or is long past."""
    try:
        happened = fields.instant(value, zone, now=now)
        if now - OLDEST <= happened <= now + CLOCKS_DIFFER_BY:
            return min(happened, now)
        problem = "must not be older than ten years" if happened < now else "must not lie ahead"
    except (OverflowError, ValueError):  # the calendar ends within a day of it
        problem = "must be a date and time of our days"
    raise Invalid([{"field": field, "problem": problem}])
