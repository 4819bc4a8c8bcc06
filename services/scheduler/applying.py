"""A changed plan is applied to what was planned by it before: asked for, never by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.scheduler import keeping, life, meetings, planning, standing, store, wall_time
from services.scheduler.clocks import clock_of
from services.scheduler.follow_up import FollowUp
from services.scheduler.plan import PlannedFollowUp, Since, schedule
from services.scheduler.plan_file import Plan
from services.scheduler.wall_clock import Clock
from shared.db import Connection

BATCH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What a batch of meetings comes to by the plan as it is now."""

    last: UUID  # the last meeting of the batch
    changed: Sequence[tuple[FollowUp | None, FollowUp]]  # before, None for a new one, and after


async def apply(conn: Connection, plan: Plan, now: datetime, *, after: UUID, limit: int = BATCH) -> Applied | None:
    """Plan anew what waits of the next meetings that go by this plan; None when there are no more.

    What was nudged, has ended or was put off by its owner stays. A step that the plan did not have, or had later, and
    that would be past by now, is not sent for that: if it waits it goes at the next send time, else it never comes.
    """
    batch = await store.meetings_waiting(conn, plan.name, after=after, limit=limit)
    if not batch:
        return None
    people = await store.lock_people(conn, set(batch.values()))
    of_batch = await store.meetings(conn, batch)
    rows = {one.id: one for one in await store.follow_ups_of(conn, batch)}
    against = await standing.against(conn, people.values(), [meeting.contact for meeting in of_batch.values()])
    touches = await standing.touched_at(conn, {meeting.connection for meeting in of_batch.values()})
    outcome = dict(rows)
    for meeting in of_batch.values():
        person = people[batch[meeting.id]]
        clock = clock_of(person)
        had = {one.id: one for one in rows.values() if one.meeting_id == meeting.id}
        since = Since(
            touched_at=touches.get(meeting.connection),
            ended=[(one.step, one.occurrence) for one in had.values() if one.state != "waiting"],
        )
        planned = schedule(plan, clock, met_at=meeting.met_at, goal_at=meeting.goal_at, since=since)
        waiting = {id for id, one in had.items() if one.state == "waiting"}
        wanted = [
            late if one.moment.due_at <= now else one
            for one in planned
            if one.moment.due_at > now or one.id(meeting.id) in waiting
            for late in [_soon(one, clock, now)]
        ]
        changed = planning.planned_anew(meeting, person, clock, wanted, list(had.values()), against, {})
        outcome |= {one.id: planning.stood(one, meeting) for one in changed}
    connections = {meeting.connection for meeting in of_batch.values()}
    before = dict(rows)
    await meetings.go_on(conn, connections, people, before, outcome, now)
    news = life.changed(before, outcome)
    await keeping.keep(conn, news, now)
    return Applied(last=max(batch), changed=[(before.get(one.id), one) for one in news])


def _soon(one: PlannedFollowUp, clock: Clock, now: datetime) -> PlannedFollowUp:
    target = wall_time.next_send_time(now, clock)
    return one._replace(target=target, moment=wall_time.place(target, clock, heeds_quiet=one.heeds_quiet))
