"""What happened elsewhere, applied to the follow-ups.

Every handler first locks the people concerned, then reads, decides in pure functions, and writes what is other than
before, with one `follow_up.changed` for each. Order is not promised: revisions and the times of acts decide.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from services.scheduler import follow_up as kept
from services.scheduler import keeping, planning, standing, store
from services.scheduler.acting import apply_acts, restore_addresses, skip_suppressed
from services.scheduler.asking import ask_hosts
from services.scheduler.follow_up import FollowUp
from services.scheduler.plan import Plans, clock_of, follow_ups
from services.scheduler.touching import keep_touches
from shared.bus import Route, on
from shared.db import Connection
from shared.events import (
    AddressRestored,
    AddressSuppressed,
    ConnectionTouched,
    FollowUpActed,
    Meeting,
    MeetingChanged,
    MeetingLogged,
    Person,
    PersonChanged,
    PersonErased,
    PromptWanted,
)


def routes(plans: Plans) -> tuple[Route[Any], ...]:
    """Return which handler takes which event."""
    return (
        on(PersonErased, forget_people),
        on(MeetingLogged, partial(plan_meetings, plans)),
        on(MeetingChanged, partial(plan_meetings, plans)),
        on(PersonChanged, move_people),
        on(FollowUpActed, apply_acts),
        on(AddressSuppressed, skip_suppressed),
        on(AddressRestored, restore_addresses),
        on(ConnectionTouched, keep_touches),
        on(PromptWanted, ask_hosts),
    )


async def plan_meetings(
    plans: Plans, conn: Connection, events: Sequence[MeetingLogged | MeetingChanged], now: datetime
) -> None:
    """Give each meeting its follow-ups; one planned before is planned anew if what its plan goes by has changed.

    "Past" is what was past when it was logged, or changed: what falls due while the event is on its way is due.
    """
    people, before = await keeping.lock(conn, [event.data.owner for event in events])
    newest: dict[UUID, MeetingLogged | MeetingChanged] = {}
    for event in sorted(events, key=lambda event: event.data.meeting.revision):
        if event.data.owner.id in people:
            newest[event.data.meeting.id] = event
    known = await store.meetings(conn, newest)
    news = [
        event for id, event in newest.items() if id not in known or known[id].revision < event.data.meeting.revision
    ]
    await store.keep_meetings(conn, [(event.data.meeting, event.data.owner.id) for event in news])
    to_plan = [event for event in news if _is_other(known.get(event.data.meeting.id), event.data.meeting)]
    changed = await _planned(conn, plans, to_plan, people)
    changed += await _moved(conn, people, before, but={one.id for one in changed})
    await keeping.keep(conn, changed, now)


async def move_people(conn: Connection, events: Sequence[PersonChanged], now: datetime) -> None:
    """Move what waits of a person to where it belongs on their new clock: zone, send time, days, quiet hours."""
    people, before = await keeping.lock(conn, [event.data.person for event in events])
    await keeping.keep(conn, await _moved(conn, people, before, but=set()), now)


async def forget_people(conn: Connection, events: Sequence[PersonErased], now: datetime) -> None:
    """Delete everything of these people, and take nothing in that comes late."""
    del now
    await store.lock_people(conn, {event.data.person for event in events})
    await standing.forget(conn, [event.data for event in events])


async def _planned(
    conn: Connection,
    plans: Plans,
    events: Sequence[MeetingLogged | MeetingChanged],
    people: dict[UUID, Person],
) -> list[FollowUp]:
    if not events:
        return []
    found: dict[UUID, list[FollowUp]] = {}
    for one in await store.follow_ups_of(conn, {event.data.meeting.id for event in events}):
        found.setdefault(one.meeting_id, []).append(one)
    against = await standing.against(conn, people.values())
    given = [(event.data.meeting, people[event.data.owner.id], _as_of(event)) for event in events]
    planned_of = {
        meeting.id: follow_ups(meeting, plans.get(meeting.plan), person, now=as_of) for meeting, person, as_of in given
    }
    early = await standing.take_early_acts(conn, [one.id(id) for id, planned in planned_of.items() for one in planned])
    changed: list[FollowUp] = []
    for meeting, person, _ in given:
        planned = planned_of[meeting.id]
        changed += planning.planned_anew(
            meeting, person, clock_of(person), planned, found.get(meeting.id, []), against, early
        )
    return changed


async def _moved(
    conn: Connection, people: dict[UUID, Person], before: dict[UUID, Person], *, but: set[UUID]
) -> list[FollowUp]:
    """Return what waits of people whose clock has changed, where it belongs now."""
    clocks = {
        id: clock_of(person)
        for id, person in people.items()
        if id in before and planning.wishes(before[id]) != planning.wishes(person)
    }
    waiting = [one for one in await store.waiting_of(conn, clocks) if one.id not in but] if clocks else []
    moved = [(one, kept.moved(one, clocks[one.person_id])) for one in waiting]
    return [after for one, after in moved if after is not one]


def _as_of(event: MeetingLogged | MeetingChanged) -> datetime:
    return event.data.meeting.logged_at if isinstance(event, MeetingLogged) else event.time


def _is_other(before: Meeting | None, after: Meeting) -> bool:
    return before is None or planning.matters(before) != planning.matters(after)
