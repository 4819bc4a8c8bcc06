"""Driving the scheduler in tests: events in, steps of the timers, rows and events out."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Any, TypeVar
from uuid import UUID

from services.scheduler.handlers import routes
from services.scheduler.plan import Plans
from services.scheduler.school_days import WEEKDAYS
from services.scheduler.timers import Timers
from shared import events
from shared.db import Pool
from shared.events import Event, FollowUpChanged, NudgeData, NudgeDue
from shared.receive import receiver

ROUTES = routes(Plans.read(None))
DAY = timedelta(hours=24)
# Of a person who may be written to at whatever moment a test happens to run.
ANY_TIME: dict[str, Any] = {"quiet_from": time(0), "quiet_to": time(0), "days": WEEKDAYS}

E = TypeVar("E", bound=Event)


async def receive(pool: Pool, *given: Event) -> None:
    """Apply these events as one batch off the bus; none may fail."""
    await receiver(pool, ROUTES, service="scheduler")([event.to_json() for event in given])
    assert [dict(row) for row in await pool.fetch("SELECT reason, detail FROM dead_letter")] == []


async def fire(pool: Pool, *, too_late_after: timedelta = DAY, limit: int = 500) -> int:
    """Fire all that is due, and return how many follow-ups that ended or moved."""
    timers = Timers(pool, too_late_after=too_late_after, limit=limit)
    total = 0
    while fired := await timers.step():
        total += fired
    return total


async def make_due(pool: Pool, due_at: datetime, *ids: UUID) -> None:
    """Let what waits, or these alone, be due at this instant, as if the time had come."""
    await pool.execute(
        "UPDATE follow_ups SET due_at = $1 WHERE state = 'waiting' AND (id = ANY ($2::uuid[]) OR $3)",
        due_at,
        list(ids),
        not ids,
    )


async def rows(pool: Pool) -> list[dict[str, Any]]:
    """Return the follow-ups in the order of their steps."""
    return [dict(row) for row in await pool.fetch("SELECT * FROM follow_ups ORDER BY step, occurrence, id")]


async def states(pool: Pool) -> list[str]:
    """Return state, or reason, of each follow-up in the order of their steps."""
    return [row["reason"] or row["state"] for row in await rows(pool)]


async def sent(pool: Pool, kind: type[E]) -> Sequence[E]:
    """Return the events of this kind in the outbox."""
    found = await pool.fetch("SELECT document FROM outbox WHERE type = $1 ORDER BY id", kind.type)
    read = [events.read(row["document"]) for row in found]
    return [event for event in read if isinstance(event, kind)]


async def nudges(pool: Pool) -> list[NudgeData]:
    """Return the nudges in the outbox."""
    return [event.data for event in await sent(pool, NudgeDue)]


async def assert_told(pool: Pool) -> None:
    """Every change of every follow-up was told, each revision in order and the last as it is now."""
    told: dict[UUID, list[FollowUpChanged]] = {}
    for event in await sent(pool, FollowUpChanged):
        told.setdefault(event.data.follow_up.id, []).append(event)
    for row in await rows(pool):
        of_it = told[row["id"]]
        # One that a change of its meeting left as it was is told again.
        revisions = [event.data.follow_up.revision for event in of_it]
        assert revisions == sorted(revisions)
        assert set(revisions) == set(range(1, row["revision"] + 1))
        last = of_it[-1].data.follow_up
        assert (last.state, last.reason, last.nudge) == (row["state"], row["reason"], row["nudge_id"])
