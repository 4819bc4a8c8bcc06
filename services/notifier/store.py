"""Every query about deliveries and their attempts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from asyncpg import Record

from services.notifier import on_behalf
from services.notifier.verdict import Change, Counts
from shared.db import Connection
from shared.events import DeliveryData, NudgeData


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A nudge that waits, and how its last attempt stands."""

    nudge: NudgeData
    counts: Counts
    next_attempt_at: datetime
    lease: UUID | None
    phase: str | None  # of the attempt under way

    @property
    def id(self) -> UUID:
        return self.nudge.nudge


WAITING = """
    SELECT d.facts::text AS facts, d.refusals, d.crashes, d.unknowns, d.next_attempt_at, d.lease,
           (SELECT a.phase FROM attempts a WHERE a.token = d.lease) AS phase
      FROM deliveries d
"""


async def add(conn: Connection, nudges: Sequence[NudgeData], now: datetime) -> list[Delivery]:
    """Queue these nudges and return those that were not known before."""
    if not nudges:
        return []
    rows = await conn.fetch(
        """
        INSERT INTO deliveries
               (nudge_id, person, channel, address, facts, due_at, too_late_after, owners, next_attempt_at)
        SELECT nudge, person, channel, address, facts::jsonb, due_at, too_late_after, owners::uuid[], $9
          FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[],
                      $8::text[])
               AS due (nudge, person, channel, address, facts, due_at, too_late_after, owners)
         ORDER BY nudge
            ON CONFLICT (nudge_id) DO NOTHING
        RETURNING nudge_id
        """,
        [nudge.nudge for nudge in nudges],
        [nudge.recipient.id for nudge in nudges],
        [nudge.channel for nudge in nudges],
        [nudge.recipient.address for nudge in nudges],
        [nudge.model_dump_json() for nudge in nudges],
        [nudge.due_at for nudge in nudges],
        [nudge.too_late_after for nudge in nudges],
        # As text: unnest flattens arrays of arrays.
        ["{" + ",".join(map(str, on_behalf.owners(nudge))) + "}" for nudge in nudges],
        now,
    )
    added = {row["nudge_id"] for row in rows}
    by_id = {nudge.nudge: nudge for nudge in nudges}
    return [
        Delivery(nudge=by_id[id], counts=Counts(), next_attempt_at=now, lease=None, phase=None)
        for id in by_id.keys() & added
    ]


async def due(
    conn: Connection, channel: str, *, now: datetime, limit: int, ours: Collection[UUID] = ()
) -> list[Delivery]:
    """Lock and return up to `limit` deliveries of this channel whose time has come, or whose lease has run out.

    Leases in `ours` are still held by attempts of this very process, however late it is in saying so.
    """
    rows = await conn.fetch(
        WAITING
        + """
         WHERE d.state = 'queued' AND d.channel = $1 AND d.next_attempt_at <= $2
           AND (d.lease IS NULL OR d.lease <> ALL ($4::uuid[]))
         ORDER BY d.next_attempt_at, d.nudge_id
         LIMIT $3
           FOR UPDATE OF d SKIP LOCKED
        """,
        channel,
        now,
        limit,
        list(ours),
    )
    return [delivery(row) for row in rows]


async def too_late(conn: Connection, *, now: datetime, limit: int, ours: Collection[UUID]) -> list[Change]:
    """Lock what has waited too long, on whatever channel, and return how it ends.

    What has been tried fails for the reason of its last attempt; the rest is skipped.
    """
    rows = await conn.fetch(
        """
        SELECT d.nudge_id, d.reason, d.lease, (SELECT a.phase FROM attempts a WHERE a.token = d.lease) AS phase
          FROM deliveries d
         WHERE d.state = 'queued' AND d.too_late_after < $1
           AND (d.lease IS NULL OR (d.next_attempt_at <= $1 AND d.lease <> ALL ($3::uuid[])))
         ORDER BY d.too_late_after
         LIMIT $2
           FOR UPDATE OF d SKIP LOCKED
        """,
        now,
        limit,
        list(ours),
    )
    return [_ended_too_late(row) for row in rows]


async def queued(conn: Connection, *, people: Collection[UUID] = (), addresses: Collection[str] = ()) -> list[Delivery]:
    """Lock and return what waits, not under way, for these people, on their behalf, or for these addresses (in lower
    case)."""
    rows = await conn.fetch(
        WAITING
        + """
         WHERE d.state = 'queued' AND d.lease IS NULL
           AND (d.person = ANY ($1::uuid[]) OR (d.owners && $1::uuid[] AND d.owners <> '{}')
                OR lower(d.address) = ANY ($2::text[]))
         ORDER BY d.nudge_id
           FOR UPDATE OF d
        """,
        list(people),
        list(addresses),
    )
    return [delivery(row) for row in rows]


