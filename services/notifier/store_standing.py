"""Every query about what we have been told: acts, stops, suppressions, erasures, and what left already."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.notifier import on_behalf
from services.notifier.gate import Act, Standing
from services.notifier.store import Delivery
from shared import stops
from shared.db import Connection
from shared.events import ActedData, ErasedData, RestoredData


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """An address that must not be written to."""

    address: str
    channel: str
    reason: str
    at: datetime


async def standings(conn: Connection, deliveries: Sequence[Delivery], now: datetime) -> dict[UUID, Standing]:
    """Return what is known now about each delivery's person, address and follow-ups. Stops may be added meanwhile."""
    if not deliveries:
        return {}
    found = await stops.known(
        conn,
        people=list({id for delivery in deliveries for id in _people(delivery)}),
        connections=list({one.connection for delivery in deliveries for one in delivery.nudge.follow_ups}),
        meetings=list({one.meeting for delivery in deliveries for one in delivery.nudge.follow_ups}),
    )
    return await with_stops(conn, deliveries, found, now)


async def with_stops(
    conn: Connection, deliveries: Sequence[Delivery], found: Sequence[stops.Stop], now: datetime
) -> dict[UUID, Standing]:
    """Return what else is known about each delivery beside these stops."""
    rows = await conn.fetch(
        """
        SELECT 'act' AS kind, follow_up AS id, act AS word, NULL AS channel, at
          FROM acts WHERE follow_up = ANY ($1::uuid[])
         UNION ALL
        SELECT 'suppressed', NULL, channel || ' ' || address, NULL, at
          FROM suppressions WHERE address = ANY ($2::text[])
         UNION ALL
        SELECT 'erased', person, NULL, NULL, at
          FROM erased WHERE person = ANY ($3::uuid[])
         UNION ALL
        SELECT 'sent', person, NULL, channel, sent_at
          FROM deliveries WHERE person = ANY ($3::uuid[]) AND sent_at > $4::timestamptz - interval '1 day'
         UNION ALL
        SELECT 'under way', person, nudge_id::text, channel, next_attempt_at
          FROM deliveries WHERE person = ANY ($3::uuid[]) AND lease IS NOT NULL AND next_attempt_at > $4
         ORDER BY at DESC
        """,
        [one.id for delivery in deliveries for one in delivery.nudge.follow_ups],
        list({delivery.nudge.recipient.address.lower() for delivery in deliveries}),
        list({id for delivery in deliveries for id in _people(delivery)}),
        now,
    )
    acts = {row["id"]: Act(act=row["word"], at=row["at"]) for row in rows if row["kind"] == "act"}
    suppressed = {row["word"] for row in rows if row["kind"] == "suppressed"}
    gone = {row["id"] for row in rows if row["kind"] == "erased"}
    sent: dict[tuple[UUID, str], list[datetime]] = defaultdict(list)  # to a person on a channel, "" being any
    under_way: dict[tuple[UUID, str], set[str]] = defaultdict(set)
    for row in rows:
        for channel in ("", row["channel"]):
            if row["kind"] == "sent":
                sent[row["id"], channel].append(row["at"])
            elif row["kind"] == "under way":
                under_way[row["id"], channel].add(row["word"])

    def others(delivery: Delivery, channel: str) -> int:
        return len(under_way[delivery.nudge.recipient.id, channel] - {str(delivery.id)})

    return {
        delivery.id: Standing(
            stops=found,
            acts=acts,
            suppressed=f"{delivery.nudge.channel} {delivery.nudge.recipient.address.lower()}" in suppressed,
            erased=delivery.nudge.recipient.id in gone,
            gone=gone,
            sent=sent[delivery.nudge.recipient.id, ""],
            under_way=others(delivery, ""),
            sent_here=sent[delivery.nudge.recipient.id, delivery.nudge.channel],
            under_way_here=others(delivery, delivery.nudge.channel),
        )
        for delivery in deliveries
    }


def _people(delivery: Delivery) -> set[UUID]:
    return {delivery.nudge.recipient.id, *on_behalf.owners(delivery.nudge)}


