"""Our answers to what people send us: each at most once a day to one sender, so that no machines talk for ever."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from shared.db import Connection
from shared.signing import fingerprint

AGAIN_AFTER: Final = timedelta(days=1)


async def may(conn: Connection, sender: str, kind: str, *, follow_ups: Sequence[UUID] = ()) -> bool:
    """Say whether the sender may be given this answer now, and count it; `follow_ups` is the list that it shows."""
    given = await conn.fetchval(
        """
        WITH old AS (DELETE FROM answered WHERE at < clock_timestamp() - 2 * $3::interval AND sender <> $1)
        INSERT INTO answered AS a (sender, kind, at, follow_ups)
        VALUES ($1, $2, clock_timestamp(), $4)
            ON CONFLICT (sender, kind) DO UPDATE SET at = excluded.at, follow_ups = excluded.follow_ups
         WHERE a.at <= clock_timestamp() - $3::interval
        RETURNING true
        """,
        fingerprint(sender),
        kind,
        AGAIN_AFTER,
        list(follow_ups),
    )
    return bool(given)


async def shown(conn: Connection, sender: str, kind: str) -> list[UUID]:
    """Return the follow-ups of the list that the sender was shown within a day, in its order."""
    found: list[UUID] | None = await conn.fetchval(
        "SELECT follow_ups FROM answered WHERE sender = $1 AND kind = $2 AND at > clock_timestamp() - $3::interval",
        fingerprint(sender),
        kind,
        AGAIN_AFTER,
    )
    return found or []
