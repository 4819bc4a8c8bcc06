"""Postmark's inbound webhook (https://postmarkapp.com/developer/webhooks/inbound-webhook): JSON, not signed.

Its own `MessageID` names the delivery, not the letter: the letter's is among `Headers`. Attachments are passed over,
but for what a mail server says of a mail that came back.
"""

import base64
import binascii
from typing import Any, Final

from services.intake import letter
from services.intake.inbound import postmark_events, returned
from services.intake.inbound.delivered import Delivered
from services.intake.inbound.returned import Notice
from shared import strict_json

TYPES: Final = ("application/json",)
SIGNS: Final = False
TO: Final = ("ToFull", "CcFull", "BccFull")


def read(content_type: str, body: bytes) -> Delivered:
    """Return the letter; or what it reports, which has a `RecordType`."""
    del content_type
    document = strict_json.read_object(body)
    if "RecordType" in document and document["RecordType"] != "Inbound":
        return Delivered(reports=lambda now: postmark_events.read(document, now=now))
    if not isinstance(document.get("From"), str):
        raise ValueError("has no From")
    headers = [("From", _people(document, "FromFull", "From"))]
    headers += [("To", _people(document, "ToFull", "To")), ("Cc", _people(document, "CcFull", "Cc"))]
    headers += [(name, _text(document, name)) for name in ("Subject", "Date")]
    given = document.get("Headers")
    for one in given if isinstance(given, list) else ():
        if isinstance(one, dict):
            headers.append((_text(one, "Name"), _text(one, "Value")))
    people = [one for name in TO for one in _list(document, name)]
    recipients = [_text(document, "OriginalRecipient"), *(_text(one, "Email") for one in people)]
    given_id = next((value for name, value in headers if name.strip().lower() == "message-id"), "")
    if not given_id and _text(document, "MessageID"):
        headers.append(("Message-ID", f"postmark:{_text(document, 'MessageID')}"))
    return Delivered(
        letter=letter.of_headers(
            headers, text=_text(document, "TextBody"), page=_text(document, "HtmlBody"), recipients=recipients
        ),
        returned=_returned(document),
    )


def _people(document: dict[str, Any], full: str, short: str) -> str:
    """A header of those that Postmark took apart; names are quoted, since they may hold anything."""
    listed = document.get(full)
    people = [listed] if isinstance(listed, dict) else _list(document, full)
    if not people:
        return _text(document, short)
    return ", ".join(letter.written(_text(one, "Name"), _text(one, "Email")) for one in people)


def _returned(document: dict[str, Any]) -> Notice | None:
    for one in _list(document, "Attachments"):
        if _text(one, "ContentType").partition(";")[0].strip().lower() == returned.STATUS_TYPE:
            try:
                return returned.of_status(base64.b64decode(_text(one, "Content"), validate=True))
            except binascii.Error:
                return None
    return None


def _list(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    given = document.get(name)
    return [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []


def _text(document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    return value if isinstance(value, str) else ""