async def write(conn: Connection, changes: Sequence[Change], now: datetime) -> list[DeliveryData]:
    """Write what has become of these deliveries, each only while its token holds it; return what is to be told."""
    if not changes:
        return []
    rows = await conn.fetch(
        """
        WITH changes AS (
            SELECT c.*, d.reason AS last_reason
              FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::text[],
                          $8::integer[], $9::integer[], $10::integer[], $12::text[], $13::timestamptz[])
                   AS c (nudge, token, state, reason, next_attempt_at, outcome, reply, refusals, crashes, unknowns,
                         provider_id, ask_at)
              JOIN deliveries d ON d.nudge_id = c.nudge
        ), changed AS (
            UPDATE deliveries d
               SET state = c.state,
                   reason = CASE c.state WHEN 'queued' THEN coalesce(c.reason, d.reason) ELSE c.reason END,
                   revision = d.revision
                            + (c.state <> 'queued' OR coalesce(c.reason, d.reason) IS DISTINCT FROM d.reason)::integer,
                   next_attempt_at = c.next_attempt_at,
                   lease = NULL,
                   refusals = coalesce(c.refusals, d.refusals),
                   crashes = coalesce(c.crashes, d.crashes),
                   unknowns = coalesce(c.unknowns, d.unknowns),
                   provider_id = coalesce(c.provider_id, d.provider_id),
                   ask_at = c.ask_at,
                   sent_at = CASE c.state WHEN 'sent' THEN $11::timestamptz END,
                   ended_at = CASE c.state WHEN 'queued' THEN NULL ELSE $11::timestamptz END
              FROM changes c
             WHERE d.nudge_id = c.nudge AND d.state = 'queued' AND d.lease IS NOT DISTINCT FROM c.token
            RETURNING d.nudge_id, d.revision, d.person, d.channel, d.state, d.reason, d.facts,
                      c.token, c.outcome, c.reply,
                      d.state <> 'queued' OR d.reason IS DISTINCT FROM c.last_reason AS told
        ), ended AS (
            UPDATE attempts a
               SET outcome = c.outcome, reply = c.reply, ended_at = $11
              FROM changed c
             WHERE a.token = c.token AND a.outcome IS NULL AND c.outcome IS NOT NULL
        )
        SELECT nudge_id AS nudge, revision, person, channel, state, reason,
               ARRAY(SELECT (f ->> 'id')::uuid FROM jsonb_array_elements(facts -> 'follow_ups') f) AS follow_ups
          FROM changed
         WHERE told
        """,
        [change.nudge for change in changes],
        [change.token for change in changes],
        [change.state for change in changes],
        [change.reason for change in changes],
        [change.next_attempt_at for change in changes],
        [change.outcome for change in changes],
        [change.reply for change in changes],
        [change.counts and change.counts.refusals for change in changes],
        [change.counts and change.counts.crashes for change in changes],
        [change.counts and change.counts.unknowns for change in changes],
        now,
        [change.provider_id for change in changes],
        [change.ask_at for change in changes],
    )
    return [DeliveryData.model_validate({**row, "at": now}) for row in rows]


async def next_attempt_at(conn: Connection, channels: Collection[str], *, ours: Collection[UUID]) -> datetime | None:
    """Return when there is something to do again: on these channels, or because something becomes too late."""
    at: datetime | None = await conn.fetchval(
        """
        SELECT least(
            (SELECT min(greatest(soonest.at, c.paused_until))
               FROM unnest($1::text[]) AS open (channel)
               LEFT JOIN channels c ON c.name = open.channel
              CROSS JOIN LATERAL (
                    SELECT d.next_attempt_at AS at
                      FROM deliveries d
                     WHERE d.state = 'queued' AND d.channel = open.channel
                       AND (d.lease IS NULL OR d.lease <> ALL ($2::uuid[]))
                     ORDER BY d.next_attempt_at
                     LIMIT 1) AS soonest
              WHERE c.state IS DISTINCT FROM 'stopped'),
            (SELECT min(too_late_after) FROM deliveries WHERE state = 'queued' AND lease IS NULL))
        """,
        list(channels),
        list(ours),
    )
    return at


async def due_rows(conn: Connection, now: datetime) -> int:
    """Return how many deliveries are due and not under way."""
    count: int = await conn.fetchval(
        "SELECT count(*) FROM deliveries WHERE state = 'queued' AND lease IS NULL AND next_attempt_at <= $1", now
    )
    return count


def delivery(row: Record) -> Delivery:
    """Return the delivery in a row of `WAITING`."""
    return Delivery(
        nudge=NudgeData.model_validate_json(row["facts"]),
        counts=Counts(refusals=row["refusals"], crashes=row["crashes"], unknowns=row["unknowns"]),
        next_attempt_at=row["next_attempt_at"],
        lease=row["lease"],
        phase=row["phase"],
    )


def _ended_too_late(row: Record) -> Change:
    begun = row["phase"] == "data"  # by somebody who then died: it may have arrived
    reason = "unknown" if begun else row["reason"]
    return Change(
        nudge=row["nudge_id"],
        token=row["lease"],
        state="failed" if reason else "skipped",
        reason=reason or "expired",
        outcome=None if row["lease"] is None else "unknown" if begun else "aborted",
    )
