"""What happened elsewhere, applied to the follow-ups.

Every handler first locks the people concerned, then reads, decides in pure functions, and writes what is other than
before, with one `follow_up.changed` for each. Order is not promised: revisions and the times of acts decide.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from services.scheduler import follow_up as kept
from services.scheduler import planning, standing, store
from services.scheduler.follow_up import FollowUp
from services.scheduler.plan import Plans, clock_of, follow_ups
from services.scheduler.planning import Stop
from shared import outbox, wake
from shared.bus import Route, on
from shared.db import Connection
from shared.events import (
    ActedData,
    AddressSuppressed,
    FollowUpActed,
    FollowUpChanged,
    FollowUpData,
    Meeting,
    MeetingChanged,
    MeetingLogged,
    Person,
    PersonChanged,
    PersonErased,
)

LONGEST_SLEEP: Final = timedelta(seconds=30)  # of the timers: they find what is due later by themselves


def routes(plans: Plans) -> tuple[Route[Any], ...]:
    """Return which handler takes which event."""
    return (
        on(PersonErased, forget_people),
        on(MeetingLogged, partial(plan_meetings, plans)),
        on(MeetingChanged, partial(plan_meetings, plans)),
        on(PersonChanged, move_people),
        on(FollowUpActed, apply_acts),
        on(AddressSuppressed, skip_suppressed),
    )


async def plan_meetings(
    plans: Plans, conn: Connection, events: Sequence[MeetingLogged | MeetingChanged], now: datetime
) -> None:
    """Give each meeting its follow-ups; one planned before is planned anew if what its plan goes by has changed.

    "Past" is what was past when it was logged, or changed: what falls due while the event is on its way is due.
    """
    people, before = await _lock(conn, [event.data.owner for event in events])
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
    await _keep(conn, changed, now)


async def move_people(conn: Connection, events: Sequence[PersonChanged], now: datetime) -> None:
    """Move what waits of a person to where it belongs on their new clock: zone, send time, days, quiet hours."""
    people, before = await _lock(conn, [event.data.person for event in events])
    await _keep(conn, await _moved(conn, people, before, but=set()), now)


async def apply_acts(conn: Connection, events: Sequence[FollowUpActed], now: datetime) -> None:
    """Do what people said: done, later, stop; each also holds for what we hear of only afterwards."""
    acts = sorted((event.data for event in events), key=lambda act: act.at)
    forgotten = await standing.erased(conn, {act.person for act in acts})
    acts = [act for act in acts if act.person not in forgotten]
    people = await store.lock_people(conn, {act.person for act in acts})
    changed = await _acted(conn, [act for act in acts if act.act != "stop"], people)
    await _keep(conn, changed, now)
    stops = [(_stop(act), act.person) for act in acts if act.act == "stop"]
    await standing.keep_stops(conn, stops)
    await _keep(conn, await _stopped(conn, stops, people), now)
    await store.tell_no_more(
        conn,
        people={stop.id for stop, _ in stops if stop.kind == "person"},
        connections={stop.id for stop, _ in stops if stop.kind == "connection"},
    )


async def skip_suppressed(conn: Connection, events: Sequence[AddressSuppressed], now: datetime) -> None:
    """Let nothing wait any more for an address that must not be written to."""
    suppressed = [event.data for event in events]
    people = await store.lock_people(conn, await standing.keep_suppressed(conn, suppressed))
    addresses = {(one.address.lower(), one.channel) for one in suppressed}
    changed = []
    for one in await store.waiting_of(conn, people):
        channel = one.channel_for(people[one.person_id])
        if ((kept.address(people[one.person_id], channel) or "").lower(), channel) in addresses:
            changed.append(kept.ended(one, "skipped", "suppressed"))
    await _keep(conn, changed, now)


async def forget_people(conn: Connection, events: Sequence[PersonErased], now: datetime) -> None:
    """Delete everything of these people, and take nothing in that comes late."""
    del now
    await store.lock_people(conn, {event.data.person for event in events})
    await standing.forget(conn, [event.data for event in events])


async def _lock(conn: Connection, owners: Sequence[Person]) -> tuple[dict[UUID, Person], dict[UUID, Person]]:
    """Lock these people and keep their newest facts; return them, and those we knew as they were before."""
    forgotten = await standing.erased(conn, {owner.id for owner in owners})
    newest = {owner.id: owner for owner in sorted(owners, key=lambda owner: owner.revision)}
    newest = {id: owner for id, owner in newest.items() if id not in forgotten}
    before = await store.lock_people(conn, newest)
    await store.keep_people(conn, list(newest.values()))
    for id, owner in before.items():
        if owner.revision >= newest[id].revision:
            newest[id] = owner
    return newest, before


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


async def _acted(conn: Connection, acts: Sequence[ActedData], people: dict[UUID, Person]) -> list[FollowUp]:
    known = {one.id: one for one in await store.follow_ups(conn, {act.follow_up for act in acts if act.follow_up})}
    latest: dict[UUID, FollowUp] = {}
    early: dict[UUID, ActedData] = {}
    for act in acts:
        if act.follow_up is None:
            continue  # a touch of the connection: no follow-up ends by it
        if act.follow_up not in known:
            early[act.follow_up] = act
            continue
        before = latest.get(act.follow_up, known[act.follow_up])
        latest[act.follow_up] = kept.acted(before, act, clock_of(people[before.person_id]))
    await standing.keep_early_acts(conn, list(early.values()))
    changed = [one for id, one in latest.items() if one is not known[id]]
    # A stop may have arrived before the later that it came after.
    against = await standing.against(conn, people.values())
    meetings = await store.meetings(conn, {one.meeting_id for one in changed})
    return [planning.barred(one, meetings[one.meeting_id], people[one.person_id], against) for one in changed]


async def _stopped(conn: Connection, stops: Sequence[tuple[Stop, UUID]], people: dict[UUID, Person]) -> list[FollowUp]:
    concerned = {person for _, person in stops if person in people}
    if not concerned:
        return []
    might = [*await store.waiting_of(conn, concerned), *await store.suppressed_of(conn, concerned)]
    meetings = await store.meetings(conn, {one.meeting_id for one in might})
    return [
        kept.ended(one, "stopped")
        for one in might
        if any(
            planning.stops_it(stop, one, people[one.person_id], meetings[one.meeting_id].logged_at) for stop, _ in stops
        )
    ]


async def _keep(conn: Connection, changed: Sequence[FollowUp], now: datetime) -> None:
    """Keep these follow-ups, tell the others, and wake the timers for what they would sleep past."""
    if not changed:
        return
    await store.add(conn, [one for one in changed if one.revision == 1])
    await store.change(conn, [one for one in changed if one.revision > 1])
    await outbox.add(conn, told(changed, now))
    if any(one.state == "waiting" and one.due_at <= now + LONGEST_SLEEP for one in changed):
        await wake.notify(conn, "scheduler", "due")


def told(changed: Iterable[FollowUp], now: datetime) -> list[FollowUpChanged]:
    """Return the events that tell of these changes."""
    return [
        FollowUpChanged(time=now, subject=str(one.id), data=FollowUpData(follow_up=one.fact(), at=now))
        for one in changed
    ]


def _as_of(event: MeetingLogged | MeetingChanged) -> datetime:
    return event.data.meeting.logged_at if isinstance(event, MeetingLogged) else event.time


def _is_other(before: Meeting | None, after: Meeting) -> bool:
    return before is None or planning.matters(before) != planning.matters(after)


def _stop(act: ActedData) -> Stop:
    if act.connection is not None:
        return Stop(kind="connection", id=act.connection, channel="", at=act.at)
    return Stop(kind="person", id=act.person, channel=act.channel or "", at=act.at)
