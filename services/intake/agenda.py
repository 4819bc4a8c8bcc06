"""What a booking tool tells is applied: meetings are made, moved, ended and revived, in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from services.intake import booking as bookings_of
from services.intake import bookings, logbook, meeting, meetings, store
from services.intake.answers import Booking
from services.intake.booking import Known, StateReason
from services.intake.meeting import Defaults, Submitted
from services.intake.meetings import Stored
from services.intake.store import Accepted, Received
from shared import outbox
from shared.db import Connection
from shared.events import Event, Meeting


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An event of a booking tool, and what it says of each attendee in the API's words."""

    booking: Booking
    submitted: Mapping[str, Submitted]  # by the attendees' keys; without those of whom it says nothing
    defaults: Defaults
    now: datetime
    traceparent: str | None


async def apply(conn: Connection, received: Received, told: Told) -> Accepted | None:
    """Return the meetings that the event made or touched; None when it was accepted before.

    Raises `Invalid` for a time out of reach. The transaction is the caller's, and all of it or nothing.
    """
    assert received.source is not None
    submission = await store.accept(conn, received)
    if submission is None:
        return None
    booking = told.booking
    ids = [booking.id]
    if booking.moved_from and booking.moved_from != booking.id:
        ids.append(booking.moved_from)
    known = await bookings.lock(conn, received.source, ids)
    before = known[booking.id]
    after = bookings_of.told(before, booking, now=told.now)
    left = known[ids[1]] if len(ids) > 1 else None
    if left is not None:
        left, after = await _moved_on(conn, left, after, told)
    after = await _logged(conn, submission, after, told)
    if left is not None:
        left = _followed(left, after, told)
    both = [after, *([left] if left else [])]
    moved = {key for key in told.submitted if left or not bookings_of.is_outdated(before.seat(key), booking)}
    await _changed(conn, both, told, after, moved)
    await bookings.keep(conn, both)
    touched = _touched(after, booking)
    await store.touch(conn, submission, touched)
    return Accepted(submission=submission, meetings=touched)


async def _moved_on(conn: Connection, left: Known, after: Known, told: Told) -> tuple[Known, Known]:
    """The seats moved from one booking to the other; where the owner is another one, it is another meeting."""
    stored = await meetings.lock(conn, [seat.meeting for seat in left.seats.values() if seat.meeting])
    same = tuple(
        attendee
        for attendee in told.booking.attendees
        if _is_same_owner(stored.get(left.seat(attendee.key).meeting or UUID(int=0)), told.submitted.get(attendee.key))
    )
    left, after = bookings_of.moved_on(left, after, replace(told.booking, attendees=same), now=told.now)
    return left, after


def _is_same_owner(stored: Stored | None, submitted: Submitted | None) -> bool:
    if stored is None or submitted is None:
        return True
    if submitted.owner.email is None:
        return stored.owner.phone == submitted.owner.phone
    return str(stored.owner.email).lower() == submitted.owner.email.lower()


async def _logged(conn: Connection, submission: UUID, after: Known, told: Told) -> Known:
    """Every attendee of whom we hear for the first time becomes a meeting, one that is off already included."""
    if told.booking.what in {"cancelled", "attendance"}:
        return after
    seats, made = dict(after.seats), 0
    for attendee in told.booking.attendees:
        seat, submitted = after.seat(attendee.key), told.submitted.get(attendee.key)
        if seat.is_logged or submitted is None:
            continue
        logged = await logbook.add(
            conn,
            submission,
            submitted,
            now=told.now,
            defaults=told.defaults,
            traceparent=told.traceparent,
            ended=after.ended(seat),
            first=made,
        )
        made += len(logged.meetings)
        seats[attendee.key] = replace(seat, meeting=logged.meetings[0].id, is_logged=True)
    return replace(after, seats=seats)


def _followed(left: Known, after: Known, told: Told) -> Known:
    """A booking we had not heard of when it was moved: should we ever hear of it, it is the meeting it became."""
    seats = dict(left.seats)
    for attendee in told.booking.attendees:
        old, new = left.seat(attendee.key), after.seat(attendee.key)
        if not old.is_logged and new.is_logged:
            seats[attendee.key] = replace(old, meeting=new.meeting, is_logged=True, is_current=False)
    return replace(left, seats=seats)


async def _changed(conn: Connection, both: list[Known], told: Told, after: Known, moved: set[str]) -> None:
    """Bring the meetings that are decided here to where and what they are to be."""
    current = [(known, seat) for known in both for seat in known.seats.values() if seat.meeting and seat.is_current]
    stored = await meetings.lock(conn, [seat.meeting for _, seat in current if seat.meeting])
    events: list[Event] = []
    for known, seat in current:
        one = stored.get(seat.meeting) if seat.meeting else None
        if one is None:
            continue
        given = _state(one.meeting, known.ended(seat))
        if known is after and seat.attendee in moved:
            submitted = told.submitted[seat.attendee]
            given["met_at"], _ = meeting.moments(submitted, zone=one.owner.time_zone, now=told.now)
        event = await meetings.change(conn, one, now=told.now, traceparent=told.traceparent, **given)
        events += [event] if event else []
    await outbox.add(conn, events)


def _state(one: Meeting, ended: StateReason | None) -> dict[str, Any]:
    """What the owner has stopped or cancelled stays so, and only what the booking tool had ended is revived."""
    if one.state == "stopped" or (one.state == "cancelled" and not one.state_reason):
        return {}
    if ended:
        return {"state": "cancelled", "state_reason": ended}
    return {"state": "active", "state_reason": None} if one.state_reason else {}


def _touched(after: Known, booking: Booking) -> tuple[UUID, ...]:
    """The meetings of those named, in their order; a booking that is cancelled as a whole concerns all of its own."""
    named = [attendee.key for attendee in booking.attendees]
    all_of_it = (booking.what == "cancelled" and not booking.is_seated) or booking.is_host_no_show
    keys = dict.fromkeys([*named, *(after.seats if all_of_it else ())])
    return tuple(dict.fromkeys(id for key in keys if (id := after.seat(key).meeting)))
