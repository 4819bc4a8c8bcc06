"""Calendars: read again once a day where they come from a URL."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from services.scheduler import ical, store_calendars
from services.scheduler.ical import NotACalendar
from shared import db, fetching
from shared.db import Pool
from shared.fetching import Forbidden
from shared.retry import TryAgain

log = structlog.get_logger()

READ_EVERY: Final = timedelta(days=1)
AGAIN_AFTER: Final = timedelta(hours=1)  # when it could not be read, or whoever was at it has died


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendars:
    """Reads calendars again whose time has come."""

    pool: Pool
    fetch: Callable[[str], Awaitable[bytes]] = fetching.fetch

    async def step(self) -> int:
        """Read one calendar; return whether there was one to read."""
        async with self.pool.acquire(timeout=5) as conn:
            now = await db.now(conn)
            one = await store_calendars.lease(conn, now=now, until=now + AGAIN_AFTER)
        if one is None:
            return 0
        try:
            text = await self.fetch(one.source)
            # A large feed takes seconds to follow, and meanwhile timers have to fire.
            found = await asyncio.to_thread(ical.read, text, today=now.date(), only=one.words)
        except (TryAgain, Forbidden, NotACalendar) as error:
            async with self.pool.acquire(timeout=5) as conn:
                await store_calendars.failed(conn, one.id, str(error))
            log.warning("calendar.not_read", calendar=str(one.id), problem=str(error))
            return 1
        changed = await db.in_transaction(
            self.pool,
            lambda conn: store_calendars.read(
                conn, one.id, found.breaks, now=now, next_read_at=now + READ_EVERY, problem=problem(found.left_out)
            ),
        )
        log.info(
            "calendar.read",
            calendar=str(one.id),
            breaks=len(found.breaks),
            left_out=len(found.left_out),
            changed=changed,
        )
        return 1


def problem(left_out: Sequence[str]) -> str | None:
    """Return what is wrong with a calendar of which these events were left out; None when that is nothing."""
    if not left_out:
        return None
    return f"left out: {left_out[0]}" + (f", and {len(left_out) - 1} more" if len(left_out) > 1 else "")
