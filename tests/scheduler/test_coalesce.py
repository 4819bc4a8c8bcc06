"""Coalescing, whatever is due: everything ends once, nobody gets two nudges on a channel."""

from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from services.scheduler.clocks import clock_of
from services.scheduler.coalesce import Fired, Known, fire
from services.scheduler.follow_up import FollowUp
from shared.events import Break, Channel, Meeting, Person
from tests.factories import at, meeting, person

NOW = at("2026-10-21 15:30", "America/New_York").astimezone(UTC)
NIGHT = at("2026-10-22 03:00", "America/New_York").astimezone(UTC)
DAY = timedelta(hours=24)
CONNECTIONS = [uuid4() for _ in range(3)]
MEETINGS: dict[UUID, Meeting] = {one.id: one for one in (meeting(connection=connection) for connection in CONNECTIONS)}


def follow_up(
    connection: int, due_at: datetime, *, channel: Channel | None = None, heeds_quiet: bool = True
) -> FollowUp:
    met = next(one for one in MEETINGS.values() if one.connection == CONNECTIONS[connection])
    return FollowUp(
        id=uuid4(),
        meeting_id=met.id,
        person_id=met.id,
        connection_id=met.connection,
        revision=1,
        step=1,
        occurrence=1,
        playbook="ask",
        channel=channel,
        heeds_quiet=heeds_quiet,
        state="waiting",
        reason=None,
        on_day=due_at.date(),
        at=None,
        not_before=None,
        local_time=due_at.replace(tzinfo=None),
        zone="America/New_York",
        due_at=due_at,
    )


def fired(owner: Person, *due: FollowUp, now: datetime = NOW) -> Fired:
    return fire(owner, clock_of(owner), due, [], Known(meetings=MEETINGS), now=now, too_late_after=DAY)


def end(result: Fired, one: FollowUp) -> str:
    (found,) = [changed for changed in result.changed if changed.id == one.id]
    return found.reason or found.state


def test_what_is_a_day_late_to_the_second_still_goes() -> None:
    in_time, late = follow_up(0, NOW - DAY), follow_up(1, NOW - DAY - timedelta(seconds=1))
    result = fired(person(), in_time, late)
    assert (end(result, in_time), end(result, late)) == ("nudged", "expired")
    assert result.nudges[0].too_late_after == NOW


def test_two_steps_of_one_connection_at_the_same_send_time_go_side_by_side() -> None:
    first, second = follow_up(0, NOW), follow_up(0, NOW)
    assert {end(fired(person(), first, second), one) for one in (first, second)} == {"nudged"}


def test_what_the_newer_replaces_at_night_is_not_sent_in_the_morning() -> None:
    older, newer = follow_up(0, NIGHT - timedelta(hours=11)), follow_up(0, NIGHT - timedelta(hours=10))
    result = fired(person(), older, newer, now=NIGHT)
    assert (end(result, older), end(result, newer)) == ("superseded", "waiting")
    held = next(one for one in result.changed if one.id == newer.id)
    assert (held.due_at, held.local_time.time()) == (at("2026-10-22 07:00", "America/New_York"), time(7))
    assert result.nudges == []


def test_what_is_found_late_on_a_saturday_waits_for_monday() -> None:
    friday, saturday = NOW + 2 * DAY, NOW + 2 * DAY + timedelta(hours=20)
    calendar, hours = follow_up(0, friday), follow_up(1, friday)._replace(on_day=None, not_before=friday)
    result = fired(person(), calendar, hours, now=saturday)
    assert (end(result, calendar), end(result, hours)) == ("waiting", "nudged")
    waits = next(one for one in result.changed if one.id == calendar.id)
    assert waits.due_at == at("2026-10-26 15:30", "America/New_York")


def test_what_is_found_late_in_a_break_waits_for_its_end() -> None:
    off = Break(first=date(2026, 10, 22), last=date(2026, 10, 28))
    result = fired(person(breaks=[off]), late := follow_up(0, NOW), now=NOW + timedelta(hours=20))
    (waits,) = result.changed
    assert (waits.id, waits.due_at) == (late.id, at("2026-10-29 15:30", "America/New_York"))


FRIDAY = at("2026-10-23 15:30", "America/New_York").astimezone(UTC)


