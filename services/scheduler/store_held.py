"""Every query about what is held back: people who were set aside, and a backlog that waits for somebody's word."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from shared.db import Connection
from shared.retry import backoff

LATE: Final = timedelta(hours=1)  # what is later than this belongs to the backlog
SET_ASIDE: Final = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 360))


async def set_aside(conn: Connection, person: UUID, *, reason: str, now: datetime) -> datetime:
    """Leave this person alone for a while, each time longer; return until when."""
    failures: int = await conn.fetchval(
        """
        INSERT INTO set_aside AS s (person_id, failures, reason, until, since)
        VALUES ($1, 1, $2, $3, $3)
            ON CONFLICT (person_id) DO UPDATE SET failures = s.failures + 1, reason = excluded.reason
        RETURNING failures
        """,
        person,
        reason[:200],
        now,
    )
    until = now + backoff(failures, SET_ASIDE)
    await conn.execute("UPDATE set_aside SET until = $2 WHERE person_id = $1", person, until)
    return until


async def take_back(conn: Connection, people: Collection[UUID]) -> None:
    """Let nobody of these be set aside any more: theirs went well."""
    await conn.execute("DELETE FROM set_aside WHERE person_id = ANY ($1::uuid[])", list(people))


async def people_set_aside(conn: Connection) -> int:
    """Return how many people are set aside."""
    count: int = await conn.fetchval("SELECT count(*) FROM set_aside")
    return count


async def held_since(conn: Connection) -> datetime | None:
    """Return since when the backlog is held; None when it is not."""
    since: datetime | None = await conn.fetchval("SELECT held_since FROM backlog")
    return since


async def is_more_late_than(conn: Connection, guard: int, *, now: datetime) -> bool:
    """Return whether more follow-ups than this are late, not counting what was let go."""
    more: bool = await conn.fetchval(
        """
        SELECT count(*) > $2
          FROM (SELECT
                  FROM follow_ups
                 WHERE state = 'waiting' AND NOT is_paused AND due_at < $1
                   AND due_at > coalesce((SELECT released_at FROM backlog), '-infinity')
                 LIMIT $2 + 1) AS late
        """,
        now - LATE,
        guard,
    )
    return more


async def late_rows(conn: Connection, *, now: datetime) -> int:
    """Return how many follow-ups are late."""
    count: int = await conn.fetchval(
        "SELECT count(*) FROM follow_ups WHERE state = 'waiting' AND NOT is_paused AND due_at < $1", now - LATE
    )
    return count


async def hold_backlog(conn: Connection, *, now: datetime) -> bool:
    """Hold what is late until it is released; return whether that is news."""
    status: str = await conn.execute(
        """
        INSERT INTO backlog AS b (held_since) VALUES ($1)
            ON CONFLICT (is_the_only_row) DO UPDATE SET held_since = excluded.held_since
         WHERE b.held_since IS NULL
        """,
        now,
    )
    return status != "INSERT 0 0"


async def release_backlog(conn: Connection, *, now: datetime) -> bool:
    """Let go what is late now; return whether it was held."""
    status: str = await conn.execute(
        "UPDATE backlog SET held_since = NULL, released_at = $1 WHERE held_since IS NOT NULL", now
    )
    return status != "UPDATE 0"
