"""A notifier for tests: what it is told, its sends, its clock."""

import asyncio
import ssl
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from services.notifier.channels import Channel
from services.notifier.channels.email import Email
from services.notifier.channels.mail_bytes import sender
from services.notifier.channels.smtp_connections import Connections, Timeouts, server
from services.notifier.claim import Rules
from services.notifier.delivery import Deliveries
from services.notifier.handlers import ROUTES
from shared import db
from shared.db import Connection, Pool
from shared.events import DeliveryData, Event, NudgeData, read
from shared.links import Links

KEYS = (SecretStr("a key that only these tests know, of length"),)
LINKS = Links("https://hello.school.example", KEYS)
MINUTE = timedelta(minutes=1)


class Clock:
    """The database's clock, moved forward by a test."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    async def __call__(self, conn: Connection) -> datetime:
        return await db.now(conn) + self.ahead


class Notifier:
    """One notifier: call `work` to let it send what is due."""

    def __init__(self, pool: Pool, url: str, *, clock: Clock | None = None, **given: Any) -> None:
        timeouts = Timeouts(connect=2, command=2, data=2, dot=2)
        self.pool = pool
        self.clock = clock or Clock()
        self.wake = asyncio.Event()
        connections = Connections(
            server(url),
            hello="notifier.school.example",
            timeouts=given.pop("timeouts", timeouts),
            tls_context=given.pop("tls_context", None),
        )
        self.connections = connections
        self.email = Email(
            connections,
            mail_from=sender("Afterhello <hello@school.example>"),
            links=LINKS,
            tokens=given.pop("tokens", None),
            pace=given.pop("pace", None),
            monotonic=lambda: time.monotonic() + self.clock.ahead.total_seconds(),
        )
        self.channels: dict[str, Channel] = {"email": self.email, **given.pop("channels", {})}
        rules: dict[str, Any] = {
            "retry_delays": tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 30, 60)),
            "send_lease": timedelta(seconds=60),
            "daily_cap": 10,
            "sms_daily_cap": 3,
        }
        self.deliveries = Deliveries(pool, self.channels, Rules(**rules | given), wake=self.wake, clock=self.clock)

    async def work(self) -> int:
        """Send what is due, until nothing is; return how many attempts and ends that took."""
        done = 0
        while more := await self.deliveries.step():
            done += more
            await self.deliveries.finish(20)
        return done

    async def die(self) -> None:
        """End all sends as SIGKILL would: nothing more is said, and nothing recorded."""
        for task in list(self.deliveries._sending.values()):
            task.cancel()
        await asyncio.gather(*self.deliveries._sending.values(), return_exceptions=True)

    async def close(self) -> None:
        for channel in self.channels.values():
            await channel.close()


async def receive(pool: Pool, events: Sequence[Event]) -> None:
    """Apply these events as the bus would have them applied."""
    async with pool.acquire() as conn, conn.transaction():
        now = await db.now(conn)
        for route in ROUTES:
            if batch := [event for event in events if isinstance(event, route.event)]:
                await route.handler(conn, batch, now)


async def states(pool: Pool) -> dict[UUID, tuple[str, str | None]]:
    """Return the state and reason of every delivery."""
    rows = await pool.fetch("SELECT nudge_id, state, reason FROM deliveries")
    return {row["nudge_id"]: (row["state"], row["reason"]) for row in rows}


async def state(pool: Pool, nudge: NudgeData) -> tuple[str, str | None]:
    return (await states(pool))[nudge.nudge]


async def attempts(pool: Pool, nudge: NudgeData) -> list[str | None]:
    """Return how the attempts ended, the first one first."""
    rows = await pool.fetch("SELECT outcome FROM attempts WHERE nudge_id = $1 ORDER BY n", nudge.nudge)
    return [row["outcome"] for row in rows]


async def told(pool: Pool, kind: str = "afterhello.delivery.changed.v1") -> list[Any]:
    """Return the data of the events of this type that wait in the outbox."""
    rows = await pool.fetch("SELECT document FROM outbox WHERE type = $1 ORDER BY id", kind)
    return [getattr(read(row["document"]), "data") for row in rows]  # noqa: B009 - a subclass has it


async def told_states(pool: Pool, nudge: NudgeData) -> list[tuple[int, str, str | None]]:
    data: list[DeliveryData] = [one for one in await told(pool) if one.nudge == nudge.nudge]
    return [(one.revision, one.state, one.reason) for one in data]


def trusting(authority: Any) -> ssl.SSLContext:
    """Return a context that trusts only this authority."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context
