"""Every query about what is due: who has it, locked, who was set aside, and whether too much of it is late."""

# What is put together here are column names and conditions of ours, never what somebody sent.
# ruff: noqa: S608

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from services.scheduler.branch import StepBefore
from services.scheduler.follow_up import FollowUp
from services.scheduler.store import FIELDS, fetch
from shared.db import Connection
from shared.events import Person
from shared.retry import backoff

EVER: Final = datetime(1, 1, 1, tzinfo=UTC)
LATE: Final = timedelta(hours=1)  # what is later than this belongs to the backlog
NOTHING_LATE: Final = """
                   AND NOT EXISTS (
                           SELECT FROM follow_ups l
                            WHERE l.person_id = f.person_id AND l.state = 'waiting' AND NOT l.is_paused
                              AND l.due_at < $4)"""
SET_ASIDE: Final = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 360))


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A person with work that is due, locked."""

    person: Person
    follow_ups: Sequence[FollowUp]
    untold: Sequence[FollowUp]  # expired, and not yet named in a nudge


async def due_people(
    conn: Connection, *, now: datetime, since: datetime, late: datetime = EVER, limit: int
) -> list[UUID]:
    """Return up to `limit` people who have work due, oldest first; nobody who was set aside.

    `since` is a lower bound that spares the scan what was due before and is done with, but that the server has not
    cleaned up yet. Who has anything that was due before `late` is left out.
    """
    on_time = "" if late == EVER else NOTHING_LATE
    rows = await conn.fetch(
        f"""
        SELECT DISTINCT person_id
          FROM (SELECT f.person_id
                  FROM follow_ups f
                 WHERE f.state = 'waiting' AND NOT f.is_paused
                   AND f.due_at <= $1 AND f.due_at >= greatest($2, $4::timestamptz)
                   AND NOT EXISTS (SELECT FROM set_aside s WHERE s.person_id = f.person_id AND s.until > $1)
                   {on_time}
                 ORDER BY f.due_at
                 LIMIT $3) AS due
        """,
        now,
        since,
        limit,
        late,
    )
    return [row["person_id"] for row in rows]


async def claim(conn: Connection, people: Collection[UUID], *, now: datetime) -> list[Due]:
    """Lock these people and return all that is due for each. Whom somebody else holds is left out."""
    rows = await conn.fetch(
        "SELECT facts FROM recipients WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE SKIP LOCKED", list(people)
    )
    locked = [Person.model_validate(row["facts"]) for row in rows]
    ids = [person.id for person in locked]
    # Only what is read after the lock is theirs to fire: another scheduler may have fired it while we looked.
    waiting = await fetch(
        conn,
        f"""
        SELECT {FIELDS}
          FROM follow_ups f
         WHERE f.person_id = ANY ($1::uuid[]) AND f.state = 'waiting' AND NOT f.is_paused AND f.due_at <= $2
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
        SELECT f.id, coalesce(before.is_waiting, false) AS is_waiting, coalesce(before.is_done, false) AS is_done,
               coalesce(touched.by_reply >= since.at, false) AS has_reply,
               coalesce(touched.at >= since.at, false) AS was_touched
          FROM follow_ups f
          JOIN meetings m ON m.id = f.meeting_id
         CROSS JOIN LATERAL (
               SELECT bool_or(p.state = 'waiting') AS is_waiting, bool_or(p.state = 'done') AS is_done,
                      min(p.due_at) AS due_at
                 FROM follow_ups p
                WHERE p.meeting_id = f.meeting_id AND p.step = f.step - 1) AS before
         CROSS JOIN LATERAL (SELECT coalesce(before.due_at, (m.facts ->> 'met_at')::timestamptz) AS at) AS since
         CROSS JOIN LATERAL (
               SELECT max(t.at) FILTER (WHERE t.how = 'replied') AS by_reply, max(t.at) AS at
                 FROM touches t
                WHERE t.connection_id = f.connection_id) AS touched
         WHERE f.id = ANY ($1::uuid[])
        """,
        list(branches),
    )
    return {row["id"]: StepBefore(**{name: row[name] for name in StepBefore.__dataclass_fields__}) for row in rows}


async def seconds_until_due(conn: Connection) -> float | None:
    """Return how long until there is something to fire, by the database's clock; less than none: overdue."""
    seconds: float | None = await conn.fetchval(
        """
        SELECT extract(epoch FROM least(
                   (SELECT f.due_at
                      FROM follow_ups f
                     WHERE f.state = 'waiting' AND NOT f.is_paused
                       AND NOT EXISTS (
                               SELECT FROM set_aside s WHERE s.person_id = f.person_id AND s.until > clock_timestamp())
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


async def set_aside(conn: Connection, person: UUID, *, reason: str, now: datetime) -> datetime:
    """Leave this person alone for a while, each time longer; return until when."""
    failures: int = await conn.fetchval(
        """
        INSERT INTO set_aside AS s (person_id, failures, reason, until, since)
        VALUES ($1, 1, $2, $3, $3)
            ON CONFLICT (person_id) DO UPDATE SET failures = s.failures + 1, reason = excluded.reason
        RETURNING failures
        """,
        person,
        reason[:200],
        now,
    )
    until = now + backoff(failures, SET_ASIDE)
    await conn.execute("UPDATE set_aside SET until = $2 WHERE person_id = $1", person, until)
    return until


async def take_back(conn: Connection, people: Collection[UUID]) -> None:
    """Let nobody of these be set aside any more: theirs went well."""
    await conn.execute("DELETE FROM set_aside WHERE person_id = ANY ($1::uuid[])", list(people))


async def people_set_aside(conn: Connection) -> int:
    """Return how many people are set aside."""
    count: int = await conn.fetchval("SELECT count(*) FROM set_aside")
    return count


async def held_since(conn: Connection) -> datetime | None:
    """Return since when the backlog is held; None when it is not."""
    since: datetime | None = await conn.fetchval("SELECT held_since FROM backlog")
    return since


async def is_more_late_than(conn: Connection, guard: int, *, now: datetime) -> bool:
    """Return whether more follow-ups than this are late, not counting what was let go."""
    more: bool = await conn.fetchval(
        """
        SELECT count(*) > $2
          FROM (SELECT
                  FROM follow_ups
                 WHERE state = 'waiting' AND NOT is_paused AND due_at < $1
                   AND due_at > coalesce((SELECT released_at FROM backlog), '-infinity')
                 LIMIT $2 + 1) AS late
        """,
        now - LATE,
        guard,
    )
    return more


async def late_rows(conn: Connection, *, now: datetime) -> int:
    """Return how many follow-ups are late."""
    count: int = await conn.fetchval(
        "SELECT count(*) FROM follow_ups WHERE state = 'waiting' AND NOT is_paused AND due_at < $1", now - LATE
    )
    return count


async def hold_backlog(conn: Connection, *, now: datetime) -> bool:
    """Hold what is late until it is released; return whether that is news."""
    status: str = await conn.execute(
        """
        INSERT INTO backlog AS b (held_since) VALUES ($1)
            ON CONFLICT (is_the_only_row) DO UPDATE SET held_since = excluded.held_since
         WHERE b.held_since IS NULL
        """,
        now,
    )
    return status != "INSERT 0 0"


async def release_backlog(conn: Connection, *, now: datetime) -> bool:
    """Let go what is late now; return whether it was held."""
    status: str = await conn.execute(
        "UPDATE backlog SET held_since = NULL, released_at = $1 WHERE held_since IS NOT NULL", now
    )
    return status != "UPDATE 0"


def _by_person(follow_ups: Sequence[FollowUp]) -> Mapping[UUID, list[FollowUp]]:
    found: dict[UUID, list[FollowUp]] = {}
    for one in follow_ups:
        found.setdefault(one.person_id, []).append(one)
    return found
