"""Every query that deletes what is known of somebody."""

from datetime import timedelta
from uuid import UUID

from shared.db import Connection


async def forget_meeting(conn: Connection, meeting: UUID) -> tuple[UUID, ...]:
    """Delete a meeting with all that was said, planned and done about it, and its connection when it was the last.

    Returns the ids of its follow-ups.

    The submissions that made and touched it stay as marks that they were accepted, without words; so does the answer
    to a request that named itself, which then names no meeting.
    """
    row = await conn.fetchrow("DELETE FROM meetings WHERE id = $1 RETURNING submission, connection", meeting)
    if row is None:
        return ()
    await conn.execute(
        "UPDATE submissions SET body = '', headers = '{}' WHERE id = $1 OR touched @> ARRAY[$2::uuid]",
        row["submission"],
        meeting,
    )
    await conn.execute(
        """
        UPDATE idempotency_keys k
           SET answer = '{"meetings":[]}'
          FROM submissions s
         WHERE s.id = $1 AND k.token = s.token AND k.answered_at >= s.received_at - interval '1 minute'
           AND strpos(k.answer, $2) > 0
        """,
        row["submission"],
        str(meeting),
    )
    gone = await conn.fetch(
        """
        WITH gone AS (
            DELETE FROM follow_ups WHERE meeting = $1 RETURNING id
        ), _acts AS (
            DELETE FROM acts WHERE follow_up IN (SELECT id FROM gone)
        ), _touches AS (
            DELETE FROM touches WHERE follow_up IN (SELECT id FROM gone)
        ), _happenings AS (
            DELETE FROM happenings WHERE entity IN (SELECT id FROM gone)
        )
        SELECT id FROM gone ORDER BY id
        """,
        meeting,
    )
    await conn.execute(
        "DELETE FROM connections WHERE id = $1 AND NOT EXISTS (SELECT FROM meetings WHERE connection = $1)",
        row["connection"],
    )
    return tuple(one["id"] for one in gone)


async def forget_submissions(conn: Connection, *, keep: timedelta, limit: int) -> tuple[int, int]:
    """Forget up to `limit` submissions older than this as they came; return how many accepted and rejected ones."""
    rows = await conn.fetch(
        """
        SELECT id, state
          FROM submissions
         WHERE (body <> '' OR state = 'rejected') AND received_at < clock_timestamp() - $1::interval
         ORDER BY received_at
         LIMIT $2
           FOR UPDATE SKIP LOCKED
        """,
        keep,
        limit,
    )
    accepted = [row["id"] for row in rows if row["state"] == "accepted"]
    rejected = [row["id"] for row in rows if row["state"] == "rejected"]
    await conn.execute("UPDATE submissions SET body = '', headers = '{}' WHERE id = ANY ($1::uuid[])", accepted)
    await conn.execute("DELETE FROM submissions WHERE id = ANY ($1::uuid[])", rejected)
    return len(accepted), len(rejected)
