"""SendGrid's inbound parse (https://www.twilio.com/docs/sendgrid/for-developers/parsing-email): multipart, not signed.

Each field may be in a charset of its own, which `charsets` tells. With *POST the raw, full MIME message* the letter
comes as it was written, in `email`.
"""

from email.parser import HeaderParser
from typing import Any, Final

import orjson

from services.intake import letter, multipart
from services.intake.inbound import returned
from services.intake.inbound.delivered import Delivered

TYPES: Final = ("multipart/form-data",)
SIGNS: Final = False


def read(content_type: str, body: bytes) -> Delivered:
    """Return the letter."""
    raw = {field.name: field.raw for field in multipart.read_raw(content_type, body)}
    charsets = _object(raw.get("charsets", b""))
    fields = {name: letter.in_charset(value, str(charsets.get(name) or "utf-8")) for name, value in raw.items()}
    envelope = _object(raw.get("envelope", b""))
    to = envelope.get("to")
    recipients = [one for one in to if isinstance(one, str)] if isinstance(to, list) else []
    return_path = envelope.get("from") if isinstance(envelope.get("from"), str) else None
    if "email" in raw:
        found = letter.of_mime(raw["email"], recipients=recipients, return_path=return_path)
        return Delivered(letter=found, returned=returned.of_mime(raw["email"]) if found.tokens("bounce") else None)
    if "from" not in fields and "headers" not in fields:
        raise ValueError("has no from and no headers")
    headers: list[tuple[str, str]] = [
        (name, fields[name]) for name in ("from", "to", "cc", "subject") if name in fields
    ]
    headers += [(name, str(value)) for name, value in HeaderParser().parsestr(fields.get("headers", "")).items()]
    found = letter.of_headers(
        headers,
        text=fields.get("text", ""),
        page=fields.get("html", ""),
        recipients=recipients,
        return_path=return_path,
    )
    return Delivered(letter=found, returned=returned.of_form(content_type, body))


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
