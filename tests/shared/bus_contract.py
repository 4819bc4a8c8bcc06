"""What the contract suite needs on either transport: services that record what took effect, and buses between them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from shared import events, outbox
from shared.bus import CONSUMERS, Bus, Receive, Route, on
from shared.db import Connection, Pool
from shared.events import Event
from shared.receive import receiver
from shared.retry import TryAgain
from tests.servers.waiting import until


class Poison(Exception):
    """What a handler raises on an event it cannot bear."""


@dataclass
class Recorder:
    """A service that takes everything it is sent, and counts in its database how often each event took effect."""

    pool: Pool
    service: str
    poison: set[UUID] = field(default_factory=set)
    batches: list[int] = field(default_factory=list)

    @property
    def receive(self) -> Receive:
        kinds = (events.EVENTS[type] for type in sorted(CONSUMERS[self.service]))
        return receiver(self.pool, [_route(kind, self._record) for kind in kinds], service=self.service)

    async def _record(self, conn: Connection, batch: Sequence[Event], now: datetime) -> None:
        self.batches.append(len(batch))
        if bad := [event for event in batch if event.id in self.poison]:
            raise Poison(f"cannot bear {len(bad)}")
        await conn.execute(
            """
            INSERT INTO effects (id, times) SELECT unnest($1::uuid[]), 1
                ON CONFLICT (id) DO UPDATE SET times = effects.times + 1
            """,
            [event.id for event in batch],
        )

    async def effects(self) -> dict[UUID, int]:
        return {row["id"]: row["times"] for row in await self.pool.fetch("SELECT id, times FROM effects")}

    async def has_once(self, expected: Iterable[Event]) -> bool:
        return await self.effects() == {event.id: 1 for event in expected}

    async def retry_now(self) -> None:
        """Let what waits for another attempt be due."""
        await self.pool.execute("UPDATE dead_letter SET next_attempt_at = now() WHERE state = 'retrying'")


def _route(kind: type[Event], handler: Any) -> Route[Any]:
    return on(kind, handler)


async def recorder(pool: Pool, service: str) -> Recorder:
    """Return a service on this pool, with a table for what took effect."""
    await pool.execute("CREATE TABLE IF NOT EXISTS effects (id uuid PRIMARY KEY, times integer NOT NULL)")
    return Recorder(pool, service)


@asynccontextmanager
async def consuming(bus: Bus, service: str, receive: Receive) -> AsyncIterator[asyncio.Task[None]]:
    """The service consumes from this bus; at the end it stops."""
    task = asyncio.create_task(bus.consume(service, CONSUMERS[service], receive))
    try:
        await asyncio.sleep(0)
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def add(pool: Pool, batch: Sequence[Event]) -> None:
    """Commit these events to the outbox."""
    async with pool.acquire() as conn, conn.transaction():
        await outbox.add(conn, batch)


async def relay_all(pool: Pool, bus: Bus) -> None:
    """Relay until nothing waits, trying again as `poll` does."""

    async def nothing_waits() -> bool:
        with suppress(TryAgain):
            while await outbox.relay(pool, bus):
                pass
        async with pool.acquire() as conn:
            return (await outbox.waiting(conn))[0] == 0

    await until(nothing_waits, seconds=60)


MakeBus = Callable[[], Bus]
