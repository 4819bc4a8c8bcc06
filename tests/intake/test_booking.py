"""What was told of a booking adds up to the same in whatever order it came."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from services.intake import booking
from services.intake.answers import Attendee, Booking
from services.intake.booking import Known, Seat
from shared.events import new_id

NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)


def event(what: Any, minute: int = 0, **given: Any) -> Booking:
    at = NOON + timedelta(minutes=minute)
    people = given.pop("people", (Attendee(key="erin"),))
    return Booking(key=f"{what} {minute}", id="first", what=what, attendees=people, at=at, **given)


def absence(is_no_show: bool, minute: int) -> Booking:
    return event("attendance", minute, people=(Attendee(key="erin", is_no_show=is_no_show),))


def added_up(*events: Booking) -> set[str | None]:
    """How it ends for Erin, in every order of these events."""
    found: set[str | None] = set()
    for order in permutations(events):
        known = Known(id=new_id())
        for one in order:
            known = booking.told(known, one, now=NOON + timedelta(days=1))
        found.add(known.ended(known.seat("erin")))
    return found


@pytest.mark.parametrize(
    ("events", "ended"),
    [
        ((event("booked"), event("over")), None),
        ((event("booked"), event("cancelled", 5)), "cancelled"),
        ((event("booked", 5), event("cancelled")), "cancelled"),  # a booking never stands again, whatever its times say
        ((event("booked"), event("cancelled", 5, is_seated=True)), "cancelled"),
        ((event("booked"), event("cancelled", is_seated=True)), "cancelled"),  # at the same instant: better not
        ((event("booked"), event("cancelled", 5, is_seated=True), event("booked", 9)), None),
        ((event("booked"), absence(True, 60), absence(False, 70)), None),
        ((event("booked"), absence(False, 60), absence(True, 70)), "no-show"),
        ((event("booked"), absence(True, 60), event("cancelled", 5)), "cancelled"),
        ((event("over", people=(Attendee(key="erin", is_no_show=True),)), absence(False, 60)), None),
        ((event("over", people=(Attendee(key="erin", is_no_show=False),)), absence(True, 60)), "no-show"),
        ((event("booked"), event("attendance", 60, is_host_no_show=True)), "no-show"),
    ],
)
def test_in_every_order_it_ends_alike(events: tuple[Booking, ...], ended: str | None) -> None:
    assert added_up(*events) == {ended}


def test_what_went_on_to_another_booking_does_not_go_to_a_third() -> None:
    meeting = new_id()
    gone = Seat(attendee="erin", meeting=meeting, is_logged=True, is_current=False)
    left, third = booking.moved_on(
        Known(id=new_id(), seats={"erin": gone}), Known(id=new_id()), event("booked"), now=NOON
    )
    assert left.seat("erin") == gone
    assert third.seat("erin").meeting is None


def test_what_was_forgotten_stays_so_when_it_moves() -> None:
    forgotten = Known(id=new_id(), seats={"erin": Seat(attendee="erin", is_logged=True)})
    _, after = booking.moved_on(forgotten, Known(id=new_id()), event("booked"), now=NOON)
    assert after.seat("erin").is_logged and after.seat("erin").meeting is None
