"""Everything that the notifier keeps about somebody, for them to read and to take along."""

from typing import Any, Final
from uuid import UUID

from shared.db import Connection

# Each part, and its query by the person and their addresses (in small letters).
PARTS: Final = {
    "deliveries": (
        "SELECT to_jsonb(d) - 'person' || jsonb_build_object('attempts', "
        "(SELECT coalesce(jsonb_agg(to_jsonb(a) - 'nudge_id' - 'token' ORDER BY n), '[]') "
        "FROM attempts a WHERE a.nudge_id = d.nudge_id)) AS facts "
        "FROM deliveries d WHERE person = $1 OR lower(address) = ANY ($2) ORDER BY created_at, nudge_id"
    ),
    "acts": "SELECT to_jsonb(a) AS facts FROM acts a WHERE person = $1 AND $2::text[] IS NOT NULL ORDER BY at",
    "suppressions": "SELECT to_jsonb(s) AS facts FROM suppressions s WHERE $1::uuid IS NOT NULL AND address = ANY ($2)",
    "restored": "SELECT to_jsonb(r) AS facts FROM restored r WHERE $1::uuid IS NOT NULL AND address = ANY ($2)",
}


async def everything(conn: Connection, person: UUID, addresses: list[str]) -> dict[str, Any]:
    """Return all that is kept about a person and their addresses (in small letters)."""
    return {name: [row["facts"] for row in await conn.fetch(query, person, addresses)] for name, query in PARTS.items()}


async def is_erased(conn: Connection, person: UUID) -> bool:
    """Return whether the person's erasure has arrived here."""
    found: bool = await conn.fetchval("SELECT EXISTS (SELECT FROM erased WHERE person = $1)", person)
    return found
