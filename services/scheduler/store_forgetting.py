"""Every query that deletes what is kept by an address, or was said long ago."""

from collections.abc import Collection
from datetime import datetime

from services.scheduler.standing import SUPPRESSIONS
from shared.db import Connection


async def forget_addresses(conn: Connection, addresses: Collection[str]) -> None:
    """Delete that these addresses must not, or may again, be written to.

    Intake keeps a keyed hash of them, and has them suppressed anew when somebody brings them back.
    """
    await conn.execute("SELECT pg_advisory_xact_lock($1, 0)", SUPPRESSIONS)
    for table in ("suppressions", "restored"):
        await conn.execute(
            f"DELETE FROM {table} WHERE address = ANY ($1::text[])",  # noqa: S608 - one of two tables
            [address.lower() for address in addresses],
        )


async def forget_words(conn: Connection, *, before: datetime, limit: int) -> int:
    """Delete what was said about up to `limit` meetings of which nothing waits, and nothing was due since `before`.

    Names stay, and what a later meeting of the connection, or an act by an old link, goes by.
    """
    status: str = await conn.execute(
        """
        UPDATE meetings
           SET facts = facts || '{"notes": null, "topics": [], "promise": null, "document": null}'
         WHERE id IN (
               SELECT m.id
                 FROM meetings m
                WHERE m.logged_at < $1
                  AND (coalesce(m.facts ->> 'notes', m.facts ->> 'promise', m.facts ->> 'document') IS NOT NULL
                       OR jsonb_array_length(m.facts -> 'topics') > 0)
                  AND NOT EXISTS (SELECT FROM follow_ups f
                                   WHERE f.meeting_id = m.id AND (f.state = 'waiting' OR f.due_at >= $1))
                ORDER BY m.logged_at
                LIMIT $2
                  FOR NO KEY UPDATE SKIP LOCKED)
        """,
        before,
        limit,
    )
    return int(status.split()[-1])
