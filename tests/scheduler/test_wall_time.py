"""Offsets, zones, gaps and folds, quiet hours: each rule by example, then against a second opinion."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from time import monotonic
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from services.scheduler import wall_time
from services.scheduler.offset import NoSuchTime, Offset, offset
from services.scheduler.school_days import NoSuchDay, SchoolDays, region
from services.scheduler.wall_clock import Clock
from services.scheduler.wall_time import Target, place
from services.scheduler.zones import ZONES, zone
from shared.events import Break
from tests.factories import at

EVERY_DAY = SchoolDays(days=("mon", "tue", "wed", "thu", "fri", "sat", "sun"))


def clock(zone_name: str = "America/New_York", **given: Any) -> Clock:
    return Clock(zone=zone(zone_name), **given)


def due(anchor: datetime, by: str, on: Clock, *, times: int = 1, at: time | None = None, **given: Any) -> str:
    """Return the wall clock at which this offset after the anchor falls due."""
    target = wall_time.after(anchor, offset(by), on, times=times, at=at)
    return place(target, on, **given).local.isoformat(sep=" ", timespec="minutes")


WEDNESDAY = at("2026-10-21 14:10", "America/New_York")


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("10 minutes", "2026-10-21 14:20"),
        ("2 hours", "2026-10-21 16:10"),
        ("8 hours", "2026-10-22 07:00"),  # 22:10 is quiet
        ("16 hours", "2026-10-22 07:00"),  # so is 06:10
        ("72 hours", "2026-10-24 14:10"),  # a Saturday will do
        ("0 days", "2026-10-21 15:30"),
        ("1 day", "2026-10-22 15:30"),
        ("3 days", "2026-10-26 15:30"),  # Saturday: Monday
        ("2 weeks", "2026-11-04 15:30"),  # the clocks have changed
        ("1 month", "2026-11-23 15:30"),  # the 21st is a Saturday
        ("1 year", "2027-10-21 15:30"),
        ("3 school days", "2026-10-26 15:30"),
        ("0 school days", "2026-10-21 15:30"),
    ],
)
def test_an_offset_falls_due_on_the_wall_clock(by: str, expected: str) -> None:
    assert due(WEDNESDAY, by, clock()) == expected


def test_zero_days_after_the_send_time_is_the_next_wanted_day() -> None:
    friday = at("2026-10-23 15:31", "America/New_York")
    assert due(friday, "0 days", clock()) == "2026-10-26 15:30"
    assert due(friday - timedelta(minutes=1), "0 days", clock()) == "2026-10-23 15:30"


def test_months_clamp_and_are_counted_from_the_anchor() -> None:
    anchor = at("2026-01-31 12:00", "America/New_York")
    on = clock(school_days=EVERY_DAY)
    found = [due(anchor, "1 month", on, times=n)[:10] for n in range(1, 5)]
    assert found == ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]


def test_leap_days() -> None:
    on = clock(school_days=EVERY_DAY)
    anchor = at("2024-02-29 12:00", "America/New_York")
    assert [due(anchor, "1 year", on, times=n)[:10] for n in (1, 4)] == ["2025-02-28", "2028-02-29"]


def test_a_step_has_its_own_time() -> None:
    assert due(WEDNESDAY, "1 day", clock(), at=time(8, 0)) == "2026-10-22 08:00"
    assert due(WEDNESDAY, "1 day", clock(), at=time(5, 0)) == "2026-10-22 07:00"
    assert due(WEDNESDAY, "1 day", clock(), at=time(22, 0)) == "2026-10-23 07:00"


def test_what_quiet_hours_carry_into_the_weekend_goes_on_monday() -> None:
    assert due(WEDNESDAY, "2 days", clock(), at=time(22, 0)) == "2026-10-26 07:00"


def test_who_wants_one_day_only_and_by_night_gets_it_in_the_morning_of_one() -> None:
    on = clock(school_days=SchoolDays(days=("fri",)), send_at=time(23, 0))
    assert due(WEDNESDAY, "1 day", on) == "2026-10-30 07:00"


def test_a_plan_that_ignores_quiet_hours_does_not_wait() -> None:
    assert due(WEDNESDAY, "8 hours", clock(), heeds_quiet=False) == "2026-10-21 22:10"


def test_back_from_a_goal() -> None:
    goal = at("2026-10-21 12:00", "America/New_York")
    on = clock()

    def back(by: str) -> str:
        return place(wall_time.before(goal, offset(by), on), on).local.isoformat(sep=" ", timespec="minutes")

    assert back("2 weeks") == "2026-10-07 15:30"
    assert back("3 days") == "2026-10-19 15:30"  # Sunday: Monday
    assert back("3 school days") == "2026-10-16 15:30"
    assert back("2 hours") == "2026-10-21 10:00"
    assert back("1 month") == "2026-09-21 15:30"


@pytest.mark.parametrize(
    ("zone_name", "local", "utc"),
    [
        ("America/New_York", "2026-03-08 02:30", "2026-03-08 07:30"),  # gap: 03:30 EDT
        ("America/New_York", "2026-11-01 01:30", "2026-11-01 05:30"),  # fold: the first
        ("Australia/Lord_Howe", "2026-10-04 02:15", "2026-10-03 15:45"),  # a gap of half an hour
        ("Australia/Lord_Howe", "2026-04-05 01:45", "2026-04-04 14:45"),  # and a fold of one
        ("Asia/Kathmandu", "2026-05-01 15:30", "2026-05-01 09:45"),
        ("Pacific/Chatham", "2026-09-27 02:50", "2026-09-26 14:05"),
        ("Antarctica/Troll", "2026-03-29 01:30", "2026-03-29 01:30"),  # two hours are gone
        ("Europe/Dublin", "2026-10-25 01:30", "2026-10-25 00:30"),  # winter is the "daylight saving" there
        ("Africa/Casablanca", "2026-02-15 02:30", "2026-02-15 01:30"),
        ("Pacific/Apia", "2011-12-30 15:30", "2011-12-31 01:30"),  # that Friday never was
        ("America/Havana", "2026-03-08 00:30", "2026-03-08 05:30"),  # a day without a midnight
        ("Europe/Amsterdam", "1930-01-01 12:00", "1930-01-01 12:00"),
    ],
)
def test_gaps_folds_and_odd_offsets(zone_name: str, local: str, utc: str) -> None:
    wanted = datetime.fromisoformat(local)
    assert clock(zone_name).resolve(wanted.date(), wanted.time()) == at(utc)


def test_local_mean_time_has_seconds() -> None:
    found = clock("Africa/Monrovia").resolve(date(1910, 6, 1), time(12))
    assert found == at("1910-06-01 12:43:08")


def test_a_day_that_never_was_is_nobodys_school_day() -> None:
    thursday = at("2011-12-29 12:00", "Pacific/Apia")
    apia = clock("Pacific/Apia")
    assert due(thursday, "1 day", apia) == "2012-01-02 15:30"
    assert due(thursday, "1 school day", apia) == "2012-01-02 15:30"
    assert due(thursday, "1 day", clock("Pacific/Apia", school_days=EVERY_DAY)) == "2011-12-31 15:30"


def test_quiet_hours_end_when_the_clock_jumps_over_their_end() -> None:
    on = clock(quiet_from=time(22), quiet_to=time(2, 30), school_days=EVERY_DAY)
    assert due(at("2026-03-08 00:00", "America/New_York"), "1 hour", on) == "2026-03-08 03:00"


def test_quiet_hours_end_the_second_time_for_what_falls_due_in_between() -> None:
    on = clock(quiet_from=time(22), quiet_to=time(1, 30))
    second_quarter = at("2026-11-01 06:15")  # 01:15 EST: quiet once more
    assert on.held(second_quarter) == at("2026-11-01 06:30")


def test_quiet_windows_between_two_instants() -> None:
    on = clock()
    start = at("2026-10-31 22:00", "America/New_York")
    found = on.closed(start, start + timedelta(hours=26), on_any_day=True)
    assert [(one.opens_at, one.closes_at) for one in found] == [
        (start, at("2026-11-01 07:00", "America/New_York")),
        (at("2026-11-01 21:00", "America/New_York"), at("2026-11-02 07:00", "America/New_York")),
    ]
    never = clock(quiet_from=time(8), quiet_to=time(8))
    assert never.closed(start, start + timedelta(days=3), on_any_day=True) == []


def test_nights_weekends_holidays_and_breaks_are_one_window() -> None:
    on = clock(
        school_days=SchoolDays(
            holidays=region("US-MA"), breaks=[Break(first=date(2026, 11, 27), last=date(2026, 11, 29))]
        )
    )
    wednesday = at("2026-11-25 15:30", "America/New_York")  # before Thanksgiving
    (window,) = on.closed(wednesday, wednesday + timedelta(hours=24), on_any_day=False)
    assert window.opens_at == at("2026-11-25 21:00", "America/New_York")
    assert window.closes_at == at("2026-11-30 07:00", "America/New_York")
    (first, second) = on.closed(wednesday, wednesday + timedelta(hours=40), on_any_day=True)
    assert first.closes_at == at("2026-11-26 07:00", "America/New_York")
    assert second.opens_at == at("2026-11-26 21:00", "America/New_York")


def test_an_unwanted_day_ends_when_the_clock_jumps_over_midnight() -> None:
    on = clock("Africa/Cairo", quiet_from=time(9), quiet_to=time(9), school_days=SchoolDays(days=("fri",)))
    thursday = at("2027-04-29 12:00", "Africa/Cairo")  # at whose end the clock goes from 24:00 to 1:00
    (before, after) = on.closed(thursday, thursday + timedelta(hours=48), on_any_day=False)
    assert (before.opens_at, before.closes_at) == (thursday, at("2027-04-29 22:00"))
    assert after.opens_at == at("2027-04-30 21:00")


def test_a_windows_name_is_the_iana_zone_it_stands_for() -> None:
    assert zone("Eastern Standard Time").key == "America/New_York"
    assert zone("Europe/Stockholm").key == "Europe/Stockholm"  # never the zone it is an alias of


@pytest.mark.parametrize(
    "name",
    ["", "Mars/Base", "America", "localtime", "posixrules", "right/UTC", "Factory", "EST5EDT9", "../UTC", "x" * 300],
)
def test_other_names_are_no_zones(name: str) -> None:
    with pytest.raises(NoSuchTime, match="is no time zone"):
        zone(name)


@pytest.mark.parametrize(
    "text",
    ["", "1", "day", "-1 day", "+1 day", "1.5 days", "1 fortnight", "1day", "٣ days", "1 day ago", "101 years"],
)
def test_other_texts_are_no_offsets(text: str) -> None:
    with pytest.raises(NoSuchTime):
        offset(text)


def test_no_wanted_day_is_refused_and_a_long_break_is_not() -> None:
    with pytest.raises(NoSuchDay, match="is wanted"):
        due(WEDNESDAY, "1 day", clock(school_days=SchoolDays(days=())))
    forever = (Break(first=date(1, 1, 1), last=date(9999, 12, 31)),)
    with pytest.raises(NoSuchDay, match="is wanted"):
        due(WEDNESDAY, "1 day", clock(school_days=SchoolDays(breaks=forever)))
    sabbatical = (Break(first=date(2026, 8, 1), last=date(2028, 7, 31)),)
    assert due(WEDNESDAY, "1 day", clock(school_days=SchoolDays(breaks=sabbatical))) == "2028-08-01 15:30"


def test_school_days_leave_out_holidays_and_breaks() -> None:
    days = SchoolDays(holidays=region("US-MA"), breaks=(Break(first=date(2026, 12, 21), last=date(2027, 1, 2)),))
    before_thanksgiving = at("2026-11-25 12:00", "America/New_York")
    assert due(before_thanksgiving, "1 school day", clock(school_days=days)) == "2026-11-27 15:30"
    assert due(at("2026-12-18 12:00", "America/New_York"), "3 school days", clock(school_days=days)) == (
        "2027-01-06 15:30"
    )
    patriots_day = at("2027-04-16 12:00", "America/New_York")
    assert due(patriots_day, "1 school day", clock(school_days=days)) == "2027-04-20 15:30"
    only_us = SchoolDays(holidays=region("US"))
    assert due(patriots_day, "1 school day", clock(school_days=only_us)) == "2027-04-19 15:30"


@pytest.mark.parametrize("name", ["", "US-", "US-XX", "XX", "US-MA-1", "Massachusetts", "-"])
def test_other_names_are_no_regions(name: str) -> None:
    with pytest.raises(NoSuchDay, match="is no region"):
        region(name)


# From here on: second opinions.

ODD = ["America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu", "Pacific/Chatham"]
ODD += ["Africa/Casablanca", "Antarctica/Troll", "Europe/Dublin", "America/Havana", "Asia/Gaza", "Africa/Monrovia"]
zones = st.sampled_from(ODD) | st.sampled_from(sorted(ZONES))
instants = st.integers(int(at("1900-01-01").timestamp()), int(at("2200-12-31").timestamp())).map(
    lambda seconds: datetime.fromtimestamp(seconds, UTC)
)
times = st.times().map(lambda one: one.replace(second=0, microsecond=0))
day_sets = st.sets(st.sampled_from(EVERY_DAY.days), min_size=1).map(tuple)
clocks = st.builds(
    lambda name, send, quiet_from, quiet_to, days: Clock(
        zone=zone(name), send_at=send, quiet_from=quiet_from, quiet_to=quiet_to, school_days=SchoolDays(days=days)
    ),
    zones,
    times,
    times,
    times,
    day_sets,
)
calendar = st.builds(
    lambda n, unit: offset(f"{n} {unit}"),
    st.integers(0, 40),
    st.sampled_from(["day", "week", "month", "year", "school day"]),
)


def scan(on: Clock, instant: datetime) -> datetime:
    """Return the first instant from this one on that is not quiet, by looking at every minute, then every second."""
    before = instant
    while on.is_quiet(instant):
        before, instant = instant, instant + timedelta(minutes=1)
    while on.is_quiet(before) and before < instant:
        before += timedelta(seconds=1)
    return before


@settings(deadline=None, max_examples=300)
@given(on=clocks, instant=instants)
@example(on=clock("Australia/Lord_Howe", quiet_to=time(2, 10)), instant=at("2026-10-03 14:00"))
@example(on=clock("Pacific/Apia"), instant=at("2011-12-30 08:00"))
@example(on=clock("America/Havana", quiet_to=time(0, 30)), instant=at("2026-03-08 03:00"))
@example(on=clock("Antarctica/Troll", quiet_from=time(0), quiet_to=time(2)), instant=at("2026-10-25 00:30"))
def test_quiet_hours_are_held_as_a_scan_of_every_minute_says(on: Clock, instant: datetime) -> None:
    assume(on.is_quiet(instant))
    assert on.held(instant) == scan(on, instant)


@settings(deadline=None, max_examples=150)
@given(on=clocks, start=instants, hours=st.integers(0, 60), on_any_day=st.booleans())
@example(on=clock("America/Santiago"), start=at("2027-04-03 20:00"), hours=30, on_any_day=False)
@example(on=clock("America/St_Johns"), start=at("2010-11-06 20:00"), hours=30, on_any_day=False)
@example(on=clock("Pacific/Apia"), start=at("2011-12-29 20:00"), hours=60, on_any_day=False)
@example(on=clock("America/Havana", quiet_to=time(0, 30)), start=at("2026-11-01 00:00"), hours=40, on_any_day=False)
def test_windows_are_shut_as_a_scan_of_every_few_minutes_says(
    on: Clock, start: datetime, hours: int, on_any_day: bool
) -> None:
    end = start + timedelta(hours=hours)
    windows = on.closed(start, end, on_any_day=on_any_day)
    assert all(first.closes_at < second.opens_at for first, second in pairwise(windows))
    assert all(start <= one.opens_at < end and one.opens_at < one.closes_at for one in windows)
    for minutes in range(0, 60 * hours, 7):
        now = start + timedelta(minutes=minutes)
        is_shut = on.is_quiet(now) or not (on_any_day or on.school_days.wants(now.astimezone(on.zone).date()))
        assert is_shut == any(one.opens_at <= now < one.closes_at for one in windows), now
    for one in windows:
        for edge in (one.opens_at, one.closes_at):
            is_shut = on.is_quiet(edge) or not (on_any_day or on.school_days.wants(edge.astimezone(on.zone).date()))
            assert is_shut == (edge == one.opens_at)


@settings(deadline=None, max_examples=400)
@given(on=clocks, anchor=instants, by=calendar, own=st.none() | times)
def test_calendar_steps_are_never_early_quiet_or_unwanted(
    on: Clock, anchor: datetime, by: Offset, own: time | None
) -> None:
    found = place(wall_time.after(anchor, by, on, at=own), on)
    assert found.local == found.due_at.astimezone(on.zone).replace(tzinfo=None, fold=0)
    assert not on.is_quiet(found.due_at)
    assert on.school_days.wants(found.local.date())
    assert found.due_at >= anchor or by.count > 0


@settings(deadline=None, max_examples=200)
@given(on=clocks, first=instants, gap=st.timedeltas(timedelta(0), timedelta(days=40)), by=calendar)
def test_who_met_later_hears_no_earlier(on: Clock, first: datetime, gap: timedelta, by: Offset) -> None:
    earlier = place(wall_time.after(first, by, on), on)
    later = place(wall_time.after(first + gap, by, on), on)
    assert earlier.due_at <= later.due_at


@settings(deadline=None, max_examples=200)
@given(name=zones, day=st.dates(date(1900, 1, 2), date(2200, 12, 30)), local_time=times)
@example(name="Australia/Lord_Howe", day=date(2026, 10, 4), local_time=time(2, 15))
@example(name="America/New_York", day=date(2026, 11, 1), local_time=time(1, 30))
@example(name="America/New_York", day=date(2026, 11, 1), local_time=time(1, 30, fold=1))
@example(name="America/New_York", day=date(2026, 3, 8), local_time=time(2, 30))
def test_local_times_resolve_as_a_scan_of_every_instant_says(name: str, day: date, local_time: time) -> None:
    on = clock(name)
    wanted = datetime.combine(day, local_time)
    found = on.resolve(day, local_time)
    # Every instant at which the wall clock shows it, among all offsets in use around then.
    around = [wanted.replace(tzinfo=UTC) + timedelta(hours=n) for n in range(-40, 41)]
    offsets = {one.astimezone(on.zone).utcoffset() or timedelta() for one in around}
    shows = sorted(
        instant
        for by in offsets
        if (instant := wanted.replace(tzinfo=UTC) - by).astimezone(on.zone).replace(tzinfo=None, fold=0) == wanted
    )
    if shows:
        assert found == shows[0]
    else:
        before = (found - timedelta(hours=30)).astimezone(on.zone).utcoffset()
        assert found == wanted.replace(tzinfo=UTC) - (before or timedelta())


@settings(deadline=None, max_examples=300)
@given(on=clocks, anchor=instants, not_before=instants)
def test_what_may_not_be_before_an_instant_is_not(on: Clock, anchor: datetime, not_before: datetime) -> None:
    assume(anchor <= not_before < anchor + timedelta(days=400))
    day = anchor.astimezone(on.zone).date()
    assert place(Target(day=day, not_before=not_before), on).due_at >= not_before


def test_many_times_some_school_days_are_counted_as_each_is_alone() -> None:
    days = SchoolDays(days=("mon", "wed", "fri"), breaks=(Break(first=date(2026, 12, 20), last=date(2027, 1, 5)),))
    anchor, by = at("2026-10-21 14:10", "America/New_York"), offset("3 school days")
    on = clock(school_days=days)
    began = monotonic()
    together = [wall_time.after(anchor, by, on, times=n).day for n in range(1, 401)]
    assert monotonic() - began < 1
    alone = [wall_time.after(anchor, by, clock(school_days=days), times=n).day for n in range(1, 401, 40)]
    assert together[::40] == alone
