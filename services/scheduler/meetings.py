"""Meetings, as they are logged and change: planned, planned anew, held, ended; and continued by the next one."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.scheduler import keeping, life, planning, standing, store
from services.scheduler.clocks import clock_of
from services.scheduler.follow_up import FollowUp
from services.scheduler.plan import Plans
from shared.db import Connection
from shared.events import Meeting, MeetingChanged, MeetingLogged, Person

News = MeetingLogged | MeetingChanged


async def plan_meetings(plans: Plans, conn: Connection, events: Sequence[News], now: datetime) -> None:
    """Give each meeting its follow-ups; one planned before is planned anew if what its plan goes by has changed.

    "Past" is what was past when it was logged, or changed: what falls due while the event is on its way is due. A
    meeting whose state alone changed keeps its follow-ups, whatever has become of its plan's file.
    """
    people, people_before = await keeping.lock(conn, [event.data.owner for event in events])
    newest: dict[UUID, News] = {}
    for event in sorted(events, key=lambda event: event.data.meeting.revision):
        if event.data.owner.id in people:
            newest[event.data.meeting.id] = event
    known = await store.meetings(conn, newest)
    news = [
        event for id, event in newest.items() if id not in known or known[id].revision < event.data.meeting.revision
    ]
    await store.keep_meetings(conn, [(event.data.meeting, event.data.owner.id) for event in news])

    before = {one.id: one for one in await store.follow_ups_of(conn, [event.data.meeting.id for event in news])}
    after = dict(before)
    to_plan = [e for e in news if planning.needs_planning(known.get(e.data.meeting.id), e.data.meeting)]
    for one in await _planned(conn, plans, to_plan, people, before):
        after[one.id] = one
    for event in news:
        meeting = event.data.meeting
        ours = [one for one in after.values() if one.meeting_id == meeting.id]
        for one in life.stood(ours, meeting, known.get(meeting.id), people[event.data.owner.id], now=now):
            after[one.id] = one
    after |= await _let_be(conn, after, before, people, [event.data.meeting for event in news])
    of_news = {event.data.meeting.id: event.data.meeting for event in news}
    connections = {meeting.connection for meeting in (*of_news.values(), *(known[id] for id in of_news if id in known))}
    await go_on(conn, connections, people, before, after, now)
    changed = life.changed(before, after)
    changed += await keeping.moved(conn, people, people_before, now, but={one.id for one in changed})
    await keeping.keep(conn, changed, now, also=_as_they_were(before, changed, news))
    await store.tell_no_more(conn, meetings=[m.id for m in of_news.values() if m.state in {"stopped", "cancelled"}])


def _as_they_were(before: Mapping[UUID, FollowUp], changed: Sequence[FollowUp], news: Sequence[News]) -> list[FollowUp]:
    """Return what a changed meeting has and keeps: intake shows what it expects of the change until it is told."""
    meetings = {event.data.meeting.id for event in news if isinstance(event, MeetingChanged)}
    ids = {one.id for one in changed}
    return [one for one in before.values() if one.meeting_id in meetings and one.id not in ids]


async def _planned(
    conn: Connection,
    plans: Plans,
    events: Sequence[News],
    people: Mapping[UUID, Person],
    before: Mapping[UUID, FollowUp],
) -> list[FollowUp]:
    if not events:
        return []
    found: dict[UUID, list[FollowUp]] = {}
    for one in before.values():
        found.setdefault(one.meeting_id, []).append(one)
    against = await standing.against(conn, people.values(), [event.data.meeting.contact for event in events])
    touches = await standing.touched_at(conn, [event.data.meeting.connection for event in events])
    clocks = {person.id: clock_of(person) for person in people.values()}
    planned_of = {}
    for event in events:
        meeting = event.data.meeting
        planned_of[meeting.id] = life.planned(
            meeting,
            plans.get(meeting.plan),
            clocks[event.data.owner.id],
            found.get(meeting.id, ()),
            now=_as_of(event),
            touched_at=touches.get(meeting.connection),
        )
    early = await standing.take_early_acts(conn, [one.id(id) for id, planned in planned_of.items() for one in planned])
    changed: list[FollowUp] = []
    for event in events:
        meeting, person = event.data.meeting, people[event.data.owner.id]
        changed += planning.planned_anew(
            meeting, person, clocks[person.id], planned_of[meeting.id], found.get(meeting.id, []), against, early
        )
    return changed


async def _let_be(
    conn: Connection,
    after: Mapping[UUID, FollowUp],
    before: Mapping[UUID, FollowUp],
    people: Mapping[UUID, Person],
    news: Sequence[Meeting],
) -> dict[UUID, FollowUp]:
    """Return those that now go to a contact, or to another address of theirs, and must not."""
    anew = [
        one
        for one in after.values()
        if one.addressee == "contact" and one.state == "waiting" and one is not before.get(one.id)
    ]
    if not anew:
        return {}
    meetings = {meeting.id: meeting for meeting in news}
    against = await standing.against(conn, people.values(), [meeting.contact for meeting in news])
    barred = [planning.barred(one, meetings[one.meeting_id], people[one.person_id], against) for one in anew]
    return {one.id: one for one in barred}


async def go_on(
    conn: Connection,
    connections: set[UUID],
    people: Mapping[UUID, Person],
    before: dict[UUID, FollowUp],
    after: dict[UUID, FollowUp],
    now: datetime,
) -> None:
    """Let the newest meeting of each of these connections take over; puts what is other into `after`."""
    meetings_of = await store.meetings_of(conn, connections)
    several = {connection for connection, meetings in meetings_of.items() if len(meetings) > 1}
    if not several:
        return
    for one in await store.open_of(conn, several):
        before.setdefault(one.id, one)
        after.setdefault(one.id, one)
    contacts = [meeting.contact for meetings in meetings_of.values() for meeting in meetings]
    against = await standing.against(conn, people.values(), contacts)
    by_connection: dict[UUID, list[FollowUp]] = {}
    for one in after.values():
        by_connection.setdefault(one.connection_id, []).append(one)
    for connection in several:
        meetings = {meeting.id: meeting for meeting in meetings_of[connection]}
        ours = [one for one in by_connection.get(connection, []) if one.meeting_id in meetings]
        for one in ours[:1]:
            person = people.get(one.person_id)
            if person is None:
                continue
            for other in life.continued(ours, meetings, person, against, now=now):
                after[other.id] = other


def _as_of(event: News) -> datetime:
    return event.data.meeting.logged_at if isinstance(event, MeetingLogged) else event.time
