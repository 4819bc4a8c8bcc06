"""Every query about what is due: who has it, locked, and what firing it goes by."""

# What is put together here are column names and conditions of ours, never what somebody sent.
# ruff: noqa: S608

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from services.scheduler.branch import StepBefore, step_before
from services.scheduler.follow_up import FollowUp
from services.scheduler.store import FIELDS, fetch
from services.scheduler.store_calendars import with_breaks
from shared.db import Connection
from shared.events import Person

EVER: Final = datetime(1, 1, 1, tzinfo=UTC)
NOTHING_LATE: Final = """
                   AND NOT EXISTS (
                           SELECT FROM follow_ups l
                            WHERE l.person_id = f.person_id AND l.state = 'waiting' AND NOT l.is_paused
                              AND l.due_at < $4)"""
# Who gets a follow-up, and so has everything that is due ended at once: its owner, or a contact.
RECIPIENT: Final = "coalesce(f.contact_id, f.person_id)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A person with work that is due, locked."""

    person: Person
    follow_ups: Sequence[FollowUp]
    untold: Sequence[FollowUp]  # expired, and not yet named in a nudge
    owners: Mapping[UUID, Person] = field(default_factory=dict)  # of a contact: on whose behalf they are written to


async def due_people(
    conn: Connection, *, now: datetime, since: datetime, late: datetime = EVER, limit: int
) -> list[UUID]:
    """Return up to `limit` people and contacts who have work due, oldest first; nobody who was set aside.

    `since` is a lower bound that spares the scan what was due before and is done with, but that the server has not
    cleaned up yet. Who has anything that was due before `late` is left out.
    """
    on_time = "" if late == EVER else NOTHING_LATE
    rows = await conn.fetch(
        f"""
        SELECT DISTINCT recipient
          FROM (SELECT {RECIPIENT} AS recipient
                  FROM follow_ups f
                 WHERE f.state = 'waiting' AND NOT f.is_paused
                   AND f.due_at <= $1 AND f.due_at >= greatest($2, $4::timestamptz)
                   AND NOT EXISTS (SELECT FROM set_aside s WHERE s.person_id = {RECIPIENT} AND s.until > $1)
                   {on_time}
                 ORDER BY f.due_at
                 LIMIT $3) AS due
        """,
        now,
        since,
        limit,
        late,
    )
    return [row["recipient"] for row in rows]


async def claim(conn: Connection, people: Collection[UUID], *, now: datetime) -> list[Due]:
    """Lock these people and return all that is due for each. Whom somebody else holds is left out."""
    rows = await conn.fetch(
        "SELECT facts FROM recipients WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE SKIP LOCKED", list(people)
    )
    read = [Person.model_validate(row["facts"]) for row in rows]
    locked = list((await with_breaks(conn, {person.id: person for person in read})).values())
    ids = [person.id for person in locked]
    # Only what is read after the lock is theirs to fire: another scheduler may have fired it while we looked.
    waiting = await fetch(
        conn,
        f"""
        SELECT {FIELDS}
          FROM follow_ups f
         WHERE f.person_id = ANY ($1::uuid[]) AND f.contact_id IS NULL
           AND f.state = 'waiting' AND NOT f.is_paused AND f.due_at <= $2
        """,
        ids,
        now,
    )
    with_work = list({one.person_id for one in waiting})
    untold = await fetch(
        conn, f"SELECT {FIELDS} FROM follow_ups f WHERE f.person_id = ANY ($1::uuid[]) AND f.is_to_be_told", with_work
    )
    due, missed = _by_person(waiting), _by_person(untold)
    return [
        Due(person=person, follow_ups=due[person.id], untold=missed.get(person.id, ()))
        for person in locked
        if person.id in due
    ]


async def steps_before(conn: Connection, branches: Collection[UUID]) -> dict[UUID, StepBefore]:
    """Return how the step before each of these follow-ups stands; without one, how the connection does since it met."""
    rows = await conn.fetch(
        """
        SELECT f.id, coalesce(before.states, '{}') AS states, before.due_at,
               (m.facts ->> 'met_at')::timestamptz AS met_at, touched.replied_at, touched.touched_at
          FROM follow_ups f
          JOIN meetings m ON m.id = f.meeting_id
         CROSS JOIN LATERAL (
               SELECT array_agg(p.state) AS states, min(p.due_at) AS due_at
                 FROM follow_ups p
                WHERE p.meeting_id = f.meeting_id AND p.step = f.step - 1) AS before
         CROSS JOIN LATERAL (
               SELECT max(t.at) FILTER (WHERE t.how = 'replied') AS replied_at, max(t.at) AS touched_at
                 FROM touches t
                WHERE t.connection_id = f.connection_id) AS touched
         WHERE f.id = ANY ($1::uuid[])
        """,
        list(branches),
    )
    return {
        row["id"]: step_before(
            row["states"],
            row["due_at"],
            met_at=row["met_at"],
            replied_at=row["replied_at"],
            touched_at=row["touched_at"],
        )
        for row in rows
    }


async def sent_for(conn: Connection, people: Collection[UUID]) -> dict[UUID, dict[str, datetime]]:
    """Return for each of these people the latest send time of each channel that has had its nudge."""
    rows = await conn.fetch(
        "SELECT person_id, channel, due_at FROM send_times WHERE person_id = ANY ($1::uuid[])", list(people)
    )
    found: dict[UUID, dict[str, datetime]] = {}
    for row in rows:
        found.setdefault(row["person_id"], {})[row["channel"]] = row["due_at"]
    return found


async def keep_sent_for(conn: Connection, sent: Mapping[UUID, Mapping[str, datetime]]) -> None:
    """Keep that these send times have had their nudge."""
    given = [(person, channel, at) for person, channels in sent.items() for channel, at in channels.items()]
    await conn.execute(
        """
        INSERT INTO send_times AS s (person_id, channel, due_at)
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::timestamptz[])
            ON CONFLICT (person_id, channel) DO UPDATE SET due_at = greatest(s.due_at, excluded.due_at)
        """,
        [person for person, _, _ in given],
        [channel for _, channel, _ in given],
        [at for _, _, at in given],
    )


async def seconds_until_due(conn: Connection) -> float | None:
    """Return how long until there is something to fire, by the database's clock; less than none: overdue."""
    seconds: float | None = await conn.fetchval(
        f"""
        SELECT extract(epoch FROM least(
                   (SELECT f.due_at
                      FROM follow_ups f
                     WHERE f.state = 'waiting' AND NOT f.is_paused
                       AND NOT EXISTS (
                               SELECT FROM set_aside s WHERE s.person_id = {RECIPIENT} AND s.until > clock_timestamp())
                     ORDER BY f.due_at
                     LIMIT 1),
                   (SELECT min(until) FROM set_aside WHERE until > clock_timestamp())
               ) - clock_timestamp())::float8
        """
    )
    return seconds


async def due_rows(conn: Connection, now: datetime) -> int:
    """Return how many follow-ups are due and not fired yet."""
    count: int = await conn.fetchval(
        "SELECT count(*) FROM follow_ups WHERE state = 'waiting' AND NOT is_paused AND due_at <= $1", now
    )
    return count


def _by_person(follow_ups: Sequence[FollowUp]) -> Mapping[UUID, list[FollowUp]]:
    found: dict[UUID, list[FollowUp]] = {}
    for one in follow_ups:
        found.setdefault(one.person_id, []).append(one)
    return found
