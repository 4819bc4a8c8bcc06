"""What is held back, and from whom: a person whom we fail at, and a backlog too large to let out unasked."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services import cli
from services.scheduler import coalesce, store_held
from services.scheduler.app import _check_backlog, _check_people
from services.scheduler.coalesce import Fired
from services.scheduler.timers import Timers
from shared.db import Pool
from shared.events import Person
from tests.factories import meeting_logged, person
from tests.scheduler.drive import ANY_TIME, DAY, assert_told, fire, make_due, nudges, receive, states


def now() -> datetime:
    return datetime.now(UTC)


async def due_for(pool: Pool, *owners: Person, at: datetime) -> None:
    """Give each of these people one follow-up that is due then."""
    events = [meeting_logged(owner=owner, logged_at=now(), met_at=now(), plan="demo") for owner in owners]
    await receive(pool, *events)
    meetings = [event.data.meeting.id for event in events]
    await pool.execute("DELETE FROM follow_ups WHERE meeting_id = ANY ($1::uuid[]) AND step > 1", meetings)
    found = await pool.fetch("SELECT id FROM follow_ups WHERE meeting_id = ANY ($1::uuid[])", meetings)
    await make_due(pool, at, *(row["id"] for row in found))


def people(count: int, named: str = "") -> list[Person]:
    return [person(email=f"{named}{n}@school.example", **ANY_TIME) for n in range(count)]


async def test_one_person_whom_we_fail_at_keeps_nobody_else_waiting(
    scheduler_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    owners = people(20)
    broken = owners[7]
    await due_for(scheduler_pool, *owners, at=now())
    right = coalesce.fire

    def fail(person: Person, *arguments: Any, **given: Any) -> Fired:
        if person.id == broken.id:
            raise RuntimeError("a bug")
        return right(person, *arguments, **given)

    monkeypatch.setattr(coalesce, "fire", fail)
    timers = Timers(scheduler_pool, too_late_after=DAY)
    assert await timers.step() == 19
    assert len(await nudges(scheduler_pool)) == 19
    assert (
        await _check_people(scheduler_pool) == "1 set aside: firing theirs fails (timers.set_aside in the log says why)"
    )
    (row,) = await scheduler_pool.fetch("SELECT * FROM set_aside")
    assert (row["person_id"], row["failures"], row["reason"]) == (broken.id, 1, "RuntimeError: a bug")
    assert 50 < (row["until"] - now()).total_seconds() < 70

    # Left alone meanwhile, and asleep until its time; then tried again, with a longer pause.
    assert await timers.step() == 0
    assert 20 < await timers.idle() <= 30
    await due_for(scheduler_pool, *people(3, "more"), at=now())
    assert await timers.step() == 3
    await scheduler_pool.execute("UPDATE set_aside SET until = $1", now())
    assert await timers.step() == 0
    (row,) = await scheduler_pool.fetch("SELECT * FROM set_aside")
    assert row["failures"] == 2
    assert 290 < (row["until"] - now()).total_seconds() < 340

    monkeypatch.setattr(coalesce, "fire", right)
    await scheduler_pool.execute("UPDATE set_aside SET until = $1", now())
    assert await timers.step() == 1
    assert await _check_people(scheduler_pool) == "ok"
    assert set(await states(scheduler_pool)) == {"nudged"}
    await assert_told(scheduler_pool)


async def test_facts_of_a_person_that_cannot_be_read_keep_nobody_else_waiting(scheduler_pool: Pool) -> None:
    owners = people(5)
    await due_for(scheduler_pool, *owners, at=now())
    await scheduler_pool.execute(
        "UPDATE recipients SET facts = jsonb_set(facts, '{send_at}', '\"noon\"') WHERE id = $1", owners[0].id
    )
    assert await fire(scheduler_pool) == 4
    assert await scheduler_pool.fetchval("SELECT person_id FROM set_aside") == owners[0].id


async def test_a_backlog_larger_than_the_guard_is_held_until_it_is_released(
    scheduler_pool: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    late, on_time = people(6), people(3, "on-time")
    await due_for(scheduler_pool, *late, at=now() - timedelta(hours=2))
    await due_for(scheduler_pool, *on_time, late[0], at=now())
    timers = Timers(scheduler_pool, too_late_after=DAY, backlog_guard=5)

    # Who has nothing late is written to as ever; who has something late waits as a whole.
    assert await timers.step() == 3
    assert {nudge.recipient.id for nudge in await nudges(scheduler_pool)} == {owner.id for owner in on_time}
    held = "held: 6 follow-ups are more than an hour late; `afterhello release` lets them go"
    assert await _check_backlog(scheduler_pool) == held
    assert await timers.step() == 0
    assert await timers.idle() == 1

    monkeypatch.setenv("DATABASE_URL", database_url)
    capsys.readouterr()
    assert await _in_thread(["release", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"released": True, "late": 6}
    assert await _check_backlog(scheduler_pool) == "ok"
    assert await timers.step() == 7
    assert len(await nudges(scheduler_pool)) == 9
    assert await _in_thread(["release"]) == 0
    assert capsys.readouterr().out.endswith("nothing is held\n")
    await assert_told(scheduler_pool)


async def test_what_comes_late_after_a_release_is_held_anew(scheduler_pool: Pool) -> None:
    timers = Timers(scheduler_pool, too_late_after=DAY, backlog_guard=2)
    await due_for(scheduler_pool, *people(3), at=now() - timedelta(hours=3))
    await timers.step()
    async with scheduler_pool.acquire() as conn:
        await store_held.release_backlog(conn, now=now() - timedelta(hours=2))
    await due_for(scheduler_pool, *people(3, "more"), at=now() - timedelta(minutes=90))
    assert await timers.step() == 0
    assert (await _check_backlog(scheduler_pool)).startswith("held: 6 ")


async def test_a_backlog_within_the_guard_goes_out(scheduler_pool: Pool) -> None:
    await due_for(scheduler_pool, *people(5), at=now() - timedelta(hours=2))
    assert await Timers(scheduler_pool, too_late_after=DAY, backlog_guard=5).step() == 5
    assert await _check_backlog(scheduler_pool) == "ok"


async def _in_thread(arguments: list[str]) -> int:
    return await asyncio.to_thread(cli.main, arguments)
