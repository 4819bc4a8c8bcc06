"""Nobody is texted before 8 in the morning or after 8 in the evening where they are."""

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.scheduler.clocks import clock_of
from services.scheduler.plan import Plans
from services.scheduler.planner import Planner
from services.scheduler.texting import zones_of
from services.scheduler.wall_time import Target, place
from shared.events import Person
from tests.factories import at, meeting, person

NEW_YORK = "America/New_York"


def texted(**given: Any) -> Person:
    return person(**{"channel": "sms", "phone": "+15085550123"} | given)


def first(owner: Person, send_at: time, day: date = date(2026, 10, 22)) -> datetime:
    """Return when this person's nudge of this day goes, on their wall clock."""
    clock = clock_of(owner.model_copy(update={"send_at": send_at}))
    return place(Target(day=day), clock).local


@pytest.mark.parametrize(
    ("send_at", "expected"),
    [
        (time(7, 59), "2026-10-22 08:00"),
        (time(8, 0), "2026-10-22 08:00"),
        (time(15, 30), "2026-10-22 15:30"),
        (time(19, 59), "2026-10-22 19:59"),
        (time(20, 0), "2026-10-23 08:00"),
        (time(21, 0), "2026-10-23 08:00"),
    ],
)
def test_a_text_waits_for_the_morning(send_at: time, expected: str) -> None:
    assert first(texted(), send_at) == datetime.fromisoformat(expected)


def test_a_mail_does_not() -> None:
    assert first(person(phone="+15085550123"), time(20, 30)) == datetime.fromisoformat("2026-10-22 20:30")


def test_their_own_quiet_hours_hold_too() -> None:
    owner = texted(quiet_from=time(9), quiet_to=time(16))
    assert first(owner, time(10)) == datetime.fromisoformat("2026-10-22 16:00")
    assert first(owner, time(21)) == datetime.fromisoformat("2026-10-23 08:00")


def test_who_wants_quiet_all_day_and_texts_is_texted_by_day() -> None:
    owner = texted(quiet_from=time(7), quiet_to=time(21))
    assert first(owner, time(15, 30)) == datetime.fromisoformat("2026-10-22 15:30")
    assert first(owner, time(22)) == datetime.fromisoformat("2026-10-23 08:00")


def test_a_zone_that_is_a_guess_is_texted_when_it_is_day_in_every_zone_of_the_country() -> None:
    owner = texted(time_zone="UTC", zone_is_known=False, quiet_from=time(0), quiet_to=time(0))
    clock = clock_of(owner)
    sent = place(Target(day=date(2026, 10, 22)), clock).due_at  # 15:30 UTC is 5:30 in Honolulu
    for name in zones_of("+15085550123"):
        assert time(8) <= sent.astimezone(ZoneInfo(name)).time() < time(20)
    assert sent == at("2026-10-22 08:00", "Pacific/Honolulu")
    [closed, *_] = clock.closed(sent, sent + timedelta(hours=20), on_any_day=True)
    assert closed.opens_at == at("2026-10-22 20:00", "America/New_York")
    assert closed.closes_at == at("2026-10-23 08:00", "Pacific/Honolulu")


@pytest.mark.parametrize("phone", ["+79161234567", "+12425550123", "+33612345678", "+61412345678", "+80012345678"])
def test_there_is_a_time_for_every_country(phone: str) -> None:
    owner = texted(time_zone="UTC", zone_is_known=False, phone=phone)
    sent = place(Target(day=date(2026, 7, 1)), clock_of(owner)).due_at
    for name in zones_of(phone):
        assert time(8) <= sent.astimezone(ZoneInfo(name)).time() < time(20)


def test_a_country_is_not_its_prefix() -> None:
    assert zones_of("+18765550123") == ("America/Jamaica",)
    assert zones_of("nonsense") == zones_of(None) == ()


@pytest.mark.parametrize("day", ["2026-03-07", "2026-03-08", "2026-10-31", "2026-11-01"])
def test_on_the_night_the_clocks_change_it_holds_as_well(day: str) -> None:
    clock = clock_of(texted(quiet_from=time(0), quiet_to=time(0)))
    start = at(f"{day} 00:00", NEW_YORK)
    for minutes in range(0, 2 * 1440, 15):
        instant = start + timedelta(minutes=minutes)
        held = clock.held(instant)
        assert not clock.is_quiet(held) and time(8) <= held.astimezone(ZoneInfo(NEW_YORK)).time() < time(20)
        assert held == instant or held.astimezone(ZoneInfo(NEW_YORK)).time() == time(8)


def test_a_plan_that_does_not_wait_does_not_wait_for_the_morning_either() -> None:
    now = at("2026-10-22 22:00", NEW_YORK)
    planned = Planner(Plans.read(None)).preview(meeting(plan="demo", met_at=now, logged_at=now), texted(), now)
    assert planned[0].due_at == now


def test_a_preview_shows_the_morning() -> None:
    now = at("2026-10-21 22:00", NEW_YORK)
    planned = Planner(Plans.read(None)).preview(meeting(met_at=now, logged_at=now), texted(send_at=time(6)), now)
    assert {one.local.time() for one in planned} == {time(8)}
