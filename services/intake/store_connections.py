"""Every query about connections as such: found, listed, touched, and whom they are with."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.db import Connection
from shared.events import Contact


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """A connection, and its owner."""

    connection: UUID
    person: UUID
    zone: str  # the owner's


async def lock(conn: Connection, connection: UUID, *, owner: str | None) -> Whose | None:
    """Return it unless there is none, or none of this owner; until the transaction ends nobody else changes it."""
    row = await conn.fetchrow(
        """
        SELECT c.id AS connection, p.id AS person, p.time_zone AS zone
          FROM connections c
          JOIN people p ON p.id = c.person
         WHERE c.id = $1 AND ($2::text IS NULL OR lower(p.email) = lower($2))
           FOR NO KEY UPDATE OF c
        """,
        connection,
        owner,
    )
    return Whose(**row) if row else None


async def of_meeting(conn: Connection, meeting: UUID, *, owner: str | None) -> Whose | None:
    """Return the connection of a meeting, locked; None when there is none, or none of this owner."""
    connection = await conn.fetchval("SELECT connection FROM meetings WHERE id = $1", meeting)
    return await lock(conn, connection, owner=owner) if connection else None


async def meetings(conn: Connection, connection: UUID) -> list[UUID]:
    """Return the meetings of a connection."""
    rows = await conn.fetch("SELECT id FROM meetings WHERE connection = $1 ORDER BY id", connection)
    return [row["id"] for row in rows]


async def change_contact(
    conn: Connection, connection: UUID, *, key: str, contact: Mapping[str, Any], said: Mapping[str, Any]
) -> None:
    """Keep what is known of the contact now, `said` being what is other than before, also in what was sent.

    Raises `asyncpg.UniqueViolationError` when the key is that of another contact of the same owner.
    """
    await conn.execute(
        "UPDATE connections SET contact_key = $2, contact = $3 WHERE id = $1", connection, key, dict(contact)
    )
    await conn.execute(
        """
        UPDATE meetings
           SET sent = jsonb_set(sent, '{contact}', coalesce(sent -> 'contact', '{}') || $2)
         WHERE connection = $1
        """,
        connection,
        dict(said),
    )


async def touch(
    conn: Connection, whose: Whose, *, id: UUID, kind: str, at: datetime, note: str | None
) -> datetime | None:
    """Add a touch and return when the connection was last touched, which may be later."""
    await conn.execute(
        "INSERT INTO touches (id, person, connection, kind, at, note) VALUES ($1, $2, $3, $4, $5, $6)",
        id,
        whose.person,
        whose.connection,
        kind,
        at,
        note,
    )
    last: datetime | None = await conn.fetchval(
        """
        UPDATE connections
           SET last_touch_at = greatest(last_touch_at, $2)
         WHERE id = $1
        RETURNING last_touch_at
        """,
        whose.connection,
        at,
    )
    return last


async def page(
    conn: Connection, *, owner: str | None, q: str | None, before: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Return connections in the API's shape, the newest first; those older than `before` when that is given.

    Its plan and state are those of the latest meeting that is not called off.
    """
    rows = await conn.fetch(
        """
        SELECT c.id, p.email, p.phone, c.contact, c.last_touch_at, due.next_due_at, latest.plan, latest.state
          FROM connections c
          JOIN people p ON p.id = c.person
          JOIN LATERAL (
               SELECT plan, state
                 FROM meetings
                WHERE connection = c.id
                ORDER BY state = 'cancelled', met_at DESC, logged_at DESC, id DESC
                LIMIT 1
          ) latest ON true
          LEFT JOIN LATERAL (
               SELECT min(f.due_at) AS next_due_at
                 FROM follow_ups f
                 JOIN meetings m ON m.id = f.meeting
                WHERE f.connection = c.id AND f.state = 'waiting' AND m.state = 'active'
          ) due ON true
         WHERE ($1::text IS NULL OR lower(p.email) = lower($1) OR (p.email IS NULL AND p.phone = $1))
           AND ($2::uuid IS NULL OR c.id < $2)
           AND ($3::text IS NULL
                OR concat_ws(' ', c.contact ->> 'name', c.contact ->> 'email', c.contact ->> 'phone') ILIKE $3
                OR EXISTS (
                   SELECT FROM meetings m
                    WHERE m.connection = c.id
                      AND concat_ws(' ', m.sent -> 'event' ->> 'name', m.sent -> 'event' ->> 'hashtag') ILIKE $3))
         ORDER BY c.id DESC
         LIMIT $4
        """,
        owner,
        before,
        q and f"%{_literally(q)}%",
        limit,
    )
    found = []
    for row in rows:
        fields = dict(row)
        email, phone = fields.pop("email"), fields.pop("phone")
        fields["contact"] = Contact.model_validate(fields["contact"]).model_dump(mode="json")
        found.append({"id": fields.pop("id"), "owner": {"email": email} if email else {"phone": phone}} | fields)
    return found


def _literally(text: str) -> str:
    """The text as LIKE finds it and nothing else."""
    return text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
