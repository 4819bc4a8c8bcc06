"""The inbox: which events this service has applied, so that each takes effect once however often it arrives."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, TypeVar

from shared.db import Connection
from shared.events import Event

E = TypeVar("E", bound=Event)

KEPT_FOR: Final = timedelta(days=14)  # longer than any broker or outbox holds on to a copy


async def unseen(conn: Connection, events: Sequence[E]) -> list[E]:
    """Put these events on record as applied; return those that were not before, each once, in their order.

    Another transaction that is applying one of them is waited for.
    """
    rows = await conn.fetch(
        """
        INSERT INTO inbox (event_id)
        SELECT DISTINCT event_id FROM unnest($1::uuid[]) AS arrived (event_id) ORDER BY event_id
            ON CONFLICT DO NOTHING
        RETURNING event_id
        """,
        [event.id for event in events],
    )
    fresh = {row["event_id"] for row in rows}
    first = []
    for event in events:
        if event.id in fresh:
            fresh.remove(event.id)
            first.append(event)
    return first


async def prune(conn: Connection, *, limit: int = 10_000) -> int:
    """Forget events applied so long ago that no copy can still arrive; return how many."""
    status: str = await conn.execute(
        """
        DELETE FROM inbox
         WHERE event_id = ANY (ARRAY(
               SELECT event_id FROM inbox WHERE applied_at < clock_timestamp() - $1::interval LIMIT $2))
        """,
        KEPT_FOR,
        limit,
    )
    return int(status.split()[-1])