def shut(result: Fired) -> list[tuple[str, str]]:
    """Return when the one nudge must not go out, on the wall clock of New York."""
    (nudge,) = result.nudges
    zone = ZoneInfo("America/New_York")
    return [
        (f"{one.opens_at.astimezone(zone):%a %H:%M}", f"{one.closes_at.astimezone(zone):%a %H:%M}")
        for one in nudge.quiet
    ]


def test_a_nudge_of_friday_may_not_go_out_on_saturday() -> None:
    assert shut(fired(person(), follow_up(0, FRIDAY), now=FRIDAY)) == [("Fri 21:00", "Mon 07:00")]


def test_what_passes_by_hours_may_go_out_on_saturday() -> None:
    hours = follow_up(0, FRIDAY)._replace(on_day=None, not_before=FRIDAY)
    assert shut(fired(person(), hours, now=FRIDAY)) == [("Fri 21:00", "Sat 07:00")]
    # A nudge goes as a whole: what is counted on the calendar holds what is not.
    assert shut(fired(person(), hours, follow_up(1, FRIDAY), now=FRIDAY)) == [("Fri 21:00", "Mon 07:00")]


def test_what_heeds_no_hours_is_never_held() -> None:
    demo = follow_up(0, FRIDAY, heeds_quiet=False)._replace(on_day=None, not_before=FRIDAY)
    assert shut(fired(person(), demo, now=FRIDAY)) == []
    assert shut(fired(person(), demo, follow_up(1, FRIDAY), now=FRIDAY)) == [("Fri 21:00", "Mon 07:00")]


def test_holidays_and_breaks_hold_a_nudge_and_two_of_a_kind_are_one_window() -> None:
    off = Break(first=date(2026, 11, 12), last=date(2026, 11, 13))
    tuesday = at("2026-11-10 15:30", "America/New_York").astimezone(UTC)  # before Veterans Day
    owner = person(holidays="US-MA", breaks=[off], quiet_from=time(0), quiet_to=time(0))
    assert shut(fired(owner, follow_up(0, tuesday), now=tuesday)) == [("Wed 00:00", "Mon 00:00")]


def test_the_windows_of_a_day_on_which_the_clock_changes_end_on_the_wall() -> None:
    saturday = at("2026-10-31 15:30", "America/New_York").astimezone(UTC)  # the clock goes back that night
    owner = person(days=("sat", "sun"))
    assert shut(fired(owner, follow_up(0, saturday), now=saturday)) == [("Sat 21:00", "Sun 07:00")]
    (nudge,) = fired(owner, follow_up(0, saturday), now=saturday).nudges
    (night,) = nudge.quiet
    assert night.closes_at - night.opens_at == timedelta(hours=11)
    assert nudge.too_late_after == saturday + DAY  # an hour earlier on the wall: elapsed time


def test_who_cannot_be_reached_any_more_is_skipped() -> None:
    one = follow_up(0, NOW)
    assert end(fired(person(email=None), one), one) == "suppressed"


due_sets = st.lists(
    st.builds(
        lambda connection, hours, channel, heeds_quiet: follow_up(
            connection, NIGHT - timedelta(hours=hours), channel=channel, heeds_quiet=heeds_quiet
        ),
        st.integers(0, 2),
        st.integers(0, 60),
        st.sampled_from([None, "email", "sms"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


@given(due=due_sets, now=st.sampled_from([NIGHT, NIGHT + timedelta(hours=8)]), phone=st.booleans())
def test_everything_due_ends_once_and_nobody_gets_two_nudges(due: list[FollowUp], now: datetime, phone: bool) -> None:
    owner = person(phone="+15085550123" if phone else None)
    result = fired(owner, *due, now=now)

    assert sorted(one.id for one in result.changed) == sorted(one.id for one in due)
    channels = [nudge.channel for nudge in result.nudges]
    assert len(channels) == len(set(channels))
    carried = [one.id for nudge in result.nudges for one in nudge.follow_ups]
    assert sorted(carried) == sorted(one.id for one in result.changed if one.state == "nudged")
    told = [one.id for nudge in result.nudges for one in nudge.missed]
    expired = [one.id for one in result.changed if one.state == "expired"]
    assert sorted(told) == (sorted(expired) if result.nudges else [])
    clock = clock_of(owner)
    for one in result.changed:
        if one.state == "waiting":
            assert one.due_at > now and not clock.is_quiet(one.due_at)
        if one.state == "nudged" and clock.is_quiet(now):
            assert not one.heeds_quiet
