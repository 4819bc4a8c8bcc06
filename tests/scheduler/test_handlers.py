"""Events in: whatever their order and however often, the follow-ups end up right."""

import itertools
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.scheduler.plan import Plans
from services.scheduler.planner import Planner
from shared.db import Pool
from shared.events import (
    AddressSuppressed,
    Break,
    ErasedData,
    Event,
    FollowUpChanged,
    Meeting,
    MeetingChanged,
    MeetingData,
    MeetingLogged,
    Person,
    PersonChanged,
    PersonData,
    PersonErased,
    SuppressedData,
    new_id,
)
from shared.receive import receiver
from tests.factories import LOGGED_AT, acted, at, meeting_logged, person
from tests.scheduler.drive import ANY_TIME, ROUTES, assert_told, make_due, nudges, receive, rows, sent, states
from tests.scheduler.drive import fire as fire_all

LATER = LOGGED_AT + timedelta(hours=1)


def changed(what: Meeting, owner: Person, *, time: datetime = LATER, **given: Any) -> MeetingChanged:
    after = what.model_copy(update={"revision": what.revision + 1} | given)
    return MeetingChanged(time=time, subject=str(what.id), data=MeetingData(meeting=after, owner=owner))


def person_changed(owner: Person, **given: Any) -> PersonChanged:
    after = owner.model_copy(update={"revision": owner.revision + 1} | given)
    return PersonChanged(time=LATER, subject=str(owner.id), data=PersonData(person=after))


def suppressed(address: str, owner: UUID | None = None, *, at: datetime = LATER) -> AddressSuppressed:
    data = SuppressedData(address=address, channel="email", reason="hard bounce", at=at, person=owner)
    return AddressSuppressed(time=at, subject=address, data=data)


def erased(owner: UUID) -> PersonErased:
    return PersonErased(time=LATER, subject=str(owner), data=ErasedData(person=owner, at=LATER))


async def test_a_meeting_logged_twice_is_planned_once(scheduler_pool: Pool) -> None:
    event = meeting_logged(met_at=at("2026-10-21 14:10", "America/New_York"))

    await receive(scheduler_pool, event)
    await receive(scheduler_pool, event)
    await receive(scheduler_pool, event.model_copy(update={"id": new_id()}))  # told again, as news

    assert await states(scheduler_pool) == ["waiting", "waiting", "waiting"]
    assert [row["local_time"].isoformat(" ", "minutes") for row in await rows(scheduler_pool)] == [
        "2026-10-22 15:30",
        "2026-11-04 15:30",
        "2026-12-21 15:30",
    ]
    await assert_told(scheduler_pool)


async def test_what_is_planned_is_what_was_previewed(scheduler_pool: Pool) -> None:
    event = meeting_logged(plan="conference")
    preview = Planner(Plans.read(None)).preview(event.data.meeting, event.data.owner, LOGGED_AT)

    await receive(scheduler_pool, event)

    assert [one.data.follow_up for one in await sent(scheduler_pool, FollowUpChanged)] == preview


async def test_what_falls_due_on_the_way_is_due_and_not_past(scheduler_pool: Pool) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    await receive(scheduler_pool, meeting_logged(plan="demo", met_at=yesterday, logged_at=yesterday))
    assert await states(scheduler_pool) == ["waiting", "waiting", "waiting"]


async def test_a_meeting_logged_late_skips_what_is_past(scheduler_pool: Pool) -> None:
    await receive(scheduler_pool, meeting_logged(met_at=LOGGED_AT - timedelta(days=30)))
    assert await states(scheduler_pool) == ["past", "waiting", "waiting"]
    assert [row["local_time"].date() for row in await rows(scheduler_pool)][1] == date(2026, 10, 21)
    await assert_told(scheduler_pool)


