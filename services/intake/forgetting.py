"""A meeting is forgotten: stopped first, then nothing is kept of what was said about it."""

from typing import Any, Final
from uuid import UUID

from services.intake import meetings, store_connections, store_forgetting
from shared import db, outbox, stops
from shared.db import Connection
from shared.events import Contact, Event, ForgottenData, Gathering, MeetingsForgotten

# What the others get to keep of it: the fact alone that it has ended.
NOTHING: Final[dict[str, Any]] = {
    "state": "stopped", "state_reason": None, "contact": Contact(name="forgotten"), "event": Gathering(), "notes": None,
    "topics": (), "promise": None, "document": None,
}  # fmt: skip


async def forget(
    conn: Connection, meeting: UUID, *, owner: str | None, traceparent: str | None, addresses: tuple[str, ...] = ()
) -> bool:
    """Stop a meeting, at once, and delete what is known of it; False when there is none, or none of this owner.

    `addresses` are those of its contact, when it is they who are forgotten.

    Its connection stays while other meetings make it one. A repeat of the submission is still recognised.
    """
    whose = await store_connections.of_meeting(conn, meeting, owner=owner)
    stored = (await meetings.lock(conn, [meeting])).get(meeting) if whose else None
    if whose is None or stored is None:
        return False
    await stops.stop_meeting(conn, person=whose.person, meeting=meeting)
    now = await db.now(conn)
    # One that was cancelled stays so: it takes nothing over from the others with the same person.
    is_cancelled = stored.meeting.state == "cancelled"
    facts = NOTHING | ({"state": "cancelled", "state_reason": stored.meeting.state_reason} if is_cancelled else {})
    told = await meetings.change(conn, stored, now=now, traceparent=traceparent, **facts)
    follow_ups = await store_forgetting.forget_meeting(conn, meeting)
    data = ForgottenData(person=whose.person, meetings=(meeting,), follow_ups=follow_ups, addresses=addresses, at=now)
    gone = MeetingsForgotten(time=now, subject=str(meeting), traceparent=traceparent, data=data)
    events: list[Event] = [told] if told else []
    await outbox.add(conn, [*events, gone])
    return True
