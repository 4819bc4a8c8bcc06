"""Firing: everything due of a person at once, one nudge, whoever else fires at the same time."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from services.scheduler import timers as timers_module
from services.scheduler.timers import Timers
from shared import db, metrics
from shared.db import Connection, Pool
from shared.events import Event, MeetingLogged, Person, new_id
from shared.poll import poll
from shared.wake import listen
from tests.factories import acted, meeting_logged, person
from tests.scheduler.drive import ANY_TIME, DAY, assert_told, fire, make_due, nudges, receive, rows, states

AWAY = timedelta(days=400)


def now() -> datetime:
    return datetime.now(UTC)


def by_day(*, later: int = 0) -> str:
    """Return a zone in which it is noon now, give or take half an hour, or so many hours later."""
    ahead = (12 + later - round(now().hour + now().minute / 60)) % 24
    return f"Etc/GMT{-ahead:+d}" if ahead <= 12 else f"Etc/GMT{24 - ahead:+d}"


def logged(owner: Person, **given: Any) -> MeetingLogged:
    return meeting_logged(owner=owner, **{"logged_at": now(), "met_at": now()} | given)


async def planned(pool: Pool, *events: MeetingLogged) -> None:
    """Plan these, with nothing due yet whatever the day."""
    await receive(pool, *events)
    await make_due(pool, now() + AWAY)


async def many(pool: Pool, people: int, *, meetings: int = 3, steps: int = 1) -> None:
    """Give each of so many people follow-ups of several meetings, all due at one instant just past."""
    owners = [person(email=f"{n}@school.example", **ANY_TIME) for n in range(people)]
    events = [logged(owner, plan="demo") for owner in owners for _ in range(meetings)]
    for n in range(0, len(events), 500):
        await planned(pool, *events[n : n + 500])
    await pool.execute("DELETE FROM follow_ups WHERE step > $1", steps)
    await make_due(pool, now() - timedelta(seconds=1))
    await pool.execute("ANALYZE follow_ups")


async def test_what_is_due_leaves_as_a_nudge_with_all_its_words_need(scheduler_pool: Pool) -> None:
    owner = person(**ANY_TIME)
    event = logged(owner)
    await planned(scheduler_pool, event)
    first = (await rows(scheduler_pool))[0]
    due_at = now() - timedelta(minutes=5)
    await make_due(scheduler_pool, due_at, first["id"])

    assert await fire(scheduler_pool) == 1

    (nudge,) = await nudges(scheduler_pool)
    met = event.data.meeting
    assert (nudge.recipient.id, nudge.recipient.address, nudge.recipient.name) == (owner.id, owner.email, "Ada")
    assert (nudge.channel, nudge.due_at, nudge.too_late_after) == ("email", due_at, due_at + DAY)
    (carried,) = nudge.follow_ups
    assert (carried.id, carried.playbook, carried.meeting, carried.connection) == (
        *(first["id"], "say-hello", met.id, met.connection),
    )
    assert (carried.contact, carried.event, carried.promise, carried.notes) == (
        *(met.contact, met.event, met.promise, met.notes),
    )
    assert (nudge.quiet, nudge.missed) == ((), ())
    assert await states(scheduler_pool) == ["nudged", "waiting", "waiting"]
    assert (await rows(scheduler_pool))[0]["nudge_id"] == nudge.nudge
    await assert_told(scheduler_pool)
    assert await fire(scheduler_pool) == 0


async def test_nothing_fires_early(scheduler_pool: Pool) -> None:
    await planned(scheduler_pool, logged(person(**ANY_TIME)))
    await make_due(scheduler_pool, now() + timedelta(seconds=30))
    assert await fire(scheduler_pool) == 0
    assert 25 < await Timers(scheduler_pool, too_late_after=DAY).idle() <= 30


@pytest.mark.parametrize(("schedulers", "meetings", "steps"), [(2, 1, 3), (6, 3, 1)])
async def test_a_thousand_people_with_three_due_at_once_get_a_thousand_nudges(
    scheduler_pool: Pool, schedulers: int, meetings: int, steps: int
) -> None:
    await many(scheduler_pool, 1000, meetings=meetings, steps=steps)

    async def run() -> int:
        timers = Timers(scheduler_pool, too_late_after=DAY, limit=100)
        total = 0
        while await scheduler_pool.fetchval("SELECT count(*) FROM follow_ups WHERE state = 'waiting'"):
            total += await timers.step()
        return total

    totals = await asyncio.gather(*(run() for _ in range(schedulers)))

    assert sum(totals) == 3000
    sent = await nudges(scheduler_pool)
    assert len(sent) == 1000
    assert len({nudge.recipient.id for nudge in sent}) == 1000
    assert {len(nudge.follow_ups) for nudge in sent} == {3}
    assert set(await states(scheduler_pool)) == {"nudged"}
    await assert_told(scheduler_pool)


async def test_a_crash_before_the_commit_fires_nothing_and_the_next_step_everything(
    scheduler_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await many(scheduler_pool, 20)
    timers = Timers(scheduler_pool, too_late_after=DAY)

    async def die(conn: Connection, *arguments: object) -> None:
        await record(conn, *arguments)  # type: ignore[arg-type]
        await conn.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    record = timers_module._record
    with monkeypatch.context() as patched:
        patched.setattr(timers_module, "_record", die)
        with suppress(*db.UNAVAILABLE):
            await timers.step()
            pytest.fail("the connection should have been lost")

    assert await nudges(scheduler_pool) == []
    assert set(await states(scheduler_pool)) == {"waiting"}
    await fire(scheduler_pool)
    assert len(await nudges(scheduler_pool)) == 20


async def test_somebody_who_is_locked_keeps_nobody_else_waiting(scheduler_pool: Pool) -> None:
    await many(scheduler_pool, 10)
    async with scheduler_pool.acquire() as conn, conn.transaction():
        await conn.execute("SELECT FROM recipients ORDER BY id LIMIT 1 FOR UPDATE")
        assert await fire(scheduler_pool) == 27
        assert (
            0.05 < await Timers(scheduler_pool, too_late_after=DAY).idle() < 1
        )  # it looks again soon, and not at once
    assert await fire(scheduler_pool) == 3
    assert len(await nudges(scheduler_pool)) == 10


async def test_a_backlog_older_than_the_burst_is_found(scheduler_pool: Pool) -> None:
    await many(scheduler_pool, 20, meetings=1)
    timers = Timers(scheduler_pool, too_late_after=DAY, limit=5)
    assert await timers.step() == 5
    late = logged(person(email="late@school.example", **ANY_TIME))
    await receive(scheduler_pool, late)
    await scheduler_pool.execute(
        "UPDATE follow_ups SET due_at = $1 WHERE meeting_id = $2 AND step = 1",
        now() - timedelta(hours=3),
        late.data.meeting.id,
    )
    while await timers.step():
        pass
    assert len(await nudges(scheduler_pool)) == 21


async def test_after_an_outage_the_newest_goes_out_and_the_rest_says_why_not(scheduler_pool: Pool) -> None:
    owner = person(**ANY_TIME)
    await planned(scheduler_pool, logged(owner, plan="conference"), logged(owner, plan="default"))
    found = await rows(scheduler_pool)
    conference = [row["id"] for row in found if row["meeting_id"] == _longest(found)]
    default = [row["id"] for row in found if row["meeting_id"] != _longest(found)]
    for id, days in zip(conference[:4], (4, 3, 0.5, 0.2), strict=True):
        await make_due(scheduler_pool, now() - timedelta(days=days), id)
    await make_due(scheduler_pool, now() - timedelta(days=2), default[0])

    await fire(scheduler_pool)

    ends = {row["id"]: row["reason"] or row["state"] for row in await rows(scheduler_pool)}
    assert [ends[id] for id in conference[:5]] == ["expired", "expired", "superseded", "nudged", "waiting"]
    assert [ends[id] for id in default] == ["expired", "waiting", "waiting"]
    (nudge,) = await nudges(scheduler_pool)
    assert [one.id for one in nudge.follow_ups] == [conference[3]]
    assert [one.id for one in nudge.missed] == [conference[0], conference[1], default[0]]
    await assert_told(scheduler_pool)

    await make_due(scheduler_pool, now(), default[1])
    await fire(scheduler_pool)
    assert (await nudges(scheduler_pool))[1].missed == ()  # named once


def _longest(found: Sequence[dict[str, Any]]) -> Any:
    return next(row["meeting_id"] for row in found if row["step"] == 5)


async def test_what_expired_alone_is_named_by_the_next_nudge_unless_it_was_stopped(scheduler_pool: Pool) -> None:
    owner = person(**ANY_TIME)
    missed, stopped = logged(owner), logged(owner)
    await planned(scheduler_pool, missed, stopped)
    first = {row["meeting_id"]: row["id"] for row in await rows(scheduler_pool) if row["step"] == 1}
    await make_due(scheduler_pool, now() - timedelta(days=2), *first.values())
    assert await fire(scheduler_pool) == 2
    assert await nudges(scheduler_pool) == []

    await receive(scheduler_pool, acted("stop", person=owner.id, connection=stopped.data.meeting.connection, at=now()))
    await make_due(scheduler_pool, now())
    await fire(scheduler_pool)

    (nudge,) = await nudges(scheduler_pool)
    assert [one.id for one in nudge.missed] == [first[missed.data.meeting.id]]


async def test_catching_up_at_night_waits_for_the_morning(scheduler_pool: Pool) -> None:
    quiet = person(time_zone="UTC", quiet_from=_clock(-1), quiet_to=_clock(+2))
    await planned(scheduler_pool, logged(quiet))
    first = (await rows(scheduler_pool))[0]
    await receive(scheduler_pool, logged(quiet, plan="demo"))  # which waits for nothing
    await make_due(scheduler_pool, now() - timedelta(hours=3))

    await fire(scheduler_pool)

    (nudge,) = await nudges(scheduler_pool)
    assert [one.playbook for one in nudge.follow_ups] == ["say-hello", "keep-promise", "check-in"]
    assert nudge.quiet == ()
    held = [row for row in await rows(scheduler_pool) if row["state"] == "waiting"]
    assert [row["due_at"].time() for row in held] == [_clock(+2)] * 3
    assert [row["local_time"].time() for row in held] == [_clock(+2)] * 3
    assert first["id"] in {row["id"] for row in held}
    await assert_told(scheduler_pool)


async def test_a_nudge_says_when_it_must_not_go_out(scheduler_pool: Pool) -> None:
    soon_quiet = person(time_zone="UTC", quiet_from=_clock(+1), quiet_to=_clock(+3))
    await planned(scheduler_pool, logged(soon_quiet))
    await make_due(scheduler_pool, now(), (await rows(scheduler_pool))[0]["id"])
    await fire(scheduler_pool)
    (nudge,) = await nudges(scheduler_pool)
    (window,) = nudge.quiet
    assert (window.opens_at.time(), window.closes_at.time()) == (_clock(+1), _clock(+3))
    assert nudge.due_at < window.opens_at < nudge.too_late_after


def _clock(hours: int) -> time:
    """Return the full minute so many hours from the one that just began."""
    return (now() + timedelta(hours=hours)).time().replace(second=0, microsecond=0)


async def test_each_channel_has_its_own_nudge_and_the_missed_are_named_once(
    scheduler_pool: Pool,
) -> None:
    owner = person(phone="+15085550123", time_zone=by_day(), **ANY_TIME)
    await planned(scheduler_pool, logged(owner), logged(owner), logged(owner))
    ids = [row["id"] for row in await rows(scheduler_pool) if row["step"] == 1]
    await scheduler_pool.execute("UPDATE follow_ups SET channel = 'sms' WHERE id = $1", ids[0])
    await make_due(scheduler_pool, now(), *ids[:2])
    await make_due(scheduler_pool, now() - timedelta(days=2), ids[2])
    await fire(scheduler_pool)
    sent = {nudge.channel: nudge for nudge in await nudges(scheduler_pool)}
    assert (sent["email"].recipient.address, sent["sms"].recipient.address) == (owner.email, owner.phone)
    assert sum(len(nudge.missed) for nudge in sent.values()) == 1


async def test_a_step_whose_channel_is_not_served_goes_by_the_persons_own(scheduler_pool: Pool) -> None:
    await planned(scheduler_pool, logged(person(phone="+15085550123", **ANY_TIME)))
    await scheduler_pool.execute("UPDATE follow_ups SET channel = 'sms'")
    await make_due(scheduler_pool, now())
    await Timers(scheduler_pool, too_late_after=DAY, channels=("email",)).step()
    assert [nudge.channel for nudge in await nudges(scheduler_pool)] == ["email"]


async def test_at_night_a_text_is_held_and_a_mail_is_not(scheduler_pool: Pool) -> None:
    for channel in ("sms", "email"):
        await planned(
            scheduler_pool,
            logged(person(phone="+15085550123", channel=channel, time_zone=by_day(later=12), **ANY_TIME)),
        )
    await make_due(scheduler_pool, now())
    await fire(scheduler_pool)
    assert [nudge.channel for nudge in await nudges(scheduler_pool)] == ["email"]


async def test_a_step_goes_by_the_persons_channel_when_its_own_reaches_them_not(scheduler_pool: Pool) -> None:
    await planned(scheduler_pool, logged(person(**ANY_TIME)))
    await scheduler_pool.execute("UPDATE follow_ups SET channel = 'sms'")
    await make_due(scheduler_pool, now())
    await fire(scheduler_pool)
    assert [nudge.channel for nudge in await nudges(scheduler_pool)] == ["email"]


async def test_a_region_that_is_no_more_keeps_nobody_waiting(scheduler_pool: Pool) -> None:
    await planned(scheduler_pool, logged(person(**ANY_TIME)), logged(person(email="b@school.example")))
    await scheduler_pool.execute("UPDATE recipients SET facts = jsonb_set(facts, '{holidays}', '\"XX-1\"')")
    await make_due(scheduler_pool, now())
    assert await fire(scheduler_pool) == 6


async def test_a_stop_and_a_step_at_once_end_each_follow_up_once(scheduler_pool: Pool) -> None:
    await many(scheduler_pool, 50)
    people = [row["id"] for row in await scheduler_pool.fetch("SELECT id FROM recipients")]
    stops: list[Event] = [acted("stop", person=id, channel="email", at=now()) for id in people]
    await asyncio.gather(receive(scheduler_pool, *stops), fire(scheduler_pool, limit=3))
    await fire(scheduler_pool)
    assert set(await states(scheduler_pool)) <= {"stopped", "nudged"}
    await assert_told(scheduler_pool)


async def test_lateness_is_measured(scheduler_pool: Pool) -> None:
    def seen() -> float:
        return next(
            sample.value
            for family in metrics.follow_up_lateness.collect()
            for sample in family.samples
            if sample.name.endswith("_sum")
        )

    await planned(scheduler_pool, logged(person(**ANY_TIME)))
    await make_due(scheduler_pool, now() - timedelta(seconds=100))
    before = seen()
    await fire(scheduler_pool)
    assert 300 <= seen() - before < 400  # three follow-ups, due at once, are carried side by side


async def test_the_loop_sleeps_until_something_is_due_and_wakes_for_what_is_earlier(
    scheduler_pool: Pool, database_url: str
) -> None:
    owner = person(**ANY_TIME)
    await planned(scheduler_pool, logged(owner))
    await make_due(scheduler_pool, now() + timedelta(seconds=25))
    timers = Timers(scheduler_pool, too_late_after=DAY)
    stop, wake = asyncio.Event(), asyncio.Event()
    steps = 0

    async def step() -> int:
        nonlocal steps
        steps += 1
        return await timers.step()

    listener = asyncio.create_task(listen(database_url, "scheduler", {"due": wake}))
    loop = asyncio.create_task(poll("timers", step, stop=stop, wake=wake, idle=timers.idle))
    try:
        async with asyncio.timeout(20):
            while steps < 2:  # one at the start, one when the listener began
                await asyncio.sleep(0.01)
            await receive(scheduler_pool, meeting_logged(owner=owner, plan="demo", met_at=now(), logged_at=now()))
            while len(await nudges(scheduler_pool)) < 2:  # at once, and after five seconds
                await asyncio.sleep(0.01)
        late = max(
            (row["due_at"] - now()).total_seconds() for row in await rows(scheduler_pool) if row["state"] == "nudged"
        )
        assert late > -1
        assert steps <= 10
    finally:
        stop.set()
        listener.cancel()
        await asyncio.wait([loop, listener])


async def test_the_claim_reads_the_waiting_by_their_index(scheduler_pool: Pool) -> None:
    await many(scheduler_pool, 200)
    async with scheduler_pool.acquire() as conn, conn.transaction():
        await conn.execute("SET LOCAL enable_seqscan = off")
        await conn.execute("ANALYZE follow_ups")
        await conn.execute("SET LOCAL enable_sort = off")  # 600 rows are as soon sorted as read in order
        plan = await conn.fetch(
            """
            EXPLAIN SELECT coalesce(contact_id, person_id) FROM follow_ups
             WHERE state = 'waiting' AND NOT is_paused AND due_at <= $1 AND due_at >= $2 ORDER BY due_at LIMIT 500
            """,
            now(),
            now() - DAY,
        )
    assert "follow_ups_waiting " in "\n".join(row[0] for row in plan)


async def test_an_id_is_never_fired_twice_even_if_its_event_comes_again(scheduler_pool: Pool) -> None:
    event = logged(person(**ANY_TIME), plan="demo")
    await receive(scheduler_pool, event)
    await make_due(scheduler_pool, now())
    await fire(scheduler_pool)
    await receive(scheduler_pool, event.model_copy(update={"id": new_id()}))
    assert await fire(scheduler_pool) == 0
    assert len(await nudges(scheduler_pool)) == 1