async def test_the_end_is_the_same_in_whatever_order_events_arrive(scheduler_pool: Pool) -> None:
    ends = set()
    for order in itertools.permutations(range(4)):
        owner = person(email=f"{new_id()}@school.example")
        logged = meeting_logged(owner=owner)
        met = logged.data.meeting
        moved = changed(met, owner, met_at=met.met_at - timedelta(days=1))
        third = Planner(Plans.read(None)).preview(met, owner, LOGGED_AT)[2].id
        events: list[Event] = [
            logged,
            moved,
            acted("done", person=owner.id, connection=met.connection, follow_up=third, at=LATER),
            acted("stop", person=owner.id, connection=met.connection, at=LATER + timedelta(minutes=1)),
        ]
        for n in order:
            await receive(scheduler_pool, events[n])
        mine = [row for row in await rows(scheduler_pool) if row["person_id"] == owner.id]
        ends.add(tuple((row["state"], row["reason"]) for row in mine))
    assert ends == {(("stopped", None), ("stopped", None), ("done", None))}
    await assert_told(scheduler_pool)


async def test_where_things_end_up_is_the_same_in_whatever_order_facts_arrive(scheduler_pool: Pool) -> None:
    ends = set()
    for order in itertools.permutations(range(4)):
        owner = person(email=f"{new_id()}@school.example")
        logged = meeting_logged(owner=owner)
        moved = changed(logged.data.meeting, owner, met_at=LOGGED_AT + timedelta(days=1))
        again = changed(moved.data.meeting, owner, met_at=LOGGED_AT + timedelta(days=2))
        events: list[Event] = [logged, moved, again, person_changed(owner, time_zone="America/Los_Angeles")]
        for n in order:
            await receive(scheduler_pool, events[n])
        mine = [row for row in await rows(scheduler_pool) if row["person_id"] == owner.id]
        ends.add(tuple((row["state"], row["local_time"], row["due_at"]) for row in mine))
    assert len(ends) == 1
    assert next(iter(ends))[0][2] == at("2026-10-26 22:30")  # met on the 23rd, a Friday: Monday, in Los Angeles
    await assert_told(scheduler_pool)


async def test_a_change_that_matters_moves_what_waits_and_leaves_what_was_nudged(scheduler_pool: Pool) -> None:
    owner = person(**ANY_TIME)
    logged = meeting_logged(owner=owner)
    await receive(scheduler_pool, logged)
    first = (await rows(scheduler_pool))[0]["id"]
    await make_due(scheduler_pool, datetime.now(UTC) + timedelta(days=400))
    await make_due(scheduler_pool, datetime.now(UTC), first)
    await fire_all(scheduler_pool)

    await receive(scheduler_pool, changed(logged.data.meeting, owner, met_at=LOGGED_AT + timedelta(days=7)))

    assert await states(scheduler_pool) == ["nudged", "waiting", "waiting"]
    assert [row["local_time"].date() for row in await rows(scheduler_pool)][1:] == [
        date(2026, 11, 11),
        date(2026, 12, 28),
    ]
    await assert_told(scheduler_pool)


async def test_a_change_of_words_alone_moves_nothing(scheduler_pool: Pool) -> None:
    owner = person()
    logged = meeting_logged(owner=owner)
    await receive(scheduler_pool, logged, changed(logged.data.meeting, owner, notes="and the rubric"))
    assert [row["revision"] for row in await rows(scheduler_pool)] == [1, 1, 1]
    assert (await scheduler_pool.fetchval("SELECT facts ->> 'notes' FROM meetings")) == "and the rubric"


@pytest.mark.parametrize(("state", "expected"), [("cancelled", "cancelled"), ("stopped", "stopped")])
async def test_a_meeting_that_is_off_ends_what_waits(scheduler_pool: Pool, state: str, expected: str) -> None:
    owner = person()
    logged = meeting_logged(owner=owner)
    await receive(scheduler_pool, logged)
    await receive(scheduler_pool, changed(logged.data.meeting, owner, state=state))
    assert await states(scheduler_pool) == [expected] * 3
    await assert_told(scheduler_pool)


