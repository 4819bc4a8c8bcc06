"""What every handler does alike: lock the people concerned first, and at the end keep and tell what has changed."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.scheduler import standing, store
from services.scheduler.follow_up import FollowUp
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
    for id, owner in before.items():
        if owner.revision >= newest[id].revision:
            newest[id] = owner
    return newest, before


async def keep(conn: Connection, changed: Sequence[FollowUp], now: datetime) -> None:
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
