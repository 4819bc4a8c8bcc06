"""Acting: what an owner does about a follow-up, a connection or everything, with all that it entails.

One transaction holds the act, its line in the timeline, the stop that the notifier obeys at once, and the event that
tells the others. The same act again changes nothing, so a double tap, a reload and a retry are harmless.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from services.intake import meetings
from services.intake.later import Later
from shared import db, outbox, stops
from shared.db import Connection
from shared.events import Act, ActedData, Channel, FollowUpActed, new_id

Via = Literal["link", "api", "unsubscribe", "page", "reply"]


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What is acted on: one follow-up of one connection, and the nudge that carried it, if one did."""

    person: UUID
    connection: UUID
    follow_up: UUID
    nudge: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What an owner needs to see before acting, and what was done about it already."""

    contact: str
    event: str | None
    promise: str | None
    zone: str  # the owner's
    address: str | None  # the owner's, on their channel
    channel: Channel
    done_at: datetime | None
    stopped_at: datetime | None
    later_at: datetime | None  # put off since its latest nudge
    later: Later


async def situation(conn: Connection, about: About, *, lock: bool = False) -> Situation | None:
    """Return how things stand, or None when nothing is kept of this connection any more.

    With `lock` nobody else acts on the connection until the transaction ends. A follow-up that we have not heard of
    yet is shown by its connection alone.
    """
    if lock:
        await conn.execute("SELECT FROM connections WHERE id = $1 FOR NO KEY UPDATE", about.connection)
    row = await conn.fetchrow(
        """
        SELECT c.contact ->> 'name' AS contact, m.sent -> 'event' ->> 'name' AS event, m.sent ->> 'promise' AS promise,
               m.id AS meeting, p.time_zone AS zone, p.channel,
               CASE p.channel WHEN 'email' THEN p.email WHEN 'sms' THEN p.phone ELSE p.apprise_url END AS address,
               done.at AS done_at, stopped.at AS stopped_at, later.at AS later_at, later.until, later.span
          FROM connections c
          JOIN people p ON p.id = c.person
          LEFT JOIN follow_ups f ON f.id = $3
          LEFT JOIN meetings m ON m.id = f.meeting
          LEFT JOIN acts done ON done.follow_up = $3 AND done.act = 'done'
          LEFT JOIN LATERAL (
               SELECT max(at) AS at
                 FROM acts
                WHERE act = 'stop' AND acts.person = c.person
                  AND (connection = c.id OR (connection IS NULL AND channel = p.channel))
                  AND at >= coalesce(m.logged_at, '-infinity')
          ) stopped ON true
          LEFT JOIN LATERAL (
               SELECT at, until, span
                 FROM acts
                WHERE act = 'later' AND follow_up = $3 AND nudge IS NOT DISTINCT FROM $4
                ORDER BY at DESC
                LIMIT 1
          ) later ON true
         WHERE c.id = $1 AND c.person = $2
        """,
        about.connection,
        about.person,
        about.follow_up,
        about.nudge,
    )
    if row is None:
        return None
    known = dict(row)
    if meeting := known.pop("meeting"):
        for stop in await stops.known(conn, people=[], connections=[], meetings=[meeting]):
            known["stopped_at"] = known["stopped_at"] or stop.at
    return Situation(later=Later(until=known.pop("until"), span=known.pop("span")), **known)


async def find(conn: Connection, follow_up: UUID, *, owner: str | None) -> About | None:
    """Return what acting on this follow-up is about, its latest nudge included; None if it is not of `owner`."""
    row = await conn.fetchrow(
        """
        SELECT f.person, f.connection, f.id AS follow_up, f.nudge
          FROM follow_ups f
          JOIN people p ON p.id = f.person
         WHERE f.id = $1 AND ($2::text IS NULL OR lower(p.email) = lower($2))
        """,
        follow_up,
        owner,
    )
    return About(**row) if row else None


async def done(conn: Connection, about: About, *, via: Via) -> bool:
    """Record that the owner did it: a touch, and the end of this follow-up. Return False when it was done before."""
    known = await situation(conn, about, lock=True)
    at = await db.now(conn)
    if known is None or known.done_at is not None:
        return False
    await conn.execute(
        """
        INSERT INTO touches (id, person, connection, kind, follow_up, at) VALUES ($1, $2, $3, 'done', $4, $5)
            ON CONFLICT DO NOTHING
        """,
        new_id(),
        about.person,
        about.connection,
        about.follow_up,
        at,
    )
    await conn.execute(
        "UPDATE connections SET last_touch_at = greatest(last_touch_at, $2) WHERE id = $1", about.connection, at
    )
    await _keep_promise(conn, about, at)
    await record(conn, _data("done", about, at), nudge=about.nudge, via=via)
    return True


async def later(conn: Connection, about: About, how_long: Later, *, via: Via) -> bool:
    """Put the follow-up off. Return False when that was done before, or there is nothing to put off any more."""
    known = await situation(conn, about, lock=True)
    at = await db.now(conn)
    if known is None or known.done_at or known.stopped_at or (known.later_at and known.later == how_long):
        return False
    data = _data("later", about, at).model_copy(update={"until": how_long.until, "span": how_long.span})
    await record(conn, data, nudge=about.nudge, via=via)
    return True


async def stop_connection(conn: Connection, about: About, *, via: Via) -> bool:
    """Let nothing more come of what was logged about this connection; what is logged later does come.

    Return False when it was stopped before, and nothing has been logged since. A connection that we have lost is
    stopped all the same: the others may still know of it.
    """
    known = await situation(conn, about, lock=True)
    at = await db.now(conn)
    if known and await _is_stopped(conn, about.connection):
        return False
    await stops.stop_connection(conn, person=about.person, connection=about.connection)
    # The act tells the others; the revision keeps later changes of the meetings in order.
    await conn.execute(
        """
        UPDATE meetings SET state = 'stopped', revision = revision + 1
         WHERE connection = $1 AND state IN ('active', 'paused')
        """,
        about.connection,
    )
    data = _data("stop", about, at).model_copy(update={"follow_up": None})
    await record(conn, data, nudge=about.nudge, via=via, keep=known is not None)
    return True


async def _keep_promise(conn: Connection, about: About, at: datetime) -> None:
    """Who has done what they promised has kept it."""
    meeting = await conn.fetchval(
        "SELECT meeting FROM follow_ups WHERE id = $1 AND playbook = 'keep-promise'", about.follow_up
    )
    for stored in (await meetings.lock(conn, [meeting])).values() if meeting else ():
        if stored.meeting.promise_kept_at is None:
            told = await meetings.change(conn, stored, now=at, traceparent=None, promise_kept_at=at)
            await outbox.add(conn, [told] if told else [])


async def _is_stopped(conn: Connection, connection: UUID) -> bool:
    stopped: bool = await conn.fetchval(
        """
        SELECT EXISTS (
               SELECT FROM acts
                WHERE act = 'stop' AND connection = $1
                  AND at >= coalesce((SELECT max(logged_at) FROM meetings WHERE connection = $1), '-infinity'))
        """,
        connection,
    )
    return stopped


def _data(act: Act, about: About, at: datetime) -> ActedData:
    return ActedData(act=act, person=about.person, connection=about.connection, follow_up=about.follow_up, at=at)


async def record(conn: Connection, data: ActedData, *, via: Via, nudge: UUID | None = None, keep: bool = True) -> None:
    """Tell the others of an act and, if its person is known here, keep it."""
    subject = data.follow_up or data.connection or data.person
    event = FollowUpActed(time=data.at, subject=str(subject), data=data)
    await outbox.add(conn, [event])
    if keep:
        await conn.execute(
            """
            INSERT INTO acts (id, act, via, person, connection, follow_up, nudge, channel, until, span, at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
            """,
            event.id,
            data.act,
            via,
            data.person,
            data.connection,
            data.follow_up,
            nudge,
            data.channel,
            data.until,
            data.span,
            data.at,
        )
