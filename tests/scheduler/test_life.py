"""The life of a plan: meeting again, touches, pauses, cancellations; whatever the order we hear of them in."""

import itertools
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from shared.db import Pool
from shared.events import (
    Event,
    Meeting,
    MeetingChanged,
    MeetingData,
    MeetingLogged,
    Person,
    PersonChanged,
    PersonData,
    new_id,
)
from tests.factories import acted, meeting_logged, person, touched
from tests.scheduler.drive import ANY_TIME, assert_told, fire, make_due, nudges, receive, rows

ADA = person()
NOW = datetime.now(UTC)
MET = NOW.replace(hour=15, minute=0, second=0, microsecond=0)  # today, in New York too
DAYS = timedelta(days=1)


def changed(what: Meeting, owner: Person, *, at: datetime = NOW, **given: Any) -> MeetingChanged:
    after = what.model_copy(update={"revision": what.revision + 1} | given)
    return MeetingChanged(time=at, subject=str(what.id), data=MeetingData(meeting=after, owner=owner))


def logged(owner: Person, **given: Any) -> MeetingLogged:
    return meeting_logged(owner=owner, **{"met_at": MET, "logged_at": NOW} | given)


async def of(pool: Pool, meeting: Meeting) -> list[dict[str, Any]]:
    return [row for row in await rows(pool) if row["meeting_id"] == meeting.id]


async def ends(pool: Pool, meeting: Meeting) -> list[str]:
    return [row["reason"] or row["state"] for row in await of(pool, meeting)]


async def days(pool: Pool, meeting: Meeting, *, playbook: str) -> list[date]:
    return [row["on_day"] for row in await of(pool, meeting) if row["playbook"] == playbook]


# Meeting again.


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_meeting_again_goes_on_with_the_newer_plan_whatever_is_heard_first(
    scheduler_pool: Pool, order: tuple[int, ...]
) -> None:
    connection = new_id()
    met = [logged(ADA, connection=connection, plan="conference", met_at=MET - n * 2 * DAYS) for n in (2, 1, 0)]
    for n in order:
        await receive(scheduler_pool, met[n])
    first, second, third = [await ends(scheduler_pool, event.data.meeting) for event in met]
    assert third == ["waiting"] * 8
    assert set(second) <= {"past", "superseded"}
    assert set(first) <= {"past", "superseded"}
    assert "superseded" in first
    overtaken = [row["overtaken_by"] for row in await of(scheduler_pool, met[0].data.meeting) if row["overtaken_by"]]
    assert set(overtaken) == {met[1].data.meeting.id}
    await assert_told(scheduler_pool)


async def test_what_is_due_before_they_meet_again_still_goes_out(scheduler_pool: Pool) -> None:
    connection = new_id()
    now = logged(ADA, connection=connection)
    booked = logged(ADA, connection=connection, met_at=MET + 10 * DAYS)
    await receive(scheduler_pool, now, booked)
    assert await ends(scheduler_pool, now.data.meeting) == ["waiting", "superseded", "superseded"]
    assert await ends(scheduler_pool, booked.data.meeting) == ["waiting"] * 3

    # The call is cancelled: what is still to come is wanted again. It takes place after all: it is not.
    cancelled = changed(booked.data.meeting, ADA, state="cancelled", state_reason="cancelled")
    await receive(scheduler_pool, cancelled)
    assert await ends(scheduler_pool, now.data.meeting) == ["waiting"] * 3
    assert await ends(scheduler_pool, booked.data.meeting) == ["cancelled"] * 3
    await receive(scheduler_pool, changed(cancelled.data.meeting, ADA, state="active", state_reason=None))
    assert await ends(scheduler_pool, now.data.meeting) == ["waiting", "superseded", "superseded"]
    assert await ends(scheduler_pool, booked.data.meeting) == ["waiting"] * 3
    await assert_told(scheduler_pool)


