"""Every query about reports: what they are about, what they change, and what did not arrive."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.notifier.report_meaning import Reported
from shared.db import Connection
from shared.events import DeliveryData, ReportData

# A report without any name of the message is about what was sent to its address last, unless that is long ago.
ABOUT_THE_LAST: Final = timedelta(days=7)


async def subjects(conn: Connection, reports: Sequence[ReportData]) -> list[UUID | None]:
    """Return the nudge that each of these reports is about; None: of none of ours."""
    rows = await conn.fetch(
        """
        SELECT r.n,
               coalesce(
                   (SELECT nudge_id FROM deliveries WHERE nudge_id = r.nudge),
                   (SELECT nudge_id FROM deliveries WHERE provider_id = r.provider_id AND channel = r.channel LIMIT 1),
                   (SELECT nudge_id
                      FROM deliveries
                     WHERE r.nudge IS NULL AND channel = r.channel AND lower(address) = r.address
                       AND sent_at IS NOT NULL
                     ORDER BY sent_at DESC
                     LIMIT 1)) AS nudge
          FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[])
               WITH ORDINALITY AS r (nudge, provider_id, channel, address, n)
         ORDER BY r.n
        """,
        [report.nudge for report in reports],
        [report.provider_id for report in reports],
        [report.channel for report in reports],
        [report.address and report.address.lower() for report in reports],
    )
    return [row["nudge"] for row in rows]


async def lock(conn: Connection, nudges: Collection[UUID]) -> dict[UUID, Reported]:
    """Lock and return these deliveries."""
    rows = await conn.fetch(
        """
        SELECT nudge_id AS nudge, person, channel, address, state, reason, lease IS NOT NULL AS is_leased, tries,
               refusals, sent_at, provider_id, too_late_after
          FROM deliveries
         WHERE nudge_id = ANY ($1::uuid[])
         ORDER BY nudge_id
           FOR UPDATE
        """,
        list(nudges),
    )
    return {row["nudge"]: Reported(**row) for row in rows}


async def move(conn: Connection, moved: Mapping[UUID, tuple[str, str | None]], now: datetime) -> list[DeliveryData]:
    """Write these states, each with its reason, and return what is to be told. Whoever calls has locked them."""
    rows = await conn.fetch(
        """
        UPDATE deliveries d
           SET state = m.state,
               reason = m.reason,
               revision = d.revision + 1,
               next_attempt_at = NULL,
               ask_at = NULL,
               told_by = NULL,
               sent_at = coalesce(d.sent_at, $4),
               ended_at = coalesce(d.ended_at, $4)
          FROM unnest($1::uuid[], $2::text[], $3::text[]) AS m (nudge, state, reason)
         WHERE d.nudge_id = m.nudge
        RETURNING d.nudge_id AS nudge, d.revision, d.person, d.channel, d.state, d.reason,
                  ARRAY(SELECT (f ->> 'id')::uuid FROM jsonb_array_elements(d.facts -> 'follow_ups') f) AS follow_ups
        """,
        list(moved),
        [state for state, _ in moved.values()],
        [reason for _, reason in moved.values()],
        now,
    )
    return [DeliveryData.model_validate({**row, "at": now}) for row in rows]


async def try_again(
    conn: Connection, again: Mapping[UUID, tuple[datetime, str | None]], now: datetime
) -> list[DeliveryData]:
    """Queue these once more for their moment, each for the reason why it did not arrive; return what is to be told."""
    rows = await conn.fetch(
        """
        UPDATE deliveries d
           SET state = 'queued',
               reason = a.reason,
               revision = d.revision + 1,
               refusals = d.refusals + 1,
               next_attempt_at = a.at,
               ask_at = NULL,
               sent_at = NULL,
               ended_at = NULL
          FROM unnest($1::uuid[], $2::timestamptz[], $3::text[]) AS a (nudge, at, reason)
         WHERE d.nudge_id = a.nudge
        RETURNING d.nudge_id AS nudge, d.revision, d.person, d.channel, d.state, d.reason,
                  ARRAY(SELECT (f ->> 'id')::uuid FROM jsonb_array_elements(d.facts -> 'follow_ups') f) AS follow_ups
        """,
        list(again),
        [at for at, _ in again.values()],
        [reason for _, reason in again.values()],
    )
    return [DeliveryData.model_validate({**row, "at": now}) for row in rows]


async def take_unreported(conn: Connection, channel: str, *, now: datetime, limit: int) -> list[tuple[UUID, str]]:
    """Return what is to be asked about on this channel, by what its vendor calls it; the next time is later."""
    rows = await conn.fetch(
        """
        WITH silent AS (
            SELECT nudge_id, sent_at
              FROM deliveries
             WHERE state = 'sent' AND ask_at <= $2 AND channel = $1 AND provider_id IS NOT NULL
             ORDER BY ask_at
             LIMIT $3
               FOR UPDATE SKIP LOCKED
        )
        UPDATE deliveries d
           SET ask_at = CASE WHEN $2 < s.sent_at + interval '1 hour' THEN $2 + interval '1 hour'
                             WHEN $2 < s.sent_at + interval '6 hours' THEN $2 + interval '6 hours'
                             WHEN $2 < s.sent_at + interval '1 day' THEN $2 + interval '1 day' END
          FROM silent s
         WHERE d.nudge_id = s.nudge_id
        RETURNING d.nudge_id, d.provider_id
        """,
        channel,
        now,
        limit,
    )
    return [(row["nudge_id"], row["provider_id"]) for row in rows]


async def note(conn: Connection, said: Mapping[UUID, str]) -> None:
    """Keep what was said last of these deliveries, for an operator to read."""
    await conn.execute(
        """
        UPDATE deliveries d SET report = n.report
          FROM unnest($1::uuid[], $2::text[]) AS n (nudge, report) WHERE d.nudge_id = n.nudge
        """,
        list(said),
        list(said.values()),
    )


async def keep(conn: Connection, early: Sequence[tuple[UUID, ReportData]]) -> None:
    """Keep reports until the attempts that they are about have ended."""
    await conn.execute(
        """
        INSERT INTO reports (nudge_id, what, facts, at)
        SELECT nudge, what, facts::jsonb, at
          FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[]) AS early (nudge, what, facts, at)
            ON CONFLICT DO NOTHING
        """,
        [nudge for nudge, _ in early],
        [report.what for _, report in early],
        [report.model_dump_json() for _, report in early],
        [report.at for _, report in early],
    )


async def take_kept(conn: Connection, nudges: Collection[UUID]) -> list[ReportData]:
    """Return what was kept about these deliveries, the oldest first, and keep it no longer."""
    rows = await conn.fetch(
        "DELETE FROM reports WHERE nudge_id = ANY ($1::uuid[]) RETURNING nudge_id, facts::text AS facts", list(nudges)
    )
    kept = [ReportData.model_validate_json(row["facts"]).model_copy(update={"nudge": row["nudge_id"]}) for row in rows]
    return sorted(kept, key=lambda report: report.at)
