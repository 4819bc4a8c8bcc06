"""The one loop: again at once after work, asleep after none, waiting out errors."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from shared.retry import backoff

log = structlog.get_logger()

Step = Callable[[], Awaitable[int]]
ERROR_DELAYS = tuple(timedelta(seconds=seconds) for seconds in (0.2, 0.5, 1, 2, 5))


async def poll(
    name: str, step: Step, *, stop: asyncio.Event, wake: asyncio.Event, idle: Callable[[], Awaitable[float]] | float
) -> None:
    """Run `step` until `stop` is set; it does one batch and returns how much it did.

    After none it sleeps until `wake` is set, at most `idle` seconds (a number, or asked for each time). An error is
    logged and waited out with growing pauses. A step under way when `stop` is set is let finish.
    """
    failures = 0
    while not stop.is_set():
        wake.clear()  # before looking: what arrives while the step looks wakes us again
        try:
            if await step():
                failures = 0
                await asyncio.sleep(0)
                continue
            seconds = await idle() if callable(idle) else idle
            failures = 0
        except Exception as error:
            failures += 1
            seconds = backoff(failures, ERROR_DELAYS).total_seconds()
            log.warning("poll.failed", loop=name, failures=failures, error=type(error).__name__, exc_info=failures == 1)
            await first_of(stop, seconds=seconds)
            continue
        await first_of(stop, wake, seconds=max(seconds, 0.0))


async def first_of(*events: asyncio.Event, seconds: float | None = None) -> None:
    """Return when one of the events is set, or after so many seconds."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
