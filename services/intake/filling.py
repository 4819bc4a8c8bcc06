"""The fields of a submission, and how an answer takes the form that its field wants. Pure."""

import re
from collections.abc import Collection
from typing import Any, Final, Literal

from services.intake.answers import Value
from services.intake.guesses import tidied

Shape = Literal["text", "list", "links", "link", "yes-no", "number", "kind", "days", "breaks"]
FIELDS: Final[dict[str, Shape]] = {
    "owner.email": "text",
    "owner.name": "text",
    "owner.phone": "text",
    "owner.time_zone": "text",
    "owner.channel": "text",
    "owner.locale": "text",
    "owner.send_at": "text",
    "owner.days": "days",
    "owner.quiet_from": "text",
    "owner.quiet_to": "text",
    "owner.holidays": "text",
    "owner.breaks": "breaks",
    "owner.daily_limit": "number",
    "owner.paused_until": "text",
    "contact.name": "text",
    "contact.email": "text",
    "contact.phone": "text",
    "contact.links": "links",
    "contact.consent": "yes-no",
    "event.name": "text",
    "event.kind": "kind",
    "event.hashtag": "text",
    "event.place": "text",
    "met_at": "text",
    "notes": "text",
    "topics": "list",
    "promise": "text",
    "document": "link",
    "goal_at": "text",
    "plan": "text",
}
YES: Final = (
    "yes", "true", "1", "on", "si", "oui", "ja", "i agree", "yes i agree", "agree", "agreed", "i accept", "accept",
    "accepted", "checked", "acepto", "de acuerdo", "estoy de acuerdo",
)  # fmt: skip
NO: Final = (
    "no", "false", "0", "off", "non", "nein", "nee", "i do not agree", "declined", "dismissed", "unchecked",
    "no acepto",
)  # fmt: skip
KINDS: Final = {
    "twitter": "chat", "twitter chat": "chat", "x chat": "chat", "bluesky": "chat", "mastodon": "chat",
    "congress": "conference", "summit": "conference", "ed camp": "edcamp", "unconference": "edcamp",
    "meet up": "meetup", "special interest group": "sig", "video call": "sig", "school visit": "visit",
    "congreso": "conference", "conferencia": "conference", "encuentro": "meetup", "quedada": "meetup",
    "chat de twitter": "chat", "seminario web": "webinar", "webinario": "webinar", "visita": "visit",
    "videollamada": "sig", "otro": "other", "otra": "other",
}  # fmt: skip
OWN_KINDS: Final = ("conference", "edcamp", "meetup", "chat", "sig", "webinar", "visit", "other")


def filled(field: str, value: Value) -> Any:
    """Return the value as the API takes it, or as it is when that cannot be told: then the field's check says so."""
    text = as_text(value)
    match FIELDS[field]:
        case "text":
            return text
        case "list":
            return _parts(value, r"[,;\n]")
        case "links":
            return [_address(part) for part in _parts(value, r"[\s,;]")]
        case "link":
            return _address(value[0] if isinstance(value, tuple) else text)
        case "yes-no":
            word = tidied(text)
            return True if word in YES else False if word in NO else text
        case "number":
            return int(text) if re.fullmatch(r"\d{1,4}", text) else text
        case "kind":
            return KINDS.get(tidied(text), tidied(text))
        case "days":
            return [part[:3].lower() for part in _parts(value, r"[\s,;]")]
        case "breaks":
            return _parts(value, r"[\s,;]")


def as_text(value: Value) -> str:
    """Return an answer in words."""
    match value:
        case bool():
            return "Yes" if value else "No"
        case float() if value.is_integer():
            return str(int(value))
        case tuple():
            return ", ".join(value)
    return str(value).strip()


def _parts(value: Value, separators: str) -> list[str]:
    parts: Collection[str] = value if isinstance(value, tuple) else re.split(separators, as_text(value))
    return [part.strip() for part in parts if part.strip()]


def _address(text: str) -> str:
    """People leave the https:// out."""
    return f"https://{text}" if re.match(r"(?i)[a-z0-9-]+(\.[a-z0-9-]+)+(/|$)", text) else text
