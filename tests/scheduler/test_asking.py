"""Hosts are asked whom they met: one nudge a gathering, at their send time, beside what else is due then."""

from datetime import UTC, datetime, timedelta

from shared.db import Pool
from shared.events import new_id
from tests.factories import LOGGED_AT, acted, at, meeting_logged, person, prompt_wanted
from tests.scheduler.drive import ANY_TIME, assert_told, fire, make_due, nudges, receive, rows, states


async def test_a_host_is_asked_once_at_the_next_send_time(scheduler_pool: Pool) -> None:
    event = prompt_wanted()
    await receive(scheduler_pool, event)
    await receive(scheduler_pool, event.model_copy(update={"id": new_id(), "time": LOGGED_AT + timedelta(hours=9)}))
    (row,) = await rows(scheduler_pool)
    assert (row["playbook"], row["state"], row["meeting_id"]) == ("who-did-you-meet", "waiting", event.data.prompt)
    assert row["due_at"] == at("2026-10-21 15:30", "America/New_York")
    await assert_told(scheduler_pool)


async def test_a_call_that_ends_in_the_evening_is_asked_about_on_the_next_wanted_day(scheduler_pool: Pool) -> None:
    await receive(scheduler_pool, prompt_wanted(ended_at=at("2026-10-23 18:00", "America/New_York")))
    (row,) = await rows(scheduler_pool)
    assert row["due_at"] == at("2026-10-26 15:30", "America/New_York")


async def test_a_prompt_goes_out_with_its_form_and_nobodys_name_beside_the_others(scheduler_pool: Pool) -> None:
    owner = person(**ANY_TIME)
    await receive(scheduler_pool, meeting_logged(owner=owner), prompt_wanted(owner=owner))
    now = datetime.now(UTC)
    await make_due(scheduler_pool, now)
    await scheduler_pool.execute("DELETE FROM follow_ups WHERE step > 1")
    await fire(scheduler_pool)
    (nudge,) = await nudges(scheduler_pool)
    by_playbook = {one.playbook: one for one in nudge.follow_ups}
    asked = by_playbook["who-did-you-meet"]
    assert (asked.contact, asked.form_url) == (None, "https://hello.school.example/log?event.name=Robotics+SIG")
    assert asked.event.name == "Robotics SIG"
    assert (by_playbook["say-hello"].form_url, by_playbook["say-hello"].contact is None) == (None, False)


async def test_who_stopped_everything_is_not_asked(scheduler_pool: Pool) -> None:
    owner = person()
    await receive(scheduler_pool, acted("stop", person=owner.id, channel="email", at=LOGGED_AT - timedelta(days=1)))
    await receive(scheduler_pool, prompt_wanted(owner=owner))
    assert await states(scheduler_pool) == ["suppressed"]
