"""Everything that the scheduler keeps about somebody, for them to read and to take along."""

from typing import Any, Final
from uuid import UUID

from shared.db import Connection

# Each part, and its query by the person and their addresses (in small letters).
PARTS: Final = {
    "person": "SELECT facts FROM recipients WHERE id = $1 AND $2::text[] IS NOT NULL",
    "meetings": "SELECT facts FROM meetings WHERE person_id = $1 AND $2::text[] IS NOT NULL ORDER BY id",
    "follow_ups": (
        "SELECT to_jsonb(f) - 'person_id' AS facts FROM follow_ups f WHERE person_id = $1 AND $2::text[] IS NOT NULL "
        "ORDER BY due_at, id"
    ),
    "stops": "SELECT to_jsonb(s) AS facts FROM stops s WHERE person_id = $1 AND $2::text[] IS NOT NULL ORDER BY at",
    "touches": "SELECT to_jsonb(t) AS facts FROM touches t WHERE person_id = $1 AND $2::text[] IS NOT NULL ORDER BY at",
    "calendars": "SELECT to_jsonb(c) AS facts FROM calendars c WHERE person_id = $1 AND $2::text[] IS NOT NULL",
    "suppressions": "SELECT to_jsonb(s) AS facts FROM suppressions s WHERE $1::uuid IS NOT NULL AND address = ANY ($2)",
    "restored": "SELECT to_jsonb(r) AS facts FROM restored r WHERE person_id = $1 OR address = ANY ($2)",
}


async def everything(conn: Connection, person: UUID, addresses: list[str]) -> dict[str, Any]:
    """Return all that is kept about a person and their addresses (in small letters)."""
    return {name: [row["facts"] for row in await conn.fetch(query, person, addresses)] for name, query in PARTS.items()}


async def is_erased(conn: Connection, person: UUID) -> bool:
    """Return whether the person's erasure has arrived here."""
    found: bool = await conn.fetchval("SELECT EXISTS (SELECT FROM erased WHERE person_id = $1)", person)
    return found
