"""A letter: an e-mail in words that no longer know the vendor, and how its headers are read. Pure.

Whatever a header holds, something is read from it: a stranger wrote it, and it is no reason to fail.
"""

import base64
import email
import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from html.parser import HTMLParser
from typing import Any, Final, NamedTuple

import orjson

from shared import strict_json

TEXT_LENGTH: Final = 40_000  # of what is kept of a letter's text; the notes of a meeting are shorter still
SUBJECT_LENGTH: Final = 300
MAILBOXES: Final = 100
# What is written to an address like these is for us, and its holder is nobody that anybody met.
OURS: Final = re.compile(r"(log|reply)\+([a-z0-9._-]{1,60})@[^@\s]+", re.IGNORECASE)
MACHINES: Final = re.compile(r"(mailer-daemon|postmaster|no-?reply|do-?not-?reply)@", re.IGNORECASE)
ID: Final = re.compile(r"[\x21-\x7e]{1,500}")


def new_token() -> str:
    """Return a token of 160 random bits that is the same whatever a mail program makes of its case."""
    return base64.b32encode(secrets.token_bytes(20)).decode().lower()


class Mailbox(NamedTuple):
    name: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What is needed of an e-mail. Attachments are not."""

    id: str  # its Message-ID, else a fingerprint of the rest
    sender: Mailbox | None
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    recipients: tuple[str, ...]  # to whom it was delivered, Bcc included, as far as the vendor tells
    subject: str
    text: str
    sent_at: str | None  # ISO 8601 with an offset
    automatic: str | None  # why nobody wrote this themselves; None: somebody did

    def tokens(self) -> tuple[str, ...]:
        """Return the tokens of our addresses that it was sent to, `log+TOKEN@...`."""
        addresses = (*self.recipients, *(one.address for one in (*self.to, *self.cc)))
        found = (OURS.fullmatch(address.strip()) for address in addresses)
        return tuple(dict.fromkeys(one[2].lower() for one in found if one and one[1].lower() == "log"))


def of_headers(
    headers: Iterable[tuple[str, str]],
    *,
    text: str,
    html: str = "",
    recipients: Sequence[str] = (),
    return_path: str | None = None,
) -> Letter:
    """Return the letter with these headers; of one that is there twice the first counts."""
    first: dict[str, str] = {}
    for name, value in headers:
        first.setdefault(name.strip().lower(), decoded(value))
    senders, to, cc = (mailboxes(first.get(name, "")) for name in ("from", "to", "cc"))
    subject = _clean(first.get("subject", ""))[:SUBJECT_LENGTH].strip()
    text = _clean(text if text.strip() else plain(html))[:TEXT_LENGTH].strip()
    sent_at = _instant(first.get("date", ""))
    key = first.get("message-id", "").strip()
    if not ID.fullmatch(key):
        said = orjson.dumps([senders, to, cc, subject, text, sent_at])
        key = f"letter:{hashlib.sha256(said).hexdigest()}"
    return Letter(
        id=key,
        sender=senders[0] if senders else None,
        to=to,
        cc=cc,
        recipients=tuple(recipients)[:MAILBOXES],
        subject=subject,
        text=text,
        sent_at=sent_at,
        automatic=_automatic(first, senders, return_path),
    )


def of_mime(raw: bytes, *, recipients: Sequence[str] = (), return_path: str | None = None) -> Letter:
    """Return the letter that a mail program wrote."""
    message = email.message_from_bytes(raw)
    plain_text, html = "", ""
    for part in message.walk():
        if part.is_multipart() or part.get_filename() or "attachment" in str(part.get("Content-Disposition", "")):
            continue
        if part.get_content_type() == "text/plain" and not plain_text:
            plain_text = _content(part)
        elif part.get_content_type() == "text/html" and not html:
            html = _content(part)
    headers = [(name, str(value)) for name, value in message.items()]
    return of_headers(headers, text=plain_text, html=html, recipients=recipients, return_path=return_path)


def as_json(letter: Letter) -> bytes:
    """Return it as it is kept; not to whom it was delivered, since that holds the proof of the source."""
    return orjson.dumps(
        {
            "id": letter.id,
            "from": letter.sender,
            "to": letter.to,
            "cc": letter.cc,
            "subject": letter.subject,
            "text": letter.text,
            "sent_at": letter.sent_at,
        }
    )


def of_json(raw: bytes) -> Letter:
    """Return a letter that was kept; raises `ValueError`, also when it is none."""
    kept = strict_json.read_object(raw)
    try:
        return Letter(
            id=kept["id"],
            sender=Mailbox(*kept["from"]) if kept["from"] else None,
            to=tuple(Mailbox(*one) for one in kept["to"]),
            cc=tuple(Mailbox(*one) for one in kept["cc"]),
            recipients=(),
            subject=kept["subject"],
            text=kept["text"],
            sent_at=kept["sent_at"],
            automatic=None,
        )
    except (KeyError, TypeError):
        raise ValueError("is no letter") from None


def decoded(value: str) -> str:
    """Return a header's value with its encoded words in letters, on one line."""
    value = re.sub(r"\s+", " ", value).strip()
    if "=?" not in value:
        return value
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, ValueError):
        return value


