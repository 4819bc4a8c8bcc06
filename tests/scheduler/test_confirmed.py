"""Nothing goes to an owner who has not confirmed their address, but the question; then what waited goes on."""

from datetime import UTC, datetime, timedelta
from typing import Any

from shared.db import Pool
from shared.events import MeetingLogged, Person, PersonChanged, PersonData, new_id
from tests.factories import at, contact, gathering, meeting_logged, person, prompt_wanted
from tests.scheduler.drive import ANY_TIME, assert_told, fire, make_due, nudges, receive, rows, states

EVER = timedelta(days=36500)


def confirmed(owner: Person) -> PersonChanged:
    after = owner.model_copy(update={"confirmed": True, "revision": owner.revision + 1})
    return PersonChanged(time=datetime.now(UTC), subject=str(after.id), data=PersonData(person=after))


async def test_the_question_alone_goes_to_who_has_not_confirmed(scheduler_pool: Pool) -> None:
    owner = person(confirmed=False, **ANY_TIME)
    ask = prompt_wanted(owner=owner, playbook="confirm-address", event=gathering(name=None), form_url="https://x/c/1")
    await receive(scheduler_pool, meeting_logged(owner=owner), prompt_wanted(owner=owner), ask)
    await make_due(scheduler_pool, datetime.now(UTC))

    await fire(scheduler_pool)

    (nudge,) = await nudges(scheduler_pool)
    (asked,) = nudge.follow_ups
    assert (asked.playbook, asked.contact, asked.form_url) == ("confirm-address", None, "https://x/c/1")
    assert {row["state"] for row in await rows(scheduler_pool) if row["playbook"] != "confirm-address"} == {"waiting"}
    await assert_told(scheduler_pool)
    assert await fire(scheduler_pool) == 0
    assert await fire(scheduler_pool, too_late_after=timedelta(0)) == 0  # what is held does not become too late


async def test_the_question_comes_at_their_next_send_time(scheduler_pool: Pool) -> None:
    asked = prompt_wanted(
        owner=person(confirmed=False), playbook="confirm-address", ended_at=at("2026-10-23 18:00", "America/New_York")
    )
    await receive(scheduler_pool, asked, asked.model_copy(update={"id": new_id()}))
    (row,) = await rows(scheduler_pool)
    assert (row["playbook"], row["due_at"]) == ("confirm-address", at("2026-10-26 15:30", "America/New_York"))


async def test_once_they_have_confirmed_the_newest_that_was_due_comes_next_and_the_rest_as_planned(
    scheduler_pool: Pool,
) -> None:
    owner = person(confirmed=False, **ANY_TIME)
    logged = meeting_logged(owner=owner, plan="conference")
    other = meeting_logged(owner=owner, contact=contact(name="Zoe", email=None))
    await receive(scheduler_pool, logged, other)
    now = datetime.now(UTC)
    planned = sorted((row["due_at"], row["id"]) for row in await rows(scheduler_pool) if is_of(row, logged))
    past, to_come = [id for at, id in planned if at <= now], [(at, id) for at, id in planned if at > now]
    assert len(past) > 1 and to_come
    await fire(scheduler_pool, too_late_after=EVER)
    assert await nudges(scheduler_pool) == []
    held = {row["id"] for row in await rows(scheduler_pool) if row["is_paused"]}
    assert held >= set(past)

    for _ in range(2):
        await receive(scheduler_pool, confirmed(owner))

    after = {row["id"]: row for row in await rows(scheduler_pool)}
    assert [after[id]["reason"] or after[id]["state"] for id in past] == ["superseded"] * (len(past) - 1) + ["waiting"]
    assert now < after[past[-1]]["due_at"] < now + timedelta(days=2)  # the next send time
    assert [(after[id]["due_at"], id) for _, id in to_come] == to_come
    assert not any(row["is_paused"] for row in after.values())
    await make_due(scheduler_pool, now, past[-1])
    await fire(scheduler_pool)
    (nudge,) = await nudges(scheduler_pool)
    assert [one.id for one in nudge.follow_ups] == [past[-1]]
    await assert_told(scheduler_pool)


def is_of(row: dict[str, Any], event: MeetingLogged) -> bool:
    return bool(row["meeting_id"] == event.data.meeting.id)


async def test_what_a_paused_meeting_holds_stays_held(scheduler_pool: Pool) -> None:
    owner = person(confirmed=False, **ANY_TIME)
    await receive(scheduler_pool, meeting_logged(owner=owner, state="paused"))

    await receive(scheduler_pool, confirmed(owner))

    assert all(row["is_paused"] for row in await rows(scheduler_pool))


async def test_a_meeting_that_is_logged_by_themselves_confirms_as_well(scheduler_pool: Pool) -> None:
    owner = person(confirmed=False, **ANY_TIME)
    await receive(scheduler_pool, meeting_logged(owner=owner))
    await make_due(scheduler_pool, datetime.now(UTC))
    await fire(scheduler_pool)
    assert set(await states(scheduler_pool)) == {"waiting"}

    now_known = owner.model_copy(update={"confirmed": True, "revision": owner.revision + 1})
    await receive(scheduler_pool, meeting_logged(owner=now_known, contact=contact(name="Zoe", email=None)))

    assert not any(row["is_paused"] for row in await rows(scheduler_pool))


async def test_who_confirmed_before_the_question_came_is_not_asked(scheduler_pool: Pool) -> None:
    owner = person(confirmed=False, **ANY_TIME)
    ask = prompt_wanted(owner=owner, playbook="confirm-address", event=gathering(name=None), form_url="https://x/c/1")
    await receive(scheduler_pool, ask, confirmed(owner))
    await make_due(scheduler_pool, datetime.now(UTC))

    await fire(scheduler_pool)

    assert await nudges(scheduler_pool) == []
    assert await states(scheduler_pool) == ["done"]
    await assert_told(scheduler_pool)
