"""What expired here, before it could go out, and is to be named by the next nudge: a query."""

from collections.abc import Sequence
from uuid import UUID

from shared.db import Connection
from shared.events import MissedFollowUp


async def missed(conn: Connection, nudges: Sequence[UUID]) -> dict[UUID, tuple[MissedFollowUp, ...]]:
    """Return what each of these owners' nudges has to name of earlier ones on its channel that expired here.

    That is what no nudge that was begun since, and left, has named, and what nobody has acted on or stopped.
    """
    rows = await conn.fetch(
        """
        SELECT d.nudge_id, array_agg(f.fact ORDER BY f.fact ->> 'due_at') AS facts
          FROM deliveries d
          JOIN deliveries o ON o.person = d.person AND o.channel = d.channel
           AND o.state = 'skipped' AND o.reason = 'expired'
         CROSS JOIN LATERAL jsonb_array_elements(o.facts -> 'follow_ups') AS f (fact)
         WHERE d.nudge_id = ANY ($1::uuid[])
           AND coalesce(d.facts ->> 'to', 'owner') = 'owner' AND coalesce(o.facts ->> 'to', 'owner') = 'owner'
           AND NOT EXISTS (
                   SELECT FROM deliveries s
                     JOIN attempts a ON a.nudge_id = s.nudge_id
                    WHERE s.person = d.person AND s.channel = d.channel AND s.sent_at IS NOT NULL
                      AND a.started_at >= o.ended_at)
           AND NOT EXISTS (SELECT FROM acts a WHERE a.follow_up = (f.fact ->> 'id')::uuid)
           AND NOT EXISTS (
                   SELECT FROM stops.stops s
                    WHERE (s.kind, s.id) IN (('connection', (f.fact ->> 'connection')::uuid),
                                             ('meeting', (f.fact ->> 'meeting')::uuid)))
         GROUP BY d.nudge_id
        """,
        list(nudges),
    )
    return {row["nudge_id"]: tuple(MissedFollowUp.model_validate(fact) for fact in row["facts"]) for row in rows}