async def test_another_plan_replaces_what_waits(scheduler_pool: Pool) -> None:
    owner = person()
    logged = meeting_logged(owner=owner, plan="conference")
    await receive(scheduler_pool, logged)
    await receive(scheduler_pool, changed(logged.data.meeting, owner, plan="default"))
    assert await states(scheduler_pool) == ["waiting"] * 3 + ["rescheduled"] * 5
    assert [row["playbook"] for row in await rows(scheduler_pool)][:3] == ["say-hello", "share-resource", "check-in"]
    await assert_told(scheduler_pool)


async def test_a_changed_zone_or_send_time_moves_what_waits(scheduler_pool: Pool) -> None:
    owner = person()
    await receive(scheduler_pool, meeting_logged(owner=owner))
    await receive(scheduler_pool, person_changed(owner, time_zone="America/Los_Angeles", send_at=time(8)))
    assert [(row["local_time"].isoformat(" ", "minutes"), row["due_at"]) for row in await rows(scheduler_pool)] == [
        ("2026-10-22 08:00", at("2026-10-22 15:00")),
        ("2026-11-04 08:00", at("2026-11-04 16:00")),
        ("2026-12-21 08:00", at("2026-12-21 16:00")),
    ]
    await receive(scheduler_pool, person_changed(owner.model_copy(update={"revision": 0}), send_at=time(9)))  # stale
    assert (await rows(scheduler_pool))[0]["local_time"].hour == 8
    await assert_told(scheduler_pool)


async def test_what_catches_up_moves_with_the_clock_and_not_back_into_the_past(scheduler_pool: Pool) -> None:
    owner = person()
    await receive(scheduler_pool, meeting_logged(owner=owner, met_at=LOGGED_AT - timedelta(days=30)))
    await receive(scheduler_pool, person_changed(owner, time_zone="America/Los_Angeles", send_at=time(16)))
    assert await states(scheduler_pool) == ["past", "waiting", "waiting"]
    assert (await rows(scheduler_pool))[1]["due_at"] == at("2026-10-21 16:00", "America/Los_Angeles")


async def test_a_region_nobody_knows_has_no_holidays(scheduler_pool: Pool) -> None:
    owner = person(holidays="US-ZZ")
    await receive(scheduler_pool, meeting_logged(owner=owner), person_changed(owner, holidays="XX", send_at=time(9)))
    assert [row["local_time"].hour for row in await rows(scheduler_pool)] == [9, 9, 9]


async def test_who_wants_no_day_at_all_waits_for_other_wishes(scheduler_pool: Pool) -> None:
    never = (Break(first=date(2026, 1, 1), last=date(9999, 12, 31)),)
    owner = person(breaks=never, send_at=time(22))
    await receive(scheduler_pool, meeting_logged(owner=owner, plan="conference"))
    assert set(await states(scheduler_pool)) == {"waiting"}
    assert {row["local_time"].year for row in await rows(scheduler_pool)} == {2400}
    await receive(scheduler_pool, person_changed(owner, breaks=()))
    assert {row["local_time"].year for row in await rows(scheduler_pool)} == {2026, 2027}
    await assert_told(scheduler_pool)


async def test_a_plan_nobody_knows_is_a_dead_letter_and_its_neighbours_are_planned(scheduler_pool: Pool) -> None:
    receive_ = receiver(scheduler_pool, ROUTES, service="scheduler")
    await receive_([meeting_logged(plan="gone").to_json(), meeting_logged().to_json()])
    assert await states(scheduler_pool) == ["waiting"] * 3
    assert "there is no plan 'gone'" in await scheduler_pool.fetchval("SELECT reason FROM dead_letter")


