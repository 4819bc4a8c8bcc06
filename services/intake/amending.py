"""A logged meeting is changed: its facts, its contact, its state, with all that this entails, in one transaction."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from services.intake import amendment, consent, meetings, store, store_connections, store_consents
from services.intake.amendment import Amendment
from services.intake.body import Invalid, Met
from services.intake.consent import Origin
from services.intake.guard import NOTHING, Guard
from services.intake.meeting import contact_of
from services.intake.store_connections import Whose
from shared import db, outbox, stops
from shared.db import Connection
from shared.events import Contact, Event, Meeting, Person
from shared.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Amended:
    """A meeting before and after, and its owner."""

    before: Meeting
    after: Meeting
    owner: Person


async def amend(
    conn: Connection,
    meeting: UUID,
    document: Mapping[str, Any],
    *,
    owner: str | None,
    plans: Collection[str],
    phone_region: str | None,
    traceparent: str | None,
    guard: Guard = NOTHING,
    origin: Origin | None = None,
) -> Amended | None:
    """Change a meeting as the document says; None when there is none, or none of this owner.

    Raises `Invalid` naming every field that is wrong, and `Problem` 409 for what has been stopped for good.
    """
    whose = await store_connections.of_meeting(conn, meeting, owner=owner)
    shown = await store.find_meeting(conn, meeting, owner=owner)
    if whose is None or shown is None:
        return None
    concerned = await store_connections.meetings(conn, whose.connection) if "contact" in document else [meeting]
    stored = await meetings.lock(conn, concerned)
    if meeting not in stored:
        return None
    now = await db.now(conn)
    before = stored[meeting]
    asked = amendment.read(
        document,
        before=before.meeting,
        event=shown.get("event") or {},
        zone=whose.zone,
        plans=plans,
        phone_region=phone_region,
        now=now,
        guard=guard,
    )
    given = asked.given | _state(before.meeting, asked)
    if asked.contact:
        given["contact"] = await _change_contact(conn, whose, asked.contact, asked)
        if asked.contact_said.get("consent"):
            agreed = consent.of_contact(
                given["contact"], origin or Origin(), person=whose.person, connection=whose.connection, at=now
            )
            await store_consents.keep(conn, agreed)
    if given.get("state") == "stopped" != before.meeting.state:
        await stops.stop_meeting(conn, person=whose.person, meeting=meeting)
    events: list[Event] = []
    told = await meetings.change(conn, before, now=now, traceparent=traceparent, sent=asked.sent, **given)
    for other in stored.values() if asked.contact else ():
        if other is not before:
            also = await meetings.change(conn, other, now=now, traceparent=traceparent, contact=given["contact"])
            events += [also] if also else []
    await outbox.add(conn, [*events, *([told] if told else [])])
    after = told.data.meeting if told else before.meeting
    return Amended(before=before.meeting, after=after, owner=before.owner)


def _state(before: Meeting, asked: Amendment) -> dict[str, Any]:
    """The state to be. What is stopped was stopped for good: others may have been told so, and acted on it."""
    state = asked.given.get("state")
    if state is None or state == before.state:
        return {}
    if before.state == "stopped":
        raise Problem(
            409,
            "This meeting was stopped",
            errors=[{"field": "state", "problem": "cannot change any more: log the meeting again to go on"}],
        )
    return {"state_reason": None}


async def _change_contact(conn: Connection, whose: Whose, met: Met, asked: Amendment) -> Contact:
    contact = contact_of(met)
    try:
        async with conn.transaction():
            await store_connections.change_contact(
                conn,
                whose.connection,
                key=met.key,
                contact=contact.model_dump(mode="json", exclude_none=True),
                said=asked.contact_said,
            )
    except asyncpg.UniqueViolationError:
        field = "contact.email" if met.email else "contact.phone" if met.phone else "contact.name"
        raise Invalid([{"field": field, "problem": "is that of another connection of this owner"}]) from None
    return contact
