"""Mails that came back (RFC 3464): what a mail server says of one that it did not deliver. Pure.

Which mail that was tells the address that it came back to, and nothing else is believed: neither whom it names nor what
it says in sentences. Servers that know no RFC 3464 are understood by what they usually write, and then nobody's address
is given up for it.
"""

import email
import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.message import Message
from typing import Final

import structlog
from flufl.bounce import all_failures

from services.intake import multipart
from services.intake.inbound.report import enhanced, text
from shared.events import Report

log = structlog.get_logger()

STATUS_TYPE: Final = "message/delivery-status"
GLOBAL: Final = re.compile(
    rb"^(content-type:\s*message/)global-delivery-status", re.IGNORECASE | re.MULTILINE
)  # RFC 6533
FEEDBACK_TYPE: Final = "message/feedback-report"
BYTES: Final = 512 * 1024  # of which the rest is the mail itself, sent back
ACTIONS: Final[dict[str, Report]] = {"failed": "bounced", "delayed": "delayed", "delivered": "delivered"}
WORST_FIRST: Final[tuple[Report, ...]] = ("bounced", "failed", "delayed", "delivered")
STATUS: Final = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What became of the mail that came back."""

    what: Report
    address: str | None = None
    code: str | None = None
    detail: str | None = None


def of_mime(raw: bytes) -> Notice | None:
    """Return what a mail server says in this mail; None when it says nothing that is understood."""
    message = email.message_from_bytes(GLOBAL.sub(rb"\1delivery-status", raw[:BYTES]))
    for part in message.walk():
        kind = part.get_content_type()
        if kind == STATUS_TYPE and (found := _told(_blocks(part))):
            return found
        if kind == FEEDBACK_TYPE:
            said = part.as_bytes().lower()
            return Notice(what="complained") if b"feedback-type: abuse" in said else None
    return _guessed(message)


def of_status(raw: bytes) -> Notice | None:
    """Return what the part alone says that is made for machines, as vendors hand it on."""
    head = f"Content-Type: {STATUS_TYPE}\r\n\r\n".encode()
    return _told(_blocks(email.message_from_bytes(head + raw[:BYTES].lstrip())))


def of_form(content_type: str, body: bytes) -> Notice | None:
    """Return what that part says where a vendor sends it along as a file."""
    if not content_type.strip().lower().startswith("multipart/"):
        return None
    files = multipart.read_files(content_type, body, STATUS_TYPE)
    return of_status(files[0]) if files else None


def _blocks(part: Message) -> Iterable[Message]:
    payload = part.get_payload()
    return [one for one in payload if isinstance(one, Message)] if isinstance(payload, list) else ()


def _told(blocks: Iterable[Message]) -> Notice | None:
    """The worst that is said: of several recipients one is ours, since we write to one at a time."""
    found: list[Notice] = []
    for block in blocks:
        what = ACTIONS.get(_field(block, "Action").partition(" ")[0].lower())
        if what is None:
            continue
        status = STATUS.match(_field(block, "Status"))
        code = status[1] if status else None
        diagnosis = _field(block, "Diagnostic-Code")
        if code is None or code.endswith(".0.0"):  # the class alone: the code of SMTP itself may say more
            kind, _, said = diagnosis.partition(";")
            code = (enhanced(said) if kind.strip().lower() == "smtp" else None) or code
        if what == "bounced" and code is None:
            what = "failed"
        address = _field(block, "Final-Recipient").rpartition(";")[2].strip()
        found.append(Notice(what=what, address=address or None, code=code, detail=diagnosis or None))
    return min(found, key=lambda one: WORST_FIRST.index(one.what), default=None)


def _field(block: Message, name: str) -> str:
    return " ".join(text(str(block.get(name, ""))).split())


def _guessed(message: Message) -> Notice | None:
    try:
        temporary, permanent = all_failures(message)
    except Exception:  # a stranger wrote it, and there are 26 programs that it may pretend to come from
        log.info("returned.unreadable")
        return None
    if permanent:
        return Notice(what="failed")
    return Notice(what="delayed") if temporary else None
