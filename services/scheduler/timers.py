"""Timers: lock people who have work due, end all of it, write their nudges to the outbox."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from services.scheduler import coalesce, store
from services.scheduler.coalesce import Fired
from services.scheduler.keeping import LONGEST_SLEEP, told
from services.scheduler.plan import clock_of
from services.scheduler.store import Due
from shared import db, metrics, outbox
from shared.db import Connection, Pool
from shared.events import NudgeDue

log = structlog.get_logger()

EVER: Final = datetime(1, 1, 1, tzinfo=UTC)
# What is due and yet not to be had is being worked on by somebody else; by then they have committed, or died.
LOOK_AGAIN_SECONDS: Final = 0.1
SHORTEST_SLEEP_SECONDS: Final = 0.002  # a clock that rings a moment early must not be asked a hundred times


class Timers:
    """Fires what is due, a batch of people a step. Any number of these may run side by side."""

    def __init__(self, pool: Pool, *, too_late_after: timedelta, limit: int = 500) -> None:
        self._pool = pool
        self._too_late_after = too_late_after
        self._limit = limit
        self._since = EVER

    async def step(self) -> int:
        """Fire what is due of up to `limit` people; return how many follow-ups that ended or moved.

        Within a burst each batch begins looking where the last one ended: whatever is due and older is found when
        the burst is over.
        """
        began = time.monotonic()
        if fired := await db.in_transaction(self._pool, self._fire):
            log.info("timers.fired", **_summary(fired), ms=round((time.monotonic() - began) * 1000))
        elif self._since != EVER:
            self._since = EVER
            return await self.step()
        return sum(len(one.changed) for one in fired)

    async def idle(self) -> float:
        """Return for how many seconds there is nothing to do, unless woken."""
        async with self._pool.acquire(timeout=5) as conn:
            seconds = await store.seconds_until_due(conn)
        longest = LONGEST_SLEEP.total_seconds()
        if seconds is None:
            return longest
        if seconds <= 0:
            return LOOK_AGAIN_SECONDS
        return min(max(seconds, SHORTEST_SLEEP_SECONDS), longest)

    async def _fire(self, conn: Connection) -> list[Fired]:
        now = await db.now(conn)
        claimed = await store.claim(conn, now=now, since=self._since, limit=self._limit)
        if not claimed:
            return []
        one_of_each = [one for due in claimed for one in (*due.follow_ups, *due.untold)]
        meetings = await store.meetings(conn, {one.meeting_id for one in one_of_each})
        fired = [
            coalesce.fire(
                due.person,
                clock_of(due.person),
                due.follow_ups,
                due.untold,
                meetings,
                now=now,
                too_late_after=self._too_late_after,
            )
            for due in claimed
        ]
        await _record(conn, fired, now)
        self._since = max(self._since, min(one.due_at for due in claimed for one in due.follow_ups))
        _observe(claimed, fired, now)
        return fired


async def _record(conn: Connection, fired: Sequence[Fired], now: datetime) -> None:
    changed = [one for person in fired for one in person.changed]
    await store.change(conn, changed)
    await store.tell(conn, [one for person in fired for one in person.told])
    nudges = [nudge for person in fired for nudge in person.nudges]
    due = [NudgeDue(time=now, subject=str(nudge.nudge), data=nudge) for nudge in nudges]
    await outbox.add(conn, [*due, *told(changed, now)])


def _observe(claimed: Sequence[Due], fired: Sequence[Fired], now: datetime) -> None:
    was_due = {one.id: one.due_at for due in claimed for one in due.follow_ups}
    for one in _nudged(fired):
        metrics.follow_up_lateness.observe(max((now - was_due[one]).total_seconds(), 0))


def _nudged(fired: Sequence[Fired]) -> list[UUID]:
    return [one.id for person in fired for one in person.changed if one.state == "nudged"]


def _summary(fired: Sequence[Fired]) -> dict[str, object]:
    nudges = [nudge for person in fired for nudge in person.nudges]
    counts: dict[str, object] = {"people": len(fired), "nudges": len(nudges)}
    for person in fired:
        for one in person.changed:
            name = one.reason or ("held" if one.state == "waiting" else one.state)
            counts[name] = int(str(counts.get(name, 0))) + 1
    return counts | {"first": str(nudges[0].nudge) if nudges else None}
