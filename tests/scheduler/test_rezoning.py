"""Changed zones: what waits moves once for each version of tzdata, in batches, and goes on where it was broken off."""

from datetime import UTC, datetime

import pytest

from services.scheduler import rezoning
from services.scheduler.rezoning import Rezoning
from shared.db import Pool
from tests.factories import meeting_logged, person
from tests.scheduler.drive import assert_told, receive, rows, states

NOW = datetime.now(UTC)
Said = list[tuple[str, dict[str, object]]]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Said:
    """The lines that were logged, whatever a command of another test has made of the log."""
    lines: Said = []
    monkeypatch.setattr(rezoning.log, "info", lambda event, **given: lines.append((event, given)), raising=False)
    return lines


async def stale(pool: Pool, count: int) -> None:
    """Give so many people follow-ups whose instants are those of rules that are no more: an hour off."""
    owners = [person(email=f"{n}@school.example", time_zone="America/Vancouver") for n in range(count)]
    await receive(pool, *(meeting_logged(owner=owner, met_at=NOW, logged_at=NOW) for owner in owners))
    await pool.execute("UPDATE follow_ups SET due_at = due_at + interval '1 hour', local_time = local_time + '1 hour'")


async def all_steps(one: Rezoning) -> list[int]:
    looked = []
    while count := await one.step():
        looked.append(count)
    return looked


async def test_what_waits_moves_to_its_wall_clock_time_once_and_it_is_said_how_many(
    scheduler_pool: Pool, said: Said
) -> None:
    await stale(scheduler_pool, 5)
    await scheduler_pool.execute("UPDATE follow_ups SET state = 'done' WHERE step = 3")
    assert await all_steps(Rezoning(pool=scheduler_pool, version="2026z", limit=2)) == [2, 2, 1]
    assert said == [("tzdata.moved", {"tzdata": "2026z", "moved": 10})]
    for row in await rows(scheduler_pool):
        right = row["local_time"].strftime("%H:%M") == "15:30"
        assert right == (row["state"] == "waiting")
    moved = {row["id"]: row["revision"] for row in await rows(scheduler_pool) if row["state"] == "waiting"}
    assert set(moved.values()) == {2}

    await scheduler_pool.execute("UPDATE follow_ups SET due_at = due_at + interval '1 hour' WHERE state = 'waiting'")
    assert await all_steps(Rezoning(pool=scheduler_pool, version="2026z")) == []
    assert await all_steps(Rezoning(pool=scheduler_pool, version="2027a")) == [5]
    assert {row["revision"] for row in await rows(scheduler_pool) if row["state"] == "waiting"} == {3}


async def test_it_goes_on_where_it_was_broken_off(scheduler_pool: Pool, said: Said) -> None:
    await stale(scheduler_pool, 6)
    first = Rezoning(pool=scheduler_pool, version="2026z", limit=2)
    assert await first.step() == 2
    assert await all_steps(Rezoning(pool=scheduler_pool, version="2026z", limit=4)) == [4]
    assert said == [("tzdata.moved", {"tzdata": "2026z", "moved": 18})]
    assert {row["local_time"].strftime("%H:%M") for row in await rows(scheduler_pool)} == {"15:30"}
    assert await states(scheduler_pool) == ["waiting"] * 18
    await assert_told(scheduler_pool)


async def test_while_one_is_at_it_another_finds_nothing(scheduler_pool: Pool) -> None:
    await stale(scheduler_pool, 3)
    one = Rezoning(pool=scheduler_pool, version="2026z", limit=1)
    assert await one.step() == 1
    async with scheduler_pool.acquire() as conn, conn.transaction():
        await conn.execute("SELECT FROM tzdata_moves FOR UPDATE")
        assert await one.step() == 0
    assert await one.step() == 1