def mailboxes(value: str) -> tuple[Mailbox, ...]:
    """Return whom a header names, each once; who has no address is left out."""
    found: dict[str, Mailbox] = {}
    for name, address in getaddresses([value[:20_000]])[:MAILBOXES]:
        if "@" in address:
            found.setdefault(address.lower(), Mailbox(_clean(name).strip(" '\""), address.strip()))
    return tuple(found.values())


def plain(html: str) -> str:
    """Return the words of a page, a line for each of its blocks."""
    reader = _Words()
    reader.feed(html[: 10 * TEXT_LENGTH])
    reader.close()
    return re.sub(r"[ \t]*\n\s*\n\s*", "\n\n", re.sub(r"[ \t\xa0]+", " ", "".join(reader.words))).strip()


class _Words(HTMLParser):
    HIDDEN: Final = ("style", "script", "head", "title")
    LINES: Final = ("p", "div", "br", "tr", "li", "blockquote", "h1", "h2", "h3", "hr", "table")

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        del attrs
        self._hidden += tag in self.HIDDEN
        if tag in self.LINES:
            self.words.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = max(0, self._hidden - (tag in self.HIDDEN))

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(re.sub(r"\s+", " ", data))


def _automatic(headers: Mapping[str, str], senders: Sequence[Mailbox], return_path: str | None) -> str | None:
    """RFC 3834, and what was usual before it."""
    if headers.get("auto-submitted", "no").partition(";")[0].strip().lower() != "no":
        return "an automatic answer (Auto-Submitted)"
    if headers.get("precedence", "").strip().lower() in {"bulk", "junk", "auto_reply"}:
        return "an automatic letter (Precedence)"
    for name in ("x-autoreply", "x-autorespond", "x-auto-reply"):
        if headers.get(name, "no").strip().lower() not in {"no", "false", ""}:
            return f"an automatic answer ({name.title()})"
    if return_path is not None and return_path.strip() in {"", "<>"}:
        return "a notice of a mail server (without a return path)"
    if senders and MACHINES.match(senders[0].address):
        return "a notice of a machine"
    return None


def _instant(value: str) -> str | None:
    try:
        at = parsedate_to_datetime(value)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _content(part: Message) -> str:
    raw = part.get_payload(decode=True)
    return in_charset(raw if isinstance(raw, bytes) else b"", str(part.get_content_charset() or "utf-8"))


def in_charset(raw: bytes, charset: str) -> str:
    """Return the text; what its charset does not have, or a charset that nobody knows, becomes question marks."""
    try:
        return raw.decode(charset, "replace")
    except (LookupError, ValueError):
        return raw.decode("utf-8", "replace")


def _clean(text: str) -> str:
    """Without what no database or JSON holds."""
    return re.sub(r"[\0\ud800-\udfff]", "\ufffd", text)