async def test_a_booking_that_moves_gives_back_and_takes_over_what_lies_between(scheduler_pool: Pool) -> None:
    connection = new_id()
    now = logged(ADA, connection=connection)
    booked = logged(ADA, connection=connection, met_at=MET + 10 * DAYS)
    await receive(scheduler_pool, now, booked)
    await receive(scheduler_pool, changed(booked.data.meeting, ADA, met_at=MET + 30 * DAYS))
    assert await ends(scheduler_pool, now.data.meeting) == ["waiting", "waiting", "superseded"]
    await assert_told(scheduler_pool)


@pytest.mark.parametrize("cancelled_first", [False, True], ids=["moved", "cancelled and made anew"])
async def test_the_sooner_of_two_bookings_that_moves_behind_the_other_is_counted_from_its_new_time(
    scheduler_pool: Pool, cancelled_first: bool
) -> None:
    connection = new_id()
    sooner = logged(ADA, connection=connection, met_at=MET + 4 * DAYS)
    later = logged(ADA, connection=connection, met_at=MET + 4 * DAYS + timedelta(hours=1))
    alone = logged(ADA, connection=new_id(), met_at=MET + 40 * DAYS)
    await receive(scheduler_pool, sooner, later, alone)
    assert await ends(scheduler_pool, sooner.data.meeting) == ["superseded"] * 3

    meeting = sooner.data.meeting
    if cancelled_first:
        cancelled = changed(meeting, ADA, state="cancelled", state_reason="cancelled")
        await receive(scheduler_pool, cancelled)
        meeting = cancelled.data.meeting
    await receive(scheduler_pool, changed(meeting, ADA, state="active", state_reason=None, met_at=MET + 40 * DAYS))

    found = await of(scheduler_pool, meeting)
    assert [row["state"] for row in found] == ["waiting"] * 3
    assert [row["due_at"] for row in found] == [row["due_at"] for row in await of(scheduler_pool, alone.data.meeting)]
    await assert_told(scheduler_pool)


async def test_what_another_meeting_took_over_has_its_new_time_when_it_is_given_back(scheduler_pool: Pool) -> None:
    connection = new_id()
    older, newer = logged(ADA, connection=connection), logged(ADA, connection=connection, met_at=MET + 10 * DAYS)
    alone = logged(ADA, connection=new_id(), met_at=MET + 3 * DAYS)
    await receive(scheduler_pool, older, newer, alone)

    await receive(scheduler_pool, changed(older.data.meeting, ADA, met_at=MET + 3 * DAYS))
    assert "superseded" in await ends(scheduler_pool, older.data.meeting)
    await receive(scheduler_pool, changed(newer.data.meeting, ADA, state="cancelled", state_reason="cancelled"))

    found = await of(scheduler_pool, older.data.meeting)
    assert [row["due_at"] for row in found] == [row["due_at"] for row in await of(scheduler_pool, alone.data.meeting)]
    assert await ends(scheduler_pool, older.data.meeting) == ["waiting"] * 3
    await assert_told(scheduler_pool)


async def test_what_was_put_off_and_what_counts_back_from_a_goal_stay(scheduler_pool: Pool, tmp_path: Any) -> None:
    connection = new_id()
    older = logged(ADA, connection=connection, plan="goal", goal_at=MET + 200 * DAYS)
    await receive(scheduler_pool, older)
    first = (await of(scheduler_pool, older.data.meeting))[0]["id"]
    await receive(scheduler_pool, acted("later", person=ADA.id, connection=connection, follow_up=first, span="1 month"))
    await receive(scheduler_pool, logged(ADA, connection=connection))
    for row in await of(scheduler_pool, older.data.meeting):
        stays = row["id"] == first or row["is_for_goal"]
        assert (row["state"], row["reason"]) == (("waiting", None) if stays else ("skipped", "superseded"))
    assert any(row["is_for_goal"] for row in await of(scheduler_pool, older.data.meeting))


async def test_another_connection_is_left_alone(scheduler_pool: Pool) -> None:
    one, other = logged(ADA), logged(ADA)
    await receive(scheduler_pool, one, other)
    assert await ends(scheduler_pool, one.data.meeting) == await ends(scheduler_pool, other.data.meeting)
    assert await ends(scheduler_pool, one.data.meeting) == ["waiting"] * 3


