"""Every query of the scheduler about people, meetings and follow-ups."""

# The column names that are put together here are the fields of FollowUp, never what somebody sent.
# ruff: noqa: S608

from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

from services.scheduler.follow_up import FollowUp
from services.scheduler.prompt import Prompt
from services.scheduler.store_calendars import with_breaks
from shared.db import Connection
from shared.events import Meeting, Person

# A class of advisory locks, and how many a transaction of many people takes at most: each costs the server a slot.
PEOPLE: Final = 7301
BUCKETS: Final = 64

COLUMNS: Final = FollowUp._fields
FIELDS: Final = ", ".join(f"f.{name}" for name in COLUMNS)


async def lock_people(conn: Connection, ids: Collection[UUID]) -> dict[UUID, Person]:
    """Return those of these people we know; until the transaction ends nobody else plans, moves or fires for any.

    That holds for the unknown ones too, so that an act cannot slip past the planning of what it is about.
    """
    for bucket in sorted({id.int % BUCKETS for id in ids}):
        await conn.execute("SELECT pg_advisory_xact_lock($1, $2)", PEOPLE, bucket)
    rows = await conn.fetch(
        "SELECT facts FROM recipients WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE", list(ids)
    )
    people = [Person.model_validate(row["facts"]) for row in rows]
    return await with_breaks(conn, {person.id: person for person in people})


async def keep_people(conn: Connection, people: Sequence[Person]) -> None:
    """Keep these people's facts, where we have none that are as new."""
    await conn.execute(
        """
        INSERT INTO recipients AS r (id, revision, facts, email, phone)
        SELECT id, revision, facts, lower(email), lower(phone)
          FROM unnest($1::uuid[], $2::int[], $3::jsonb[], $4::text[], $5::text[])
               AS given (id, revision, facts, email, phone)
         ORDER BY id
            ON CONFLICT (id) DO UPDATE
           SET revision = excluded.revision, facts = excluded.facts, email = excluded.email, phone = excluded.phone
         WHERE r.revision < excluded.revision
        """,
        [person.id for person in people],
        [person.revision for person in people],
        [person.model_dump(mode="json") for person in people],
        [person.email for person in people],
        [person.phone for person in people],
    )


async def meetings(conn: Connection, ids: Collection[UUID]) -> dict[UUID, Meeting]:
    """Return those of these meetings that we know."""
    rows = await conn.fetch("SELECT facts FROM meetings WHERE id = ANY ($1::uuid[])", list(ids))
    known = [_meeting(row["facts"]) for row in rows]
    return {meeting.id: meeting for meeting in known}


async def meetings_of(conn: Connection, connections: Collection[UUID]) -> dict[UUID, list[Meeting]]:
    """Return the meetings of each of these connections."""
    rows = await conn.fetch(
        "SELECT connection_id, facts FROM meetings WHERE connection_id = ANY ($1::uuid[])", list(connections)
    )
    found: dict[UUID, list[Meeting]] = {}
    for row in rows:
        found.setdefault(row["connection_id"], []).append(_meeting(row["facts"]))
    return found


async def meetings_waiting(conn: Connection, plan: str, *, after: UUID, limit: int) -> dict[UUID, UUID]:
    """Return the next meetings, with whose they are, that go by this plan and have something waiting."""
    rows = await conn.fetch(
        """
        SELECT id, person_id
          FROM meetings m
         WHERE id > $2 AND facts ->> 'plan' = $1
           AND EXISTS (SELECT FROM follow_ups f WHERE f.meeting_id = m.id AND f.state = 'waiting')
         ORDER BY id
         LIMIT $3
        """,
        plan,
        after,
        limit,
    )
    return {row["id"]: row["person_id"] for row in rows}


async def keep_meetings(conn: Connection, given: Sequence[tuple[Meeting, UUID]]) -> None:
    """Keep these meetings of these people, where we have none that are as new."""
    await conn.execute(
        """
        INSERT INTO meetings AS m (id, person_id, connection_id, revision, logged_at, facts)
        SELECT *
          FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int[], $5::timestamptz[], $6::jsonb[])
            ON CONFLICT (id) DO UPDATE
           SET connection_id = excluded.connection_id, revision = excluded.revision,
               logged_at = excluded.logged_at, facts = excluded.facts
         WHERE m.revision < excluded.revision
        """,
        [meeting.id for meeting, _ in given],
        [person for _, person in given],
        [meeting.connection for meeting, _ in given],
        [meeting.revision for meeting, _ in given],
        [meeting.logged_at for meeting, _ in given],
        [meeting.model_dump(mode="json") for meeting, _ in given],
    )


