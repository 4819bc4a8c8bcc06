"""Rows as intake keeps them, valid by default: an owner, a connection, a meeting just logged."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from shared import db
from shared.db import Pool
from shared.events import DeliveryChanged, DeliveryData, FollowUp, FollowUpChanged, FollowUpData, new_id
from tests.factories import LOGGED_AT


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """The ids of what was logged."""

    person: UUID
    connection: UUID
    meeting: UUID
    follow_up: UUID  # of its first step
    nudge: UUID


async def logged(
    pool: Pool,
    *,
    person: UUID | None = None,
    connection: UUID | None = None,
    contact: str = "Erin",
    event: str | None = "MassCUE 2026",
    promise: str | None = "send the rubric",
    email: str = "ada@school.example",
    ago: timedelta = timedelta(days=1),
) -> Logged:
    """Keep a meeting that was logged a day ago, of a new owner and connection unless they are given."""
    async with pool.acquire() as conn, conn.transaction():
        at = await db.now(conn) - ago
        if person is None:
            person = new_id()
            await conn.execute(
                "INSERT INTO people (id, name, email, time_zone) VALUES ($1, 'Ada', $2, 'America/New_York')",
                person,
                email,
            )
        if connection is None:
            connection = new_id()
            await conn.execute(
                "INSERT INTO connections (id, person, contact_key, contact) VALUES ($1, $2, $3, $4)",
                connection,
                person,
                contact.lower(),
                {"name": contact},
            )
        token, submission, meeting = new_id(), new_id(), new_id()
        await conn.execute(
            "INSERT INTO api_tokens (id, name, fingerprint) VALUES ($1::uuid, $1::text, $1::text)", token
        )
        await conn.execute(
            """
            INSERT INTO submissions (id, token, key, state, body, received_at)
            VALUES ($1::uuid, $2, $1::text, 'accepted', '', $3)
            """,
            submission,
            token,
            at,
        )
        await conn.execute(
            """
            INSERT INTO meetings (id, submission, person, connection, plan, logged_at, met_at, sent)
            VALUES ($1, $2, $3, $4, 'default', $5, $5, $6)
            """,
            meeting,
            submission,
            person,
            connection,
            at,
            {"event": {"name": event}, "promise": promise, "contact": {"name": contact}},
        )
    return Logged(
        person=person, connection=connection, meeting=meeting, follow_up=uuid5(meeting, "1.1"), nudge=new_id()
    )


def follow_up_changed(what: Logged, *, at: datetime = LOGGED_AT, **given: Any) -> FollowUpChanged:
    """Return the scheduler's event about this meeting's first follow-up: just planned."""
    fields: dict[str, Any] = {
        "id": what.follow_up,
        "revision": 1,
        "meeting": what.meeting,
        "connection": what.connection,
        "person": what.person,
        "step": 1,
        "occurrence": 1,
        "playbook": "say-hello",
        "state": "waiting",
        "local": datetime.fromisoformat("2026-10-22T15:30"),
        "zone": "America/New_York",
        "due_at": datetime.fromisoformat("2026-10-22T19:30:00Z"),
    }
    follow_up = FollowUp(**fields | given)
    return FollowUpChanged(time=at, subject=str(follow_up.id), data=FollowUpData(follow_up=follow_up, at=at))


def delivery_changed(what: Logged, *, at: datetime = LOGGED_AT, **given: Any) -> DeliveryChanged:
    """Return the notifier's event about the nudge that carries this meeting's first follow-up: sent."""
    fields: dict[str, Any] = {
        "nudge": what.nudge,
        "revision": 2,
        "person": what.person,
        "channel": "email",
        "state": "sent",
        "follow_ups": (what.follow_up,),
        "at": at,
    }
    data = DeliveryData(**fields | given)
    return DeliveryChanged(time=at, subject=str(data.nudge), data=data)