async def test_later_waits_again_at_the_send_time(scheduler_pool: Pool) -> None:
    owner = person()
    logged = meeting_logged(owner=owner)
    await receive(scheduler_pool, logged)
    first, second, third = [row["id"] for row in await rows(scheduler_pool)]
    pressed = at("2026-10-22 16:00", "America/New_York")
    about = {"person": owner.id, "connection": logged.data.meeting.connection, "at": pressed}

    await receive(scheduler_pool, acted("later", follow_up=first, span="1 week", **about))
    await receive(scheduler_pool, acted("later", follow_up=second, until=date(2026, 12, 5), **about))
    await receive(scheduler_pool, acted("later", follow_up=third, span="1 month", **about))

    assert [row["local_time"].isoformat(" ", "minutes") for row in await rows(scheduler_pool)] == [
        "2026-10-29 15:30",
        "2026-12-07 15:30",  # the 5th is a Saturday
        "2026-11-23 15:30",  # so is the 22nd a Sunday
    ]
    # What they put off themselves stays there when the meeting moves, and moves with their clock.
    await receive(scheduler_pool, changed(logged.data.meeting, owner, met_at=LOGGED_AT + timedelta(days=3)))
    await receive(scheduler_pool, person_changed(owner, send_at=time(9)))
    assert (await rows(scheduler_pool))[0]["local_time"].isoformat(" ", "minutes") == "2026-10-29 09:00"
    await assert_told(scheduler_pool)


async def test_later_nudges_again(scheduler_pool: Pool) -> None:
    owner = person(**ANY_TIME)
    await receive(scheduler_pool, meeting_logged(owner=owner))
    first = (await rows(scheduler_pool))[0]["id"]
    await make_due(scheduler_pool, datetime.now(UTC) + timedelta(days=400))
    await make_due(scheduler_pool, datetime.now(UTC), first)
    await fire_all(scheduler_pool)
    await receive(scheduler_pool, acted("later", person=owner.id, follow_up=first, span="1 week", at=datetime.now(UTC)))
    assert (await states(scheduler_pool))[0] == "waiting"
    await make_due(scheduler_pool, datetime.now(UTC), first)
    await fire_all(scheduler_pool)
    sent_twice = await nudges(scheduler_pool)
    assert [one.follow_ups[0].id for one in sent_twice] == [first, first]
    assert sent_twice[0].nudge != sent_twice[1].nudge
    await assert_told(scheduler_pool)


async def test_a_later_that_was_pressed_before_the_stop_and_comes_after_it_waits_for_nothing(
    scheduler_pool: Pool,
) -> None:
    owner = person(**ANY_TIME)
    logged = meeting_logged(owner=owner)
    await receive(scheduler_pool, logged)
    first = (await rows(scheduler_pool))[0]["id"]
    await make_due(scheduler_pool, datetime.now(UTC) + timedelta(days=400))
    await make_due(scheduler_pool, datetime.now(UTC), first)
    await fire_all(scheduler_pool)
    about = {"person": owner.id, "connection": logged.data.meeting.connection}
    await receive(scheduler_pool, acted("stop", at=LATER + timedelta(minutes=1), **about))
    await receive(scheduler_pool, acted("later", follow_up=first, span="1 week", at=LATER, **about))
    assert await states(scheduler_pool) == ["stopped"] * 3
    await assert_told(scheduler_pool)


async def test_an_older_act_that_comes_late_changes_nothing(scheduler_pool: Pool) -> None:
    owner = person()
    await receive(scheduler_pool, meeting_logged(owner=owner))
    first, second, _ = [row["id"] for row in await rows(scheduler_pool)]
    await receive(scheduler_pool, acted("done", person=owner.id, follow_up=first, at=LATER))
    await receive(scheduler_pool, acted("later", person=owner.id, follow_up=first, span="1 week", at=LOGGED_AT))
    await receive(scheduler_pool, acted("later", person=owner.id, follow_up=second, span="2 weeks", at=LATER))
    await receive(scheduler_pool, acted("later", person=owner.id, follow_up=second, span="1 day", at=LOGGED_AT))
    found = await rows(scheduler_pool)
    assert [(row["state"], row["local_time"].date()) for row in found][:2] == [
        ("done", date(2026, 10, 22)),
        ("waiting", date(2026, 11, 4)),
    ]
    await assert_told(scheduler_pool)


