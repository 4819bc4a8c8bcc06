"""Every query about the channels' own trouble: which are paused or stopped, and why."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.notifier.channels.receipt import Pause
from shared.db import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    name: str
    state: Literal["paused", "stopped"]
    reason: str
    paused_until: datetime | None
    since: datetime

    def in_words(self) -> str:
        """Return what an operator reads on `/readyz`."""
        if self.paused_until is None:
            return f"stopped: {self.reason} (`afterhello channel resume {self.name}` when it is mended)"
        return f"paused until {self.paused_until:%Y-%m-%dT%H:%M:%SZ}: {self.reason}"


async def troubles(conn: Connection, *, now: datetime) -> list[Trouble]:
    """Return the channels on which nothing may be sent now."""
    rows = await conn.fetch(
        """
        SELECT name, state, reason, paused_until, since
          FROM channels
         WHERE state = 'stopped' OR paused_until > $1
         ORDER BY name
        """,
        now,
    )
    return [Trouble(**row) for row in rows]


async def pause(conn: Connection, name: str, pause: Pause, now: datetime) -> bool:
    """Pause the channel, twice as long as the last time in a row; return whether it was not paused or stopped before.

    Attempts that were under way together and fail together count as one pause.
    """
    row = await conn.fetchrow(
        """
        INSERT INTO channels AS c (name, state, reason, paused_until, pauses, since)
        VALUES ($1, 'paused', $2, $3::timestamptz + $4::interval, 1, $3)
            ON CONFLICT (name) DO UPDATE
           SET reason = $2,
               pauses = CASE c.reason WHEN $2 THEN c.pauses + 1 ELSE 1 END,
               paused_until = $3::timestamptz
                   + least($5::interval, $4::interval * 2 ^ least(CASE c.reason WHEN $2 THEN c.pauses ELSE 0 END, 16)),
               since = CASE c.reason WHEN $2 THEN c.since ELSE $3 END
         WHERE c.state = 'paused'
           AND (c.paused_until <= $3 OR (c.reason <> $2 AND c.paused_until < $3::timestamptz + $4::interval))
        RETURNING name
        """,
        name,
        pause.reason,
        now,
        pause.first,
        pause.longest,
    )
    return row is not None


async def stop(conn: Connection, name: str, reason: str, now: datetime) -> bool:
    """Let nothing go out on the channel until somebody resumes it; return whether it was not stopped before."""
    row = await conn.fetchrow(
        """
        INSERT INTO channels AS c (name, state, reason, paused_until, since)
        VALUES ($1, 'stopped', $2, NULL, $3)
            ON CONFLICT (name) DO UPDATE
           SET state = 'stopped', reason = $2, paused_until = NULL, pauses = 1, since = $3
         WHERE c.state <> 'stopped'
        RETURNING name
        """,
        name,
        reason,
        now,
    )
    return row is not None


async def worked(conn: Connection, names: Collection[str], now: datetime) -> None:
    """Forget pauses that are over on channels that have just sent something: the next one is short again."""
    await conn.execute(
        "DELETE FROM channels WHERE name = ANY ($1::text[]) AND state = 'paused' AND paused_until <= $2",
        list(names),
        now,
    )


async def resume(conn: Connection, name: str) -> bool:
    """Open the channel at once; return whether it was paused or stopped."""
    return await conn.execute("DELETE FROM channels WHERE name = $1", name) != "DELETE 0"