# Touches.


def months(day: datetime, *counts: int) -> list[date]:
    from dateutil.relativedelta import relativedelta

    return [(day + relativedelta(months=count)).date() for count in counts]


async def test_a_touch_restarts_the_stay_in_touch_clock_and_nothing_else(scheduler_pool: Pool) -> None:
    event = logged(ADA, plan="conference")
    met = event.data.meeting
    await receive(scheduler_pool, event)
    before = await of(scheduler_pool, met)
    assert await days(scheduler_pool, met, playbook="check-in") == months(MET, 3, 6, 9, 12)

    spoke = MET + 40 * DAYS
    await receive(scheduler_pool, touched(met.connection, "logged", person=ADA.id, at=spoke))
    assert await days(scheduler_pool, met, playbook="check-in") == months(spoke, 3, 6, 9, 12)
    after = await of(scheduler_pool, met)
    assert [row["revision"] for row in after if row["every"] is None] == [1] * 4
    assert [row["due_at"] for row in after if row["every"] is None] == [r["due_at"] for r in before if not r["every"]]

    await receive(scheduler_pool, touched(met.connection, person=ADA.id, at=MET + 20 * DAYS))  # older, and late
    assert await days(scheduler_pool, met, playbook="check-in") == months(spoke, 3, 6, 9, 12)
    await assert_told(scheduler_pool)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_touches_and_their_meeting_in_any_order_count_from_the_last(
    scheduler_pool: Pool, order: tuple[int, ...]
) -> None:
    event = logged(ADA, plan="conference", met_at=MET - 60 * DAYS)
    met = event.data.meeting
    given: list[Event] = [
        event,
        touched(met.connection, "replied", person=ADA.id, at=MET - 20 * DAYS),
        touched(met.connection, "logged", person=ADA.id, at=MET - 10 * DAYS),
    ]
    for n in order:
        await receive(scheduler_pool, given[n])
    assert await days(scheduler_pool, met, playbook="check-in") == months(MET - 10 * DAYS, 3, 6, 9, 12)
    await assert_told(scheduler_pool)


async def test_what_is_left_of_a_series_is_counted_from_done_and_stays_so_when_the_meeting_moves(
    scheduler_pool: Pool,
) -> None:
    event = logged(ADA, plan="conference")
    met = event.data.meeting
    await receive(scheduler_pool, event)
    first = next(row["id"] for row in await of(scheduler_pool, met) if row["every"])
    spoke = MET + 100 * DAYS
    await receive(scheduler_pool, acted("done", person=ADA.id, connection=met.connection, follow_up=first, at=spoke))
    assert (await days(scheduler_pool, met, playbook="check-in"))[1:] == months(spoke, 3, 6, 9)
    await receive(scheduler_pool, changed(met, ADA, met_at=MET - 1 * DAYS))
    assert (await days(scheduler_pool, met, playbook="check-in"))[1:] == months(spoke, 3, 6, 9)
    states = [row["state"] for row in await of(scheduler_pool, met) if row["every"]]
    assert states == ["done", "waiting", "waiting", "waiting"]
    await assert_told(scheduler_pool)


# Pauses.


async def test_a_paused_meeting_comes_due_only_when_it_goes_on_and_then_not_all_at_once(scheduler_pool: Pool) -> None:
    owner = person(**ANY_TIME)
    event = logged(owner)
    await receive(scheduler_pool, event)
    paused = changed(event.data.meeting, owner, state="paused")
    await receive(scheduler_pool, paused)
    ids = [row["id"] for row in await rows(scheduler_pool)]
    await make_due(scheduler_pool, NOW - 3 * DAYS, ids[0])
    await make_due(scheduler_pool, NOW - timedelta(hours=1), ids[1])
    assert await fire(scheduler_pool) == 0

    await receive(scheduler_pool, changed(paused.data.meeting, owner, state="active"))
    found = await of(scheduler_pool, event.data.meeting)
    assert [row["reason"] or row["state"] for row in found] == ["superseded", "waiting", "waiting"]
    assert found[1]["due_at"] > NOW
    assert found[1]["due_at"] - NOW < 5 * DAYS
    await make_due(scheduler_pool, NOW, ids[1])
    assert await fire(scheduler_pool) == 1
    assert len(await nudges(scheduler_pool)) == 1
    await assert_told(scheduler_pool)


