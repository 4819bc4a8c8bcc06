"""What every handler does alike: lock the people concerned first, and at the end keep and tell what has changed."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.scheduler import life, planning, standing, store
from services.scheduler.follow_up import FollowUp
from services.scheduler.store_calendars import with_breaks
from shared import outbox, wake
from shared.db import Connection
from shared.events import FollowUpChanged, FollowUpData, Person

LONGEST_SLEEP: Final = timedelta(seconds=30)  # of the timers: they find what is due later by themselves


async def lock(conn: Connection, owners: Sequence[Person]) -> tuple[dict[UUID, Person], dict[UUID, Person]]:
    """Lock these people and keep their newest facts; return them, and those we knew as they were before."""
    forgotten = await standing.erased(conn, {owner.id for owner in owners})
    newest = {owner.id: owner for owner in sorted(owners, key=lambda owner: owner.revision)}
    newest = {id: owner for id, owner in newest.items() if id not in forgotten}
    before = await store.lock_people(conn, newest)
    await store.keep_people(conn, list(newest.values()))
    newest = await with_breaks(conn, newest)
    for id, owner in before.items():
        if owner.revision >= newest[id].revision:
            newest[id] = owner
    return newest, before


async def moved(
    conn: Connection,
    people: Mapping[UUID, Person],
    before: Mapping[UUID, Person],
    now: datetime,
    *,
    but: Collection[UUID] = (),
) -> list[FollowUp]:
    """Return what waits of people whose wishes have changed, where it belongs now."""
    concerned = {
        id: person
        for id, person in people.items()
        if id in before and planning.wishes(before[id]) != planning.wishes(person)
    }
    if not concerned:
        return []
    waiting = {one.id: one for one in await store.waiting_of(conn, concerned) if one.id not in but}
    after: dict[UUID, FollowUp] = {}
    confirmed = {id for id, person in concerned.items() if person.confirmed and not before[id].confirmed}
    meetings = await store.meetings(conn, {one.meeting_id for one in waiting.values() if one.person_id in confirmed})
    for id, person in concerned.items():
        theirs = [one for one in waiting.values() if one.person_id == id]
        if id in confirmed:
            theirs = life.confirmed(theirs, meetings, person, now=now)
        else:
            theirs = life.moved(theirs, before[id], person, now=now)
        after |= {one.id: one for one in theirs}
    return life.changed(waiting, after)


async def keep(conn: Connection, news: Sequence[FollowUp], now: datetime, *, also: Sequence[FollowUp] = ()) -> None:
    """Keep these follow-ups, tell the others of them, and of `also` as they were, and wake the timers for what they
    would sleep past."""
    await outbox.add(conn, told(also, now))
    if not news:
        return
    await store.add(conn, [one for one in news if one.revision == 1])
    await store.change(conn, [one for one in news if one.revision > 1])
    await outbox.add(conn, told(news, now))
    if any(one.state == "waiting" and one.due_at <= now + LONGEST_SLEEP for one in news):
        await wake.notify(conn, "scheduler", "due")


def told(news: Iterable[FollowUp], now: datetime) -> list[FollowUpChanged]:
    """Return the events that tell of these changes."""
    return [
        FollowUpChanged(time=now, subject=str(one.id), data=FollowUpData(follow_up=one.fact(), at=now)) for one in news
    ]
