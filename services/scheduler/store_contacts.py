"""Every query about contacts who are written to: what is due for one, from however many owners, locked."""

# What is put together here are column names of ours, never what somebody sent.
# ruff: noqa: S608

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from services.scheduler import addressee, store
from services.scheduler.follow_up import FollowUp
from services.scheduler.store import FIELDS, fetch
from services.scheduler.store_calendars import with_breaks
from services.scheduler.store_due import EVER, Due
from shared.db import Connection
from shared.events import Meeting, Person

# A class of advisory locks, and how many of them a transaction takes at most: each costs the server a slot.
CONTACTS: Final = 7303
BUCKETS: Final = 64


async def claim(conn: Connection, ids: Collection[UUID], *, now: datetime, late: datetime = EVER) -> list[Due]:
    """Lock those of these that are contacts, with their owners, and return all that is due for each.

    Whom somebody else holds is left out, and so is a contact one of whose owners somebody else holds: all that is due
    for them goes in one nudge, or a moment later.
    """
    owners_of = await _owners(conn, ids, now=now, late=late)
    held = {bucket: await _try_lock(conn, bucket) for bucket in sorted({id.int % BUCKETS for id in owners_of})}
    mine = {id: owners for id, owners in owners_of.items() if held[id.int % BUCKETS]}
    if not mine:
        return []
    rows = await conn.fetch(
        "SELECT facts FROM recipients WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE SKIP LOCKED",
        list({owner for owners in mine.values() for owner in owners}),
    )
    read = [Person.model_validate(row["facts"]) for row in rows]
    owners = await with_breaks(conn, {person.id: person for person in read})
    # Only what is read after the locks is theirs to fire: another scheduler may have fired it while we looked.
    waiting = await fetch(
        conn,
        f"""
        SELECT {FIELDS}
          FROM follow_ups f
         WHERE f.contact_id = ANY ($1::uuid[]) AND f.state = 'waiting' AND NOT f.is_paused
           AND f.due_at <= $2 AND f.due_at >= $3
        """,
        list(mine),
        now,
        late,
    )
    meetings = await store.meetings(conn, {one.meeting_id for one in waiting})
    due = []
    for id in mine:
        ours = [one for one in waiting if one.contact_id == id]
        if ours and all(one.person_id in owners for one in ours):
            due.append(_due(id, ours, owners, meetings))
    return due


def _due(id: UUID, ours: Sequence[FollowUp], owners: dict[UUID, Person], meetings: dict[UUID, Meeting]) -> Due:
    newest = max((meetings[one.meeting_id] for one in ours), key=lambda meeting: (meeting.logged_at, meeting.id))
    owner = next(owners[one.person_id] for one in ours if one.meeting_id == newest.id)
    contact = Person(
        id=id,
        revision=1,
        name=newest.contact.name,
        email=addressee.agreed(newest.contact),
        channel=addressee.BY,
        locale=owner.locale,
        time_zone=owner.time_zone,
    )
    return Due(
        person=contact, follow_ups=ours, untold=(), owners={one.person_id: owners[one.person_id] for one in ours}
    )


async def _owners(conn: Connection, ids: Collection[UUID], *, now: datetime, late: datetime) -> dict[UUID, list[UUID]]:
    rows = await conn.fetch(
        """
        SELECT contact_id, array_agg(DISTINCT person_id) AS owners
          FROM follow_ups
         WHERE contact_id = ANY ($1::uuid[]) AND state = 'waiting' AND NOT is_paused AND due_at <= $2 AND due_at >= $3
         GROUP BY contact_id
        """,
        list(ids),
        now,
        late,
    )
    return {row["contact_id"]: row["owners"] for row in rows}


async def _try_lock(conn: Connection, bucket: int) -> bool:
    taken: bool = await conn.fetchval("SELECT pg_try_advisory_xact_lock($1, $2)", CONTACTS, bucket)
    return taken
