"""Every query about what went before a message, for its words."""

from collections.abc import Sequence
from uuid import UUID

from services.notifier.channels.receipt import Before
from shared.db import Connection


async def before(conn: Connection, nudges: Sequence[UUID]) -> dict[UUID, Before]:
    """Return what went before each of these nudges."""
    rows = await conn.fetch(
        """
        SELECT d.nudge_id,
               NOT EXISTS (SELECT FROM deliveries o
                            WHERE o.person = d.person AND o.channel = d.channel AND o.address = d.address
                              AND o.sent_at IS NOT NULL) AS is_first
          FROM deliveries d
         WHERE d.nudge_id = ANY ($1::uuid[])
        """,
        list(nudges),
    )
    return {row["nudge_id"]: Before(is_first=row["is_first"]) for row in rows}
