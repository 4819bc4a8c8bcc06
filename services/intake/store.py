"""Every query about submissions, people, connections and meetings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from services.intake.meeting import ZoneFrom
from shared.db import Connection
from shared.events import Contact, MeetingState, Person, new_id

PERSON = (
    "id, revision, name, email, phone, apprise_url, channel, confirmed, locale, time_zone, zone_is_known, send_at, "
    "days, quiet_from, quiet_to, holidays, breaks, daily_limit, paused_until"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A request of a known sender, as it came: of a source or, for the API, of a token."""

    source: UUID | None = None
    token: UUID | None = None
    key: str
    headers: Mapping[str, str]
    body: bytes
    at: datetime

    def named(self, key: str) -> "Received":
        """Return it under the sender's own id of it."""
        return replace(self, key=key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A submission that was accepted, and the meetings it made or touched, in the order of its contacts."""

    submission: UUID
    meetings: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A person as stored, and who chose their zone."""

    person: Person
    time_zone_from: ZoneFrom


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """A connection, and the contact as all meetings with them told of it."""

    id: UUID
    contact: Contact


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMeeting:
    """A row of `meetings` to be."""

    id: UUID
    connection: UUID
    plan: str
    met_at: datetime
    goal_at: datetime | None
    sent: Mapping[str, Any]
    state: MeetingState = "active"
    state_reason: str | None = None


async def recognise(conn: Connection, received: Received) -> Accepted | None:
    """Return what this submission became when it was accepted before."""
    row = await conn.fetchrow(
        """
        SELECT s.id, coalesce(s.touched, array_remove(array_agg(m.id ORDER BY m.ordinal), NULL)) AS meetings
          FROM submissions s
          LEFT JOIN meetings m ON m.submission = s.id
         WHERE s.source = $1 AND s.key = $2 AND s.state = 'accepted'
         GROUP BY s.id
        """,
        received.source,
        received.key,
    )
    return Accepted(submission=row["id"], meetings=tuple(row["meetings"])) if row else None


async def accept(conn: Connection, received: Received) -> UUID | None:
    """Record it as accepted and return its id; None when it was accepted before.

    Whoever brings the same one at the same instant waits here until the first has committed.
    """
    return await _keep(conn, received, reason=None)


async def touch(conn: Connection, submission: UUID, meetings: Sequence[UUID]) -> None:
    """Record what an accepted submission is answered with, also when it comes again."""
    await conn.execute("UPDATE submissions SET touched = $2 WHERE id = $1", submission, list(meetings))


async def reject(conn: Connection, received: Received, reason: Mapping[str, Any]) -> UUID | None:
    """Record it as rejected for this reason and return its id; None when it was accepted before."""
    return await _keep(conn, received, reason=reason)


async def _keep(conn: Connection, received: Received, *, reason: Mapping[str, Any] | None) -> UUID | None:
    by = "source" if received.source else "token"
    value: UUID | None = await conn.fetchval(
        f"""
        INSERT INTO submissions AS s (id, source, token, key, state, reason, headers, body, received_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            ON CONFLICT ({by}, key) WHERE {by} IS NOT NULL DO UPDATE
           SET state = excluded.state, reason = excluded.reason, headers = excluded.headers, body = excluded.body,
               received_at = excluded.received_at
         WHERE s.state = 'rejected'
        RETURNING id
        """,  # noqa: S608 - one of two names of columns
        new_id(), received.source, received.token, received.key, "rejected" if reason else "accepted", reason,
        dict(received.headers), received.body, received.at,
    )  # fmt: skip
    return value


async def find_owner(conn: Connection, email: str | None, phone: str | None = None) -> Owner | None:
    """Return the person with this address; until the transaction ends nobody erases them.

    Without an address it is who has this number and no address, else the only one who has it.
    """
    rows = await conn.fetch(
        f"""
        SELECT {PERSON}, time_zone_from
          FROM people
         WHERE {"lower(email) = lower($1)" if email else "phone = $1"}
         ORDER BY email NULLS FIRST FOR KEY SHARE
        """,  # noqa: S608 - names of columns, ours
        email or phone,
    )
    return _owner(rows[0]) if len(rows) == 1 or (rows and rows[0]["email"] is None) else None


async def keep_owner(conn: Connection, person: Person, time_zone_from: ZoneFrom) -> Owner:
    """Return the person with this address, or this number and no address, made if there is none.

    Of one who exists only what was unknown changes: a name, a number, a zone that nobody better placed had chosen, and
    that they stand behind their address.
    """
    row = await conn.fetchrow(
        f"""
        INSERT INTO people AS p ({PERSON}, time_zone_from)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
            ON CONFLICT {"(lower(email))" if person.email else "(phone) WHERE email IS NULL"} DO UPDATE
           SET (name, phone, confirmed, time_zone, zone_is_known, time_zone_from, revision) = (
                   SELECT new.name, new.phone, new.confirmed, new.time_zone, new.zone_is_known, new.time_zone_from,
                          p.revision + (new IS DISTINCT FROM
                                        ROW (p.name, p.phone, p.confirmed, p.time_zone, p.zone_is_known,
                                             p.time_zone_from))::int
                     FROM (SELECT coalesce(p.name, excluded.name) AS name, coalesce(p.phone, excluded.phone) AS phone,
                                  p.confirmed OR excluded.confirmed AS confirmed,
                                  CASE WHEN better THEN excluded.time_zone ELSE p.time_zone END AS time_zone,
                                  CASE WHEN better THEN excluded.zone_is_known
                                                   ELSE p.zone_is_known END AS zone_is_known,
                                  CASE WHEN better THEN excluded.time_zone_from ELSE p.time_zone_from
                                   END AS time_zone_from
                             FROM (SELECT array_position('{{default,source,person}}', excluded.time_zone_from)
                                        > array_position('{{default,source,person}}', p.time_zone_from) AS better) r
                          ) new)
        RETURNING {PERSON}, time_zone_from
        """,  # noqa: S608
        person.id, person.revision, person.name, person.email, person.phone, person.apprise_url, person.channel,
        person.confirmed, person.locale, person.time_zone, person.zone_is_known, person.send_at, list(person.days),
        person.quiet_from, person.quiet_to, person.holidays, [one.model_dump(mode="json") for one in person.breaks],
        person.daily_limit, person.paused_until, time_zone_from,
    )  # fmt: skip
    assert row is not None
    return _owner(row)


def _owner(row: asyncpg.Record) -> Owner:
    fields = dict(row)
    time_zone_from: ZoneFrom = fields.pop("time_zone_from")
    return Owner(person=Person.model_validate(fields), time_zone_from=time_zone_from)


async def connect(conn: Connection, person: UUID, said: Mapping[str, Mapping[str, Any]]) -> dict[str, Connected]:
    """Return the connections with these contacts by their keys, made or continued.

    Of a known contact what was said this time replaces what was known; what was not said stays.
    """
    rows = await conn.fetch(
        """
        INSERT INTO connections AS c (id, person, contact_key, contact)
        SELECT id, $1, contact_key, contact
          FROM unnest($2::uuid[], $3::text[], $4::jsonb[]) AS met (id, contact_key, contact)
         ORDER BY contact_key  -- two submissions that share contacts lock them in one order
            ON CONFLICT (person, contact_key) DO UPDATE SET contact = c.contact || excluded.contact
        RETURNING id, contact_key, contact
        """,
        person,
        [new_id() for _ in said],
        list(said),
        [dict(contact) for contact in said.values()],
    )
    return {row["contact_key"]: Connected(id=row["id"], contact=Contact.model_validate(row["contact"])) for row in rows}


async def add_meetings(
    conn: Connection,
    meetings: Sequence[NewMeeting],
    *,
    submission: UUID,
    person: UUID,
    logged_at: datetime,
    first: int = 0,
) -> None:
    """Add meetings of a submission, in this order; `first` is how many it has already."""
    await conn.execute(
        """
        INSERT INTO meetings (id, ordinal, submission, person, connection, plan, logged_at, met_at, goal_at, sent,
                              state, state_reason)
        SELECT id, n - 1 + $4, $1, $2, connection, plan, $3, met_at, goal_at, sent, state, state_reason
          FROM unnest($5::uuid[], $6::uuid[], $7::text[], $8::timestamptz[], $9::timestamptz[], $10::jsonb[],
                      $11::text[], $12::text[])
               WITH ORDINALITY AS m (id, connection, plan, met_at, goal_at, sent, state, state_reason, n)
        """,
        submission,
        person,
        logged_at,
        first,
        [meeting.id for meeting in meetings],
        [meeting.connection for meeting in meetings],
        [meeting.plan for meeting in meetings],
        [meeting.met_at for meeting in meetings],
        [meeting.goal_at for meeting in meetings],
        [dict(meeting.sent) for meeting in meetings],
        [meeting.state for meeting in meetings],
        [meeting.state_reason for meeting in meetings],
    )


async def find_meeting(conn: Connection, meeting: UUID, *, owner: str | None) -> dict[str, Any] | None:
    """Return a meeting as sent, with its id, connection and state; None when there is none, or none of this owner."""
    row = await conn.fetchrow(
        """
        SELECT m.id, m.connection, m.state, m.promise_kept_at, m.sent
          FROM meetings m
          JOIN people p ON p.id = m.person
         WHERE m.id = $1 AND ($2::text IS NULL OR lower(p.email) = lower($2))
        """,
        meeting,
        owner,
    )
    if row is None:
        return None
    fields = dict(row)
    sent: dict[str, Any] = fields.pop("sent")
    return {"id": fields.pop("id"), "connection": fields.pop("connection")} | sent | fields
