"""Tally (https://tally.so/help/webhooks): the answers of a form, signed when the webhook has a secret."""

import base64
import hmac
import re
import secrets
from collections.abc import Mapping
from typing import Any, Final

from services.intake import shapes
from services.intake.answers import Answer, Delivery, Ignored, Kind, Submission, Unreadable
from shared import strict_json

TYPES: Final = ("application/json",)
KEPT: Final = ()
ID: Final = re.compile(r"[A-Za-z0-9_-]{1,200}")
UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
KINDS: Final[dict[str, Kind]] = {
    "INPUT_EMAIL": "email",
    "INPUT_PHONE_NUMBER": "phone",
    "INPUT_LINK": "url",
    "INPUT_DATE": "date",
    "INPUT_NUMBER": "number",
    "LINEAR_SCALE": "number",
    "RATING": "number",
    "MULTIPLE_CHOICE": "choice",
    "CHECKBOXES": "choice",
    "DROPDOWN": "choice",
    "MULTI_SELECT": "choice",
    "RANKING": "choice",
    "MATRIX": "choice",
    "FILE_UPLOAD": "file",
    "SIGNATURE": "file",
    "HIDDEN_FIELDS": "hidden",
    "CALCULATED_FIELDS": "hidden",
    "RESPONDENT_COUNTRY": "hidden",
}


def new_secret() -> str:
    """Return 256 random bits as text."""
    return secrets.token_urlsafe(32)


def check_secret(secret: str) -> None:
    """Take any text, and none: a webhook without a secret is not signed, and known by its path alone."""


def verify(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Say whether `Tally-Signature` is the HMAC-SHA256 of the body; without a secret the path has proven it."""
    if not secret:
        return True
    expected = base64.b64encode(hmac.digest(secret.encode(), body, "sha256"))
    return hmac.compare_digest(expected, headers.get("tally-signature", "").encode("utf-8", "surrogateescape"))


def read(headers: Mapping[str, str], body: bytes) -> Delivery:
    """Return the answers in the order of the form. The id is the response's: `eventId` names a delivery."""
    del headers
    document = strict_json.read_object(body)
    if (event := document.get("eventType")) != "FORM_RESPONSE":
        if not isinstance(event, str):
            raise Unreadable("has no eventType")
        return Ignored(reason="another event than a response")
    data = document.get("data")
    if not isinstance(data, dict):
        raise Unreadable("has no object data")
    key = data.get("responseId") or data.get("submissionId") or document.get("eventId")
    if not isinstance(key, str) or not ID.fullmatch(key):
        raise Unreadable("has no data.responseId")
    fields = data.get("fields")
    if not isinstance(fields, list) or not all(isinstance(field, dict) for field in fields):
        raise Unreadable("has no list of objects data.fields")
    return Submission(key=key, answers=tuple(_answer(field) for field in fields))


def _answer(field: Mapping[str, Any]) -> Answer:
    label, value = field.get("label"), field.get("value")
    kind = KINDS.get(str(field.get("type")), "text")
    return Answer(
        names=(str(field.get("key")),),
        title=label if isinstance(label, str) else "",
        # Beside the list of what was ticked each box comes by itself, as true or false.
        kind="yes-no" if isinstance(value, bool) else kind,
        value=shapes.urls(value) if kind == "file" else shapes.value(_in_words(field, value)),
    )


def _in_words(field: Mapping[str, Any], value: object) -> object:
    """Choices come as ids; their texts stand beside them, as do those of a matrix's rows and columns."""
    texts = {
        str(one.get("id")): one.get("text")
        for part in ("options", "rows", "columns")
        if isinstance(listed := field.get(part), list)
        for one in listed
        if isinstance(one, dict)
    }

    def chosen(one: object) -> object:
        known = texts.get(one) if isinstance(one, str) else None
        if known is None and texts and isinstance(one, str) and UUID.fullmatch(one):
            return None  # an option that is there no more: its id says nothing to anybody
        return one if known is None else known

    match value:
        case list():
            return [chosen(one) for one in value]
        case dict():
            return {str(chosen(row)): _in_words(field, columns) for row, columns in value.items()}
    return chosen(value)
