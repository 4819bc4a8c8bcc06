"""One response to a form of ours, as Typeform sends it: what `afterhello demo` posts."""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

ANSWERS: Final = {  # question: answer
    "Your email": "ada@school.example",
    "Who did you meet?": "Erin",
    "Where did you meet?": "MassCUE 2026",
    "What did you promise?": "send the rubric",
}


def signature(body: bytes, secret: str) -> dict[str, str]:
    """Return the header with which Typeform proves that the body is its own."""
    digest = hmac.digest(secret.encode(), body, hashlib.sha256)
    return {"Typeform-Signature": f"sha256={base64.b64encode(digest).decode()}"}


def body(now: datetime, answers: Mapping[str, str] = ANSWERS) -> bytes:
    """Return a response submitted now, compact as Typeform sends it, with our form's questions and Ada's answers."""
    submitted_at = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    kinds = {question: "email" if "email" in question else "short_text" for question in answers}
    fields = [
        {
            "id": hashlib.sha256(question.encode()).hexdigest()[:12],
            "ref": f"question_{number}",
            "type": kinds[question],
            "title": question,
            "properties": {},
        }
        for number, question in enumerate(answers, 1)
    ]
    given = []
    for field, answer in zip(fields, answers.values(), strict=True):
        kind = "email" if field["type"] == "email" else "text"
        about = {"id": field["id"], "type": field["type"], "ref": field["ref"]}
        given.append({"type": kind, kind: answer, "field": about})
    response = {
        "form_id": "lT4Z3j",
        "token": secrets.token_hex(16),
        "landed_at": submitted_at,
        "submitted_at": submitted_at,
        "definition": {"id": "lT4Z3j", "title": "Who did you meet?", "fields": fields},
        "answers": given,
    }
    document = {"event_id": secrets.token_hex(13), "event_type": "form_response", "form_response": response}
    return json.dumps(document, separators=(",", ":")).encode()