async def test_a_pause_that_is_heard_of_before_its_meeting_holds(scheduler_pool: Pool) -> None:
    event = logged(ADA)
    await receive(scheduler_pool, changed(event.data.meeting, ADA, state="paused"), event)
    assert {(row["state"], row["is_paused"]) for row in await rows(scheduler_pool)} == {("waiting", True)}


async def test_a_person_who_pauses_hears_nothing_before_and_everything_after_as_planned(scheduler_pool: Pool) -> None:
    event = logged(ADA)
    await receive(scheduler_pool, event)
    planned = [row["due_at"] for row in await rows(scheduler_pool)]
    until = (MET + 20 * DAYS).date()
    await receive(scheduler_pool, person_changed(ADA, 2, paused_until=until))
    moved = await rows(scheduler_pool)
    assert all(row["local_time"].date() >= until for row in moved)
    assert [row["local_time"].time() for row in moved] == [ADA.send_at] * 3
    assert moved[2]["due_at"] == planned[2]
    # What is planned meanwhile waits too.
    await receive(scheduler_pool, logged(ADA.model_copy(update={"paused_until": until, "revision": 2})))
    assert all(row["local_time"].date() >= until for row in await rows(scheduler_pool))
    await receive(scheduler_pool, person_changed(ADA, 3, paused_until=None))
    assert sorted(row["due_at"] for row in await rows(scheduler_pool)) == sorted(planned * 2)
    await assert_told(scheduler_pool)


def person_changed(owner: Person, revision: int, **given: Any) -> PersonChanged:
    after = owner.model_copy(update={"revision": revision} | given)
    return PersonChanged(time=NOW, subject=str(owner.id), data=PersonData(person=after))


# Ends.


@pytest.mark.parametrize(
    ("given", "end"),
    [
        ({"state": "cancelled", "state_reason": "no-show"}, "no-show"),
        ({"state": "cancelled", "state_reason": "cancelled"}, "cancelled"),
        ({"state": "cancelled"}, "cancelled"),
        ({"state": "stopped"}, "stopped"),
    ],
)
async def test_a_meeting_that_ends_ends_what_waits_of_it(scheduler_pool: Pool, given: dict[str, Any], end: str) -> None:
    event = logged(ADA)
    await receive(scheduler_pool, event)
    done = (await rows(scheduler_pool))[0]["id"]
    await receive(scheduler_pool, acted("done", person=ADA.id, follow_up=done))
    await receive(scheduler_pool, changed(event.data.meeting, ADA, **given))
    assert await ends(scheduler_pool, event.data.meeting) == ["done", end, end]
    await assert_told(scheduler_pool)


async def test_a_change_of_state_alone_leaves_what_a_changed_plan_would_move(scheduler_pool: Pool) -> None:
    event = logged(ADA)
    await receive(scheduler_pool, event)
    await scheduler_pool.execute("DELETE FROM follow_ups WHERE step = 3")  # as if the file had had no third step then
    paused = changed(event.data.meeting, ADA, state="paused")
    await receive(scheduler_pool, paused)
    await receive(scheduler_pool, changed(paused.data.meeting, ADA, state="active"))
    assert await ends(scheduler_pool, event.data.meeting) == ["waiting"] * 2


async def test_what_was_logged_after_a_stop_of_everything_and_heard_of_before_it_waits_no_more(
    scheduler_pool: Pool,
) -> None:
    await receive(scheduler_pool, logged(ADA, plan="conference"))
    assert {row["state"] for row in await rows(scheduler_pool)} == {"waiting"}

    stop = acted("stop", person=ADA.id, connection=None, follow_up=None, at=NOW - timedelta(minutes=1))
    await receive(scheduler_pool, stop)
    assert {(row["state"], row["reason"]) for row in await rows(scheduler_pool)} == {("skipped", "suppressed")}
