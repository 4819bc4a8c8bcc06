"""Wake: an `asyncio.Event` that PostgreSQL sets, so that a loop can sleep until there is something to do."""

import asyncio
from collections.abc import Mapping

import asyncpg
import structlog

from shared.db import UNAVAILABLE, Connection

log = structlog.get_logger()
AGAIN_AFTER_SECONDS = 1.0


async def notify(conn: Connection, schema: str, what: str) -> None:
    """Wake whoever listens for `what` in this schema, once the transaction under way has been committed."""
    await conn.execute("SELECT pg_notify($1, '')", f"{schema}.{what}")


async def listen(dsn: str, schema: str, wakes: Mapping[str, asyncio.Event]) -> None:
    """Set each event whenever somebody notifies its name, until cancelled.

    It keeps one connection of its own; whenever that had to be opened anew all events are set, since something may
    have been missed. Without it (a transaction pooler swallows LISTEN) loops still look again by themselves, later.
    """
    while True:
        try:
            await _listen_once(dsn, schema, wakes)
        except UNAVAILABLE as error:
            log.debug("wake.lost", schema=schema, error=type(error).__name__)
        await asyncio.sleep(AGAIN_AFTER_SECONDS)


async def _listen_once(dsn: str, schema: str, wakes: Mapping[str, asyncio.Event]) -> None:
    conn = await asyncpg.connect(dsn, timeout=5, server_settings={"application_name": f"afterhello {schema} wake"})
    closed = asyncio.Event()
    conn.add_termination_listener(lambda _: closed.set())
    try:
        for what, event in wakes.items():
            await conn.add_listener(f"{schema}.{what}", lambda *_, event=event: event.set())
        for event in wakes.values():
            event.set()
        await closed.wait()
    finally:
        await conn.close(timeout=2)
