"""A person's wishes: when, where and how they want to be written to; shown and changed by the same names. Pure."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final, get_args

from services.intake.body import Invalid, Wishes, checked
from shared.events import Person, Weekday

FIELDS: Final = (
    "name", "time_zone", "locale", "channel", "send_at", "days", "quiet_from", "quiet_to", "holidays", "breaks",
    "daily_limit", "paused_until",
)  # fmt: skip
AHEAD: Final = timedelta(days=3653)


def shown(person: Person) -> dict[str, Any]:
    """Return them as the API shows them, and takes them back."""
    wishes = person.model_dump(mode="json", include=set(FIELDS))
    for name in ("send_at", "quiet_from", "quiet_to"):
        wishes[name] = wishes[name][:5]  # to the minute: nobody wishes for seconds
    return {name: wishes[name] for name in FIELDS}


def read(document: Mapping[str, Any], *, default_zone: str, today: date) -> dict[str, Any]:
    """Return what is wished, by the names of `events.Person`; null is as if it had never been said.

    Raises `Invalid` naming every field that is wrong.
    """
    wished = checked(Wishes, document)
    found: dict[str, Any] = {}
    for name in document:
        value = getattr(wished, name)
        default = default_zone if name == "time_zone" else Person.model_fields[name].get_default()
        found[name] = default if value is None else value
    if "days" in found:
        found["days"] = tuple(day for day in get_args(Weekday) if day in found["days"])
    if found.get("channel", "email") != "email":
        raise Invalid([{"field": "channel", "problem": "must be email: no other channel is served here yet"}])
    if (until := found.get("paused_until")) and until > today + AHEAD:
        raise Invalid([{"field": "paused_until", "problem": "must not be more than ten years ahead"}])
    return found
