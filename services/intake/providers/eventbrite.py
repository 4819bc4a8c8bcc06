"""Eventbrite (https://www.eventbrite.com/platform/docs/webhooks): an address to fetch the data from, and no signature.

Who registered stands in none of what it sends; with an API token of the source's it is fetched from Eventbrite's API.
Without one every delivery that would have needed it is refused in words and kept. Never with 410, which would end the
subscription.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import orjson

from services.intake import shapes
from services.intake.answers import Answer, Attendee, Booking, Delivery, Ignored, Unreadable
from services.intake.providers import booked, eventbrite_api
from shared import strict_json

TYPES: Final = ("application/json",)
KEPT: Final = ()
API: Final = eventbrite_api.BASE
TOKEN: Final = re.compile(r"[\x21-\x7e]{1,256}")
# No dot and no percent sign: what is asked for is what can be read here.
PATH: Final = re.compile(r"/v3/[A-Za-z0-9_/-]{1,200}")
# The parts that the API leaves out unless they are asked for.
ATTENDEE, ORDER = "event,event.venue", "attendees,event,event.venue"
ABOUT_PEOPLE: Final = {
    "attendee.updated": ATTENDEE,
    "attendee.checked_in": ATTENDEE,
    "attendee.checked_out": ATTENDEE,
    "order.placed": ORDER,
    "order.updated": ORDER,
    "order.refunded": ORDER,
}
REFUSED: Final = (
    "names no people, only an address to fetch them from with an Eventbrite API token, which this source does not "
    "have; give it one (source rotate NAME --secret TOKEN), or export the attendees as CSV and import that"
)
NOT_COMING: Final = frozenset({"not attending", "deleted"})
UNKNOWN: Final = "info requested"  # what stands for a name or an address that the buyer has not given yet


def new_secret() -> None:
    """Return None: a token is Eventbrite's to give, and what it sends proves nothing."""


def check_secret(secret: str) -> None:
    """Raise `ValueError` for what can be no API token."""
    if not TOKEN.fullmatch(secret):
        raise ValueError("must be the private token that Eventbrite shows under API Keys, without spaces")


