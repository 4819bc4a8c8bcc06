"""Every query that deletes what is known of somebody, or of a meeting."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from shared.db import Connection
from shared.events import NudgeData


async def keep_forgotten(conn: Connection, meetings: Collection[UUID], at: datetime) -> None:
    """Keep that these meetings are forgotten: a nudge about one may still be on its way."""
    await conn.execute(
        """
        INSERT INTO forgotten (meeting, at) SELECT meeting, $2 FROM unnest($1::uuid[]) AS gone (meeting)
            ON CONFLICT DO NOTHING
        """,
        list(meetings),
        at,
    )


async def forgotten(conn: Connection, meetings: Collection[UUID]) -> set[UUID]:
    """Return which of these meetings are forgotten."""
    rows = await conn.fetch("SELECT meeting FROM forgotten WHERE meeting = ANY ($1::uuid[])", list(meetings))
    return {row["meeting"] for row in rows}


async def nudges_of(conn: Connection, people: Collection[UUID]) -> list[NudgeData]:
    """Lock and return every nudge of these people, or to a contact on their behalf, that is kept, whatever became of
    it."""
    rows = await conn.fetch(
        """
        SELECT facts::text AS facts
          FROM deliveries
         WHERE (person = ANY ($1::uuid[]) OR (owners && $1::uuid[] AND owners <> '{}')) AND facts <> '{}'
         ORDER BY nudge_id
           FOR NO KEY UPDATE
        """,
        list(people),
    )
    return [NudgeData.model_validate_json(row["facts"]) for row in rows]


async def keep_facts(conn: Connection, nudges: Sequence[NudgeData]) -> None:
    """Keep these nudges as they are now."""
    await conn.execute(
        """
        UPDATE deliveries d
           SET facts = new.facts::jsonb
          FROM unnest($1::uuid[], $2::text[]) AS new (nudge, facts)
         WHERE d.nudge_id = new.nudge
        """,
        [nudge.nudge for nudge in nudges],
        [nudge.model_dump_json() for nudge in nudges],
    )


async def forget_deliveries(conn: Connection, addresses: Collection[str]) -> None:
    """Delete what went, or was to go, to these addresses (in small letters), with its attempts."""
    await conn.execute("DELETE FROM deliveries WHERE lower(address) = ANY ($1::text[])", list(addresses))


async def take_out(conn: Connection, addresses: Collection[str]) -> None:
    """Take these addresses (in small letters) out of what others wrote, wherever a nudge repeats it."""
    await conn.execute(
        r"""
        UPDATE deliveries d
           SET facts = regexp_replace(facts::text, given.pattern, '[erased]', 'gi')::jsonb
          FROM (SELECT '(?<![\w.+-])(?:'
                       || string_agg(regexp_replace(address, '([^[:alnum:]@])', '\\\1', 'g'), '|')
                       || ')(?![\w-]|\.\w)' AS pattern
                  FROM unnest($1::text[]) AS address) AS given
         WHERE EXISTS (SELECT FROM unnest($1::text[]) AS address WHERE strpos(lower(facts::text), address) > 0)
        """,
        [one for one in addresses if '"' not in one and "\\" not in one],  # neither is written in JSON as it stands
    )


async def forget_addresses(conn: Connection, addresses: Collection[str]) -> None:
    """Delete that these addresses (in small letters) must not, or may again, be written to.

    Intake keeps a keyed hash of them, and has them suppressed anew when somebody brings them back.
    """
    for table in ("suppressions", "restored"):
        await conn.execute(f"DELETE FROM {table} WHERE address = ANY ($1::text[])", list(addresses))  # noqa: S608


async def with_words(conn: Connection, *, before: datetime, limit: int) -> list[NudgeData]:
    """Lock and return up to `limit` nudges that ended before that, and still have their words, oldest first."""
    rows = await conn.fetch(
        """
        SELECT facts::text AS facts
          FROM deliveries
         WHERE ended_at < $1 AND bare_at IS NULL
         ORDER BY ended_at
         LIMIT $2
           FOR NO KEY UPDATE SKIP LOCKED
        """,
        before,
        limit,
    )
    return [NudgeData.model_validate_json(row["facts"]) for row in rows]


async def keep_bare(conn: Connection, nudges: Sequence[UUID], at: datetime) -> None:
    """Keep that these nudges have lost their words; what servers said of them goes as well."""
    await conn.execute("UPDATE deliveries SET bare_at = $2 WHERE nudge_id = ANY ($1::uuid[])", list(nudges), at)
    await conn.execute("UPDATE attempts SET reply = NULL WHERE nudge_id = ANY ($1::uuid[])", list(nudges))
    await conn.execute("DELETE FROM reports WHERE nudge_id = ANY ($1::uuid[])", list(nudges))