async def keep_acts(conn: Connection, acted: Sequence[ActedData]) -> None:
    """Remember what was done about follow-ups. Done is final; of two snoozes the later one holds."""
    latest = {(one.follow_up, one.act): one for one in sorted(acted, key=lambda one: one.at) if one.follow_up}
    for act in ("later", "done"):
        chosen = [one for (_, kind), one in latest.items() if kind == act]
        await conn.execute(
            """
            INSERT INTO acts (follow_up, person, act, at)
            SELECT follow_up, person, $3, at
              FROM unnest($1::uuid[], $2::uuid[], $4::timestamptz[]) AS acted (follow_up, person, at)
             ORDER BY follow_up
                ON CONFLICT (follow_up) DO UPDATE SET act = excluded.act, at = greatest(acts.at, excluded.at)
             WHERE acts.act <> 'done'
            """,
            [one.follow_up for one in chosen],
            [one.person for one in chosen],
            act,
            [one.at for one in chosen],
        )


async def suppress(conn: Connection, suppressions: Sequence[Suppression]) -> list[Suppression]:
    """Let these addresses not be written to any more; return those of which that was new."""
    unique = {(one.address.lower(), one.channel): one for one in suppressions}
    rows = await conn.fetch(
        """
        INSERT INTO suppressions (address, channel, reason, at)
        SELECT *
          FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) AS s (address, channel, reason, at)
         WHERE NOT EXISTS (
                   SELECT FROM restored r WHERE (r.address, r.channel) = (s.address, s.channel) AND r.at >= s.at)
         ORDER BY 1, 2
            ON CONFLICT DO NOTHING
        RETURNING address, channel, reason, at
        """,
        [address for address, _ in unique],
        [channel for _, channel in unique],
        [one.reason for one in unique.values()],
        [one.at for one in unique.values()],
    )
    return [Suppression(**row) for row in rows]


async def restore(conn: Connection, restored: Sequence[RestoredData]) -> None:
    """Let these addresses be written to again, unless they were suppressed since."""
    latest = {(one.address.lower(), one.channel): one.at for one in sorted(restored, key=lambda one: one.at)}
    given = [address for address, _ in latest], [channel for _, channel in latest], list(latest.values())
    await conn.execute(
        """
        INSERT INTO restored AS r (address, channel, at)
        SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS given (address, channel, at) ORDER BY 1, 2
            ON CONFLICT (address, channel) DO UPDATE SET at = greatest(r.at, excluded.at)
        """,
        *given,
    )
    await conn.execute(
        """
        DELETE FROM suppressions s
         USING unnest($1::text[], $2::text[], $3::timestamptz[]) AS given (address, channel, at)
         WHERE (s.address, s.channel) = (given.address, given.channel) AND s.at <= given.at
        """,
        *given,
    )


async def suppressions(conn: Connection) -> list[Suppression]:
    """Return every suppression, the newest first."""
    rows = await conn.fetch("SELECT address, channel, reason, at FROM suppressions ORDER BY at DESC, address")
    return [Suppression(**row) for row in rows]


async def unsuppress(conn: Connection, address: str, channel: str) -> bool:
    """Let the address be written to again; return whether it was suppressed."""
    status: str = await conn.execute(
        "DELETE FROM suppressions WHERE address = $1 AND channel = $2", address.lower(), channel
    )
    return status != "DELETE 0"


async def forget(conn: Connection, erased: Sequence[ErasedData]) -> None:
    """Delete what we have of these people, and remember only that they are gone."""
    people = list({one.person for one in erased})
    await conn.execute(
        """
        INSERT INTO erased (person, at)
        SELECT DISTINCT ON (person) person, at
          FROM unnest($1::uuid[], $2::timestamptz[]) AS e (person, at)
         ORDER BY person, at
            ON CONFLICT DO NOTHING
        """,
        [one.person for one in erased],
        [one.at for one in erased],
    )
    await conn.execute("DELETE FROM deliveries WHERE person = ANY ($1::uuid[])", people)
    await conn.execute("DELETE FROM acts WHERE person = ANY ($1::uuid[])", people)


async def erased(conn: Connection, people: Collection[UUID]) -> set[UUID]:
    """Return which of these people were erased."""
    rows = await conn.fetch("SELECT person FROM erased WHERE person = ANY ($1::uuid[])", list(people))
    return {row["person"] for row in rows}


async def refused_before(conn: Connection, nudge: UUID, reason: str, *, since: datetime) -> bool:
    """Return whether another nudge to the same person's address failed for this reason since then."""
    found: bool = await conn.fetchval(
        """
        SELECT EXISTS (
            SELECT FROM deliveries d
              JOIN deliveries o ON o.person = d.person AND o.address = d.address AND o.nudge_id <> d.nudge_id
             WHERE d.nudge_id = $1 AND o.state IN ('failed', 'bounced') AND o.reason = $2 AND o.ended_at > $3)
        """,
        nudge,
        reason,
        since,
    )
    return found
