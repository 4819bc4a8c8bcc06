"""The metrics, by the names that dashboards and alerts rely on."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog
from prometheus_client import Counter, Gauge, Histogram

log = structlog.get_logger()

SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400)

submissions = Counter(
    "afterhello_submissions",
    "Submissions, by what became of them: accepted, repeated or rejected",
    ["provider", "outcome"],
)
follow_up_lateness = Histogram(
    "afterhello_follow_up_lateness_seconds", "From the moment a follow-up was due to its firing", buckets=SECONDS
)
deliveries = Counter("afterhello_deliveries", "Attempts to deliver a nudge, by how they ended", ["channel", "outcome"])
delivery_duration = Histogram(
    "afterhello_delivery_seconds", "How long one attempt to deliver took", buckets=SECONDS[:11]
)
# In one process `afterhello run` holds three outboxes, so what is counted per schema is labelled with the service.
outbox_rows = Gauge("afterhello_outbox_rows", "Events that wait to be published", ["service"])
outbox_oldest = Gauge("afterhello_outbox_oldest_seconds", "Age of the oldest event that waits", ["service"])
dead_letters = Gauge("afterhello_dead_letters", "Events that were given up on, until somebody acts", ["service"])
due_rows = Gauge("afterhello_due_rows", "Rows that are due and not yet worked on", ["service"])
channel_paused = Gauge("afterhello_channel_paused", "1 while nothing is sent on this channel", ["channel"])

REFRESH_SECONDS: Final = 10.0


def keep_fresh(refresh: Callable[[], Awaitable[None]]) -> Callable[[asyncio.Event], Awaitable[None]]:
    """Return a loop that calls `refresh` (which sets gauges from counts in the database) every ten seconds.

    A count costs the same however often the metrics are scraped; while the database is away the gauges stay as they
    were, and `/readyz` says why.
    """

    async def loop(stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await refresh()
            except Exception as error:
                log.warning("metrics.not_refreshed", error=type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), REFRESH_SECONDS)

    return loop
