"""A person's wishes: when, where and how they want to be written to; shown and changed by the same names. Pure."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final, get_args

from services.intake import fields, reaching
from services.intake.body import Invalid, Wishes, checked
from services.intake.guard import NOTHING, Guard
from services.intake.reaching import Served
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


def read(
    document: Mapping[str, Any],
    person: Person,
    *,
    default_zone: str,
    today: date,
    served: Served,
    guard: Guard = NOTHING,
) -> dict[str, Any]:
    """Return what this person wishes, by the names of `events.Person`; null is as if it had never been said.

    Raises `Invalid` naming every field that is wrong.
    """
    wished, refused = guard.passed(checked(Wishes, document))
    if refused:
        raise Invalid(refused)
    found: dict[str, Any] = {}
    for name in document:
        value = getattr(wished, name)
        default = default_zone if name == "time_zone" else Person.model_fields[name].get_default()
        found[name] = default if value is None else value
    if "days" in found:
        found["days"] = tuple(day for day in get_args(Weekday) if day in found["days"])
    if "channel" in found:
        found |= _reached(found["channel"], person, served)
    if "time_zone" in found:
        found["zone_is_known"] = wished.time_zone is not None
    if (until := found.get("paused_until")) and until > today + AHEAD:
        raise Invalid([{"field": "paused_until", "problem": "must not be more than ten years ahead"}])
    return found


def _reached(said: str, person: Person, served: Served) -> dict[str, Any]:
    """What a channel's name or address changes; raises `Invalid` where it does not reach them."""
    channel, address = reaching.channel_of(said), reaching.address_of(said)
    reached = {"channel": channel, "apprise_url": address or person.apprise_url}
    if wrong := reaching.not_served(channel, address, served):
        raise Invalid([{"field": "channel", "problem": wrong}])
    if person.model_copy(update=reached).address is None:
        needs = {"sms": "a telephone number", "apprise": reaching.AN_ADDRESS}
        raise Invalid([{"field": "channel", "problem": f"needs {needs.get(channel, 'an e-mail address')}"}])
    if channel == "sms" and (wrong := fields.not_textable(person.phone or "")):
        raise Invalid([{"field": "channel", "problem": f"{person.phone} {wrong}"}])
    return reached