def verify(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Say yes, the path having proven it."""
    del headers, body, secret
    return True


async def fetch(body: bytes, secret: str, *, base: str = API) -> bytes:
    """Return the body with what it points to under `fetched`; as it came when it is about no people.

    Raises `ValueError` and `Unreadable` like `read`, and `TryAgain` when Eventbrite does not answer as it should.
    """
    document = strict_json.read_object(body)
    action = _action(document)
    if action not in ABOUT_PEOPLE:
        return body
    if not secret:
        raise Unreadable(REFUSED)
    path = _path(document.get("api_url"))
    try:
        found = strict_json.read_object(await eventbrite_api.get(base, path, secret, expand=ABOUT_PEOPLE[action]))
    except ValueError as error:
        raise Unreadable(f"points to what Eventbrite answers with a document that {error}") from None
    return orjson.dumps({"config": {"action": action}, "fetched": found})


def read(headers: Mapping[str, str], body: bytes) -> Delivery:
    """Return the tickets that were fetched, each a meeting; what is about no people is ignored."""
    del headers
    document = strict_json.read_object(body)
    action = _action(document)
    if action not in ABOUT_PEOPLE:
        return Ignored(reason="a test of the webhook" if action == "test" else "an event about no people")
    if "fetched" not in document:
        raise Unreadable(REFUSED)
    fetched = booked.an_object(document["fetched"], "fetched")
    if ABOUT_PEOPLE[action] == ATTENDEE:
        tickets, is_order = [fetched], False
        order = _id(fetched.get("order_id") or fetched.get("id"), "fetched.order_id")
    else:
        tickets, is_order = booked.objects(fetched.get("attendees"), "fetched.attendees"), True
        order = _id(fetched.get("id"), "fetched.id")
    given_up = [one for one in tickets if _is_given_up(one)]
    standing = [one for one in tickets if not _is_given_up(one) and _is_known(one)]
    if not is_order:
        standing = [one for one in standing if one.get("checked_in") is True]
    if not standing and not given_up:
        return Ignored(reason="about nobody who has come" if not is_order else "an order that names nobody yet")
    if not standing:
        return _booking(order, "cancelled", given_up, ())
    event = booked.an_object(fetched.get("event"), "fetched.event, which expand=event brings")
    return _booking(order, "booked", standing, _happening(event))


def _action(document: Mapping[str, Any]) -> str:
    action = booked.an_object(document.get("config"), "config").get("action")
    if not isinstance(action, str):
        raise Unreadable("has no config.action")
    return action


def _path(url: object) -> str:
    """Return what to ask the API for; raises `Unreadable` for any other host: the token goes to Eventbrite alone."""
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    right = parts.scheme == "https" and parts.netloc in {eventbrite_api.HOST, f"{eventbrite_api.HOST}:443"}
    if not right or port not in {None, 443} or not PATH.fullmatch(parts.path) or parts.query or parts.fragment:
        raise Unreadable(f"has no api_url that begins with {API}/v3/ and is plain")
    return parts.path


def _booking(
    order: str, what: Literal["booked", "cancelled"], tickets: list[dict[str, Any]], common: tuple[Answer, ...]
) -> Booking:
    """Every ticket has its own place in the order, whichever action told of it."""
    changed = [at for one in tickets if (at := booked.instant(one.get("changed")))]
    at = max(changed, default=None)
    attendees = tuple(
        Attendee(
            key=_id(one.get("id"), "id of an attendee"),
            answers=(*common, *_who(one), *_asked(one)) if what == "booked" else (),
        )
        for one in tickets
    )
    ids = ",".join(sorted(one.key for one in attendees))
    state = f"{what}:{at.isoformat() if at else ''}"
    return Booking(
        key=f"{order}:{ids if len(attendees) == 1 else 'all'}:{state}",
        id=order,
        what=what,
        attendees=attendees,
        at=at,
        is_seated=True,
    )


def _happening(event: Mapping[str, Any]) -> tuple[Answer, ...]:
    """What all who came have in common."""
    end = booked.part(event, "end").get("utc")
    if not isinstance(end, str):
        raise Unreadable("has no fetched.event.end.utc")
    return (
        *booked.fact("event.name", booked.part(event, "name").get("text")),
        *booked.place(booked.part(event, "venue").get("name")),
        *booked.fact("met_at", end),
    )


def _who(ticket: Mapping[str, Any]) -> list[Answer]:
    profile = booked.part(ticket, "profile")
    email, name = _said(profile, "email"), _said(profile, "name")
    phone = booked.phone("contact.phone", profile.get("cell_phone"))
    if not phone and (number := _said(profile, "cell_phone")):
        # A national number is one where the installation has a region to read it in; else it is left out.
        phone = [
            Answer(names=("cell_phone",), title="Cell phone", kind="phone", value=number, stands_for="contact.phone")
        ]
    return [
        *booked.fact("contact.name", booked.named(name, email)),
        *booked.fact("contact.email", email),
        *phone,
    ]


def _asked(ticket: Mapping[str, Any]) -> list[Answer]:
    """What the organizer asked beside; of several choices, which Eventbrite joins with bars, each is one."""
    answers = []
    for one in booked.objects(ticket.get("answers"), "answers"):
        given = one.get("answer")
        if one.get("type") == "multiple_choice" and isinstance(given, str) and "|" in given:
            given = [part.strip() for part in given.split("|")]
        names = (str(one.get("question_id")),)
        answers.append(
            Answer(names=names, title=str(one.get("question") or ""), kind="text", value=shapes.value(given))
        )
    return answers


def _said(profile: Mapping[str, Any], name: str) -> str | None:
    value = profile.get(name)
    return value if isinstance(value, str) and value.strip() and value.strip().lower() != UNKNOWN else None


def _is_known(ticket: Mapping[str, Any]) -> bool:
    profile = booked.part(ticket, "profile")
    return bool(_said(profile, "name") or _said(profile, "email"))


def _is_given_up(ticket: Mapping[str, Any]) -> bool:
    status = str(ticket.get("status") or "").strip().lower()
    return ticket.get("cancelled") is True or ticket.get("refunded") is True or status in NOT_COMING


def _id(value: object, name: str) -> str:
    """Return an id, which is text in the reference and a number in some answers."""
    return booked.ident(str(value) if isinstance(value, int) and not isinstance(value, bool) else value, name)
