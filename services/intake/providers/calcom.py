"""Cal.com (https://cal.com/docs/developing/guides/automation/webhooks): bookings, signed with a secret text.

Most events are wrapped, `{"triggerEvent", "createdAt", "payload"}`. `MEETING_ENDED` is flat: the booking itself, whose
`createdAt` is not that of the event. It comes at the scheduled end, whether or not anybody did.
"""

import hmac
import secrets
from collections.abc import Mapping
from typing import Any, Final, Literal

from services.intake import shapes
from services.intake.answers import Answer, Attendee, Booking, Delivery, Ignored, Unreadable
from services.intake.providers import booked
from shared import strict_json
from shared.signing import fingerprint

TYPES: Final = ("application/json", "application/x-www-form-urlencoded")
KEPT: Final = ("content-type",)
UNSIGNED: Final = "no-secret-provided"
EVENTS: Final[dict[str, Literal["booked", "over", "cancelled", "attendance"]]] = {
    "BOOKING_CREATED": "booked",
    "BOOKING_RESCHEDULED": "booked",
    "BOOKING_CANCELLED": "cancelled",
    "BOOKING_NO_SHOW_UPDATED": "attendance",
    "MEETING_ENDED": "over",
}
CUSTOM: Final = "keep Cal.com's default payload: switch the custom payload template of this webhook off"
# What the booking form always asks; what else it asks is the educator's own.
STANDARD: Final = frozenset(
    {
        "name", "email", "location", "notes", "guests", "title", "rescheduleReason",
        "attendeePhoneNumber", "smsReminderNumber", "aiAgentCallPhoneNumber",
    }
)  # fmt: skip
NO_ADDRESS: Final = "@sms.cal.com"  # what Cal.com makes up for those who book by telephone number


def new_secret() -> str:
    """Return 256 random bits as text."""
    return secrets.token_urlsafe(32)


def check_secret(secret: str) -> None:
    """Raise `ValueError` when there is no secret: Cal.com then signs nothing."""
    if not secret.strip() or secret == UNSIGNED:
        raise ValueError("must not be empty: without one Cal.com signs nothing")


