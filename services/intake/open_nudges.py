"""What a person has been nudged about and not answered yet: what DONE and LATER may mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from services.intake.acts import About
from shared.db import Connection
from shared.events import Channel

OPEN_FOR: Final = timedelta(days=30)  # who answers later means something else


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """One follow-up that somebody may answer."""

    about: About
    contact: str


OPEN: Final = """
    SELECT f.person, f.connection, f.id AS follow_up, f.nudge, c.contact ->> 'name' AS contact
      FROM follow_ups f
      JOIN nudges n ON n.id = f.nudge
      JOIN connections c ON c.id = f.connection AND c.person = f.person
      LEFT JOIN meetings m ON m.id = f.meeting
     WHERE f.state = 'nudged' AND f.addressee = 'owner'
       AND NOT EXISTS (SELECT FROM acts a
                        WHERE a.person = f.person AND a.follow_up = f.id
                          AND (a.act = 'done' OR (a.act = 'later' AND a.nudge = f.nudge)))
       AND NOT EXISTS (SELECT FROM acts a
                        WHERE a.act = 'stop' AND a.person = f.person AND a.at >= coalesce(m.logged_at, '-infinity')
                          AND (a.connection = f.connection OR (a.connection IS NULL AND a.channel = n.channel)))
"""


async def of_people(conn: Connection, people: Sequence[UUID], channel: Channel) -> list[Open]:
    """Return what waits for an answer on this channel, of each connection the newest alone, the oldest first.

    What has not been said to have gone out counts when there is nothing else: whoever answers may have it already.
    """
    rows = await conn.fetch(
        f"""
        SELECT * FROM (
            SELECT DISTINCT ON (opened.connection) opened.*, n.changed_at,
                   n.state IN ('sent', 'delivered') AS is_sent
              FROM ({OPEN} AND f.person = ANY ($1::uuid[]) AND n.channel = $2
                       AND (n.state IN ('queued', 'sent', 'delivered') OR n.reason = 'unknown')
                       AND n.changed_at > clock_timestamp() - $3::interval) opened
              JOIN nudges n ON n.id = opened.nudge
             ORDER BY opened.connection, n.state IN ('sent', 'delivered') DESC, n.changed_at DESC, opened.follow_up
        ) newest
         ORDER BY changed_at, follow_up
        """,  # noqa: S608 - ours
        list(people),
        channel,
        OPEN_FOR,
    )
    went_out = [row for row in rows if row["is_sent"]]
    return [_open(row) for row in went_out or rows]


async def of_nudge(conn: Connection, nudge: UUID) -> list[Open]:
    """Return what of this nudge waits for an answer, also when another has come about it since."""
    carried = "(f.nudge = $1 OR f.id = ANY (SELECT unnest(follow_ups) FROM nudges WHERE id = $1))"
    rows = await conn.fetch(f"{OPEN} AND {carried} ORDER BY f.due_at, f.id", nudge)
    return [_open(row) for row in rows]


def _open(row: object) -> Open:
    found = dict(row)  # type: ignore[call-overload]
    names = ("person", "connection", "follow_up", "nudge")
    return Open(about=About(**{name: found[name] for name in names}), contact=found["contact"])
