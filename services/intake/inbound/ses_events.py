"""Amazon SES's reports (https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html), out of SNS. Pure.

Feedback notifications have a `notificationType`, published events an `eventType`. SES gives mails ids of its own; ours
stands among the headers when it passes them on, and the envelope's sender is always there.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from services.intake.inbound.report import about, enhanced, instant, listed, mapping, nudge_of, text
from services.intake.reporting import Named
from shared import strict_json
from shared.events import Report

HEADERS: Final = 200


def read(message: str, *, id: str, by_sender: Callable[[str], UUID | None], now: datetime) -> list[Named]:
    """Return what the notification with this id reports; `by_sender` tells the nudge of an envelope's sender."""
    try:
        document = strict_json.read_object(message.encode())
    except (ValueError, UnicodeEncodeError):  # such as "Successfully validated SNS topic"
        return []
    kind = text(document.get("notificationType") or document.get("eventType"))
    mail = mapping(document.get("mail"))
    nudge = _nudge(mail) or by_sender(text(mail.get("source")))
    found: list[Named] = []
    for what, address, code, detail, at in _told(kind, document, mail):
        report = about(what, instant(at, now=now), nudge=nudge, address=address, code=code, detail=detail)
        found.append((f"{id} {len(found)}", report))
    return found


Told = tuple[Report, Any, str | None, Any, Any]


def _told(kind: str, document: dict[str, Any], mail: dict[str, Any]) -> list[Told]:
    match kind:
        case "Bounce":
            bounce = mapping(document.get("bounce"))
            # Transient: SES has tried for long enough, and gives up this mail, not the address.
            what: Report = "bounced" if bounce.get("bounceType") == "Permanent" else "failed"
            is_listed = text(bounce.get("bounceSubType")) in {"Suppressed", "OnAccountSuppressionList"}
            return [
                (
                    what,
                    one.get("emailAddress"),
                    None if is_listed else enhanced(one.get("status"), one.get("diagnosticCode")),
                    one.get("diagnosticCode"),
                    bounce.get("timestamp"),
                )
                for one in listed(bounce.get("bouncedRecipients"))
            ]
        case "Complaint":
            complaint = mapping(document.get("complaint"))
            complained = listed(complaint.get("complainedRecipients"))
            if complaint.get("complaintFeedbackType") == "not-spam":
                return []
            return [
                ("complained", one.get("emailAddress"), None, complaint.get("complaintFeedbackType"),
                 complaint.get("timestamp")) for one in complained
            ]  # fmt: skip
        case "Delivery":
            delivery = mapping(document.get("delivery"))
            people = delivery.get("recipients")
            said = delivery.get("smtpResponse"), delivery.get("timestamp")
            return [("delivered", one, None, *said) for one in (people if isinstance(people, list) else ())]
        case "DeliveryDelay":
            delay = mapping(document.get("deliveryDelay"))
            return [
                ("delayed", one.get("emailAddress"), enhanced(one.get("status")), one.get("diagnosticCode"),
                 delay.get("timestamp")) for one in listed(delay.get("delayedRecipients"))
            ]  # fmt: skip
        case "Reject":
            said = mapping(document.get("reject")).get("reason"), mail.get("timestamp")
            people = mail.get("destination")
            return [("failed", one, None, *said) for one in (people if isinstance(people, list) else ())]
    return []


def _nudge(mail: dict[str, Any]) -> UUID | None:
    ids = [
        one.get("value")
        for one in listed(mail.get("headers"))[:HEADERS]
        if text(one.get("name")).lower() == "message-id"
    ]
    ids.append(mapping(mail.get("commonHeaders")).get("messageId"))
    return next((found for one in ids if (found := nudge_of(one))), None)
