"""Meetings that change after they were logged: locked, changed, and told of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from services.intake import meeting, store
from shared.db import Connection
from shared.events import Contact, Meeting, MeetingChanged, MeetingData, Person


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A meeting as it stands, with its owner."""

    meeting: Meeting
    owner: Person


async def lock(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, Stored]:
    """Return these meetings as they stand; until the transaction ends nobody else changes them."""
    rows = await conn.fetch(
        f"""
        SELECT m.id AS meeting_id, m.revision AS meeting_revision, connection, state, state_reason, plan, logged_at,
               met_at, goal_at, promise_kept_at, sent, contact, {", ".join(f"p.{one}" for one in _PERSON)}
          FROM meetings m
          JOIN connections c ON c.id = m.connection
          JOIN people p ON p.id = m.person
         WHERE m.id = ANY($1)
         ORDER BY m.id
           FOR UPDATE OF m
        """,  # noqa: S608 - names of columns, ours
        list(ids),
    )
    return {row["meeting_id"]: _stored(row) for row in rows}


async def change(
    conn: Connection,
    before: Stored,
    *,
    now: datetime,
    traceparent: str | None,
    sent: Mapping[str, Any] | None = None,
    **given: Any,
) -> MeetingChanged | None:
    """Give a locked meeting these facts and return the event that tells of it; None when they are its facts already.

    `sent` are those of them that were sent as something else than a time, in the API's words.
    """
    changes = {name: value for name, value in given.items() if value != getattr(before.meeting, name)}
    if not changes:
        return None
    after = before.meeting.model_copy(update=changes | {"revision": before.meeting.revision + 1})
    await conn.execute(
        """
        UPDATE meetings
           SET revision = $2, state = $3, state_reason = $4, met_at = $5, goal_at = $6, plan = $7,
               promise_kept_at = $8, sent = sent || $9
         WHERE id = $1
        """,
        after.id,
        after.revision,
        after.state,
        after.state_reason,
        after.met_at,
        after.goal_at,
        after.plan,
        after.promise_kept_at,
        dict(sent or {})
        | {name: changes[name] and changes[name].isoformat() for name in ("met_at", "goal_at") if name in changes},
    )
    return MeetingChanged(
        time=now, subject=str(after.id), traceparent=traceparent, data=MeetingData(meeting=after, owner=before.owner)
    )


_PERSON = store.PERSON.split(", ")


def _stored(row: asyncpg.Record) -> Stored:
    sent: Mapping[str, Any] = row["sent"]
    return Stored(
        meeting=Meeting(
            id=row["meeting_id"],
            revision=row["meeting_revision"],
            connection=row["connection"],
            state=row["state"],
            state_reason=row["state_reason"],
            plan=row["plan"],
            logged_at=row["logged_at"],
            met_at=row["met_at"],
            goal_at=row["goal_at"],
            contact=Contact.model_validate(row["contact"]),
            event=meeting.gathering_of(sent),
            notes=sent.get("notes"),
            topics=tuple(sent.get("topics") or ()),
            promise=sent.get("promise"),
            promise_kept_at=row["promise_kept_at"],
            document=sent.get("document"),
        ),
        owner=Person.model_validate({name: row[name] for name in _PERSON}),
    )
