"""Every query that gathers what is kept about somebody."""

from typing import Any
from uuid import UUID

from shared.db import Connection
from shared.events import Person


async def about(conn: Connection, person: UUID) -> dict[str, Any]:
    """Return what is kept of an owner beside their wishes: since when, and where their zone comes from."""
    row = await conn.fetchrow("SELECT created_at, time_zone_from, asked_at FROM people WHERE id = $1", person)
    return dict(row) if row else {}


async def connections(conn: Connection, person: UUID) -> list[dict[str, Any]]:
    """Return whom this owner met, oldest first."""
    return await _rows(
        conn,
        "SELECT id, contact, created_at, last_touch_at FROM connections WHERE person = $1 ORDER BY created_at, id",
        person,
    )


async def meetings(conn: Connection, person: UUID) -> list[dict[str, Any]]:
    """Return what this owner logged, as sent, with what has become of it."""
    return await _rows(
        conn,
        """
        SELECT id, connection, state, state_reason, logged_at, promise_kept_at, sent
          FROM meetings
         WHERE person = $1
         ORDER BY met_at, id
        """,
        person,
    )


async def touches(conn: Connection, person: UUID) -> list[dict[str, Any]]:
    """Return the real contacts that were noted."""
    return await _rows(
        conn, "SELECT connection, kind, follow_up, at, note FROM touches WHERE person = $1 ORDER BY at, id", person
    )


async def acts(conn: Connection, person: UUID) -> list[dict[str, Any]]:
    """Return what this owner did about follow-ups, connections and everything."""
    return await _rows(
        conn,
        """
        SELECT act, via, connection, follow_up, nudge, channel, until, span, at
          FROM acts
         WHERE person = $1
         ORDER BY at, id
        """,
        person,
    )


async def nudges(conn: Connection, person: UUID) -> list[dict[str, Any]]:
    """Return what went, or did not go, to this owner."""
    return await _rows(
        conn,
        "SELECT id, channel, state, reason, follow_ups, changed_at FROM nudges WHERE person = $1 ORDER BY changed_at",
        person,
    )


async def suppressed(conn: Connection, person: Person) -> list[dict[str, Any]]:
    """Return which of this owner's addresses must not be written to, or must no longer not be."""
    return await _rows(
        conn,
        """
        SELECT address, channel, reason, at, restored_at
          FROM suppressed
         WHERE person = $1 OR address = lower($2) OR address = $3
         ORDER BY at
        """,
        person.id,
        person.email,
        person.phone,
    )


async def submissions(conn: Connection, person: UUID) -> list[dict[str, Any]]:
    """Return what was sent in, as it came, as far as it is kept, and by which source or token."""
    return await _rows(
        conn,
        """
        SELECT s.id, coalesce(c.name, 'token ' || t.name) AS source, s.key, s.state, s.received_at, s.headers, s.body
          FROM submissions s
          LEFT JOIN sources c ON c.id = s.source
          LEFT JOIN api_tokens t ON t.id = s.token
         WHERE s.id IN (SELECT submission FROM meetings WHERE person = $1)
            OR s.touched && (SELECT array_agg(id) FROM meetings WHERE person = $1)
         ORDER BY s.received_at, s.id
        """,
        person,
    )


async def as_contact(conn: Connection, address: str) -> list[dict[str, Any]]:
    """Return the meetings whose contact is reached at this address (in small letters), without their owners."""
    return await _rows(
        conn,
        """
        SELECT c.contact, m.logged_at, m.state, m.sent - 'owner' - 'contact' AS sent
          FROM connections c
          JOIN meetings m ON m.connection = c.id
         WHERE lower(c.contact ->> 'email') = $1 OR c.contact ->> 'phone' = $1
         ORDER BY m.met_at, m.id
        """,
        address,
    )


async def _rows(conn: Connection, query: str, *arguments: object) -> list[dict[str, Any]]:
    return [dict(row) for row in await conn.fetch(query, *arguments)]
