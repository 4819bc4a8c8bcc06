"""Mailgun's reports (https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhooks): JSON. Pure."""

from datetime import datetime
from typing import Any, Final

from services.intake.inbound.delivered import Proof
from services.intake.inbound.report import about, enhanced, instant, mapping, named, nudge_of, text
from services.intake.reporting import Named
from shared.events import Report

SUPPRESSED: Final[dict[str, Report]] = {
    "suppress-bounce": "bounced",
    "suppress-complaint": "complained",
    "suppress-unsubscribe": "unsubscribed",
}


def proof(document: dict[str, Any]) -> Proof:
    """Return the proof that stands in the body."""
    given = mapping(document.get("signature"))
    return Proof(**{name: text(given.get(name)) for name in ("timestamp", "token", "signature")})


def read(document: dict[str, Any], *, now: datetime) -> list[Named]:
    """Return what it reports, under a name that is the same when Mailgun sends it again."""
    event = mapping(document.get("event-data"))
    kind, status = text(event.get("event")), mapping(event.get("delivery-status"))
    said = status.get("message") or status.get("description")
    code: str | None = None
    what: Report
    match kind:
        case "delivered":
            what = "delivered"
        case "complained":
            what = "complained"
        case "unsubscribed":
            what = "unsubscribed"
        case "failed" if event.get("severity") == "temporary":
            what = "delayed"
        case "failed" | "rejected":
            reason = text(event.get("reason"))
            code = enhanced(status.get("enhanced-code"), said)
            is_refused = reason == "bounce" and str(status.get("code", ""))[:1] == "5"
            what = SUPPRESSED.get(reason, "bounced" if is_refused else "failed")
            code = None if reason in SUPPRESSED else code
        case _:
            return []
    headers = mapping(mapping(event.get("message")).get("headers"))
    nudge = nudge_of(headers.get("message-id")) or named(mapping(event.get("user-variables")).get("nudge"))
    at = instant(event.get("timestamp"), now=now)
    report = about(what, at, nudge=nudge, address=event.get("recipient"), code=code, detail=said)
    return [(f"{kind} {text(event.get('id'))} {event.get('timestamp')}", report)]
