"""SendGrid's reports (https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event): a JSON array. Pure.

They are signed with ECDSA over the timestamp and the body as it came, the line break at its end included.
"""

import base64
import binascii
from datetime import datetime
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from services.intake.inbound.report import about, enhanced, instant, named, nudge_of, text
from services.intake.reporting import Named
from shared.events import Report

SIGNATURE: Final = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP: Final = "X-Twilio-Email-Event-Webhook-Timestamp"
EVENTS: Final[dict[str, Report]] = {
    "delivered": "delivered",
    "deferred": "delayed",
    "spamreport": "complained",
    "unsubscribe": "unsubscribed",
    "group_unsubscribe": "unsubscribed",
}
# Why SendGrid did not even try; any other reason is no fault of the address.
DROPPED: Final[dict[str, Report]] = {
    "bounced address": "bounced",
    "invalid": "bounced",
    "spam reporting address": "complained",
    "unsubscribed address": "unsubscribed",
}


def is_signed(body: bytes, *, timestamp: str, signature: str, key: str) -> bool:
    """Say whether SendGrid signed this; `key` is its verification key, in base64."""
    public = load_der_public_key(base64.b64decode(key))
    assert isinstance(public, EllipticCurvePublicKey)
    try:
        given = base64.b64decode(signature, validate=True)
        public.verify(given, timestamp.encode("utf-8", "replace") + body, ECDSA(SHA256()))
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def read(events: list[dict[str, Any]], *, now: datetime) -> list[Named]:
    """Return what they report, each under a name that is the same when SendGrid sends it again."""
    found: list[Named] = []
    for event in events:
        kind, reason, code = text(event.get("event")), text(event.get("reason")), None
        match kind:
            case "bounce":
                code = enhanced(event.get("status"), reason)
                what: Report | None = "failed" if event.get("type") == "blocked" else "bounced"
            case "dropped":
                what = DROPPED.get(reason.lower(), "failed")
            case _:
                what = EVENTS.get(kind)
        if what is None:
            continue
        nudge = nudge_of(event.get("smtp-id")) or named(event.get("nudge"))
        at = instant(event.get("timestamp"), now=now)
        detail = reason or event.get("response")
        report = about(what, at, nudge=nudge, address=event.get("email"), code=code, detail=detail)
        name = text(event.get("sg_event_id")) or f"{kind} {text(event.get('sg_message_id'))} {report.address}"
        found.append((name, report))
    return found
