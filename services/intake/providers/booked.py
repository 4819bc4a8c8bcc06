"""What booking tools have in common: facts under the names of our fields, tidied so that none spoils a booking."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from services.intake import fields
from services.intake.answers import Answer, Unreadable

ID: Final = re.compile(r"[\x21-\x7e]{1,400}")
PHONE: Final = re.compile(r"\+[0-9 ()./-]{7,25}")
NAME_LENGTH: Final = 200
NOTES_LENGTH: Final = 4000


def fact(field: str, value: object, *, length: int = NAME_LENGTH) -> list[Answer]:
    """Return the answer that gives this field its value, or none: the tool's own words may be longer than ours."""
    text = value if isinstance(value, str) else ""
    text = "".join(character if character.isprintable() or character == "\n" else " " for character in text)
    text = (text if length > NAME_LENGTH else " ".join(text.split())).strip()[:length]
    return [Answer(names=(field,), title=field, kind="hidden", value=text)] if text else []


def notes(value: object) -> list[Answer]:
    """Return the notes that the attendee left."""
    return fact("notes", value, length=NOTES_LENGTH)


def phone(field: str, value: object) -> list[Answer]:
    """Return the telephone number if it is one that the whole world reads alike."""
    return fact(field, value) if isinstance(value, str) and PHONE.fullmatch(value.strip()) else []


def zone(field: str, value: object) -> list[Answer]:
    """Return the time zone if it is one we know: one that we do not must not cost the meeting."""
    try:
        return fact(field, fields.zone(value)) if isinstance(value, str) else []
    except ValueError:
        return []


def place(value: object) -> list[Answer]:
    """Return where they meet, if that is a place: calls are named by their links or by the tool's own words."""
    text = value.strip() if isinstance(value, str) else ""
    return [] if re.match(r"(?i)(https?://|integrations:|tel:|\+?\d[\d ()-]{5,}$)", text) else fact("event.place", text)


def named(name: object, email: object) -> str:
    """Return a person's name; what stands before the @ when they gave none."""
    text = name.strip() if isinstance(name, str) else ""
    return text or (email.partition("@")[0] if isinstance(email, str) else "")


def instant(value: object) -> datetime | None:
    """Return when the tool says it happened; None when it does not."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at and at.tzinfo is None else at


def ident(value: object, name: str) -> str:
    """Return an id of the tool's; raises `Unreadable` when there is none."""
    if not isinstance(value, str) or not ID.fullmatch(value):
        raise Unreadable(f"has no {name}")
    return value


def an_object(value: object, name: str) -> dict[str, Any]:
    """Return the object; raises `Unreadable` when it is none."""
    if not isinstance(value, dict):
        raise Unreadable(f"has no object {name}")
    return value


def objects(value: object, name: str) -> list[dict[str, Any]]:
    """Return a list of objects, empty when it is missing; raises `Unreadable` when it holds something else."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise Unreadable(f"has no list of objects {name}")
    return value


def part(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the object under this name, an empty one when there is none."""
    found = value.get(name)
    return found if isinstance(found, dict) else {}
