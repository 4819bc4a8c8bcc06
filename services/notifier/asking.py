"""Asking vendors what has become of messages of which they have told us nothing."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final

import structlog

from services.notifier import reports, store_channels, store_reports
from services.notifier.channels import Channel
from services.notifier.channels.http_client import Failed
from services.notifier.channels.sms import Sms
from shared import db
from shared.db import Connection, Pool
from shared.events import ReportData

log = structlog.get_logger()

AT_ONCE: Final = 20


class Asking:
    """Asks about texts: ten minutes after each, and a few times more. Run by `poll`; a test calls `step`."""

    def __init__(
        self,
        pool: Pool,
        channels: Mapping[str, Channel],
        *,
        clock: Callable[[Connection], Awaitable[datetime]] = db.now,
    ) -> None:
        self._pool = pool
        self._texts = channels.get("sms")
        self._clock = clock

    async def step(self) -> int:
        """Ask about what is due, apply what has been said, and return how many that was."""
        if not isinstance(self._texts, Sms):
            return 0
        async with self._pool.acquire(timeout=5) as conn, conn.transaction():
            now = await self._clock(conn)
            if any(trouble.name == "sms" for trouble in await store_channels.troubles(conn, now=now)):
                return 0
            silent = await store_reports.take_unreported(conn, "sms", now=now, limit=AT_ONCE)
        found = []
        for nudge, provider_id in silent:
            try:
                outcome = await self._texts.outcome(provider_id)
            except Failed as failed:
                log.warning("report.unavailable", nudge=str(nudge), reason=failed.receipt.reason)
                continue
            if outcome is not None:
                found.append(
                    ReportData(
                        what=outcome.what,
                        channel="sms",
                        nudge=nudge,
                        provider_id=provider_id,
                        code=outcome.code,
                        at=now,
                    )
                )
        if found:
            await db.in_transaction(self._pool, lambda conn: self._apply(conn, found))
        return len(silent)

    async def _apply(self, conn: Connection, found: list[ReportData]) -> None:
        await reports.apply(conn, found, await self._clock(conn))
