"""What each vendor says of one mail, as its documentation and recorded payloads have it; the outcome that we read."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from uuid import UUID

NUDGE: Final = UUID("0199f7a0-0000-7000-8000-0000000000aa")
MESSAGE_ID: Final = f"<{NUDGE}@school.example>"
ADA: Final = "ada@school.example"


class Case(NamedTuple):
    vendor: str
    document: Any
    what: str | None  # None: nothing is told
    code: str | None = None
    by_address: bool = False  # the vendor does not name our message


def postmark(kind: str, **given: Any) -> dict[str, Any]:
    who = "Email" if kind in {"Bounce", "SpamComplaint"} else "Recipient"
    return {"RecordType": kind, "ID": 42, "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483", who: ADA} | given


def mailgun(event: str, **given: Any) -> dict[str, Any]:
    return {
        "event": event, "id": "G9Bn5sl1TC6nu79C8C0bwg", "timestamp": 1521233195.375624, "recipient": ADA,
        "message": {"headers": {"message-id": MESSAGE_ID.strip("<>"), "to": ADA}},
    } | given  # fmt: skip


def sendgrid(event: str, **given: Any) -> list[dict[str, Any]]:
    return [{"event": event, "email": ADA, "timestamp": 1600112492, "smtp-id": MESSAGE_ID, "sg_event_id": "e1"} | given]


def ses(kind: str, name: str = "notificationType", **given: Any) -> dict[str, Any]:
    mail = {
        "timestamp": "2016-01-27T14:59:38.237Z", "source": "hello@school.example", "messageId": "00000138111222aa",
        "destination": [ADA], "headers": [{"name": "Message-ID", "value": MESSAGE_ID}],
    }  # fmt: skip
    return {name: kind, "mail": mail} | given


def bounced(kind: str, subtype: str = "General", **recipient: Any) -> dict[str, Any]:
    who = [{"emailAddress": ADA, "action": "failed"} | recipient]
    return {
        "bounceType": kind,
        "bounceSubType": subtype,
        "bouncedRecipients": who,
        "timestamp": "2016-01-27T14:59:44.101Z",
    }


REFUSED: Final = {"severity": "permanent", "reason": "bounce"}
COMPLAINT: Final = {"complainedRecipients": [{"emailAddress": ADA}], "timestamp": "2016-01-27T14:59:44.101Z"}
CASES: Final[Mapping[str, Case]] = {
    "postmark delivered": Case(
        "postmark", postmark("Delivery", DeliveredAt="2022-09-02T11:49:27Z"), "delivered", None, True
    ),
    "postmark hard bounce": Case(
        "postmark", postmark("Bounce", Type="HardBounce", Inactive=True), "bounced", None, True
    ),
    "postmark names it": Case(
        "postmark", postmark("Bounce", Type="HardBounce", Inactive=True, Metadata={"nudge": str(NUDGE)}), "bounced"
    ),
    "postmark policy": Case(
        "postmark",
        postmark("Bounce", Type="HardBounce", Inactive=False, Details="smtp;550 5.7.1 refused by policy"),
        "bounced",
        "5.7.1",
        True,
    ),
    "postmark soft bounce": Case(
        "postmark", postmark("Bounce", Type="SoftBounce", Inactive=False), "failed", None, True
    ),
    "postmark inactive": Case("postmark", postmark("Bounce", Type="Blocked", Inactive=True), "bounced", None, True),
    "postmark transient": Case("postmark", postmark("Bounce", Type="Transient"), "delayed", None, True),
    "postmark auto-answer": Case("postmark", postmark("Bounce", Type="AutoResponder"), None),
    "postmark complaint": Case("postmark", postmark("SpamComplaint", Type="SpamComplaint"), "complained", None, True),
    "postmark left": Case(
        "postmark",
        postmark("SubscriptionChange", SuppressSending=True, SuppressionReason="ManualSuppression"),
        "unsubscribed",
        None,
        True,
    ),
    "postmark suppressed": Case(
        "postmark",
        postmark("SubscriptionChange", SuppressSending=True, SuppressionReason="HardBounce"),
        "bounced",
        None,
        True,
    ),
    "postmark back": Case("postmark", postmark("SubscriptionChange", SuppressSending=False), None),
    "postmark opened": Case("postmark", postmark("Open"), None),
    "mailgun delivered": Case("mailgun", mailgun("delivered"), "delivered"),
    "mailgun refused": Case(
        "mailgun",
        mailgun("failed", **REFUSED, **{"delivery-status": {"code": 550, "message": "No Such User"}}),
        "bounced",
    ),
    "mailgun refused with a code": Case(
        "mailgun",
        mailgun("failed", **REFUSED, **{"delivery-status": {"code": 550, "message": "5.1.1 No Such User"}}),
        "bounced",
        "5.1.1",
    ),
    "mailgun suppressed": Case("mailgun", mailgun("failed", severity="permanent", reason="suppress-bounce"), "bounced"),
    "mailgun complained before": Case(
        "mailgun", mailgun("failed", severity="permanent", reason="suppress-complaint"), "complained"
    ),
    "mailgun left before": Case(
        "mailgun", mailgun("failed", severity="permanent", reason="suppress-unsubscribe"), "unsubscribed"
    ),
    "mailgun too old": Case("mailgun", mailgun("failed", severity="permanent", reason="old"), "failed"),
    "mailgun for now": Case("mailgun", mailgun("failed", severity="temporary", reason="generic"), "delayed"),
    "mailgun complaint": Case("mailgun", mailgun("complained"), "complained"),
    "mailgun left": Case("mailgun", mailgun("unsubscribed"), "unsubscribed"),
    "mailgun opened": Case("mailgun", mailgun("opened"), None),
    "mailgun accepted": Case("mailgun", mailgun("accepted"), None),
    "sendgrid delivered": Case("sendgrid", sendgrid("delivered", response="250 OK"), "delivered"),
    "sendgrid bounce": Case(
        "sendgrid", sendgrid("bounce", type="bounce", status="5.1.1", reason="550 no such user"), "bounced", "5.1.1"
    ),
    "sendgrid blocked": Case(
        "sendgrid", sendgrid("bounce", type="blocked", status="5.7.1", reason="refused"), "failed", "5.7.1"
    ),
    "sendgrid dropped": Case("sendgrid", sendgrid("dropped", reason="Bounced Address"), "bounced"),
    "sendgrid dropped for us": Case("sendgrid", sendgrid("dropped", reason="Spam Content"), "failed"),
    "sendgrid complained before": Case("sendgrid", sendgrid("dropped", reason="Spam Reporting Address"), "complained"),
    "sendgrid deferred": Case("sendgrid", sendgrid("deferred", response="400 later"), "delayed"),
    "sendgrid complaint": Case("sendgrid", sendgrid("spamreport"), "complained"),
    "sendgrid left": Case("sendgrid", sendgrid("unsubscribe"), "unsubscribed"),
    "sendgrid left a group": Case("sendgrid", sendgrid("group_unsubscribe"), "unsubscribed"),
    "sendgrid opened": Case("sendgrid", sendgrid("open"), None),
    "ses bounce": Case("ses", ses("Bounce", bounce=bounced("Permanent", status="5.1.1")), "bounced", "5.1.1"),
    "ses bounce event": Case(
        "ses", ses("Bounce", "eventType", bounce=bounced("Permanent", status="5.1.1")), "bounced", "5.1.1"
    ),
    "ses suppressed": Case("ses", ses("Bounce", bounce=bounced("Permanent", "Suppressed", status="5.1.1")), "bounced"),
    "ses by its diagnosis": Case(
        "ses", ses("Bounce", bounce=bounced("Permanent", diagnosticCode="smtp; 550 5.7.1 no")), "bounced", "5.7.1"
    ),
    "ses transient": Case(
        "ses", ses("Bounce", bounce=bounced("Transient", "MailboxFull", status="5.2.2")), "failed", "5.2.2"
    ),
    "ses complaint": Case("ses", ses("Complaint", complaint=COMPLAINT), "complained"),
    "ses no spam": Case("ses", ses("Complaint", complaint=COMPLAINT | {"complaintFeedbackType": "not-spam"}), None),
    "ses delivered": Case(
        "ses", ses("Delivery", delivery={"recipients": [ADA], "smtpResponse": "250 ok"}), "delivered"
    ),
    "ses delay": Case(
        "ses",
        ses(
            "DeliveryDelay",
            "eventType",
            deliveryDelay={"delayedRecipients": [{"emailAddress": ADA, "status": "4.4.1"}]},
        ),
        "delayed",
        "4.4.1",
    ),
    "ses rejected": Case("ses", ses("Reject", "eventType", reject={"reason": "Bad content"}), "failed"),
    "ses sent": Case("ses", ses("Send", "eventType"), None),
}
