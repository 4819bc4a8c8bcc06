"""Fillout (https://www.fillout.com/help/webhook): no signature is documented; known by its path.

In its advanced mode a webhook can have headers of one's own: with a secret, `Authorization: Bearer SECRET` is wanted.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from services.intake import shapes
from services.intake.answers import Answer, Delivery, Kind, Submission, Unreadable, Value
from services.intake.providers import microsoft_forms
from services.intake.providers.microsoft_forms import check_secret
from shared import strict_json

__all__ = ["KEPT", "TYPES", "check_secret", "new_secret", "read", "verify"]

TYPES: Final = ("application/json",)
KEPT: Final = ()
ID: Final = re.compile(r"[A-Za-z0-9_-]{1,200}")
KINDS: Final[dict[str, Kind]] = {
    "EmailInput": "email",
    "PhoneNumber": "phone",
    "URLInput": "url",
    "DatePicker": "date",
    "DateTimePicker": "date",
    "DateRange": "date",
    "NumberInput": "number",
    "CurrencyInput": "number",
    "OpinionScale": "number",
    "Slider": "number",
    "StarRating": "number",
    "Checkbox": "yes-no",
    "Switch": "yes-no",
    "Checkboxes": "choice",
    "Dropdown": "choice",
    "ImagePicker": "choice",
    "Matrix": "choice",
    "MultiSelect": "choice",
    "MultipleChoice": "choice",
    "Ranking": "choice",
    "RecordPicker": "choice",
    "SubmissionPicker": "choice",
    "AudioRecording": "file",
    "FileUpload": "file",
    "Signature": "file",
}
REPEATED: Final = ("Subform", "Table")


def new_secret() -> None:
    """Return None: what Fillout sends of itself proves nothing."""


def verify(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Say yes, the path having proven it; where there is a secret, say whether `Authorization` carries it."""
    return not secret or microsoft_forms.verify(headers, body, secret)


def read(headers: Mapping[str, str], body: bytes) -> Delivery:
    """Return the answers in the order of the form, then the parameters of its address as hidden ones."""
    del headers
    document = strict_json.read_object(body)
    submission = document.get("submission", document)
    if not isinstance(submission, dict):
        raise Unreadable("has no object submission")
    key = submission.get("submissionId")
    if not isinstance(key, str) or not ID.fullmatch(key):
        raise Unreadable("has no submission.submissionId")
    answers: list[Answer] = []
    for question in _objects(submission, "questions", required=True):
        answers += _answers(question)
    for part in ("urlParameters", "calculations"):
        answers += [
            Answer(names=_names(one), title=str(one.get("name") or ""), kind="hidden", value=shapes.value(one["value"]))
            for one in _objects(submission, part)
            if "value" in one
        ]
    for booked in _objects(submission, "scheduling"):
        answers += _parts(_names(booked), str(booked.get("name") or ""), booked.get("value"))
    login = submission.get("login")
    email = shapes.value(login.get("email")) if isinstance(login, dict) else None
    answers.append(
        Answer(names=("login.email",), title="login.email", kind="hidden", value=email, stands_for="owner.email")
    )
    return Submission(key=key, answers=tuple(answers))


def _answers(question: Mapping[str, Any]) -> list[Answer]:
    names, title, raw = _names(question), str(question.get("name") or ""), question.get("value")
    type = str(question.get("type"))
    if type in REPEATED:
        return shapes.rows(raw, names=names, title=title)
    kind = KINDS.get(type, "text")
    value: Value | None = shapes.urls(raw) if kind == "file" else shapes.value(raw)
    whole = Answer(names=names, title=title, kind=kind, value=value)
    return [whole, *_parts(names, "", raw)] if type in {"Address", "DateRange", "Calcom", "Calendly"} else [whole]


def _parts(names: tuple[str, ...], title: str, raw: object) -> list[Answer]:
    """What an object holds, to be mapped one by one: `where.city`."""
    return [
        Answer(
            names=tuple(f"{name}.{part}" for name in names),
            title=f"{title} {part}" if title else "",
            kind="choice",
            value=shapes.value(one),
        )
        for part, one in (raw.items() if isinstance(raw, dict) else ())
    ]


def _names(one: Mapping[str, Any]) -> tuple[str, ...]:
    return (str(one.get("id")),)


def _objects(submission: Mapping[str, Any], name: str, *, required: bool = False) -> list[dict[str, Any]]:
    value = submission.get(name)
    if value is None and not required:
        return []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise Unreadable(f"has no list of objects submission.{name}")
    return value
