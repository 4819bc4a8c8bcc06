"""Google Forms, through the script in `deploy/google-forms.gs`, which signs as Standard Webhooks says."""

import re
from collections.abc import Mapping
from typing import Any, Final

from services.intake import shapes
from services.intake.answers import Answer, Delivery, Kind, Submission, Unreadable, Value
from services.intake.providers.standard import KEPT, TYPES, check_secret, new_secret, verify
from shared import strict_json

__all__ = ["KEPT", "TYPES", "check_secret", "new_secret", "read", "verify"]

ID: Final = re.compile(r"[\x21-\x7e]{1,200}")
EMAIL: Final = re.compile(r"[^@\s,]+@[^@\s,]+\.[^@\s,]+")
DAY: Final = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?)?", re.ASCII)


def read(headers: Mapping[str, str], body: bytes) -> Delivery:
    """Return the answers by the titles of their questions; the id is the response's."""
    del headers
    return submission(strict_json.read_object(body))


def submission(document: Mapping[str, Any]) -> Submission:
    """Return what `{"responseId", "submittedAt", "formTitle", "respondentEmail", "answers"}` submits.

    Whoever answered is the owner and the time of answering the time they met, unless questions say otherwise.
    """
    key = document.get("responseId")
    key = str(key) if isinstance(key, int) and not isinstance(key, bool) else key
    if not isinstance(key, str) or not ID.fullmatch(key):
        raise Unreadable("has no responseId")
    given = document.get("answers")
    if not isinstance(given, dict):
        raise Unreadable("has no object answers")
    answers = []
    for title, raw in given.items():
        value = shapes.value(raw)
        answers.append(Answer(names=(title,), title=title, kind=_kind(raw, value), value=value))
    said = {"respondentEmail": "owner.email", "submittedAt": "met_at", "formTitle": None}
    for name, field in said.items():
        value = shapes.value(document.get(name))
        if value is not None and not isinstance(value, str):
            raise Unreadable(f"has a {name} that is no text")
        answers.append(Answer(names=(name,), title=name, kind="hidden", value=value, stands_for=field))
    return Submission(key=key, answers=tuple(answers))


def _kind(raw: object, value: Value | None) -> Kind:
    """The type of a question is not sent, so its answer has to tell."""
    if isinstance(raw, list):
        return "choice"
    if isinstance(value, str) and EMAIL.fullmatch(value.strip()):
        return "email"
    return "date" if isinstance(value, str) and DAY.fullmatch(value.strip()) else "text"
