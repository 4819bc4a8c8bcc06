"""Typeform (https://www.typeform.com/developers/webhooks): the answers of a form, signed with a secret text."""

import base64
import hmac
import re
import secrets
from collections.abc import Mapping
from typing import Any, Final

from services.intake.answers import Answer, Delivery, Ignored, Kind, Submission, Unreadable, Value
from shared import strict_json

TYPES: Final = ("application/json",)
KEPT: Final = ()
TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,200}")
KINDS: Final[dict[str, Kind]] = {
    "email": "email",
    "phone_number": "phone",
    "website": "url",
    "url": "url",
    "calendly": "url",
    "date": "date",
    "number": "number",
    "opinion_scale": "number",
    "rating": "number",
    "nps": "number",
    "yes_no": "yes-no",
    "legal": "yes-no",
    "boolean": "yes-no",
    "multiple_choice": "choice",
    "picture_choice": "choice",
    "dropdown": "choice",
    "ranking": "choice",
    "file_upload": "file",
    "file_url": "file",
}


def new_secret() -> str:
    """Return 256 random bits as text."""
    return secrets.token_urlsafe(32)


def check_secret(secret: str) -> None:
    """Raise `ValueError` when there is no secret: Typeform then signs nothing."""
    if not secret.strip():
        raise ValueError("must not be empty")


def verify(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Say whether `Typeform-Signature` is the HMAC-SHA256 of the body."""
    expected = b"sha256=" + base64.b64encode(hmac.digest(secret.encode(), body, "sha256"))
    return hmac.compare_digest(expected, headers.get("typeform-signature", "").encode("utf-8", "surrogateescape"))


def read(headers: Mapping[str, str], body: bytes) -> Delivery:
    """Return the answers in the order of the questions, questions left out among them, and the hidden fields.

    The id is the response's token: `event_id` names a delivery, and the same response may come under another one.
    """
    del headers
    document = strict_json.read_object(body)
    if (event := document.get("event_type")) != "form_response":
        if not isinstance(event, str):
            raise Unreadable("has no event_type")
        return Ignored(reason="a form half filled in" if event == "form_response_partial" else "an unknown event_type")
    response = _object(document.get("form_response"), "form_response")
    token = response.get("token")
    if not isinstance(token, str) or not TOKEN.fullmatch(token):
        raise Unreadable("has no form_response.token")
    definition = _object(response.get("definition") or {}, "form_response.definition")
    questions = {}
    for question in _flat(_objects(definition.get("fields"), "form_response.definition.fields")):
        questions[str(question.get("id"))] = question
    given = {}
    for answer in _objects(response.get("answers"), "form_response.answers"):
        question = _object(answer.get("field") or {}, "form_response.answers.field")
        name = str(question.get("id"))
        given[name] = answer
        questions[name] = question | questions.get(name, {})
    asked = [_answer(name, question, given.get(name)) for name, question in questions.items()]
    hidden = [
        Answer(names=(name,), title=name, kind="hidden", value=_plain(value))
        for name, value in _object(response.get("hidden") or {}, "form_response.hidden").items()
    ]
    return Submission(key=token, answers=(*asked, *hidden))


def _answer(id: str, question: Mapping[str, Any], answer: Mapping[str, Any] | None) -> Answer:
    ref = question.get("ref")
    title = question.get("title")
    return Answer(
        names=(id, ref) if isinstance(ref, str) and ref else (id,),
        title=title if isinstance(title, str) else "",
        kind=KINDS.get(str(question.get("type")), "text"),
        value=None if answer is None else _value(answer),
    )


def _value(answer: Mapping[str, Any]) -> Value | None:
    """The value stands under the name of the answer's type: `{"type": "email", "email": "laura@example.com"}`."""
    kind = answer.get("type")
    value = answer.get(kind) if isinstance(kind, str) else None
    match kind, value:
        case "choice", dict():
            return _plain(value.get("label")) or _plain(value.get("other"))
        case "choices", dict():
            labels = value.get("labels")
            chosen = [*(labels if isinstance(labels, list) else []), value.get("other")]
            return tuple(label for label in chosen if isinstance(label, str) and label) or None
        case "payment", dict():
            return _plain(value.get("amount"))
        case "multi_format", dict():  # a video or audio answer; its text, if it was typed instead
            return _plain(value.get("text")) or _plain(value.get("video_url")) or _plain(value.get("audio_url"))
    return _plain(value)


def _plain(value: object) -> Value | None:
    return value if isinstance(value, (str, bool, int, float)) and value != "" else None


def _flat(questions: list[dict[str, Any]], depth: int = 4) -> list[dict[str, Any]]:
    """Questions inside a group (`inline_group`, `group`, `matrix`: `properties.fields`) stand beside the others."""
    found = []
    for question in questions:
        properties = question.get("properties")
        inner = properties.get("fields") if isinstance(properties, dict) else None
        if isinstance(inner, list) and inner and depth:
            found += _flat([field for field in inner if isinstance(field, dict)], depth - 1)
        else:
            found.append(question)
    return found


def _object(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unreadable(f"has no object {name}")
    return value


def _objects(value: object, name: str) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Unreadable(f"has no list of objects {name}")
    return value