def verify(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Say whether `X-Cal-Signature-256` is the HMAC-SHA256 of the body; `no-secret-provided` never is."""
    expected = hmac.digest(secret.encode(), body, "sha256").hex().encode()
    return hmac.compare_digest(expected, headers.get("x-cal-signature-256", "").encode("utf-8", "surrogateescape"))


def read(headers: Mapping[str, str], body: bytes) -> Delivery:
    """Return the booking, with one attendee for everybody but the organizer, who is the owner."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() == TYPES[1]:
        raise Unreadable(f"is a form and not JSON; {CUSTOM}")
    document = strict_json.read_object(body)
    event = document.get("triggerEvent")
    if not isinstance(event, str):
        raise Unreadable(f"has no triggerEvent; {CUSTOM}")
    if event not in EVENTS:
        return Ignored(reason="a test of the webhook" if event == "PING" else "an event that makes and ends no meeting")
    is_wrapped = "payload" in document
    payload = booked.an_object(document["payload"], "payload") if is_wrapped else document
    uid = booked.ident(payload.get("uid") or payload.get("bookingUid"), "payload.uid" if is_wrapped else "uid")
    told_at = document.get("createdAt") if is_wrapped else None
    what = EVENTS[event]
    if what == "over" and payload.get("status") in {"CANCELLED", "REJECTED"}:
        what = "cancelled"
    before = payload.get("rescheduleUid") or payload.get("fromReschedule")
    return Booking(
        key=f"{event}:{uid}:{_stamp(told_at, payload)}" if is_wrapped else f"{event}:{uid}",
        id=uid,
        what=what,
        attendees=_attendees(payload, what),
        at=booked.instant(told_at),
        moved_from=before if isinstance(before, str) and booked.ID.fullmatch(before) and before != uid else None,
        is_seated=bool(payload.get("seatsPerTimeSlot")),
        is_host_no_show=_host(payload, what),
    )


def _stamp(told_at: object, payload: Mapping[str, Any]) -> str:
    """A seat is booked under the uid of all, and a no-show told and taken back: only the time tells them apart."""
    if isinstance(told_at, str) and booked.ID.fullmatch(told_at):
        return told_at
    people = [
        f"{one.get('email')} {one.get('noShow')}" for one in booked.objects(payload.get("attendees"), "attendees")
    ]
    return fingerprint("\n".join(people))


def _host(payload: Mapping[str, Any], what: str) -> bool | None:
    given = payload.get("noShowHost")
    if not isinstance(given, bool) or what not in {"attendance", "over"}:
        return None
    return given if what == "attendance" or given else None


def _attendees(payload: Mapping[str, Any], what: str) -> tuple[Attendee, ...]:
    host = booked.part(payload, "organizer") or booked.part(payload, "user")
    host_email = host.get("email") or payload.get("userPrimaryEmail")
    common = [
        *booked.fact("owner.email", host_email),
        *booked.fact("owner.name", host.get("name")),
        *booked.zone("owner.time_zone", host.get("timeZone")),
        *booked.fact("event.name", payload.get("eventTitle") or payload.get("title")),
        *booked.place(payload.get("location")),
    ]
    if what in {"booked", "over"}:
        if not isinstance(payload.get("endTime"), str):
            raise Unreadable("has no endTime")
        common += booked.fact("met_at", payload["endTime"])
    asked = _asked(payload)
    hosts = _hosts(payload) - {_key(host)}
    found: dict[str, Attendee] = {}
    for one in booked.objects(payload.get("attendees"), "attendees"):
        email = one.get("email")
        if isinstance(email, str) and isinstance(host_email, str) and email.lower() == host_email.lower():
            continue
        key = _key(one)
        if key in hosts:
            continue
        no_show = one.get("noShow")
        answers = [*common, *_who(one, email), *(asked if not found else [])]
        found.setdefault(
            key,
            Attendee(key=key, answers=tuple(answers), is_no_show=no_show if isinstance(no_show, bool) else None),
        )
    if what in {"booked", "over"} and not found:
        raise Unreadable("names no attendees")
    return (*found.values(), *(Attendee(key=key, is_host=True) for key in sorted(hosts)))


def _key(person: Mapping[str, Any]) -> str:
    return fingerprint(str(person.get("email") or person.get("phoneNumber") or person.get("name")).strip().lower())


def _hosts(payload: Mapping[str, Any]) -> set[str]:
    """Who hosts it beside the organizer. `MEETING_ENDED` lists them as attendees and does not say who they are."""
    members = booked.part(payload, "team").get("members")
    listed = members if isinstance(members, list) else []
    booker = booked.part(booked.part(payload, "responses"), "email").get("value")
    return {_key(one) for one in listed if isinstance(one, dict) and one.get("email")} - {_key({"email": booker})}


def _who(one: Mapping[str, Any], email: object) -> list[Answer]:
    has_address = isinstance(email, str) and not email.lower().endswith(NO_ADDRESS)
    return [
        *booked.fact("contact.name", booked.named(one.get("name"), email)),
        *(booked.fact("contact.email", email) if has_address else []),
        *booked.phone("contact.phone", one.get("phoneNumber")),
    ]


def _asked(payload: Mapping[str, Any]) -> list[Answer]:
    """What the booker answered: those they brought along were asked nothing."""
    given = booked.part(payload, "responses")
    own = {name: one for name, one in given.items() if name not in STANDARD} | booked.part(
        payload, "userFieldsResponses"
    )
    written = booked.part(given, "notes").get("value") or payload.get("additionalNotes")
    return [
        *(
            Answer(
                names=(name,),
                title=str(one.get("label") or name),
                kind="text",
                value=shapes.value(one.get("value")),
            )
            for name, one in own.items()
            if isinstance(one, dict)
        ),
        *booked.notes(written),
    ]
