"""Every query about people as such: found by how they are reached, changed."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import asyncpg

from services.intake.store import PERSON
from shared.db import Connection
from shared.events import Channel, Person


async def find(conn: Connection, reached: str, *, owner: str | None, lock: bool = False) -> Person | None:
    """Return the person with this e-mail address, or this telephone number as E.164; None if it is not `owner`.

    With `lock` nobody else changes them until the transaction ends. Two who share a number are not told apart by it.
    """
    rows = await conn.fetch(
        f"""
        SELECT {PERSON}
          FROM people
         WHERE {"lower(email) = lower($1)" if "@" in reached else "phone = $1"}
           AND ($2::text IS NULL OR lower(email) = lower($2))
         {"FOR NO KEY UPDATE" if lock else ""}
        """,  # noqa: S608 - names of columns, ours
        reached,
        owner,
    )
    return _person(rows[0]) if len(rows) == 1 else None


async def reached_at(conn: Connection, address: str, channel: Channel) -> list[UUID]:
    """Return the people whom this channel reaches at this address."""
    is_theirs = {"email": "lower(email) = lower($1)", "sms": "phone = $1", "apprise": "apprise_url = $1"}[channel]
    rows = await conn.fetch(f"SELECT id FROM people WHERE {is_theirs}", address)  # noqa: S608
    return [row["id"] for row in rows]


async def change(conn: Connection, person: Person, wished: Mapping[str, Any], *, zone_is_theirs: bool) -> Person | None:
    """Give a locked person these wishes and return them as they are now; None when nothing is other than before."""
    after = person.model_copy(update={**wished, "revision": person.revision + 1})
    is_other = any(getattr(after, name) != getattr(person, name) for name in wished)
    if not is_other and not zone_is_theirs:
        return None
    await conn.execute(
        """
        UPDATE people
           SET revision = CASE WHEN $2 THEN $3 ELSE revision END, name = $4, channel = $5, locale = $6, time_zone = $7,
               time_zone_from = CASE WHEN $8 THEN 'person' WHEN $9 THEN 'default' ELSE time_zone_from END,
               send_at = $10, days = $11, quiet_from = $12, quiet_to = $13, holidays = $14, breaks = $15,
               daily_limit = $16, paused_until = $17, apprise_url = $18, zone_is_known = $19
         WHERE id = $1
        """,
        after.id,
        is_other,
        after.revision,
        after.name,
        after.channel,
        after.locale,
        after.time_zone,
        zone_is_theirs,
        "time_zone" in wished,
        after.send_at,
        list(after.days),
        after.quiet_from,
        after.quiet_to,
        after.holidays,
        [one.model_dump(mode="json") for one in after.breaks],
        after.daily_limit,
        after.paused_until,
        after.apprise_url,
        after.zone_is_known,
    )
    return after if is_other else None


def _person(row: asyncpg.Record) -> Person:
    return Person.model_validate(dict(row))