async def test_a_stop_ends_one_connection_and_what_is_logged_later_begins_anew(scheduler_pool: Pool) -> None:
    owner = person()
    ended, other = meeting_logged(owner=owner), meeting_logged(owner=owner)
    await receive(scheduler_pool, ended, other)
    connection = ended.data.meeting.connection
    await receive(scheduler_pool, acted("stop", person=owner.id, connection=connection, at=LATER))
    again = meeting_logged(owner=owner, connection=connection, logged_at=LATER + timedelta(days=1))
    await receive(scheduler_pool, again)
    by_meeting = {row["meeting_id"]: row["state"] for row in await rows(scheduler_pool)}
    assert by_meeting == {
        ended.data.meeting.id: "stopped",
        other.data.meeting.id: "waiting",
        again.data.meeting.id: "waiting",
    }
    await assert_told(scheduler_pool)


async def test_a_stop_that_comes_before_its_meeting_holds_even_after_an_older_one(scheduler_pool: Pool) -> None:
    owner = person()
    logged = meeting_logged(owner=owner)
    stop = {"person": owner.id, "connection": logged.data.meeting.connection}
    await receive(scheduler_pool, acted("stop", at=LATER, **stop))
    await receive(scheduler_pool, acted("stop", at=LOGGED_AT - timedelta(days=1), **stop))
    await receive(scheduler_pool, logged)
    assert await states(scheduler_pool) == ["stopped"] * 3
    await assert_told(scheduler_pool)


@pytest.mark.parametrize("suppressed_first", [True, False])
async def test_unsubscribing_stops_what_waits_and_suppresses_what_comes(
    scheduler_pool: Pool, suppressed_first: bool
) -> None:
    owner = person()
    await receive(scheduler_pool, meeting_logged(owner=owner))
    both: list[Event] = [
        acted("stop", person=owner.id, channel="email", at=LATER),
        suppressed("Ada@School.example", owner.id),
    ]
    for event in reversed(both) if suppressed_first else both:
        await receive(scheduler_pool, event)
    assert await states(scheduler_pool) == ["stopped"] * 3
    await receive(scheduler_pool, meeting_logged(owner=owner, logged_at=LATER + timedelta(days=1)))
    assert sorted(await states(scheduler_pool)) == ["stopped"] * 3 + ["suppressed"] * 3
    await assert_told(scheduler_pool)


async def test_a_stop_of_another_channel_stops_nothing(scheduler_pool: Pool) -> None:
    owner = person(phone="+15085550123")
    await receive(scheduler_pool, meeting_logged(owner=owner))
    await receive(scheduler_pool, acted("stop", person=owner.id, channel="sms", at=LATER))
    assert await states(scheduler_pool) == ["waiting"] * 3


async def test_a_bounced_address_is_skipped_for_everybody_who_has_it(scheduler_pool: Pool) -> None:
    await receive(scheduler_pool, meeting_logged(), meeting_logged(owner=person(email="bob@school.example")))
    await receive(scheduler_pool, suppressed("ADA@school.example"))
    assert sorted(await states(scheduler_pool)) == ["suppressed"] * 3 + ["waiting"] * 3
    await assert_told(scheduler_pool)


async def test_nothing_is_kept_of_who_asked_to_be_forgotten_and_nothing_comes_back(scheduler_pool: Pool) -> None:
    owner = person()
    logged = meeting_logged(owner=owner)
    await receive(scheduler_pool, logged, acted("stop", person=owner.id, channel="sms", at=LATER))
    await receive(scheduler_pool, acted("done", person=owner.id, follow_up=new_id(), at=LATER))
    await receive(scheduler_pool, erased(owner.id))
    await receive(scheduler_pool, changed(logged.data.meeting, owner))
    await receive(scheduler_pool, person_changed(owner))
    await receive(scheduler_pool, acted("later", person=owner.id, follow_up=new_id(), span="1 day", at=LATER))
    for table in ("recipients", "meetings", "follow_ups", "stops", "early_acts"):
        assert await scheduler_pool.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_a_batch_of_many_meetings_is_planned_at_once(scheduler_pool: Pool) -> None:
    owners = [person(email=f"{n}@school.example") for n in range(40)]
    batch: list[MeetingLogged] = [meeting_logged(owner=owners[n % 40]) for n in range(400)]
    await receive(scheduler_pool, *batch)
    assert len(await rows(scheduler_pool)) == 1200
    await assert_told(scheduler_pool)
