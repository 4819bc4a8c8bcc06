"""A booking is one meeting, whatever its tool tells of it and in whatever order it arrives."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest

from services.intake import store_forgetting
from tests.intake.booking_tools import FIRST_END, SECOND_END, THIRD_END, Payload, absent, cal, ended, invitee, uri
from tests.intake.serving import Intake, Sender

CREATED = cal("BOOKING_CREATED")
CANCELLED = cal("BOOKING_CANCELLED", at="2026-10-03T08:00:00.000Z")
MOVED = cal("BOOKING_RESCHEDULED", "second", at="2026-10-02T08:00:00.000Z", end=SECOND_END, rescheduleUid="first")
MOVED_AGAIN = cal("BOOKING_RESCHEDULED", "third", at="2026-10-04T08:00:00Z", end=THIRD_END, rescheduleUid="second")
BOOKED = invitee("invitee.created", "old", at="2026-10-01T12:00:00Z")
LEFT = invitee("invitee.canceled", "old", at="2026-10-02T12:00:01Z", rescheduled=True, new_invitee=uri("new"))
CAME = invitee("invitee.created", "new", at="2026-10-02T12:00:02Z", end=SECOND_END, old_invitee=uri("old"))


async def tell(sender: Sender, *events: Payload) -> list[list[str]]:
    """Send these events one after the other and return which meetings each was answered with."""
    found = []
    for event in events:
        answer = await sender.send(event)
        assert answer.status in {200, 202}, await answer.text()
        found.append((await answer.json())["meetings"])
    return found


async def meetings(intake: Intake) -> list[tuple[str, str | None, datetime]]:
    """Return state, reason and time of each meeting; the last event told of it says the same."""
    rows = await intake.pool.fetch("SELECT * FROM meetings ORDER BY logged_at, ordinal")
    told: dict[str, dict[str, Any]] = {}
    for event in await intake.events():
        if event["type"].startswith("afterhello.meeting."):
            meeting = event["data"]["meeting"]
            assert meeting["revision"] == told.get(meeting["id"], {"revision": 0})["revision"] + 1
            told[meeting["id"]] = meeting
    for row in rows:
        last = told[str(row["id"])]
        assert (last["state"], last["state_reason"]) == (row["state"], row["state_reason"])
        assert datetime.fromisoformat(last["met_at"]) == row["met_at"]
        assert datetime.fromisoformat(row["sent"]["met_at"]) == row["met_at"]
    return [(row["state"], row["state_reason"], row["met_at"]) for row in rows]


def orders(*events: Payload) -> list[Sequence[Payload]]:
    return list(permutations(events))


def names(events: Sequence[Payload]) -> str:
    found = []
    for event in events:
        payload = event.get("payload") or event
        what = f"{event.get('triggerEvent') or event['event']}".split("_")[-1]
        name = str(payload.get("uid") or payload.get("bookingUid") or payload.get("uri")).split("/")[-1].lower()
        found.append(f"{what}-{name}-{event.get('createdAt', '')[14:16]}")
    return " ".join(found)


TEAM = {"id": 2, "name": "Science", "members": [{"id": 3, "name": "Bo", "email": "Bo@district.example"}]}


@pytest.mark.parametrize("listed", [("erin",), ("erin", "bo")], ids=["beside", "among"])
async def test_whoever_hosts_it_too_was_not_met(intake: Intake, listed: tuple[str, ...]) -> None:
    sender = await intake.source("calcom")

    made, touched = await tell(
        sender, cal("BOOKING_CREATED", who=listed, team=TEAM), ended(who=("erin", "bo"))
    )  # the end lists them among the attendees, and names no team

    assert made == touched
    assert await intake.pool.fetchval("SELECT array_agg(sent #>> '{contact,name}') FROM meetings") == ["Erin"]


async def test_of_a_team_too_who_books_is_met(intake: Intake) -> None:
    sender = await intake.source("calcom")
    asked = {"email": {"label": "email_address", "value": "bo@district.example"}}

    [made] = await tell(sender, cal("BOOKING_CREATED", who=("bo",), team=TEAM, responses=asked))

    assert len(made) == 1


@pytest.mark.parametrize("events", orders(CREATED, ended(), CANCELLED), ids=names)
async def test_a_cancelled_booking_is_a_cancelled_meeting(intake: Intake, events: Sequence[Payload]) -> None:
    answers = await tell(await intake.source("calcom"), *events)

    assert await meetings(intake) == [("cancelled", "cancelled", FIRST_END)]
    [id] = await intake.pool.fetch("SELECT id FROM meetings")
    assert answers[-1] == [str(id["id"])]
    assert all(answer in ([], [str(id["id"])]) for answer in answers)


async def test_the_scheduled_end_of_a_booking_is_the_same_meeting(intake: Intake) -> None:
    sender = await intake.source("calcom")

    first, second = await tell(sender, CREATED, ended())

    assert first == second and len(first) == 1
    assert await meetings(intake) == [("active", None, FIRST_END)]
    assert len(await intake.events()) == 1


@pytest.mark.parametrize("events", orders(CREATED, MOVED, MOVED_AGAIN), ids=names)
async def test_a_moved_booking_is_the_same_meeting_at_another_time(intake: Intake, events: Sequence[Payload]) -> None:
    sender = await intake.source("calcom")

    answers = await tell(sender, *events)
    again = await tell(sender, *events)

    active = [one for one in await meetings(intake) if one[0] == "active"]
    assert active == [("active", None, THIRD_END)]
    assert again == answers
    # Only when the middle one comes last the ends of the chain were two meetings, of which the older one is off.
    assert await intake.count("meetings") == (2 if events[2] is MOVED else 1)


@pytest.mark.parametrize("events", orders(BOOKED, LEFT, CAME), ids=names)
async def test_two_events_of_calendly_move_one_meeting(intake: Intake, events: Sequence[Payload]) -> None:
    answers = await tell(await intake.source("calendly"), *events)

    assert await meetings(intake) == [("active", None, SECOND_END)]
    [row] = await intake.pool.fetch("SELECT id FROM meetings")
    assert answers[-1] == [str(row["id"])]


async def test_between_the_two_nothing_is_sent_for_the_old_time(intake: Intake) -> None:
    sender = await intake.source("calendly")
    await tell(sender, BOOKED, LEFT)
    assert await meetings(intake) == [("cancelled", "cancelled", FIRST_END)]
    await tell(sender, CAME)
    assert await meetings(intake) == [("active", None, SECOND_END)]
    off = invitee("invitee.canceled", "new", at="2026-10-03T12:00:00Z")
    await tell(sender, off, CAME)
    assert await meetings(intake) == [("cancelled", "cancelled", SECOND_END)]


async def test_all_at_once_they_are_still_one_meeting(intake: Intake) -> None:
    sender = await intake.source("calendly")

    answers = await asyncio.gather(*(sender.send(event) for event in (BOOKED, LEFT, CAME) * 4))

    assert {answer.status for answer in answers} <= {200, 202}
    assert await meetings(intake) == [("active", None, SECOND_END)]


async def test_a_moved_and_then_cancelled_booking_is_off(intake: Intake) -> None:
    off = cal("BOOKING_CANCELLED", "second", at="2026-10-05T08:00:00.000Z")
    answers = await tell(await intake.source("calcom"), CREATED, MOVED, off)
    assert answers[0] == answers[1] == answers[2]
    assert await meetings(intake) == [("cancelled", "cancelled", SECOND_END)]


async def test_what_is_told_late_of_the_booking_before_changes_nothing(intake: Intake) -> None:
    sender = await intake.source("calcom")
    await tell(sender, CREATED, MOVED)
    late = cal("BOOKING_CANCELLED", at="2026-10-02T08:00:01.000Z")
    await tell(sender, late, ended(), absent(erin=True))
    assert await meetings(intake) == [("active", None, SECOND_END)]


@pytest.mark.parametrize("events", orders(CREATED, absent(erin=True)), ids=names)
async def test_who_did_not_come_was_not_met(intake: Intake, events: Sequence[Payload]) -> None:
    await tell(await intake.source("calcom"), *events)
    assert await meetings(intake) == [("cancelled", "no-show", FIRST_END)]


async def test_of_several_only_the_absent_were_not_met(intake: Intake) -> None:
    sender = await intake.source("calcom")
    both = ("erin", "bo")
    made, touched = await tell(sender, cal("BOOKING_CREATED", who=both), absent(bo=True))
    assert touched == made[1:]
    assert [one[:2] for one in await meetings(intake)] == [("active", None), ("cancelled", "no-show")]


@pytest.mark.parametrize(
    "events",
    orders(
        CREATED,
        absent(erin=True, at="2026-10-21T19:00:00Z"),
        absent(erin=False, at="2026-10-21T19:05:00Z"),
    ),
    ids=names,
)
async def test_a_no_show_that_is_taken_back_was_none(intake: Intake, events: Sequence[Payload]) -> None:
    await tell(await intake.source("calcom"), *events)
    assert await meetings(intake) == [("active", None, FIRST_END)]


async def test_calendly_takes_a_no_show_back_as_well(intake: Intake) -> None:
    sender = await intake.source("calendly")
    absent = invitee("invitee_no_show.created", "old", at="2026-10-21T19:00:00Z")
    present = invitee("invitee_no_show.deleted", "old", at="2026-10-21T19:05:00Z")
    once_more = invitee("invitee_no_show.created", "old", at="2026-10-21T19:10:00Z")
    found = []
    for event in (BOOKED, absent, present, once_more):
        await tell(sender, event)
        found += [one[:2] for one in await meetings(intake)]
    assert found == [("active", None), ("cancelled", "no-show")] * 2


async def test_the_end_of_a_meeting_may_say_who_was_absent(intake: Intake) -> None:
    sender = await intake.source("calcom")
    body = ended(who=("erin", "bo"))
    body["attendees"][1]["noShow"] = True
    await tell(sender, cal("BOOKING_CREATED", who=("erin", "bo")), body)
    assert [one[:2] for one in await meetings(intake)] == [("active", None), ("cancelled", "no-show")]
    await tell(sender, absent(bo=False))
    assert [one[:2] for one in await meetings(intake)] == [("active", None)] * 2


async def test_a_host_who_did_not_come_met_nobody(intake: Intake) -> None:
    sender = await intake.source("calcom")
    made, touched = await tell(
        sender, cal("BOOKING_CREATED", who=("erin", "bo")), ended(who=("erin", "bo"), noShowHost=True)
    )
    assert touched == made
    assert [one[:2] for one in await meetings(intake)] == [("cancelled", "no-show")] * 2


async def test_a_cancelled_booking_concerns_all_who_were_to_come(intake: Intake) -> None:
    sender = await intake.source("calcom")
    made, touched = await tell(sender, cal("BOOKING_CREATED", who=("erin", "bo")), CANCELLED)
    assert sorted(touched) == sorted(made)
    assert [one[0] for one in await meetings(intake)] == ["cancelled"] * 2


async def test_seats_come_and_go_alone(intake: Intake) -> None:
    sender = await intake.source("calcom")
    seats: Any = {"seatsPerTimeSlot": 10}
    for minute, (event, who) in enumerate(
        [
            ("BOOKING_CREATED", "erin"),
            ("BOOKING_CREATED", "bo"),
            ("BOOKING_CANCELLED", "erin"),
        ]
    ):
        await tell(sender, cal(event, at=f"2026-10-01T12:{minute:02}:00Z", who=(who,), **seats))
    assert [one[0] for one in await meetings(intake)] == ["cancelled", "active"]

    await tell(sender, cal("BOOKING_CREATED", at="2026-10-01T12:09:00Z", who=("erin",), **seats))
    assert [one[0] for one in await meetings(intake)] == ["active", "active"]

    moved = cal(
        "BOOKING_RESCHEDULED", "second", at="2026-10-02T08:00:00Z", end=SECOND_END, rescheduleUid="first", **seats
    )
    await tell(sender, moved)
    assert [(one[0], one[2]) for one in await meetings(intake)] == [("active", SECOND_END), ("active", FIRST_END)]


async def test_who_is_left_out_of_the_new_booking_is_not_met(intake: Intake) -> None:
    await tell(await intake.source("calcom"), cal("BOOKING_CREATED", who=("erin", "bo")), MOVED)
    assert [(one[0], one[2]) for one in await meetings(intake)] == [("active", SECOND_END), ("cancelled", FIRST_END)]


async def test_another_host_is_another_meeting(intake: Intake) -> None:
    sender = await intake.source("calcom")
    moved = MOVED | {"payload": MOVED["payload"] | {"organizer": {"name": "Cy", "email": "cy@school.example"}}}
    first, second = await tell(sender, CREATED, moved)
    assert first != second
    assert await meetings(intake) == [("cancelled", "cancelled", FIRST_END), ("active", None, SECOND_END)]


async def test_what_its_owner_stopped_no_booking_tool_revives(intake: Intake) -> None:
    sender = await intake.source("calcom")
    await tell(sender, CREATED)
    await intake.pool.execute("UPDATE meetings SET state = 'stopped'")
    await tell(sender, absent(erin=True), absent(erin=False, at="2026-10-21T19:05:00Z"), MOVED)
    assert await intake.pool.fetchval("SELECT state FROM meetings") == "stopped"


async def test_a_meeting_that_was_forgotten_is_not_made_again(intake: Intake) -> None:
    sender = await intake.source("calcom")
    [[id], [_]] = await tell(sender, CREATED, absent(erin=True))
    async with intake.pool.acquire() as conn:
        await store_forgetting.forget_meeting(conn, UUID(id))
    assert await intake.count("submissions", "body = ''") == 2
    assert await tell(sender, ended(), MOVED, CANCELLED) == [[], [], []]
    assert await intake.count("meetings") == 0


async def test_the_same_booking_of_two_sources_is_two(intake: Intake) -> None:
    one, other = await intake.source("calcom"), await intake.source("calcom")
    await tell(one, CREATED)
    await tell(other, CANCELLED, CREATED)
    assert [state for state, *_ in await meetings(intake)] == ["active", "cancelled"]


async def test_no_name_and_no_address_is_kept_with_a_booking(intake: Intake) -> None:
    await tell(await intake.source("calcom"), CANCELLED, CREATED, absent(erin=True))
    kept = await intake.pool.fetch("SELECT b::text AS row FROM bookings b UNION ALL SELECT s::text FROM seats s")
    assert len(kept) == 2
    assert not [row for row in kept if "erin" in row["row"].lower() or "@" in row["row"]]


async def test_a_booking_that_cannot_be_logged_leaves_nothing_but_its_refusal(intake: Intake) -> None:
    sender = await intake.source("calcom")
    body = cal("BOOKING_CREATED", who=("erin", "bo"))
    body["payload"]["attendees"][1]["email"] = "not an address"
    answer = await sender.send(body)
    assert answer.status == 422
    assert [error["field"] for error in (await answer.json())["errors"]] == ["contact.email"]
    assert await intake.stored() == {"submissions": 1}
    assert await intake.count("bookings") == 0


async def test_the_end_of_a_moved_booking_moves_it_when_nothing_else_told_of_that(intake: Intake) -> None:
    sender = await intake.source("calcom")
    made, touched = await tell(sender, CREATED, ended("second", end=SECOND_END, fromReschedule="first"))
    assert touched == made
    assert await meetings(intake) == [("active", None, SECOND_END)]


@pytest.mark.parametrize("clocks", [("08:00", "09:00"), ("09:00", "08:00")], ids=" ".join)
async def test_of_two_moves_within_one_booking_the_later_one_counts(intake: Intake, clocks: Sequence[str]) -> None:
    sender = await intake.source("calcom")
    await tell(sender, CREATED)
    for clock in clocks:
        end = THIRD_END if clock == "09:00" else SECOND_END
        await tell(sender, cal("BOOKING_RESCHEDULED", at=f"2026-10-02T{clock}:00Z", end=end, rescheduleUid="first"))
    assert await meetings(intake) == [("active", None, THIRD_END)]
