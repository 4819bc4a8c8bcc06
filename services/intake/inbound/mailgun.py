"""Mailgun's routes (https://documentation.mailgun.com/docs/mailgun/user-manual/receive-forward-store/): a form.

`timestamp`, `token` and `signature` prove that Mailgun sent it, not what it sent. Of a field given twice the last
counts, as Mailgun has it: variables of a letter may be called like its fields.
"""

from typing import Final
from urllib.parse import parse_qsl

import orjson

from services.intake import letter, multipart
from services.intake.inbound import mailgun_events, returned
from services.intake.inbound.delivered import Delivered, Proof
from shared import strict_json

JSON: Final = "application/json"
TYPES: Final = ("application/x-www-form-urlencoded", "multipart/form-data", JSON)
SIGNS: Final = True
FIELDS: Final = 500


def read(content_type: str, body: bytes) -> Delivered:
    """Return the letter, also when the route's address ends in `mime` and it comes as it was written; or reports."""
    if content_type.partition(";")[0].strip().lower() == JSON:
        document = strict_json.read_object(body)
        return Delivered(
            proof=mailgun_events.proof(document), reports=lambda now: mailgun_events.read(document, now=now)
        )
    fields = _fields(content_type, body)
    proof = Proof(**{name: fields.get(name, "") for name in ("timestamp", "token", "signature")})
    recipients = [one.address for one in letter.mailboxes(fields.get("recipient", ""))]
    return_path = fields.get("sender")
    if "body-mime" in fields:
        raw = fields["body-mime"].encode("utf-8", "surrogateescape")
        found = letter.of_mime(raw, recipients=recipients, return_path=return_path)
        return Delivered(letter=found, proof=proof, returned=returned.of_mime(raw) if found.tokens("bounce") else None)
    headers = [*_headers(fields.get("message-headers", "")), *fields.items()]
    if not any(name.lower() == "from" for name, _ in headers):
        return Delivered(letter=None, proof=proof)
    found = letter.of_headers(
        headers,
        text=fields.get("body-plain", ""),
        page=fields.get("body-html", ""),
        recipients=recipients,
        return_path=return_path,
    )
    return Delivered(letter=found, proof=proof, returned=returned.of_form(content_type, body))


def _fields(content_type: str, body: bytes) -> dict[str, str]:
    if content_type.strip().lower().startswith("multipart/"):
        return {
            field.name: field.raw.decode("utf-8", "surrogateescape") for field in multipart.read_raw(content_type, body)
        }
    text = body.decode("ascii", "replace")
    return dict(parse_qsl(text, keep_blank_values=True, errors="surrogateescape", max_num_fields=FIELDS))


def _headers(text: str) -> list[tuple[str, str]]:
    """`[["Received", "..."], ["From", "..."]]`."""
    try:
        given = orjson.loads(text.encode("utf-8", "replace"))
    except orjson.JSONDecodeError:
        return []
    pairs = (one for one in given if isinstance(one, list) and len(one) == 2) if isinstance(given, list) else ()
    return [(name, value) for name, value in pairs if isinstance(name, str) and isinstance(value, str)]
