"""Every query about nudges to contacts, which are also of the owners on whose behalf they go out."""

from collections.abc import Collection, Sequence
from uuid import UUID

from shared.db import Connection
from shared.events import NudgeData


async def on_behalf_of(conn: Connection, people: Collection[UUID]) -> list[NudgeData]:
    """Lock and return every nudge that goes, or went, to a contact on behalf of one of these people."""
    rows = await conn.fetch(
        """
        SELECT facts::text AS facts
          FROM deliveries
         WHERE owners && $1::uuid[] AND owners <> '{}' AND facts <> '{}'
         ORDER BY nudge_id
           FOR NO KEY UPDATE
        """,
        list(people),
    )
    return [NudgeData.model_validate_json(row["facts"]) for row in rows]


async def keep(conn: Connection, nudges: Sequence[NudgeData], owners: Sequence[Collection[UUID]]) -> None:
    """Keep what these nudges carry now, on whose behalf."""
    await conn.execute(
        """
        UPDATE deliveries d
           SET facts = new.facts::jsonb, owners = new.owners::uuid[]
          FROM unnest($1::uuid[], $2::text[], $3::text[]) AS new (nudge, facts, owners)
         WHERE d.nudge_id = new.nudge
        """,
        [nudge.nudge for nudge in nudges],
        [nudge.model_dump_json() for nudge in nudges],
        ["{" + ",".join(map(str, ids)) + "}" for ids in owners],  # unnest flattens arrays of arrays
    )


async def delete(conn: Connection, nudges: Collection[UUID]) -> None:
    """Delete these nudges, with their attempts."""
    await conn.execute("DELETE FROM deliveries WHERE nudge_id = ANY ($1::uuid[])", list(nudges))
