"""Twilio's webhooks (https://www.twilio.com/docs/usage/webhooks/webhooks-security): texts that came in, and reports.

The signature covers the address as Twilio knows it, so that is made of PUBLIC_URL, never of what the request says of
itself, and of the request's own path and query, byte for byte.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from services.intake.inbound.report import DETAIL_LENGTH, named, text
from shared.events import Report, ReportData

Fields = Sequence[tuple[str, str]]

PORTS: Final = {"https": 443, "http": 80}
# What it takes for a START, and answers, besides the words that are plain to everybody: only there, where somebody had
# texted STOP (https://help.twilio.com/articles/223134027).
TAKES_FOR: Final = {"yes": "START"}
# The others (queued, sending, sent) say nothing that we do not know.
STATUSES: Final[dict[str, Report]] = {
    "delivered": "delivered",
    "read": "delivered",
    "undelivered": "failed",
    "failed": "failed",
    "canceled": "failed",
}


def token_of(sms_url: str) -> str | None:
    """Return the auth token of `SMS_URL`; None when that is no account of Twilio."""
    parts = urlsplit(sms_url)
    who = parts.netloc.rpartition("@")[0]
    return (unquote(who.partition(":")[2]) or None) if parts.scheme == "twilio" else None


def is_signed(url: str, fields: Fields, body: bytes, signature: str, token: str, *, is_json: bool) -> bool:
    """Say whether the holder of the token signed a request to this address; `fields` are those of a form."""
    if is_json:
        given = parse_qs(urlsplit(url).query).get("bodySHA256", [""])[-1]
        is_whole = hmac.compare_digest(hashlib.sha256(body).hexdigest().encode(), given.lower().encode())
        fields = ()
    else:
        is_whole = True
    # Which of them Twilio signs has changed over time; all are tried, whichever fits.
    right = [_signature(form, fields, token) for form in _forms(url)]
    fits = [hmac.compare_digest(one, signature.encode("utf-8", "replace")) for one in right]
    return any(fits) and is_whole


def report(fields: Fields, *, nudge: str | None, at: datetime) -> ReportData | None:
    """Return what a status callback says; None when that is nothing new."""
    given = dict(fields)
    what = STATUSES.get(given.get("MessageStatus") or given.get("SmsStatus") or "")
    sid = given.get("MessageSid") or given.get("SmsSid")
    if what is None or not sid:
        return None
    failed = what == "failed"
    return ReportData(
        what=what,
        channel="sms",
        nudge=named(nudge),
        provider_id=text(sid)[:64],
        address=text(given.get("To"))[:40] or None,
        code=(text(given.get("ErrorCode"))[:10] or None) if failed else None,
        detail=(text(given.get("ErrorMessage"))[:DETAIL_LENGTH] or None) if failed else None,
        at=at,
    )


def _forms(url: str) -> Iterable[str]:
    """The address as it is, with the port that goes without saying, and without any."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    bare = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    head, tail = f"{parts.scheme}://", url[len(parts.scheme) + 3 + len(parts.netloc) :]
    yield url
    if parts.port is None:
        yield f"{head}{parts.netloc}:{PORTS.get(parts.scheme, 443)}{tail}"
    else:
        yield f"{head}{bare}{tail}"


def _signature(url: str, fields: Fields, token: str) -> bytes:
    # Of a name that is there twice each value counts once, in their order.
    signed = url + "".join(name + value for name, value in sorted(set(fields)))
    digest = hmac.digest(token.encode(), signed.encode("utf-8", "surrogateescape"), "sha1")
    return base64.b64encode(digest)
