"""What a booking tool told of a booking, added up in whatever order it arrives. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from services.intake.answers import Attendee, Booking

StateReason = Literal["cancelled", "no-show"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """One attendee's place in a booking, and the meeting that it is."""

    attendee: str
    meeting: UUID | None = None
    is_logged: bool = False  # it was a meeting once, though that may be forgotten
    is_current: bool = True  # False: its meeting went on to another booking
    booked_at: datetime | None = None
    cancelled_at: datetime | None = None
    is_no_show: bool = False
    no_show_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A booking as far as we were told."""

    id: UUID
    is_cancelled: bool = False
    is_host_no_show: bool = False
    seats: Mapping[str, Seat] = field(default_factory=dict)

    def seat(self, attendee: str) -> Seat:
        """Return the place of this attendee, a fresh one when we never heard of them."""
        return self.seats.get(attendee) or Seat(attendee=attendee)

    def ended(self, seat: Seat) -> StateReason | None:
        """Return why there is no meeting with this attendee, or None while there is to be one."""
        if self.is_cancelled or _is_later(seat.cancelled_at, seat.booked_at):
            return "cancelled"
        return "no-show" if seat.is_no_show or self.is_host_no_show else None


def told(known: Known, booking: Booking, *, now: datetime) -> Known:
    """Return what is known after this event, the same whichever of two came first.

    A booking that was cancelled as a whole never stands again: its tool gives the next one another id. A single seat
    can be given up and booked again, and a no-show be taken back: there the later word counts.
    """
    at = booking.at or now
    seats = dict(known.seats)
    for attendee in booking.attendees:
        seat = known.seat(attendee.key)
        if attendee.is_host:
            seat = replace(seat, is_logged=True)  # another event that names them as an attendee makes no meeting
        match booking.what:
            case "booked":
                seat = replace(seat, booked_at=max(seat.booked_at or at, at))
            case "cancelled" if booking.is_seated:
                seat = replace(seat, cancelled_at=max(seat.cancelled_at or at, at))
        seats[attendee.key] = _attended(seat, attendee, at if booking.what == "attendance" else None)
    return Known(
        id=known.id,
        is_cancelled=known.is_cancelled or (booking.what == "cancelled" and not booking.is_seated),
        is_host_no_show=known.is_host_no_show if booking.is_host_no_show is None else booking.is_host_no_show,
        seats=seats,
    )


def moved_on(before: Known, after: Known, booking: Booking, *, now: datetime) -> tuple[Known, Known]:
    """Return both once the seats named have moved from the one booking to the other, as the same meetings."""
    left, taken = dict(before.seats), dict(after.seats)
    for attendee in booking.attendees:
        old, new = before.seat(attendee.key), after.seat(attendee.key)
        if old.is_logged and old.is_current and not new.is_logged:
            taken[attendee.key] = replace(new, meeting=old.meeting, is_logged=True)
            old = replace(old, is_current=False)
        if booking.is_seated:
            old = replace(old, cancelled_at=max(old.booked_at or now, old.cancelled_at or now, now))
        left[attendee.key] = old
    gone = before.is_cancelled or not booking.is_seated
    return (
        Known(id=before.id, is_cancelled=gone, is_host_no_show=before.is_host_no_show, seats=left),
        Known(id=after.id, is_cancelled=after.is_cancelled, is_host_no_show=after.is_host_no_show, seats=taken),
    )


def is_outdated(seat: Seat, booking: Booking) -> bool:
    """Say whether this seat was booked anew after what the event tells of it."""
    return booking.at is None or (seat.booked_at is not None and booking.at < seat.booked_at)


def _attended(seat: Seat, attendee: Attendee, at: datetime | None) -> Seat:
    """That somebody came is what is thought anyway: without a time of its own only their absence is news."""
    if attendee.is_no_show is None:
        return seat
    if at is None:
        return replace(seat, is_no_show=True) if attendee.is_no_show and seat.no_show_at is None else seat
    if seat.no_show_at is not None and at < seat.no_show_at:
        return seat
    return replace(seat, is_no_show=attendee.is_no_show, no_show_at=at)


def _is_later(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and (other is None or one >= other)
