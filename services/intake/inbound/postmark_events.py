"""Postmark's reports (https://postmarkapp.com/developer/webhooks/webhooks-overview): JSON with a `RecordType`. Pure.

Its `MessageID` is its own. The nudge is in `Metadata`, when the mail had it; else the address alone tells.
"""

from datetime import datetime
from typing import Any, Final

from services.intake.inbound.report import about, enhanced, instant, mapping, named, text
from services.intake.reporting import Named
from shared.events import Report, ReportData

# https://postmarkapp.com/developer/api/bounce-api#bounce-types; the others say nothing of whether it arrived.
BOUNCES: Final[dict[str, Report]] = {
    **dict.fromkeys(("HardBounce", "BadEmailAddress", "ManuallyDeactivated"), "bounced"),
    **dict.fromkeys(
        ("SoftBounce", "DnsError", "SpamNotification", "Blocked", "DMARCPolicy", "VirusNotification", "Unknown",
         "SMTPApiError", "TemplateRenderingFailed"),
        "failed",
    ),
    "Transient": "delayed",
    "SpamComplaint": "complained",
    "Unsubscribe": "unsubscribed",
}  # fmt: skip
SUPPRESSIONS: Final[dict[str, Report]] = {
    "ManualSuppression": "unsubscribed",
    "HardBounce": "bounced",
    "SpamComplaint": "complained",
}


def read(document: dict[str, Any], *, now: datetime) -> list[Named]:
    """Return what it reports, under a name that is the same when Postmark sends it again."""
    kind = text(document.get("RecordType"))
    report = _report(kind, document, now)
    if report is None:
        return []
    key = document.get("ID") or f"{text(document.get('MessageID'))} {report.address}"
    # Whoever is made active again and then inactive is told of twice.
    at = next(
        (text(document.get(name)) for name in ("BouncedAt", "DeliveredAt", "ChangedAt") if document.get(name)), ""
    )
    return [(f"{kind} {key} {at}", report)]


def _report(kind: str, document: dict[str, Any], now: datetime) -> ReportData | None:
    nudge = named(mapping(document.get("Metadata")).get("nudge"))
    detail = " ".join(filter(None, (text(document.get(name)) for name in ("Name", "Details"))))
    match kind:
        case "Delivery":
            at = instant(document.get("DeliveredAt"), now=now)
            return about("delivered", at, nudge=nudge, address=document.get("Recipient"))
        case "Bounce" | "SpamComplaint":
            what = "complained" if kind == "SpamComplaint" else BOUNCES.get(text(document.get("Type")))
            if document.get("Inactive") is True and what in {"failed", "delayed", None}:
                what = "bounced"
            if what is None:
                return None
            # What Postmark has made inactive it would refuse from now on, whatever the code.
            code = None if document.get("Inactive") is True else enhanced(document.get("Details"))
            at = instant(document.get("BouncedAt"), now=now)
            return about(what, at, nudge=nudge, address=document.get("Email"), code=code, detail=detail)
        case "SubscriptionChange" if document.get("SuppressSending") is True:
            what = SUPPRESSIONS.get(text(document.get("SuppressionReason")), "unsubscribed")
            at = instant(document.get("ChangedAt"), now=now)
            return about(what, at, nudge=nudge, address=document.get("Recipient"))
    return None
