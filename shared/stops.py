"""Stops: whom we must not write to, known the moment it was said.

Everything else between services travels over the bus, which may be down for hours. A stop may not wait: once it was
answered, no send begins. So it is a row in a small schema that belongs to no service: intake writes it, the notifier
reads it while it takes the lock that orders the two.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    kind: str  # "meeting", "connection" or "person"
    id: UUID
    channel: str  # "" is every channel
    at: datetime


async def stop_meeting(conn: Connection, *, person: UUID, meeting: UUID) -> None:
    """Let nothing begin any more for this meeting."""
    await _add(conn, "meeting", meeting, "", owner=person)


async def stop_connection(conn: Connection, *, person: UUID, connection: UUID) -> None:
    """Let nothing begin any more for meetings of this connection that were logged until now."""
    await _add(conn, "connection", connection, "", owner=person)


async def stop_person(conn: Connection, *, person: UUID, channel: str = "") -> None:
    """Let nothing begin any more for this person, on one channel or ("") on any."""
    await _add(conn, "person", person, channel, owner=person)


async def resume_person(conn: Connection, *, person: UUID, channel: str = "", at: datetime | None = None) -> None:
    """Take back a person's stop on this channel; with "" on every channel, with `at` one that was said until then."""
    await conn.execute(
        """
        DELETE FROM stops.stops
         WHERE kind = 'person' AND id = $1 AND ($2 = '' OR channel = $2) AND at <= coalesce($3::timestamptz, 'infinity')
        """,
        person,
        channel,
        at,
    )


async def standing(
    conn: Connection,
    *,
    person: UUID,
    connections: Sequence[UUID],
    meetings: Sequence[UUID] = (),
    on_behalf_of: Collection[UUID] = (),
) -> list[Stop]:
    """Return the stops that concern this person, those on whose behalf they are written to, these connections and
    these meetings.

    Until the transaction ends nobody can add another for any of these people: a send recorded in it began before any
    stop that comes after.
    """
    people = sorted({person, *on_behalf_of})
    for one in people:
        await conn.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended($1::text, 7))", str(one))
    rows = await conn.fetch(
        """
        SELECT kind, id, channel, at
          FROM stops.stops
         WHERE (kind = 'person' AND id = ANY ($1::uuid[]))
            OR (kind = 'connection' AND id = ANY ($2::uuid[]))
            OR (kind = 'meeting' AND id = ANY ($3::uuid[]))
        """,
        people,
        list(connections),
        list(meetings),
    )
    return [Stop(**row) for row in rows]


async def known(
    conn: Connection, *, people: Sequence[UUID], connections: Sequence[UUID], meetings: Sequence[UUID] = ()
) -> list[Stop]:
    """Return the stops that concern any of these: a first look, since more may be added meanwhile."""
    rows = await conn.fetch(
        """
        SELECT kind, id, channel, at
          FROM stops.stops
         WHERE (kind = 'person' AND id = ANY ($1::uuid[]))
            OR (kind = 'connection' AND id = ANY ($2::uuid[]))
            OR (kind = 'meeting' AND id = ANY ($3::uuid[]))
        """,
        list(people),
        list(connections),
        list(meetings),
    )
    return [Stop(**row) for row in rows]


async def _add(conn: Connection, kind: str, id: UUID, channel: str, *, owner: UUID) -> None:
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended($1::text, 7))", str(owner))
    await conn.execute(
        """
        INSERT INTO stops.stops (kind, id, channel)
        VALUES ($1, $2, $3)
        ON CONFLICT (kind, id, channel) DO UPDATE SET at = clock_timestamp()
        """,
        kind,
        id,
        channel,
    )
