"""Every query about what people agreed to, and whether they have confirmed it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.intake.consent import Consent
from services.intake.store import PERSON
from shared.db import Connection
from shared.events import Channel, Person, new_id


async def keep(conn: Connection, consents: Sequence[Consent]) -> None:
    """Keep these; of an address that is known the first stays, and is confirmed when this one is."""
    if not consents:
        return
    await conn.execute(
        """
        INSERT INTO consents AS c (id, person, connection, channel, address, at, source, wording, confirmed_at)
        SELECT *
          FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[], $7::text[],
                      $8::text[], $9::timestamptz[])
            ON CONFLICT (person, connection, channel, address) DO UPDATE SET confirmed_at = excluded.confirmed_at
         WHERE c.confirmed_at IS NULL AND excluded.confirmed_at IS NOT NULL
        """,
        [new_id() for _ in consents],
        [one.person for one in consents],
        [one.connection for one in consents],
        [one.channel for one in consents],
        [one.address for one in consents],
        [one.at for one in consents],
        [one.source for one in consents],
        [one.wording for one in consents],
        [one.confirmed_at for one in consents],
    )


async def of_person(conn: Connection, person: UUID) -> list[Consent]:
    """Return what this owner, and the contacts of theirs, agreed to, oldest first."""
    rows = await conn.fetch(
        """
        SELECT person, connection, channel, address, at, source, wording, confirmed_at
          FROM consents
         WHERE person = $1
         ORDER BY connection NULLS FIRST, at, channel
        """,
        person,
    )
    return [Consent(**row) for row in rows]


async def to_be_asked(conn: Connection, *, limit: int) -> list[Person]:
    """Lock and return up to `limit` owners who have not confirmed, and have not been asked to."""
    rows = await conn.fetch(
        f"""
        SELECT {PERSON}
          FROM people
         WHERE NOT confirmed AND asked_at IS NULL
         ORDER BY id
         LIMIT $1
           FOR NO KEY UPDATE SKIP LOCKED
        """,  # noqa: S608 - names of columns, ours
        limit,
    )
    return [Person.model_validate(dict(row)) for row in rows]


async def asked(conn: Connection, people: Sequence[UUID], at: datetime) -> None:
    """Keep that these people are asked."""
    await conn.execute("UPDATE people SET asked_at = $2 WHERE id = ANY ($1::uuid[])", list(people), at)


async def confirm(conn: Connection, person: UUID, channel: Channel, address: str, *, at: datetime) -> Person | None:
    """Keep that this owner stands behind this address; return them as they are now, None if they were confirmed before.

    Only the address of the channel that they are written to on makes them confirmed.
    """
    await conn.execute(
        """
        UPDATE consents
           SET confirmed_at = $4
         WHERE person = $1 AND connection IS NULL AND channel = $2 AND lower(address) = lower($3)
           AND confirmed_at IS NULL
        """,
        person,
        channel,
        address,
        at,
    )
    row = await conn.fetchrow(
        f"""
        UPDATE people
           SET confirmed = true, revision = revision + 1
         WHERE id = $1 AND channel = $2 AND NOT confirmed
           AND lower(CASE channel WHEN 'email' THEN email WHEN 'sms' THEN phone ELSE apprise_url END) = lower($3)
        RETURNING {PERSON}
        """,  # noqa: S608
        person,
        channel,
        address,
    )
    return Person.model_validate(dict(row)) if row else None


async def is_confirmed(conn: Connection, person: UUID, channel: Channel, address: str) -> bool | None:
    """Return whether this owner has confirmed this address; None when it is not theirs, or not any more."""
    found: bool | None = await conn.fetchval(
        """
        SELECT p.confirmed OR EXISTS (
                   SELECT FROM consents c
                    WHERE c.person = p.id AND c.connection IS NULL AND c.channel = $2 AND lower(c.address) = lower($3)
                      AND c.confirmed_at IS NOT NULL)
          FROM people p
         WHERE p.id = $1
           AND lower(CASE $2 WHEN 'email' THEN email WHEN 'sms' THEN phone ELSE apprise_url END) = lower($3)
        """,
        person,
        channel,
        address,
    )
    return found


async def settle(conn: Connection, person: Person) -> bool:
    """Keep, and return, whether this person stands behind the address that they are written to at now.

    One that came in unconfirmed is asked about, though another of theirs is confirmed.
    """
    confirmed: bool = await conn.fetchval(
        """
        UPDATE people p
           SET confirmed = known.is_confirmed, asked_at = CASE WHEN known.is_confirmed THEN asked_at END
          FROM (SELECT NOT EXISTS (
                           SELECT FROM consents
                            WHERE person = $1 AND connection IS NULL AND channel = $2 AND lower(address) = lower($3)
                              AND confirmed_at IS NULL) AS is_confirmed) known
         WHERE p.id = $1
        RETURNING p.confirmed
        """,
        person.id,
        person.channel,
        person.address,
    )
    return confirmed
