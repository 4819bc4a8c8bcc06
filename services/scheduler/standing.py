"""What was said and outlives the event: stops, acts that came early, suppressed addresses, erasures. Queries."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from services.scheduler import addressee
from services.scheduler.planning import Standing, Stop
from shared.db import Connection
from shared.events import ActedData, Contact, ErasedData, Person, RestoredData, SuppressedData, TouchData

# Taken shared by who plans and alone by who suppresses, so that neither misses what the other is about to add.
SUPPRESSIONS: Final = 7302


async def against(conn: Connection, people: Collection[Person], contacts: Iterable[Contact] = ()) -> Standing:
    """Return what stands against writing to these people, and to these contacts of theirs; no suppression comes in
    between until we are done."""
    await conn.execute("SELECT pg_advisory_xact_lock_shared($1, 0)", SUPPRESSIONS)
    stops = await conn.fetch(
        """
        SELECT s.kind, s.id, s.channel, s.at, s.kind = 'person' AND EXISTS (
                   SELECT FROM restored r
                    WHERE r.person_id = s.person_id AND s.channel IN ('', r.channel) AND r.at >= s.at) AS is_over
          FROM stops s
         WHERE s.person_id = ANY ($1::uuid[])
        """,
        [person.id for person in people],
    )
    addresses = {one.lower() for person in people for one in (person.email, person.phone) if one}
    addresses |= {address.lower() for contact in contacts if (address := addressee.agreed(contact))}
    rows = await conn.fetch(
        """
        SELECT address, channel
          FROM suppressions s
         WHERE address = ANY ($1::text[])
           AND NOT EXISTS (
                   SELECT FROM restored r WHERE (r.address, r.channel) = (s.address, s.channel) AND r.at >= s.at)
        """,
        list(addresses),
    )
    return Standing(stops=[Stop(**row) for row in stops], suppressed={(row["address"], row["channel"]) for row in rows})


async def keep_stops(conn: Connection, stops: Sequence[tuple[Stop, UUID]]) -> None:
    """Keep these stops of these people, the latest of each kind."""
    await conn.execute(
        """
        INSERT INTO stops AS s (kind, id, channel, person_id, at)
        SELECT kind, id, channel, person_id, max(at)
          FROM unnest($1::text[], $2::uuid[], $3::text[], $4::uuid[], $5::timestamptz[])
               AS given (kind, id, channel, person_id, at)
         GROUP BY kind, id, channel, person_id
            ON CONFLICT (kind, id, channel) DO UPDATE
           SET at = excluded.at
         WHERE s.at < excluded.at
        """,
        [stop.kind for stop, _ in stops],
        [stop.id for stop, _ in stops],
        [stop.channel for stop, _ in stops],
        [person for _, person in stops],
        [stop.at for stop, _ in stops],
    )


async def keep_early_acts(conn: Connection, acts: Sequence[ActedData]) -> None:
    """Keep these acts, one for each follow-up, until we hear of what they are about; of several the latest counts."""
    await conn.execute(
        """
        INSERT INTO early_acts AS e (follow_up_id, person_id, act, until, span, at)
        SELECT *
          FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::date[], $5::text[], $6::timestamptz[])
            ON CONFLICT (follow_up_id) DO UPDATE
           SET act = excluded.act, until = excluded.until, span = excluded.span, at = excluded.at
         WHERE e.at < excluded.at
        """,
        [act.follow_up for act in acts],
        [act.person for act in acts],
        [act.act for act in acts],
        [act.until for act in acts],
        [act.span for act in acts],
        [act.at for act in acts],
    )


async def take_early_acts(conn: Connection, follow_ups: Collection[UUID]) -> dict[UUID, ActedData]:
    """Take away, and return, what was done about these follow-ups before we had heard of them."""
    rows = await conn.fetch(
        """
        DELETE FROM early_acts
         WHERE follow_up_id = ANY ($1::uuid[])
        RETURNING follow_up_id AS follow_up, person_id AS person, act, until, span, at
        """,
        list(follow_ups),
    )
    return {row["follow_up"]: ActedData(**row) for row in rows}


async def keep_suppressed(conn: Connection, given: Sequence[SuppressedData]) -> list[UUID]:
    """Keep these addresses as not to be written to, and return the people who have one of them, or a contact that has
    one and is to be written to."""
    await conn.execute("SELECT pg_advisory_xact_lock($1, 0)", SUPPRESSIONS)
    await conn.execute(
        """
        INSERT INTO suppressions AS s (address, channel, reason, at)
        SELECT DISTINCT ON (address, channel) *
          FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) AS given (address, channel, reason, at)
         ORDER BY address, channel, at DESC
            ON CONFLICT (address, channel) DO UPDATE
           SET reason = excluded.reason, at = excluded.at
         WHERE s.at < excluded.at
        """,
        [one.address.lower() for one in given],
        [one.channel for one in given],
        [one.reason for one in given],
        [one.at for one in given],
    )
    return await _who_have(conn, [one.address for one in given])


async def keep_restored(conn: Connection, given: Sequence[RestoredData]) -> list[UUID]:
    """Keep that these addresses may be written to again, and return the people concerned."""
    await conn.execute("SELECT pg_advisory_xact_lock($1, 0)", SUPPRESSIONS)
    await conn.execute(
        """
        INSERT INTO restored AS r (address, channel, person_id, at)
        SELECT DISTINCT ON (address, channel) *
          FROM unnest($1::text[], $2::text[], $3::uuid[], $4::timestamptz[]) AS given (address, channel, person_id, at)
         ORDER BY address, channel, at DESC
            ON CONFLICT (address, channel) DO UPDATE
           SET person_id = coalesce(excluded.person_id, r.person_id), at = excluded.at
         WHERE r.at < excluded.at
        """,
        [one.address.lower() for one in given],
        [one.channel for one in given],
        [one.person for one in given],
        [one.at for one in given],
    )
    return list({*await _who_have(conn, [one.address for one in given]), *(one.person for one in given if one.person)})


async def keep_touches(conn: Connection, given: Sequence[TouchData]) -> None:
    """Keep when each connection was last touched in each way."""
    await conn.execute(
        """
        INSERT INTO touches AS t (connection_id, how, person_id, at)
        SELECT DISTINCT ON (connection_id, how) *
          FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::timestamptz[])
               AS given (connection_id, how, person_id, at)
         ORDER BY connection_id, how, at DESC
            ON CONFLICT (connection_id, how) DO UPDATE
           SET at = excluded.at
         WHERE t.at < excluded.at
        """,
        [one.connection for one in given],
        [one.how for one in given],
        [one.person for one in given],
        [one.at for one in given],
    )


async def touched_at(conn: Connection, connections: Collection[UUID]) -> dict[UUID, datetime]:
    """Return when each of these connections was last touched, in whatever way."""
    rows = await conn.fetch(
        "SELECT connection_id, max(at) AS at FROM touches WHERE connection_id = ANY ($1::uuid[]) GROUP BY 1",
        list(connections),
    )
    return {row["connection_id"]: row["at"] for row in rows}


async def owners_of_contacts(conn: Connection, contacts: Collection[UUID]) -> list[UUID]:
    """Return the people who have something waiting, or skipped, for one of these contacts."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT person_id
          FROM follow_ups
         WHERE contact_id = ANY ($1::uuid[]) AND state IN ('waiting', 'skipped')
        """,
        list(contacts),
    )
    return [row["person_id"] for row in rows]


async def _who_have(conn: Connection, addresses: Collection[str]) -> list[UUID]:
    rows = await conn.fetch(
        "SELECT id FROM recipients WHERE email = ANY ($1::text[]) OR phone = ANY ($1::text[])",
        [address.lower() for address in addresses],
    )
    owners = await owners_of_contacts(conn, {addressee.contact_id(address) for address in addresses})
    return list({*(row["id"] for row in rows), *owners})


async def erased(conn: Connection, people: Collection[UUID]) -> set[UUID]:
    """Return those of these people who asked to be forgotten."""
    rows = await conn.fetch("SELECT person_id FROM erased WHERE person_id = ANY ($1::uuid[])", list(people))
    return {row["person_id"] for row in rows}


async def forget(conn: Connection, given: Sequence[ErasedData]) -> None:
    """Keep nothing of these people but that they asked for it."""
    people = [one.person for one in given]
    await conn.execute(
        """
        INSERT INTO erased (person_id, at)
        SELECT * FROM unnest($1::uuid[], $2::timestamptz[])
            ON CONFLICT DO NOTHING
        """,
        people,
        [one.at for one in given],
    )
    # Meetings and follow-ups go with the recipient.
    for table, column in (
        *(("set_aside", "person_id"), ("send_times", "person_id")),
        *(("early_acts", "person_id"), ("stops", "person_id"), ("touches", "person_id"), ("restored", "person_id")),
        ("recipients", "id"),
    ):
        await conn.execute(f"DELETE FROM {table} WHERE {column} = ANY ($1::uuid[])", people)  # noqa: S608
