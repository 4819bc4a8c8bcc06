"""Every query about the short links of texts: a code says nothing of itself, so what it leads to is kept here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.intake.acts import About
from shared.db import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Texted:
    """A nudge that somebody opened by its short link."""

    abouts: tuple[About, ...]  # what it carried, as far as anything is kept of it, in its order
    at: datetime


async def keep(conn: Connection, codes: Mapping[UUID, Sequence[str]]) -> None:
    """Let these codes lead to these nudges."""
    await conn.execute(
        """
        UPDATE nudges n
           SET codes = string_to_array(given.codes, ' ')
          FROM unnest($1::uuid[], $2::text[]) AS given (nudge, codes)
         WHERE n.id = given.nudge AND n.codes = '{}'
        """,
        list(codes),
        [" ".join(one) for one in codes.values()],
    )


async def find(conn: Connection, code: str) -> Texted | None:
    """Return what the code leads to; None when that is nothing."""
    nudge = await conn.fetchrow("SELECT id, changed_at FROM nudges WHERE codes @> ARRAY[$1::text]", code)
    if nudge is None:
        return None
    rows = await conn.fetch(
        """
        SELECT f.person, f.connection, f.id AS follow_up
          FROM nudges n
         CROSS JOIN unnest(n.follow_ups) WITH ORDINALITY AS carried (id, place)
          JOIN follow_ups f ON f.id = carried.id
          JOIN connections c ON c.id = f.connection AND c.person = f.person
         WHERE n.id = $1
         ORDER BY carried.place
        """,
        nudge["id"],
    )
    return Texted(abouts=tuple(About(**row, nudge=nudge["id"]) for row in rows), at=nudge["changed_at"])