async def follow_ups(conn: Connection, ids: Collection[UUID]) -> list[FollowUp]:
    """Return those of these follow-ups that we know."""
    return await fetch(conn, f"SELECT {FIELDS} FROM follow_ups f WHERE f.id = ANY ($1::uuid[])", list(ids))


async def follow_ups_of(conn: Connection, meeting_ids: Collection[UUID]) -> list[FollowUp]:
    """Return the follow-ups of these meetings."""
    return await fetch(
        conn, f"SELECT {FIELDS} FROM follow_ups f WHERE f.meeting_id = ANY ($1::uuid[])", list(meeting_ids)
    )


async def waiting_of(conn: Connection, people: Collection[UUID]) -> list[FollowUp]:
    """Return what waits of these people."""
    return await fetch(
        conn,
        f"SELECT {FIELDS} FROM follow_ups f WHERE f.person_id = ANY ($1::uuid[]) AND f.state = 'waiting'",
        list(people),
    )


async def open_of(conn: Connection, connections: Collection[UUID]) -> list[FollowUp]:
    """Return what waits of these connections, and what waited until another of their meetings took over."""
    return await fetch(
        conn,
        f"""
        SELECT {FIELDS}
          FROM follow_ups f
         WHERE f.connection_id = ANY ($1::uuid[]) AND (f.state = 'waiting' OR f.overtaken_by IS NOT NULL)
        """,
        list(connections),
    )


async def suppressed_of(conn: Connection, people: Collection[UUID]) -> list[FollowUp]:
    """Return what these people do not get because their address was suppressed."""
    return await fetch(
        conn,
        f"""
        SELECT {FIELDS}
          FROM follow_ups f
         WHERE f.person_id = ANY ($1::uuid[]) AND f.state = 'skipped' AND f.reason = 'suppressed'
        """,
        list(people),
    )


async def add(conn: Connection, new: Sequence[FollowUp]) -> None:
    """Keep these new follow-ups."""
    names = ", ".join(COLUMNS)
    await conn.execute(
        f"INSERT INTO follow_ups ({names}) SELECT {names} FROM jsonb_populate_recordset(NULL::follow_ups, $1::jsonb)",
        [_json(one) for one in new],
    )


async def change(conn: Connection, changed: Sequence[FollowUp]) -> None:
    """Keep these follow-ups as they are now."""
    names = [name for name in COLUMNS if name not in {"id", "meeting_id", "person_id", "step", "occurrence"}]
    await conn.execute(
        f"""
        UPDATE follow_ups f
           SET ({", ".join(names)}) = ROW ({", ".join(f"given.{name}" for name in names)})
          FROM jsonb_populate_recordset(NULL::follow_ups, $1::jsonb) AS given
         WHERE f.id = given.id
        """,
        [_json(one) for one in changed],
    )


async def tell(conn: Connection, told: Sequence[FollowUp]) -> None:
    """Take these expired follow-ups off what the next nudge has to name."""
    await conn.execute(
        "UPDATE follow_ups SET is_to_be_told = false WHERE id = ANY ($1::uuid[])", [one.id for one in told]
    )


async def tell_no_more(
    conn: Connection,
    *,
    people: Collection[UUID] = (),
    connections: Collection[UUID] = (),
    meetings: Collection[UUID] = (),
) -> None:
    """Take what expired of any of these off what their next nudge names."""
    await conn.execute(
        """
        UPDATE follow_ups
           SET is_to_be_told = false
         WHERE is_to_be_told
           AND (person_id = ANY ($1::uuid[]) OR connection_id = ANY ($2::uuid[]) OR meeting_id = ANY ($3::uuid[]))
        """,
        list(people),
        list(connections),
        list(meetings),
    )


async def fetch(conn: Connection, query: str, *arguments: object) -> list[FollowUp]:
    """Return the follow-ups of a query for `FIELDS`."""
    return [FollowUp(**row) for row in await conn.fetch(query, *arguments)]


def _meeting(facts: dict[str, object]) -> Meeting:
    return (Prompt if "form_url" in facts else Meeting).model_validate(facts)


def _json(one: FollowUp) -> dict[str, object]:
    """Return its columns; the UUIDs that the driver makes are of a class of its own, which is no JSON."""
    columns = {name: getattr(one, name) for name in COLUMNS}
    return {name: str(value) if isinstance(value, UUID) else value for name, value in columns.items()}
