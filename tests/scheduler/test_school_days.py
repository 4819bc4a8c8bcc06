"""School days: whichever region and year, an answer."""

from datetime import date, timedelta
from itertools import islice

import pytest

from services.scheduler.school_days import REGIONS, NoSuchDay, SchoolDays, region
from shared.events import Break


def test_every_region_answers_for_every_year() -> None:
    for country, parts in REGIONS.items():
        for part in ("", *parts[:2]):
            days = SchoolDays(holidays=region(f"{country}-{part}" if part else country))
            for year in (1899, 1900, 1969, 2026, 2027, 2100, 2200, 2300):
                days.wants(date(year, 7, 4))


def test_a_year_the_library_does_not_know_has_no_holidays_rather_than_an_error() -> None:
    assert not region("LK").has_holiday(date(2027, 2, 4))
    assert region("LK").has_holiday(date(2026, 2, 4))
    assert region("IN").has_holiday(date(2050, 8, 15))


def test_wanted_days_go_on_in_both_directions() -> None:
    off = Break(first=date(2026, 12, 21), last=date(2027, 1, 2))
    days = SchoolDays(breaks=(off, Break(first=date(2027, 1, 1), last=date(2027, 1, 4))))
    assert list(islice(days.wanted_from(date(2026, 12, 18)), 3)) == [
        date(2026, 12, 18),
        date(2027, 1, 5),
        date(2027, 1, 6),
    ]
    assert list(islice(days.wanted_from(date(2027, 1, 4), backwards=True), 2)) == [
        date(2026, 12, 18),
        date(2026, 12, 17),
    ]


def test_a_break_of_any_length_is_stepped_over_at_once() -> None:
    days = SchoolDays(breaks=(Break(first=date(1900, 1, 1), last=date(2299, 12, 31)),))
    assert next(days.wanted_from(date(1950, 1, 1))) == date(2300, 1, 1)


@pytest.mark.parametrize("backwards", [False, True])
def test_where_no_day_is_wanted_it_says_so(backwards: bool) -> None:
    for days in (SchoolDays(days=()), SchoolDays(breaks=(Break(first=date.min, last=date.max),))):
        with pytest.raises(NoSuchDay, match="is wanted"):
            next(days.wanted_from(date(2026, 1, 1), backwards=backwards))


def test_every_day_is_wanted_when_it_is_one_of_theirs_and_nothing_is_off() -> None:
    monday = date(2026, 10, 19)
    assert [SchoolDays().wants(monday + timedelta(days=n)) for n in range(7)] == [True] * 5 + [False] * 2
