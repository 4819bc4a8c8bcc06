"""Changed zones and calendars: what waits is moved, once, to where its wall-clock time is by what we know now."""

from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Final
from uuid import UUID

import structlog

from services.scheduler import follow_up as kept
from services.scheduler import keeping, life, store, store_calendars, store_zones
from services.scheduler.clocks import clock_of
from shared import db
from shared.db import Connection, Pool

log = structlog.get_logger()

TZDATA: Final = version("tzdata")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rezoning:
    """Moves what waits to the zones of this tzdata, and out of the breaks that were imported.

    Several may run: one works, the others find nothing.
    """

    pool: Pool
    version: str = TZDATA
    limit: int = 200

    async def step(self) -> int:
        """Move what waits of up to `limit` people; return how many people were looked at, none when all are done."""
        return await db.in_transaction(self.pool, self._work)

    async def _work(self, conn: Connection) -> int:
        version = self.version
        if change := await store_calendars.last_change(conn):
            version = f"{version} calendars {change}"
        await store_zones.begin(conn, version)
        so_far = await store_zones.so_far(conn, version)
        if so_far is None:
            return 0
        now = await db.now(conn)
        people = await store_zones.people(conn, after=so_far.after, limit=self.limit)
        if not people:
            await store_zones.end(conn, version, now)
            log.info("tzdata.moved", tzdata=version, moved=so_far.moved)
            return 0
        moved = await self._move(conn, people, now)
        await keeping.keep(conn, moved, now)
        await store_zones.keep(conn, version, after=people[-1], moved=len(moved))
        return len(people)

    async def _move(self, conn: Connection, ids: list[UUID], now: datetime) -> list[kept.FollowUp]:
        people = await store.lock_people(conn, ids)
        waiting = {one.id: one for one in await store.waiting_of(conn, people)}
        after: dict[UUID, kept.FollowUp] = {}
        for one in waiting.values():
            try:
                after[one.id] = kept.moved_on(one, clock_of(people[one.person_id]), now)
            except ValueError:  # a zone that is no more: it stays where it is, and the others move
                log.warning("tzdata.no_such_zone", person=str(one.person_id))
        return life.changed(waiting, after)
