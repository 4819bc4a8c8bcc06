"""What every handler does alike: lock the people concerned first, and at the end keep and tell what has changed."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.scheduler import follow_up as kept
from services.scheduler import planning, standing, store
from services.scheduler.follow_up import FollowUp
from services.scheduler.plan import clock_of
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


def changed(before: Mapping[UUID, FollowUp], after: Mapping[UUID, FollowUp]) -> list[FollowUp]:
    """Return what is new or other than before, one revision on, however many steps led to it."""
    return [
        replace(one, revision=before[id].revision + 1 if id in before else 1)
        for id, one in after.items()
        if id not in before or replace(one, revision=before[id].revision) != before[id]
    ]


async def moved(
    conn: Connection,
    people: Mapping[UUID, Person],
    before: Mapping[UUID, Person],
    now: datetime,
    *,
    but: Collection[UUID] = (),
) -> list[FollowUp]:
    """Return what waits of people whose clock has changed, where it belongs now.

    What fell due in a pause that they ended earlier than they had said does not all come at once.
    """
    concerned = {
        id: person
        for id, person in people.items()
        if id in before and planning.wishes(before[id]) != planning.wishes(person)
    }
    if not concerned:
        return []
    waiting = {one.id: one for one in await store.waiting_of(conn, concerned) if one.id not in but}
    after: dict[UUID, FollowUp] = {}
    for id, person in concerned.items():
        clock = clock_of(person)
        theirs = [kept.moved(one, clock) for one in waiting.values() if one.person_id == id]
        if before[id].paused_until is not None and before[id].paused_until != person.paused_until:
            theirs = planning.resumed(theirs, clock, now=now)
        after |= {one.id: one for one in theirs}
    return changed(waiting, after)


async def keep(conn: Connection, news: Sequence[FollowUp], now: datetime) -> None:
    """Keep these follow-ups, tell the others, and wake the timers for what they would sleep past."""
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
