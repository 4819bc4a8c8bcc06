"""Every query about attempts under way: leased, begun, held on to."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from shared.db import Connection


async def lease(
    conn: Connection,
    tokens: Mapping[UUID, UUID],
    *,
    threads: Mapping[UUID, UUID | None],
    host: str,
    now: datetime,
    until: datetime,
) -> dict[UUID, str]:
    """Put an attempt on record for each of these nudges under its token, and return their Message-IDs.

    `threads` says which connection each is about, when it is about one alone.
    """
    rows = await conn.fetch(
        """
        WITH leased AS (
            UPDATE deliveries d
               SET lease = l.token,
                   tries = d.tries + 1,
                   next_attempt_at = $4,
                   thread = l.thread,
                   message_id = coalesce(d.message_id, '<' || d.nudge_id || '@' || $5::text || '>')
              FROM unnest($1::uuid[], $2::uuid[], $6::uuid[]) AS l (nudge, token, thread)
             WHERE d.nudge_id = l.nudge AND d.state = 'queued'
            RETURNING d.nudge_id, d.tries, d.lease, d.message_id
        ), recorded AS (
            INSERT INTO attempts (nudge_id, n, token, started_at)
            SELECT nudge_id, tries, lease, $3 FROM leased
        )
        SELECT nudge_id, message_id FROM leased
        """,
        list(tokens),
        list(tokens.values()),
        now,
        until,
        host,
        [threads[nudge] for nudge in tokens],
    )
    return {row["nudge_id"]: row["message_id"] for row in rows}


async def begin(conn: Connection, token: UUID, *, now: datetime, until: datetime) -> bool:
    """Put on record that the send of this attempt begins; False when another has taken it over, or it is gone."""
    status: str = await conn.execute(
        """
        WITH ours AS (UPDATE deliveries SET next_attempt_at = $3 WHERE lease = $1 RETURNING lease)
        UPDATE attempts a SET phase = 'data', data_at = $2 FROM ours WHERE a.token = ours.lease
        """,
        token,
        now,
        until,
    )
    return status == "UPDATE 1"


async def extend(conn: Connection, tokens: Collection[UUID], duration: timedelta) -> None:
    """Hold on to these leases for so long from now."""
    await conn.execute(
        "UPDATE deliveries SET next_attempt_at = clock_timestamp() + $2 WHERE lease = ANY ($1::uuid[])",
        list(tokens),
        duration,
    )
