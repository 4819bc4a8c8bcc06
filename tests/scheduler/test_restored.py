"""Addresses that may be written to again, in whatever order we hear of it."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from shared.db import Pool
from shared.events import AddressSuppressed, Event, SuppressedData, new_id
from tests.factories import acted, meeting_logged, person, restored
from tests.scheduler.drive import assert_told, receive, rows, states

NOW = datetime.now(UTC)
SOON = {"logged_at": NOW, "met_at": NOW + timedelta(days=30)}


def suppressed(address: str, *, at: datetime) -> AddressSuppressed:
    data = SuppressedData(address=address, channel="email", reason="hard bounce", at=at)
    return AddressSuppressed(time=at, subject="email", data=data)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_what_is_still_to_come_waits_again_whatever_comes_first(
    scheduler_pool: Pool, order: tuple[int, ...]
) -> None:
    events: list[Event] = [
        meeting_logged(owner=person(), **SOON),
        suppressed("ada@school.example", at=NOW - timedelta(hours=2)),
        restored("Ada@School.example", at=NOW - timedelta(hours=1)),
    ]
    for n in order:
        await receive(scheduler_pool, events[n])
    assert await states(scheduler_pool) == ["waiting"] * 3
    await assert_told(scheduler_pool)


async def test_a_suppression_of_after_it_holds(scheduler_pool: Pool) -> None:
    await receive(scheduler_pool, restored("ada@school.example", at=NOW - timedelta(hours=2)))
    await receive(scheduler_pool, meeting_logged(owner=person(), **SOON))
    await receive(scheduler_pool, suppressed("ada@school.example", at=NOW - timedelta(hours=1)))
    assert await states(scheduler_pool) == ["suppressed"] * 3


async def test_who_wants_to_hear_from_us_again_does_and_what_was_stopped_stays_so(scheduler_pool: Pool) -> None:
    owner = person()
    await receive(scheduler_pool, meeting_logged(owner=owner, **SOON))
    await receive(scheduler_pool, acted("stop", person=owner.id, channel="email", at=NOW + timedelta(minutes=1)))
    back = restored("ada@school.example", person=owner.id, at=NOW + timedelta(minutes=2))
    await receive(scheduler_pool, back)
    await receive(scheduler_pool, meeting_logged(owner=owner, **SOON | {"logged_at": NOW + timedelta(minutes=3)}))
    assert sorted(await states(scheduler_pool)) == ["stopped"] * 3 + ["waiting"] * 3
    await assert_told(scheduler_pool)


async def test_what_is_restored_is_the_newest_plan_alone(scheduler_pool: Pool) -> None:
    owner, connection = person(), new_id()
    await receive(scheduler_pool, suppressed("ada@school.example", at=NOW - timedelta(hours=2)))
    first = meeting_logged(owner=owner, connection=connection, **SOON)
    paused = meeting_logged(owner=owner, **SOON, state="paused")
    second = meeting_logged(
        owner=owner, connection=connection, **SOON | {"met_at": NOW + timedelta(days=30, minutes=1)}
    )
    await receive(scheduler_pool, first, second, paused)
    assert await states(scheduler_pool) == ["suppressed"] * 9
    await receive(scheduler_pool, restored("ada@school.example", at=NOW - timedelta(hours=1)))
    ends = {event.data.meeting.id: set[tuple[str, bool]]() for event in (first, second, paused)}
    for row in await rows(scheduler_pool):
        ends[row["meeting_id"]].add((row["reason"] or row["state"], row["is_paused"]))
    assert list(ends.values()) == [{("superseded", False)}, {("waiting", False)}, {("waiting", True)}]
    await assert_told(scheduler_pool)
