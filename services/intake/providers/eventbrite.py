"""Eventbrite (https://www.eventbrite.com/platform/docs/webhooks): an address to fetch the data from, and no signature.

Who registered stands in none of what it sends; only with an API token could it be fetched. Until that is served here,
every delivery that would have needed it is refused in words and kept. Never with 410, which would end the subscription.
"""

from collections.abc import Mapping
from typing import Final

from services.intake.answers import Delivery, Ignored, Unreadable
from services.intake.providers import booked
from shared import strict_json

TYPES: Final = ("application/json",)
KEPT: Final = ()
ABOUT_PEOPLE: Final = frozenset(
    {
        "attendee.updated", "attendee.checked_in", "attendee.checked_out",
        "order.placed", "order.updated", "order.refunded",
    }
)  # fmt: skip
REFUSED: Final = (
    "names no people, only an address to fetch them from with an Eventbrite API token, which is not served here; "
    "export the attendees as CSV and import that"
)


def new_secret() -> None:
    """Return None: what Eventbrite sends proves nothing."""


def check_secret(secret: str) -> None:
    """Raise `ValueError` in words: a token would promise what is not done."""
    del secret
    raise ValueError("an Eventbrite API token cannot be used yet; export the attendees as CSV and import that")


def verify(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Say yes, the path having proven it."""
    del headers, body, secret
    return True


def read(headers: Mapping[str, str], body: bytes) -> Delivery:
    """Raise `Unreadable` that says what is missing; what is about no people is ignored."""
    del headers
    document = strict_json.read_object(body)
    action = booked.an_object(document.get("config"), "config").get("action")
    if not isinstance(action, str):
        raise Unreadable("has no config.action")
    if action in ABOUT_PEOPLE:
        raise Unreadable(REFUSED)
    return Ignored(reason="a test of the webhook" if action == "test" else "an event about no people")
