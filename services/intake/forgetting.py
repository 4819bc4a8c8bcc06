"""A meeting is forgotten: stopped first, then nothing is kept of what was said about it."""

from typing import Any, Final
from uuid import UUID

from services.intake import meetings, store_connections, store_forgetting
from shared import db, outbox, stops
from shared.db import Connection
from shared.events import Contact, Event, Gathering

# What the others get to keep of it: the fact alone that it is stopped.
NOTHING: Final[dict[str, Any]] = {
    "state": "stopped", "state_reason": None, "contact": Contact(name="forgotten"), "event": Gathering(), "notes": None,
    "topics": (), "promise": None, "document": None,
}  # fmt: skip


async def forget(conn: Connection, meeting: UUID, *, owner: str | None, traceparent: str | None) -> bool:
    """Stop a meeting, at once, and delete what is known of it; False when there is none, or none of this owner.

    Its connection stays while other meetings make it one. A repeat of the submission is still recognised.
    """
    whose = await store_connections.of_meeting(conn, meeting, owner=owner)
    stored = (await meetings.lock(conn, [meeting])).get(meeting) if whose else None
    if whose is None or stored is None:
        return False
    await stops.stop_meeting(conn, person=whose.person, meeting=meeting)
    now = await db.now(conn)
    told = await meetings.change(conn, stored, now=now, traceparent=traceparent, **NOTHING)
    events: list[Event] = [told] if told else []
    await outbox.add(conn, events)
    await store_forgetting.forget_meeting(conn, meeting)
    return True
