"""Offsets: "2 hours", "3 school days", "1 month", as plans and people write them."""

import difflib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, get_args

LONGEST_DAYS: Final = 36_525  # a century
MOST_SCHOOL_DAYS: Final = 2_000

Unit = Literal["second", "minute", "hour", "day", "school day", "week", "month", "year"]
ELAPSED: Final = ("second", "minute", "hour")
EXAMPLES: Final = "'2 hours', '1 day', '3 school days' or '2 weeks'"
# What people write for a unit or a number, where its letters alone do not say it.
SHORT: Final[dict[Unit, str]] = {
    "second": "s sec secs",
    "minute": "min mins",
    "hour": "h hr hrs",
    "day": "d",
    "week": "w wk wks",
    "month": "mo mos",
    "year": "y yr yrs",
}
NUMBERS: Final = (
    "a",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)
SECONDS: Final[dict[Unit, int]] = {"second": 1, "minute": 60, "hour": 3600}
DAYS: Final[dict[Unit, int]] = {"day": 1, "school day": 1, "week": 7, "month": 31, "year": 366}


class NoSuchTime(ValueError):
    """What was asked for is no time, zone or offset: why, in words."""


@dataclass(frozen=True, slots=True)
class Offset:
    """A stretch such as "2 hours", which passes, or "3 school days", which is counted on the calendar."""

    count: int
    unit: Unit

    @property
    def elapses(self) -> bool:
        """Whether it passes on any clock, rather than being counted on the calendar."""
        return self.unit in ELAPSED

    def __str__(self) -> str:
        return f"{self.count} {self.unit}{'' if self.count == 1 else 's'}"


@lru_cache(maxsize=256)
def offset(text: str, *, times: int = 1) -> Offset:
    """Return "10 seconds", "1 day" or "3 school days" as an offset that can be taken `times` over.

    Raises `NoSuchTime` for anything else, and for what reaches further than a century.
    """
    match = re.fullmatch(rf"([0-9]{{1,9}}) +({'|'.join(get_args(Unit))})s?", " ".join(text.split()))
    if match is None:
        raise NoSuchTime(f"{text[:60]!r} is no offset such as {EXAMPLES}{_meant(text)}")
    found = Offset(int(match[1]), match[2])  # type: ignore[arg-type]  # the pattern lets in units alone
    total = found.count * times
    days = total * SECONDS[found.unit] / 86_400 if found.elapses else total * DAYS[found.unit]
    if days > LONGEST_DAYS or (found.unit == "school day" and total > MOST_SCHOOL_DAYS):
        limit = f"{MOST_SCHOOL_DAYS} school days" if found.unit == "school day" else "100 years"
        raise NoSuchTime(f"{text[:60]!r}{f' {times} times' if times > 1 else ''} is more than {limit}")
    return found


def _meant(text: str) -> str:
    """Return "; is '1 day' meant?" where that is near; else nothing."""
    found = re.fullmatch(r"([0-9]{1,9}|[a-z]+)[ -]*([a-z -]+?)", " ".join(text.lower().replace("_", " ").split())[:60])
    if found is None:
        return ""
    number, unit = found[1], " ".join(found[2].replace("-", " ").split())
    count = int(number) if number.isdecimal() else max(NUMBERS.index(number), 1) if number in NUMBERS else None
    units = {name: one for one in get_args(Unit) for name in (one, f"{one}s", one.replace(" ", ""))}
    shorts = {short: one for one, all_ in SHORT.items() for short in all_.split()}
    near = shorts.get(unit) or next((units[one] for one in difflib.get_close_matches(unit, units, n=1)), None)
    return f"; is '{Offset(count, near)}' meant?" if count is not None and near else ""
