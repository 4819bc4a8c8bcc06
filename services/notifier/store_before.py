"""Every query about what went before a message, for its words."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from asyncpg import Record

from services.notifier.channels.receipt import Before
from services.notifier.message import Lost
from shared.db import Connection
from shared.events import NudgeData

NAMED_FOR: Final = timedelta(days=90)  # what did not arrive longer ago helps nobody


async def before(conn: Connection, nudges: Sequence[UUID], *, now: datetime) -> dict[UUID, Before]:
    """Return what went before each of these nudges."""
    rows = await conn.fetch(
        """
        SELECT d.nudge_id,
               NOT EXISTS (SELECT FROM deliveries o
                            WHERE o.person = d.person AND o.channel = d.channel AND o.address = d.address
                              AND o.sent_at IS NOT NULL) AS is_first,
               (SELECT o.message_id FROM deliveries o
                 WHERE o.thread = d.thread AND o.person = d.person AND o.channel = d.channel AND o.address = d.address
                   AND o.sent_at IS NOT NULL
                 ORDER BY o.sent_at LIMIT 1) AS began_with
          FROM deliveries d
         WHERE d.nudge_id = ANY ($1::uuid[])
        """,
        list(nudges),
    )
    lost = await _take_lost(conn, nudges, now)
    return {
        row["nudge_id"]: Before(is_first=row["is_first"], lost=lost[row["nudge_id"]], began_with=row["began_with"])
        for row in rows
    }


async def _take_lost(conn: Connection, nudges: Sequence[UUID], now: datetime) -> dict[UUID, tuple[Lost, ...]]:
    """Return what these nudges have to tell their owners of: what did not arrive, of theirs or of their contacts'.

    Each is told once, by the nudge that takes it up here, or by a later one when that does not arrive either. A text
    has no room for it.
    """
    rows = await conn.fetch(
        """
        WITH lost AS (
            SELECT l.nudge_id, d.nudge_id AS told_by, d.address AS goes_to
              FROM deliveries d
              JOIN deliveries l ON coalesce((l.facts #>> '{follow_ups,0,owner,id}')::uuid, l.person) = d.person
              LEFT JOIN deliveries t ON t.nudge_id = l.told_by
             WHERE d.nudge_id = ANY ($1::uuid[]) AND d.channel <> 'sms' AND d.facts ->> 'to' = 'owner'
               AND l.state IN ('bounced', 'failed') AND l.reason IS DISTINCT FROM 'unknown'
               AND l.ended_at > $2::timestamptz - $3::interval AND l.bare_at IS NULL
               AND (l.told_by IS NULL OR l.told_by = d.nudge_id OR t.state IS NULL
                    OR t.state IN ('skipped', 'failed', 'bounced'))
        )
        UPDATE deliveries l
           SET told_by = lost.told_by
          FROM lost
         WHERE l.nudge_id = lost.nudge_id
        RETURNING l.told_by, l.facts::text AS facts, coalesce(l.sent_at, l.ended_at) AS at, l.address, lost.goes_to
        """,
        list(nudges),
        now,
        NAMED_FOR,
    )
    found: defaultdict[UUID, tuple[Lost, ...]] = defaultdict(tuple)
    for row in sorted(rows, key=lambda row: row["at"]):
        one = _lost(row)
        if one.names or one.to:  # else nothing is known any more of whom it was about
            found[row["told_by"]] += (one,)
    return found


def _lost(row: Record) -> Lost:
    nudge = NudgeData.model_validate_json(row["facts"])
    names = dict.fromkeys(
        one.contact.name if one.contact and one.contact.name else one.event.name or "" for one in nudge.follow_ups
    )
    is_elsewhere = row["address"].lower() != row["goes_to"].lower()
    return Lost(
        at=row["at"],
        address=row["address"] if is_elsewhere else None,
        names=tuple(name for name in names if name),
        to=(nudge.recipient.name or row["address"]) if nudge.to == "contact" else None,
    )
