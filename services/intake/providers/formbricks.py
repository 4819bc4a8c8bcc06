"""Formbricks (https://formbricks.com/docs/platform/features/integrations/webhooks): Standard Webhooks.

A response comes once when it is begun, once for each answer and once when it is finished: only the last one counts.
Answers stand by the ids of their questions; the questions themselves are not sent.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from services.intake import shapes
from services.intake.answers import Answer, Delivery, Ignored, Kind, Submission, Unreadable
from services.intake.providers import standard
from services.intake.providers.standard import KEPT, TYPES, check_secret, new_secret
from shared import strict_json

__all__ = ["KEPT", "TYPES", "check_secret", "new_secret", "read", "verify"]

# What is posted before a webhook can be saved, so before it has a secret: it has to be answered 2xx, and means nothing.
PROBE: Final = {"event": "testEndpoint"}
ID: Final = re.compile(r"[A-Za-z0-9_-]{1,200}")
EMAIL: Final = re.compile(r"[^@\s,]+@[^@\s,]+\.[^@\s,]+")
DAY: Final = re.compile(r"\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d)?)?", re.ASCII)
CONTACT: Final = ("firstName", "lastName", "email", "phone", "company")


def verify(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Say whether the signature is right; the probe of a webhook that is not yet saved has none."""
    return standard.verify(headers, body, secret) or _is_probe(body)


def _is_probe(body: bytes) -> bool:
    try:
        return len(body) < 100 and strict_json.read_object(body) == PROBE
    except ValueError:
        return False


def read(headers: Mapping[str, str], body: bytes) -> Delivery:
    """Return the answers; what is known of the respondent, hidden fields and variables among them."""
    del headers
    document = strict_json.read_object(body)
    if (event := document.get("event")) != "responseFinished":
        if not isinstance(event, str):
            raise Unreadable("has no event")
        return Ignored(reason="not the end of a response")
    response = _object(document.get("data"), "data")
    key = response.get("id")
    if not isinstance(key, str) or not ID.fullmatch(key):
        raise Unreadable("has no data.id")
    answers: list[Answer] = []
    for id, raw in _object(response.get("data"), "data.data").items():
        answers += _answers(id, raw)
    for id, raw in _object(response.get("variables") or {}, "data.variables").items():
        answers.append(Answer(names=(id,), title="", kind="hidden", value=shapes.value(raw)))
    attributes = _object(response.get("contactAttributes") or {}, "data.contactAttributes")
    for name, raw in attributes.items():
        stands_for = "owner.email" if name == "email" else None
        names = (f"contactAttributes.{name}",)
        answers.append(Answer(names=names, title="", kind="hidden", value=shapes.value(raw), stands_for=stands_for))
    return Submission(key=key, answers=tuple(answers))


def _answers(id: str, raw: object) -> list[Answer]:
    """One answer; of a block that asks how to reach somebody also its parts, `who.email`."""
    title = id.replace("_", " ").replace("-", " ")
    if isinstance(raw, list) and len(raw) == len(CONTACT) and EMAIL.fullmatch(str(raw[2])):
        given = dict(zip(CONTACT, raw, strict=True))
        parts = [
            Answer(names=(f"{id}.{part}",), title=f"{title} {part}", kind=_kind(one), value=shapes.value(one))
            for part, one in given.items()
        ]
        name = " ".join(str(given[part]).strip() for part in ("firstName", "lastName")).strip()
        return [Answer(names=(id, f"{id}.name"), title=title, kind="text", value=name or None), *parts]
    value = shapes.value(raw)
    return [Answer(names=(id,), title=title, kind=_kind(value), value=value)]


def _kind(value: object) -> Kind:
    """The type of a question is not sent, so its answer has to tell."""
    match value:
        case tuple() | list():
            return "choice"
        case int() | float():
            return "number"
        case str() if EMAIL.fullmatch(value.strip()):
            return "email"
        case str() if DAY.fullmatch(value.strip()):
            return "date"
        case "accepted" | "dismissed":
            return "yes-no"
    return "text"


def _object(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unreadable(f"has no object {name}")
    return value
