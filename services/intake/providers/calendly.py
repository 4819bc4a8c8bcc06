"""Calendly (https://developer.calendly.com/api-docs): invitees of events, signed with the subscription's signing key.

An invitee's address is theirs for this one time: who is moved to another time gets a new one, and two events tell of
it, `invitee.canceled` with `rescheduled` and `invitee.created` with `old_invitee`, in either order.
"""

import hmac
import re
import secrets
from collections.abc import Mapping
from typing import Any, Final

from services.intake.answers import Answer, Attendee, Booking, Delivery, Ignored, Unreadable
from services.intake.providers import booked, stamps
from shared import strict_json

TYPES: Final = ("application/json",)
KEPT: Final = ()
HEADER: Final = re.compile(r"t=(\d{1,12})((?:\s*,\s*v1=[0-9a-f]{64})+)", re.ASCII)
NEAR_SECONDS: Final = 180
EVENTS: Final = ("invitee.created", "invitee.canceled", "invitee_no_show.created", "invitee_no_show.deleted")


def new_secret() -> str:
    """Return 256 random bits as text."""
    return secrets.token_urlsafe(32)


def check_secret(secret: str) -> None:
    """Raise `ValueError` when there is no key: Calendly then signs nothing."""
    if not secret.strip():
        raise ValueError("must not be empty")


def verify(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Say whether a signature is right and the time within three minutes, before or after."""
    given = HEADER.fullmatch(headers.get("calendly-webhook-signature", "").strip())
    if given is None or not stamps.is_near(given[1], seconds=NEAR_SECONDS):
        return False
    expected = hmac.digest(secret.encode(), f"{given[1]}.".encode() + body, "sha256").hex()
    return True in [hmac.compare_digest(expected, one) for one in re.findall(r"v1=([0-9a-f]{64})", given[2])]


def read(headers: Mapping[str, str], body: bytes) -> Delivery:
    """Return the booking, which has the invitee for its only attendee; the first member of the event is the owner."""
    del headers
    document = strict_json.read_object(body)
    event = document.get("event")
    if not isinstance(event, str):
        raise Unreadable("has no event")
    if event not in EVENTS:
        return Ignored(reason="an event that makes and ends no meeting")
    payload = booked.an_object(document.get("payload"), "payload")
    uri = booked.ident(_uri(payload), "payload.uri")
    told_at = document.get("created_at")
    if event.startswith("invitee_no_show."):
        return Booking(
            key=f"{event}:{uri}:{told_at}",
            id=uri,
            what="attendance",
            attendees=(Attendee(key="", is_no_show=event == "invitee_no_show.created"),),
            at=booked.instant(told_at),
        )
    is_off = event == "invitee.canceled"
    before = payload.get("old_invitee")
    return Booking(
        key=f"{event}:{uri}",
        id=uri,
        what="cancelled" if is_off else "booked",
        attendees=(Attendee(key="", answers=() if is_off else _answers(payload)),),
        at=booked.instant(told_at),
        moved_from=before if isinstance(before, str) and booked.ID.fullmatch(before) else None,
    )


def _uri(payload: Mapping[str, Any]) -> object:
    """The invitee's address; a no-show has one of its own."""
    invitee = payload.get("invitee")
    return payload.get("uri") if invitee is None else invitee.get("uri") if isinstance(invitee, dict) else invitee


def _answers(payload: Mapping[str, Any]) -> tuple[Answer, ...]:
    what = booked.an_object(payload.get("scheduled_event"), "payload.scheduled_event")
    members = booked.objects(what.get("event_memberships"), "event_memberships")
    host = members[0] if members else {}
    if not isinstance(what.get("end_time"), str):
        raise Unreadable("has no payload.scheduled_event.end_time")
    name = payload.get("name") or " ".join(
        one for part in ("first_name", "last_name") if isinstance(one := payload.get(part), str)
    )
    return (
        *booked.fact("owner.email", host.get("user_email")),
        *booked.fact("owner.name", host.get("user_name")),
        *booked.fact("contact.name", booked.named(name, payload.get("email"))),
        *booked.fact("contact.email", payload.get("email")),
        *booked.phone("contact.phone", payload.get("text_reminder_number")),
        *booked.fact("event.name", what.get("name")),
        *booked.place(booked.part(what, "location").get("location")),
        *booked.fact("met_at", what["end_time"]),
        *_asked(payload),
    )


def _asked(payload: Mapping[str, Any]) -> list[Answer]:
    return [
        Answer(names=(f"question {one.get('position', number)}",), title=title, kind="text", value=answer)
        for number, one in enumerate(booked.objects(payload.get("questions_and_answers"), "questions_and_answers"))
        if isinstance(title := one.get("question"), str) and isinstance(answer := one.get("answer"), str) and answer
    ]
