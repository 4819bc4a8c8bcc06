"""A service's database, as its `app.py` looks after it: does it answer, what waits in it, and how it is let go."""

import asyncio
from typing import Final

from shared import db, dead_letter, metrics, outbox
from shared.db import Pool

CLOSE_SECONDS: Final = 5


async def answers(pool: Pool) -> str:
    """Return "ok" once the database answers; raises when it does not."""
    async with pool.acquire(timeout=2) as conn:
        await conn.fetchval("SELECT 1")
    return "ok"


async def count(pool: Pool, service: str) -> None:
    """Set the gauges of what every service has: an outbox, and dead letters."""
    async with pool.acquire(timeout=5) as conn:
        rows, seconds = await outbox.waiting(conn)
        metrics.outbox_rows.labels(service).set(rows)
        metrics.outbox_oldest.labels(service).set(seconds)
        metrics.dead_letters.labels(service).set((await dead_letter.counts(conn))["dead"])


async def close(pool: Pool) -> None:
    """Close the pool, or drop its connections when they do not end by themselves."""
    try:
        await asyncio.wait_for(pool.close(), CLOSE_SECONDS)
    except (TimeoutError, *db.UNAVAILABLE):
        pool.terminate()
