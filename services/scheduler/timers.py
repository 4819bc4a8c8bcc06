"""Timers: lock people who have work due, end all of it, write their nudges to the outbox."""

import time
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final, get_args
from uuid import UUID

import structlog

from services.scheduler import coalesce, standing, store, store_contacts, store_due, store_held
from services.scheduler.clocks import clock_of
from services.scheduler.coalesce import Fired, Known
from services.scheduler.follow_up import FollowUp
from services.scheduler.keeping import LONGEST_SLEEP, told
from services.scheduler.nudge import Owner
from services.scheduler.store_due import EVER, Due
from services.scheduler.store_held import LATE
from shared import db, metrics, outbox
from shared.db import Connection, Pool
from shared.events import Channel, NudgeDue
from shared.settings import BACKLOG_GUARD

log = structlog.get_logger()

# What is due and yet not to be had is being worked on by somebody else; by then they have committed, or died.
LOOK_AGAIN_SECONDS: Final = 0.1
WHILE_HELD_SECONDS: Final = 1.0  # the backlog is always due, and not to be had before somebody says so
SHORTEST_SLEEP_SECONDS: Final = 0.002  # a clock that rings a moment early must not be asked a hundred times


class Timers:
    """Fires what is due, a batch of people a step. Any number of these may run side by side."""

    def __init__(
        self,
        pool: Pool,
        *,
        too_late_after: timedelta,
        backlog_guard: int = BACKLOG_GUARD,
        limit: int = 500,
        channels: Collection[str] = get_args(Channel),
    ) -> None:
        self._pool = pool
        self._too_late_after = too_late_after
        self._backlog_guard = backlog_guard
        self._limit = limit
        self._channels = channels  # that are served: a step that wants another goes by the person's own
        self._since = EVER
        self._late = EVER  # while the backlog is held: who has anything that was due before waits

    async def step(self) -> int:
        """Fire what is due of up to `limit` people; return how many follow-ups that ended or moved.

        Within a burst each batch begins looking where the last one ended: whatever is due and older is found when
        the burst is over. A batch that fails is fired person by person, and whose fails is set aside.
        """
        began = time.monotonic()
        people = await db.in_transaction(self._pool, self._look)
        try:
            fired = await db.in_transaction(self._pool, lambda conn: self._fire(conn, people))
        except Exception as error:
            if db.is_unavailable(error):
                raise
            log.warning("timers.batch_failed", people=len(people), error=type(error).__name__)
            fired = await self._fire_singly(people)
        if fired:
            log.info("timers.fired", **_summary(fired), ms=round((time.monotonic() - began) * 1000))
        elif self._since != EVER:
            self._since = EVER
            return await self.step()
        return sum(len(one.changed) for one in fired)

    async def idle(self) -> float:
        """Return for how many seconds there is nothing to do, unless woken."""
        async with self._pool.acquire(timeout=5) as conn:
            seconds = await store_due.seconds_until_due(conn)
        longest = LONGEST_SLEEP.total_seconds()
        if seconds is None:
            return longest
        if seconds <= 0:
            return LOOK_AGAIN_SECONDS if self._late == EVER else WHILE_HELD_SECONDS
        return min(max(seconds, SHORTEST_SLEEP_SECONDS), longest)

    async def _look(self, conn: Connection) -> list[UUID]:
        """Return who has work due; hold the backlog when it is larger than may go out unasked."""
        now = await db.now(conn)
        held = await store_held.held_since(conn) is not None
        if not held and await store_held.is_more_late_than(conn, self._backlog_guard, now=now):
            held = True
            if await store_held.hold_backlog(conn, now=now):
                late = await store_held.late_rows(conn, now=now)
                log.error("backlog.held", late=late, guard=self._backlog_guard, do="afterhello release")
        self._late = now - LATE if held else EVER
        return await store_due.due_people(conn, now=now, since=self._since, late=self._late, limit=self._limit)

    async def _fire_singly(self, people: Sequence[UUID]) -> list[Fired]:
        fired: list[Fired] = []
        for person in people:
            try:
                fired += await db.in_transaction(self._pool, lambda conn, who=person: self._fire(conn, [who]))  # type: ignore[misc]
            except Exception as error:
                if db.is_unavailable(error):
                    raise
                reason = f"{type(error).__name__}: {error}"
                until = await db.in_transaction(
                    self._pool,
                    lambda conn, who=person, why=reason: _set_aside(conn, who, why),  # type: ignore[misc]
                )
                log.exception("timers.set_aside", person=str(person), until=until.isoformat())
        return fired

    async def _fire(self, conn: Connection, people: Sequence[UUID]) -> list[Fired]:
        now = await db.now(conn)
        claimed = await store_due.claim(conn, people, now=now) if people else []
        claimed += await store_contacts.claim(conn, people, now=now, late=self._late) if people else []
        if not claimed:
            return []
        known = await _known(conn, claimed)
        fired = [
            coalesce.fire(
                due.person,
                clock_of(due.person),
                [self._served(one) for one in due.follow_ups],
                due.untold,
                known[due.person.id],
                now=now,
                too_late_after=self._too_late_after,
            )
            for due in claimed
        ]
        await _record(conn, fired, now)
        await store_held.take_back(conn, [due.person.id for due in claimed])
        self._since = max(self._since, min(one.due_at for due in claimed for one in due.follow_ups))
        _observe(claimed, fired, now)
        return fired

    def _served(self, one: FollowUp) -> FollowUp:
        return one if one.channel is None or one.channel in self._channels else one.but(channel=None)


async def _known(conn: Connection, claimed: Sequence[Due]) -> dict[UUID, Known]:
    """Return what firing for each of these goes by; most need no more than their meetings."""
    meetings = await store.meetings(conn, {one.meeting_id for due in claimed for one in (*due.follow_ups, *due.untold)})
    branches = [one.id for due in claimed for one in due.follow_ups if one.on_outcome is not None]
    steps_before = await store_due.steps_before(conn, branches) if branches else {}
    crowded = {
        connection
        for due in claimed
        if len(connections := {one.connection_id for one in due.follow_ups}) > due.person.daily_limit
        for connection in connections
    }
    touched_at = await standing.touched_at(conn, crowded) if crowded else {}
    sent_for = await store_due.sent_for(conn, [due.person.id for due in claimed])
    return {
        due.person.id: Known(
            meetings=meetings,
            steps_before=steps_before,
            touched_at=touched_at,
            sent_for=sent_for.get(due.person.id, {}),
            owners={id: Owner(person, clock_of(person)) for id, person in due.owners.items()},
        )
        for due in claimed
    }


async def _set_aside(conn: Connection, person: UUID, reason: str) -> datetime:
    return await store_held.set_aside(conn, person, reason=reason, now=await db.now(conn))


async def _record(conn: Connection, fired: Sequence[Fired], now: datetime) -> None:
    changed = [one for person in fired for one in person.changed]
    await store.change(conn, changed)
    await store.tell(conn, [one for person in fired for one in person.told])
    await store_due.keep_sent_for(conn, {one.person: one.sent_for for one in fired if one.sent_for})
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
            name = one.reason or ("put off" if one.state == "waiting" else one.state)
            counts[name] = int(str(counts.get(name, 0))) + 1
    return counts | {"first": str(nudges[0].nudge) if nudges else None}
