"""Every query about what a change of a meeting is expected to make of its follow-ups, until the scheduler has told."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from shared.db import Connection


async def expect_changed(conn: Connection, follow_ups: Sequence[Mapping[str, Any]]) -> None:
    """Show these as a change of their meeting will leave them; how it does leave them we are told."""
    await conn.execute(
        """
        UPDATE follow_ups f
           SET state = new.state, reason = new.reason, local = new.local, zone = new.zone, due_at = new.due_at,
               is_expected = true
          FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamp[], $5::text[], $6::timestamptz[])
               AS new (id, state, reason, local, zone, due_at)
         WHERE f.id = new.id
           AND (f.state, f.reason, f.local, f.zone, f.due_at)
               IS DISTINCT FROM (new.state, new.reason, new.local, new.zone, new.due_at)
        """,
        [one["id"] for one in follow_ups],
        [one["state"] for one in follow_ups],
        [one["reason"] for one in follow_ups],
        [one["local"] for one in follow_ups],
        [one["zone"] for one in follow_ups],
        [one["due_at"] for one in follow_ups],
    )


async def put_off(conn: Connection, meeting: UUID) -> set[UUID]:
    """Return the follow-ups of a meeting that its owner put off to a time of their own."""
    rows = await conn.fetch(
        "SELECT a.follow_up FROM acts a JOIN follow_ups f ON f.id = a.follow_up WHERE f.meeting = $1 AND act = 'later'",
        meeting,
    )
    return {row["follow_up"] for row in rows}
