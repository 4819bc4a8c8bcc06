"""The daily limit, and one nudge for a send time: what does not fit comes on the next wanted day, and does come."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scheduler.clocks import clock_of
from services.scheduler.coalesce import Known, fire
from services.scheduler.follow_up import FollowUp
from shared.db import Pool
from shared.events import Meeting, new_id
from tests.factories import at, meeting, meeting_logged, person, touched
from tests.scheduler.drive import ANY_TIME, assert_told, make_due, nudges, receive, rows
from tests.scheduler.drive import fire as fire_all

ADA = person(quiet_from=time(0), quiet_to=time(0))
DAY = timedelta(days=1)
ANYBODY = person(**ANY_TIME)
WEDNESDAY = at("2026-10-21 15:30", "America/New_York").astimezone(UTC)
NOW = datetime.now(UTC)


def due(what: Meeting, when: datetime = WEDNESDAY, **given: Any) -> FollowUp:
    fields: dict[str, Any] = {
        "id": new_id(),
        "meeting_id": what.id,
        "person_id": ADA.id,
        "connection_id": what.connection,
        "revision": 1,
        "step": 1,
        "occurrence": 1,
        "playbook": "ask",
        "channel": None,
        "heeds_quiet": True,
        "state": "waiting",
        "reason": None,
        "on_day": when.date(),
        "at": None,
        "not_before": None,
        "local_time": when.replace(tzinfo=None),
        "zone": "America/New_York",
        "due_at": when,
    }
    return FollowUp(**fields | given)


def test_the_newest_promise_goes_first_then_whoever_was_longest_without_a_touch() -> None:
    met = {
        "kept": meeting(promise="x", promise_kept_at=WEDNESDAY, met_at=WEDNESDAY - timedelta(days=3)),
        "old promise": meeting(promise="x", logged_at=WEDNESDAY - timedelta(days=9)),
        "new promise": meeting(promise="x", logged_at=WEDNESDAY - timedelta(days=1)),
        "touched": meeting(promise=None, met_at=WEDNESDAY - timedelta(days=90)),
        "untouched": meeting(promise=None, met_at=WEDNESDAY - timedelta(days=60)),
        "long waiting": meeting(promise=None, met_at=WEDNESDAY - timedelta(days=1)),
    }
    follow_ups = {name: due(what, rolled=3 * (name == "long waiting")) for name, what in met.items()}
    known = Known(
        meetings={what.id: what for what in met.values()},
        touched_at={met["touched"].connection: WEDNESDAY - timedelta(days=2)},
    )
    names = {one.id: name for name, one in follow_ups.items()}
    order = []
    left = list(follow_ups.values())
    while left:  # one place a day, and nobody waits any longer for having waited
        owner = ADA.model_copy(update={"daily_limit": 1})
        result = fire(owner, clock_of(owner), left, [], known, now=WEDNESDAY, too_late_after=timedelta(days=1))
        (nudge,) = result.nudges
        order += [names[one.id] for one in nudge.follow_ups]
        left = [one for one in left if names[one.id] not in order]
    assert order == ["long waiting", "new promise", "old promise", "untouched", "kept", "touched"]


def test_the_rest_rolls_to_the_next_wanted_day() -> None:
    friday = at("2026-10-23 15:30", "America/New_York").astimezone(UTC)
    met = [meeting() for _ in range(7)]
    known = Known(meetings={what.id: what for what in met})
    follow_ups = [due(what, friday) for what in met]
    result = fire(ADA, clock_of(ADA), follow_ups, [], known, now=friday, too_late_after=timedelta(days=1))
    assert [len(nudge.follow_ups) for nudge in result.nudges] == [5]
    rolled = [one for one in result.changed if one.state == "waiting"]
    assert {(one.due_at, one.rolled) for one in rolled} == {(at("2026-10-26 15:30", "America/New_York"), 1)}
    assert len(rolled) == 2


def test_who_is_written_to_in_the_morning_after_a_quiet_evening_waits_a_day_and_not_two() -> None:
    owner = person(send_at=time(22), daily_limit=1)  # held to 7:00 of the next day
    met = [meeting() for _ in range(2)]
    known = Known(meetings={what.id: what for what in met})
    morning = at("2026-10-22 07:00", "America/New_York").astimezone(UTC)
    both = [due(what, morning) for what in met]
    result = fire(owner, clock_of(owner), both, [], known, now=morning, too_late_after=timedelta(days=1))
    (rolled,) = [one for one in result.changed if one.state == "waiting"]
    assert rolled.due_at == at("2026-10-23 07:00", "America/New_York")


@pytest.mark.parametrize(("late", "end"), [(timedelta(minutes=1), "superseded"), (timedelta(days=2), "expired")])
def test_the_next_step_takes_over_the_turn_that_the_one_before_it_had(late: timedelta, end: str) -> None:
    owner = ADA.model_copy(update={"daily_limit": 1})
    waited, promised = meeting(promise=None), meeting(promise="x", logged_at=WEDNESDAY)
    known = Known(meetings={what.id: what for what in (waited, promised)})
    now = WEDNESDAY + late
    older, newer = due(waited, rolled=3), due(waited, now, step=2)
    both = [older, newer, due(promised, now, rolled=0)]
    result = fire(owner, clock_of(owner), both, [], known, now=now, too_late_after=timedelta(days=1))
    (nudge,) = result.nudges
    assert [one.id for one in nudge.follow_ups] == [newer.id]
    ends = {one.id: one.reason or one.state for one in result.changed}
    assert (ends[older.id], ends[newer.id], ends[both[2].id]) == (end, "nudged", "waiting")


@given(
    arriving=st.lists(st.integers(0, 4), min_size=1, max_size=8),
    limit=st.integers(1, 3),
)
def test_whatever_promises_are_made_every_day_nobody_waits_for_ever(arriving: list[int], limit: int) -> None:
    owner = ADA.model_copy(update={"daily_limit": limit})
    clock = clock_of(owner)
    forgotten = meeting(promise=None, met_at=WEDNESDAY - timedelta(days=1))
    meetings = {forgotten.id: forgotten}
    waiting = {one.id: one for one in [due(forgotten)]}
    victim = next(iter(waiting))
    day, days = WEDNESDAY, 0
    while victim in waiting:
        for _ in range(max(arriving[days % len(arriving)], limit)):  # always enough promises to fill the nudge
            promised = meeting(promise="x", logged_at=day)
            meetings[promised.id] = promised
            one = due(promised, day)
            waiting[one.id] = one
        today = [one for one in waiting.values() if one.due_at <= day]
        known = Known(meetings=meetings)
        result = fire(owner, clock, today, [], known, now=day, too_late_after=timedelta(days=1))
        assert sorted(one.id for one in result.changed) == sorted(one.id for one in today)
        for nudge in result.nudges:
            assert len({one.connection for one in nudge.follow_ups}) <= limit
        for one in result.changed:
            waiting[one.id] = one
            if one.state != "waiting":
                del waiting[one.id]
        days += 1
        assert days <= 40
        day += timedelta(days=1)


def test_of_the_steps_of_one_connection_that_rolled_together_the_newest_goes() -> None:
    owner = ADA.model_copy(update={"daily_limit": 1})
    erin, promised = meeting(promise=None), meeting(promise="x", logged_at=WEDNESDAY)
    known = Known(meetings={what.id: what for what in (erin, promised)})
    hello, other = due(erin), due(promised)
    result = fire(owner, clock_of(owner), [hello, other], [], known, now=WEDNESDAY, too_late_after=DAY)
    (rolled,) = [one for one in result.changed if one.state == "waiting"]
    thursday = WEDNESDAY + DAY
    later = due(erin, thursday, step=2)
    result = fire(owner, clock_of(owner), [rolled, later], [], known, now=thursday, too_late_after=DAY)
    assert {one.id: one.reason or one.state for one in result.changed} == {hello.id: "superseded", later.id: "nudged"}


@given(
    steps=st.lists(
        st.lists(st.integers(0, 9), min_size=1, max_size=5, unique=True).map(sorted), min_size=1, max_size=9
    ),
    limit=st.integers(1, 2),
)
def test_however_small_the_limit_each_connection_gets_its_newest_step_and_no_older_beside_it(
    steps: list[list[int]], limit: int
) -> None:
    owner = ANYBODY.model_copy(update={"daily_limit": limit})
    clock = clock_of(owner)
    met = [meeting(promise="x" if n % 2 else None, logged_at=WEDNESDAY - n * DAY) for n in range(len(steps))]
    known = Known(meetings={what.id: what for what in met})
    waiting = {
        one.id: one
        for what, days in zip(met, steps, strict=True)
        for number, day in enumerate(days, 1)
        for one in [due(what, WEDNESDAY + day * DAY, step=number)]
    }
    newest = {one.connection_id: one.id for one in sorted(waiting.values(), key=lambda one: one.step)}
    ended: dict[UUID, str] = {}
    now, days_left = WEDNESDAY, 40
    while waiting:
        today = [one for one in waiting.values() if one.due_at <= now]
        result = fire(owner, clock, today, [], known, now=now, too_late_after=DAY)
        for nudge in result.nudges:
            carried = [one.connection for one in nudge.follow_ups]
            assert len(set(carried)) <= limit
            assert len(set(carried)) == len(carried)
        for one in result.changed:
            waiting[one.id] = one
            if one.state != "waiting":
                ended[one.id] = one.reason or one.state
                del waiting[one.id]
        now, days_left = now + DAY, days_left - 1
        assert days_left > 0, "somebody waits for ever"
    assert set(ended.values()) <= {"nudged", "superseded"}
    assert {ended[id] for id in newest.values()} == {"nudged"}


def test_too_late_is_counted_from_the_send_time_that_it_rolled_to() -> None:
    owner = ADA.model_copy(update={"daily_limit": 1})
    clock = clock_of(owner)
    met = [meeting(promise=None, met_at=WEDNESDAY - n * DAY) for n in range(12)]
    known = Known(meetings={what.id: what for what in met})
    waiting = {one.id: one for one in map(due, met)}
    rounds = 0
    while waiting:
        send_time = min(one.due_at for one in waiting.values())
        now = send_time + timedelta(hours=7)  # found so late every time
        today = [one for one in waiting.values() if one.due_at <= now]
        result = fire(owner, clock, today, [], known, now=now, too_late_after=timedelta(hours=8))
        (nudge,) = result.nudges
        assert (nudge.due_at, nudge.too_late_after) == (send_time, send_time + timedelta(hours=8))
        assert {one.state for one in result.changed} <= {"nudged", "waiting"}
        waiting = {one.id: one for one in result.changed if one.state == "waiting"}
        rounds += 1
    assert rounds == 12


async def test_there_is_no_second_nudge_for_a_send_time(scheduler_pool: Pool) -> None:
    first, second = (meeting_logged(owner=ANYBODY, met_at=NOW, logged_at=NOW) for _ in range(2))
    await receive(scheduler_pool, first)
    await make_due(scheduler_pool, NOW + timedelta(days=400))
    send_time = NOW - timedelta(seconds=2)
    await make_due(scheduler_pool, send_time, (await rows(scheduler_pool))[0]["id"])
    assert await fire_all(scheduler_pool) == 1
    await receive(scheduler_pool, second)  # its event was long on the way
    late = next(row["id"] for row in await rows(scheduler_pool) if row["meeting_id"] == second.data.meeting.id)
    await make_due(scheduler_pool, send_time, late)
    assert await fire_all(scheduler_pool) == 1
    assert len(await nudges(scheduler_pool)) == 1
    moved = next(row for row in await rows(scheduler_pool) if row["id"] == late)
    assert (moved["state"], moved["reason"]) == ("waiting", None)
    assert NOW < moved["due_at"] < NOW + timedelta(days=4)
    await assert_told(scheduler_pool)


async def test_more_connections_than_fit_go_out_on_days_to_come_the_untouched_first(scheduler_pool: Pool) -> None:
    events = [
        meeting_logged(owner=ANYBODY, met_at=NOW - timedelta(minutes=n + 1), logged_at=NOW, promise=None)
        for n in range(8)
    ]
    await receive(scheduler_pool, *events)
    await make_due(scheduler_pool, NOW + timedelta(days=400))
    firsts = [row["id"] for row in await rows(scheduler_pool) if row["step"] == 1]
    await receive(
        scheduler_pool, *(touched(event.data.meeting.connection, person=ANYBODY.id, at=NOW) for event in events[5:])
    )
    await make_due(scheduler_pool, NOW, *firsts)
    assert await fire_all(scheduler_pool) == 8
    (nudge,) = await nudges(scheduler_pool)
    assert {one.meeting for one in nudge.follow_ups} == {event.data.meeting.id for event in events[:5]}
    await make_due(scheduler_pool, datetime.now(UTC), *firsts)
    assert await fire_all(scheduler_pool) == 3
    assert len((await nudges(scheduler_pool))[1].follow_ups) == 3
    await assert_told(scheduler_pool)
