"""What the API answers is what the scheduler does: previews, changes, pauses, stops, touches, wishes."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from services.intake import leaving
from services.scheduler import store_calendars
from services.scheduler.plan import Plans
from shared.db import Pool
from shared.events import Break, NudgeDue
from tests.flow.planned import Planned
from tests.intake.serving import serving
from tests.scheduler import drive

ADA = "ada@school.example"
NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


@pytest.fixture
async def planned(intake_pool: Pool, scheduler_pool: Pool, keys: tuple[SecretStr, ...]) -> AsyncIterator[Planned]:
    async with serving(intake_pool, keys) as intake:
        yield Planned(intake=intake, scheduler=scheduler_pool, token=await intake.token())


def due(follow_ups: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(one["id"], one["state"], one["reason"], one["local"], one["zone"], one["due_at"]) for one in follow_ups]


def states(follow_ups: list[dict[str, Any]]) -> set[str]:
    return {one["reason"] or one["state"] for one in follow_ups}


@pytest.mark.parametrize("plan", Plans.read(None).names)
async def test_what_is_answered_to_a_new_meeting_is_what_is_planned(planned: Planned, plan: str) -> None:
    wishes = {"holidays": "US-MA", "days": ["mon", "wed", "thu"], "send_at": "06:30", "quiet_to": "07:15"}
    owners: list[dict[str, Any]] = [
        {"email": ADA, "time_zone": "America/New_York"},
        {"email": "bo@school.example", "time_zone": "Pacific/Apia", "breaks": ["2026-12-21..2027-01-10"]},
        {"email": "cy@school.example", "time_zone": "Asia/Kolkata", **wishes},
    ]
    for owner in owners:
        for met_at in (NOW, NOW - 10 * DAY, NOW - 400 * DAY):
            times = {"met_at": met_at.isoformat(), "goal_at": (NOW + 120 * DAY).isoformat()}
            meeting = await planned.log(owner=owner, plan=plan, contact={"name": met_at.isoformat()}, **times)
            answered = sorted(meeting["follow_ups"], key=lambda one: (one["step"], one["occurrence"]))
            assert answered, plan
            assert due(await planned.follow_ups(meeting["id"])) == due(answered)
            assert await planned.scheduler.fetchval(
                "SELECT count(*) FROM follow_ups WHERE meeting_id = $1", meeting["id"]
            ) == len(answered)


@pytest.mark.parametrize(
    "change",
    [
        {"met_at": (NOW - 3 * DAY).isoformat()},
        {"met_at": (NOW - 30 * DAY).isoformat()},
        {"goal_at": (NOW + 100 * DAY).isoformat()},
        {"goal_at": None},
        {"plan": "conference"},
        {"plan": "goal", "met_at": (NOW - 1 * DAY).isoformat()},
        {"state": "paused"},
        {"state": "stopped"},
        {"state": "cancelled"},
        {"notes": "other words"},
    ],
)
@pytest.mark.parametrize("is_told", [True, False])
async def test_what_is_answered_to_a_change_is_what_becomes_of_it(
    planned: Planned, change: dict[str, Any], is_told: bool
) -> None:
    meeting = await planned.log(plan="goal", goal_at=(NOW + 200 * DAY).isoformat())
    if is_told:
        await planned.settle()

    answered = await planned.send("PATCH", f"/meetings/{meeting['id']}", change)

    shown = await planned.send("GET", f"/meetings/{meeting['id']}")  # at once, though nobody has been told yet
    assert due(shown["follow_ups"]) == due(answered["follow_ups"])
    assert due(await planned.follow_ups(meeting["id"])) == due(answered["follow_ups"])


async def test_a_meeting_that_was_called_off_by_mistake_takes_place_after_all(planned: Planned) -> None:
    meeting = await planned.log()
    before = await planned.follow_ups(meeting["id"])
    await planned.send("PATCH", f"/meetings/{meeting['id']}", {"state": "cancelled"})
    assert states(await planned.follow_ups(meeting["id"])) == {"cancelled"}

    answered = await planned.send("PATCH", f"/meetings/{meeting['id']}", {"state": "active"})

    assert due(answered["follow_ups"]) == due(before)
    assert due(await planned.follow_ups(meeting["id"])) == due(before)


async def test_a_paused_meeting_is_not_written_about_until_it_goes_on(planned: Planned) -> None:
    meeting = await planned.log(plan="demo", met_at=datetime.now(UTC).isoformat())
    await planned.send("PATCH", f"/meetings/{meeting['id']}", {"state": "paused"})
    await planned.settle()
    await drive.make_due(planned.scheduler, datetime.now(UTC) - timedelta(minutes=1))

    assert await drive.fire(planned.scheduler) == 0
    assert states(await planned.follow_ups(meeting["id"])) == {"waiting"}

    await planned.send("PATCH", f"/meetings/{meeting['id']}", {"state": "active"})
    await planned.settle()
    await drive.make_due(planned.scheduler, datetime.now(UTC) - timedelta(minutes=1))
    assert await drive.fire(planned.scheduler) > 0


async def test_one_meeting_is_stopped_and_the_other_with_the_same_person_goes_on(planned: Planned) -> None:
    first = await planned.log(met_at=(NOW - DAY).isoformat())
    second = await planned.log(notes="again")
    await planned.settle()

    await planned.send("PATCH", f"/meetings/{second['id']}", {"state": "stopped"})

    assert states(await planned.follow_ups(second["id"])) == {"stopped"}
    assert "stopped" not in states(await planned.follow_ups(first["id"]))


async def test_what_is_forgotten_is_not_written_about_and_its_words_are_gone_everywhere(planned: Planned) -> None:
    meeting = await planned.log(notes="between you and me")
    await planned.settle()

    await planned.send("DELETE", f"/meetings/{meeting['id']}")
    await planned.settle()

    assert set(await drive.states(planned.scheduler)) == {"stopped"}
    kept = str(await planned.scheduler.fetch("SELECT meetings::text FROM meetings"))
    assert "between you and me" not in kept and "Erin" not in kept and "erin@" not in kept
    assert await planned.intake.count("meetings") == await planned.intake.count("connections") == 0


async def test_what_a_cancelled_meeting_gave_back_stays_when_it_is_forgotten(planned: Planned) -> None:
    first = await planned.log(met_at=(NOW - DAY).isoformat())
    second = await planned.log(notes="again")
    await planned.settle()
    await planned.send("PATCH", f"/meetings/{second['id']}", {"state": "cancelled"})
    await planned.settle()
    given_back = due(await planned.follow_ups(first["id"]))
    assert {state for _, state, *_ in given_back} == {"waiting"}

    await planned.send("DELETE", f"/meetings/{second['id']}")
    await planned.settle()

    assert due(await planned.follow_ups(first["id"])) == given_back


@pytest.mark.parametrize("end", ["stopped", "cancelled", None])
async def test_what_was_missed_of_a_meeting_that_ended_is_not_named_in_another_nudge(
    planned: Planned, end: str | None
) -> None:
    ended = await planned.log(contact={"name": "Finn"})
    await planned.settle()
    await drive.make_due(planned.scheduler, datetime.now(UTC) - timedelta(days=3))
    await drive.fire(planned.scheduler)
    await planned.log(contact={"name": "Gus"})
    if end:
        await planned.send("PATCH", f"/meetings/{ended['id']}", {"state": end})
    else:
        await planned.send("DELETE", f"/meetings/{ended['id']}")
    await planned.settle()
    await planned.scheduler.execute("DELETE FROM outbox")

    await drive.make_due(planned.scheduler, datetime.now(UTC) - timedelta(minutes=1))
    await drive.fire(planned.scheduler)

    [nudge] = await drive.sent(planned.scheduler, NudgeDue)
    assert nudge.data.missed == ()


async def test_a_touch_moves_what_keeps_in_touch(planned: Planned) -> None:
    meeting = await planned.log(plan="conference", met_at=(NOW - 7 * DAY).isoformat())
    before = await planned.follow_ups(meeting["id"])

    await planned.send("POST", f"/connections/{meeting['connection']}/touches", {"note": "had coffee"})

    after = await planned.follow_ups(meeting["id"])
    moved = [
        (one["playbook"], other["due_at"] > one["due_at"])
        for one, other in zip(before, after, strict=True)
        if one["due_at"] != other["due_at"]
    ]
    assert moved == [("check-in", True)] * 4


async def test_what_waits_moves_to_other_wishes(planned: Planned) -> None:
    meeting = await planned.log()
    before = await planned.follow_ups(meeting["id"])

    wished = {"time_zone": "Asia/Tokyo", "send_at": "09:45"}
    assert (await planned.send("PATCH", f"/people/{ADA}", wished))["send_at"] == "09:45"

    after = await planned.follow_ups(meeting["id"])
    assert {(one["zone"], one["local"][-8:]) for one in after} == {("Asia/Tokyo", "09:45:00")}
    assert [one["local"][:10] for one in after] == [one["local"][:10] for one in before]


async def test_who_pauses_hears_nothing_before_the_day(planned: Planned) -> None:
    meeting = await planned.log(plan="conference")
    before = await planned.follow_ups(meeting["id"])
    until = (NOW + 40 * DAY).date().isoformat()

    await planned.send("PATCH", f"/people/{ADA}", {"paused_until": until})

    after = await planned.follow_ups(meeting["id"])
    assert min(one["local"] for one in before) < until <= min(one["local"] for one in after)
    assert states(after) == {"waiting"}
    await planned.send("PATCH", f"/people/{ADA}", {"paused_until": None})
    assert due(await planned.follow_ups(meeting["id"])) == due(before)


async def test_who_starts_again_hears_of_what_they_log_from_then_on(planned: Planned) -> None:
    before = await planned.log()
    await planned.settle()
    person = await planned.intake.pool.fetchval("SELECT id FROM people")

    async with planned.intake.pool.acquire() as conn, conn.transaction():
        await leaving.stop_everything(conn, person=person, channel="email", address=ADA, via="unsubscribe")
    between = await planned.log(contact={"name": "Finn"})
    await planned.settle()
    async with planned.intake.pool.acquire() as conn, conn.transaction():
        await leaving.start_again(conn, person=person, channel="email", address=ADA)
    await planned.settle()
    after = await planned.log(contact={"name": "Gus"})

    assert states(await planned.follow_ups(before["id"])) == {"stopped"}
    assert states(await planned.follow_ups(between["id"])) == {"waiting"}  # still to come, and no longer in the way
    assert states(await planned.follow_ups(after["id"])) == {"waiting"}


async def test_what_is_answered_knows_the_breaks_that_were_imported(planned: Planned) -> None:
    first = await planned.log()
    owner = await planned.scheduler.fetchval("SELECT person_id FROM meetings")
    if owner is None:
        await planned.settle()
        owner = await planned.scheduler.fetchval("SELECT person_id FROM meetings")
    today = NOW.date()
    for whose, days in ((None, (0, 20)), (owner, (18, 40))):
        async with planned.scheduler.acquire() as conn, conn.transaction():
            await store_calendars.keep(
                conn,
                "district.ics",
                [Break(first=today + days[0] * DAY, last=today + days[1] * DAY)],
                person=whose,
                only=(),
                now=NOW,
                next_read_at=None,
            )
    await planned.settle()

    answered = (await planned.log(contact={"name": "Fay"}))["follow_ups"]

    assert answered[0]["local"][:10] > str(today + 40 * DAY)
    other = await planned.log(owner={"email": "bo@school.example"}, contact={"name": "Fay"})
    assert str(today + 20 * DAY) < other["follow_ups"][0]["local"][:10] <= str(today + 26 * DAY)
    again = await planned.send("PATCH", f"/meetings/{first['id']}", {"met_at": (NOW - DAY).isoformat()})
    assert due(await planned.follow_ups(first["id"])) == due(again["follow_ups"])
    async with planned.scheduler.acquire() as conn, conn.transaction():
        await store_calendars.remove(conn, "district.ics", person=owner)
        await store_calendars.remove(conn, "district.ics", person=None)
    await planned.settle()
    answered = (await planned.log(contact={"name": "Gus"}))["follow_ups"]
    assert answered[0]["local"][:10] <= str(today + 6 * DAY)


async def test_what_is_answered_of_a_meeting_again_is_what_is_left_to_it(planned: Planned) -> None:
    newer = await planned.log(plan="default", met_at=(NOW - 2 * DAY).isoformat())
    older = await planned.log(plan="conference", met_at=(NOW - 9 * DAY).isoformat())

    assert "superseded" in states(older["follow_ups"])
    assert due(await planned.follow_ups(older["id"])) == due(older["follow_ups"])
    assert due(await planned.follow_ups(newer["id"])) == due(newer["follow_ups"])


async def test_what_is_answered_counts_from_a_touch_that_came_before_the_meeting_was_logged(planned: Planned) -> None:
    first = await planned.log(plan="conference", met_at=(NOW - 30 * DAY).isoformat())
    touch = {"at": (NOW - 2 * DAY).isoformat()}
    await planned.send("POST", f"/connections/{first['connection']}/touches", touch)
    await planned.settle()

    second = await planned.log(plan="default", met_at=(NOW - 20 * DAY).isoformat())
    assert due(await planned.follow_ups(second["id"])) == due(second["follow_ups"])
    answered = await planned.send("PATCH", f"/meetings/{first['id']}", {"met_at": (NOW - 25 * DAY).isoformat()})
    assert due(await planned.follow_ups(first["id"])) == due(answered["follow_ups"])


async def test_what_is_answered_says_when_nobody_may_be_written_to(planned: Planned) -> None:
    first = await planned.log()
    await planned.settle()
    person = await planned.intake.pool.fetchval("SELECT id FROM people")
    async with planned.intake.pool.acquire() as conn, conn.transaction():
        await leaving.stop_everything(conn, person=person, channel="email", address=ADA, via="unsubscribe")

    second = await planned.log(contact={"name": "Fay"})

    assert states(second["follow_ups"]) == {"suppressed"}
    assert due(await planned.follow_ups(second["id"])) == due(second["follow_ups"])
    assert states(await planned.follow_ups(first["id"])) == {"stopped"}


async def test_what_was_expected_of_a_change_and_does_not_come_to_pass_is_not_shown_for_long(planned: Planned) -> None:
    meeting = await planned.log()
    await planned.settle()
    today = NOW.date()
    # A calendar of which intake has not heard: what waits stays behind it, wherever the meeting moves.
    await planned.scheduler.execute(
        """
        INSERT INTO calendars (id, source, words, breaks, read_at)
        VALUES (gen_random_uuid(), 'a.ics', '{}',
                jsonb_build_array(jsonb_build_object('first', $1::text, 'last', $2::text)), now())
        """,
        str(today),
        str(today + 1500 * DAY),
    )
    moved = await planned.send("PATCH", f"/meetings/{meeting['id']}", {"met_at": (NOW - DAY).isoformat()})
    behind = await planned.follow_ups(meeting["id"])
    assert due(behind) != due(moved["follow_ups"])

    again = await planned.send("PATCH", f"/meetings/{meeting['id']}", {"met_at": (NOW - 2 * DAY).isoformat()})

    shown = await planned.send("GET", f"/meetings/{meeting['id']}")
    assert due(shown["follow_ups"]) == due(again["follow_ups"]) != due(behind)
    assert due(shown["follow_ups"])[0] != due(behind)[0]
    assert due(await planned.follow_ups(meeting["id"]))[0] == due(behind)[0]  # the first did not move at all
