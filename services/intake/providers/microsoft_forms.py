"""Microsoft Forms, through a flow of Power Automate (`deploy/forms/microsoft-forms.md`) that sends a shared secret."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from services.intake.answers import Delivery
from services.intake.providers import google_forms
from shared import strict_json

TYPES: Final = ("application/json",)
KEPT: Final = ()
BEARER: Final = re.compile(r"bearer +(\S+)", re.IGNORECASE)


def new_secret() -> str:
    """Return 256 random bits as text."""
    return secrets.token_urlsafe(32)


def check_secret(secret: str) -> None:
    """Raise `ValueError` when the secret cannot stand in a header, or is so short that it can be guessed."""
    if not re.fullmatch(r"[\x21-\x7e]{16,200}", secret):
        raise ValueError("must be 16 to 200 characters without spaces: it is sent as Authorization: Bearer SECRET")


def verify(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Say whether `Authorization` carries the secret."""
    del body
    given = BEARER.fullmatch(headers.get("authorization", "").strip())
    return bool(secret) and hmac.compare_digest(
        secret.encode(), (given[1] if given else "").encode("utf-8", "surrogateescape")
    )


def read(headers: Mapping[str, str], body: bytes) -> Delivery:
    """Return the answers by the titles that the flow gives them.

    Responses are numbered within their form, so the form's title is part of the id.
    """
    del headers
    document = strict_json.read_object(body)
    if isinstance(given := document.get("answers"), dict):
        document["answers"] = {title: _listed(one) for title, one in given.items()}
    document["submittedAt"] = _instant(document.get("submittedAt"))
    if document.get("respondentEmail") == "anonymous":
        document["respondentEmail"] = None
    submission = google_forms.submission(document)
    form = hashlib.sha256(str(document.get("formTitle") or "").encode()).hexdigest()[:16]
    return replace(submission, key=f"{submission.key}@{form}")


def _listed(answer: Any) -> Any:
    """Several choices come as the text of a JSON list, uploads as that of a list of objects."""
    if not isinstance(answer, str) or not answer.startswith("[") or not answer.rstrip().endswith("]"):
        return answer
    try:
        found = strict_json.read_object(f'{{"list":{answer}}}'.encode())["list"]
    except ValueError:
        return answer  # somebody wrote in brackets
    if all(isinstance(one, str) for one in found):
        return found
    return [one.get("link") for one in found if isinstance(one, dict)] if isinstance(found[0], dict) else answer


def _instant(submitted: Any) -> Any:
    """The connector writes `10/21/2026 6:10:00 PM`, in UTC."""
    if not isinstance(submitted, str):
        return submitted
    for written in ("%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %H:%M:%S"):
        try:
            return datetime.strptime(submitted.strip(), written).replace(tzinfo=UTC).isoformat()
        except ValueError:
            continue
    return submitted
