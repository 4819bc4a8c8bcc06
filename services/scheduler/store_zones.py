"""Every query about how far what waits was moved to the zones of a version of tzdata."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class SoFar:
    after: UUID  # the last person who is done
    moved: int


async def begin(conn: Connection, version: str) -> None:
    """Begin with this version, unless that was done."""
    await conn.execute("INSERT INTO tzdata_moves (version) VALUES ($1) ON CONFLICT DO NOTHING", version)


async def so_far(conn: Connection, version: str) -> SoFar | None:
    """Lock and return how far it has come; None when it is done, or somebody else is at it."""
    row = await conn.fetchrow(
        """
        SELECT after, moved FROM tzdata_moves WHERE version = $1 AND done_at IS NULL FOR UPDATE SKIP LOCKED
        """,
        version,
    )
    return SoFar(**row) if row else None


async def people(conn: Connection, *, after: UUID, limit: int) -> list[UUID]:
    """Return the next people in the order of their ids."""
    rows = await conn.fetch("SELECT id FROM recipients WHERE id > $1 ORDER BY id LIMIT $2", after, limit)
    return [row["id"] for row in rows]


async def keep(conn: Connection, version: str, *, after: UUID, moved: int) -> None:
    """Keep that everybody up to this person is done, and that so many more follow-ups moved."""
    await conn.execute(
        "UPDATE tzdata_moves SET after = $2, moved = moved + $3 WHERE version = $1", version, after, moved
    )


async def end(conn: Connection, version: str, now: datetime) -> None:
    """Keep that all are done."""
    await conn.execute("UPDATE tzdata_moves SET done_at = $2 WHERE version = $1", version, now)
