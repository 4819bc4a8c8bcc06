"""A letter: an e-mail in words that no longer know the vendor, and how its headers are read. Pure.

Whatever a header holds, something is read from it: a stranger wrote it, and it is no reason to fail.
"""

import base64
import email
import hashlib
import html
import re
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from typing import Final, NamedTuple

import orjson

from services.intake import automatic
from shared import strict_json

TEXT_LENGTH: Final = 40_000  # of what is kept of a letter's text; the notes of a meeting are shorter still
SUBJECT_LENGTH: Final = 300
MAILBOXES: Final = 100  # of a header
# What is written to an address like these is for us, and its holder is nobody that anybody met.
OURS: Final = re.compile(r"(log|reply|unsub|bounce)\+([a-z0-9._-]{1,60})@[^@\s]+", re.IGNORECASE)
TOKEN: Final = re.compile(r"\b(log|reply|unsub|bounce)\+[a-z0-9._-]{1,60}@", re.IGNORECASE)
TAG: Final = re.compile(r"(/?)([a-zA-Z][a-zA-Z0-9]{0,15})")
HIDDEN: Final = ("style", "script", "head", "title")
LINES: Final = ("p", "div", "br", "tr", "li", "blockquote", "h1", "h2", "h3", "hr", "table")
ID: Final = re.compile(r"[\x21-\x7e]{1,500}")


def new_token() -> str:
    """Return a token of 160 random bits that is the same whatever a mail program makes of its case."""
    return base64.b32encode(secrets.token_bytes(20)).decode().lower()


class Mailbox(NamedTuple):
    name: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What is needed of an e-mail. Attachments are not, and our own addresses stand in `recipients` alone."""

    id: str  # its Message-ID, else a fingerprint of the rest
    sender: Mailbox | None
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    recipients: tuple[str, ...]  # to whom it was sent and delivered, Bcc included, as far as the vendor tells
    subject: str
    text: str
    sent_at: str | None  # ISO 8601 with an offset
    automatic: str | None  # why nobody wrote this themselves; None: somebody did
    is_returned: bool = False  # by a mail server

    def tokens(self, use: str = "log") -> tuple[str, ...]:
        """Return the tokens of our addresses for this use that it was sent to, `log+TOKEN@...`."""
        found = (OURS.fullmatch(address.strip()) for address in self.recipients)
        return tuple(dict.fromkeys(one[2].lower() for one in found if one and one[1].lower() == use))


def of_headers(
    headers: Iterable[tuple[str, str]],
    *,
    text: str,
    page: str = "",
    recipients: Sequence[str] = (),
    return_path: str | None = None,
) -> Letter:
    """Return the letter with these headers; of one that is there twice the first counts."""
    first: dict[str, str] = {}
    for name, value in headers:
        first.setdefault(name.strip().lower(), decoded(value))
    return_path = first.get("return-path") if return_path is None else return_path
    senders, to, cc = (mailboxes(first.get(name, "")) for name in ("from", "to", "cc"))
    addresses = [*recipients, *(one.address for one in (*to, *cc))]
    to, cc = (tuple(one for one in people if not OURS.fullmatch(one.address)) for people in (to, cc))
    subject = _untold(first.get("subject", ""))[:SUBJECT_LENGTH].strip()
    text = _untold(text if text.strip() else plain(page))[:TEXT_LENGTH].strip()
    sent_at = _instant(first.get("date", ""))
    key = first.get("message-id", "").strip()
    if not ID.fullmatch(key):
        said = orjson.dumps([senders, to, cc, subject, text, sent_at], default=list)
        key = f"letter:{hashlib.sha256(said).hexdigest()}"
    return Letter(
        id=key,
        sender=senders[0] if len(senders) == 1 else None,  # of "ada@x.example <eve@y.example>" it is nobody
        to=to,
        cc=cc,
        recipients=tuple(addresses)[: 3 * MAILBOXES],
        subject=subject,
        text=text,
        sent_at=sent_at,
        automatic=automatic.why(first, senders[0].address if senders else "", return_path),
        is_returned=automatic.is_returned(senders[0].address if senders else "", return_path),
    )


def of_mime(raw: bytes, *, recipients: Sequence[str] = (), return_path: str | None = None) -> Letter:
    """Return the letter that a mail program wrote."""
    message = email.message_from_bytes(raw)
    text, page = "", ""
    for part in message.walk():
        if part.is_multipart() or part.get_filename() or "attachment" in str(part.get("Content-Disposition", "")):
            continue
        if part.get_content_type() == "text/plain" and not text:
            text = _content(part)
        elif part.get_content_type() == "text/html" and not page:
            page = _content(part)
    headers = [(name, str(value)) for name, value in message.items()]
    return of_headers(headers, text=text, page=page, recipients=recipients, return_path=return_path)


def as_json(letter: Letter) -> bytes:
    """Return it as it is kept; not to whom it was delivered, since that is the proof of the source."""
    return orjson.dumps(
        {
            "id": letter.id,
            "from": letter.sender,
            "to": letter.to,
            "cc": letter.cc,
            "subject": letter.subject,
            "text": letter.text,
            "sent_at": letter.sent_at,
        },
        default=list,  # a mailbox is a pair
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
    if "=?" in value:
        with suppress(HeaderParseError, LookupError, ValueError):
            value = str(make_header(decode_header(value)))
    return _clean(value)


def mailboxes(value: str) -> tuple[Mailbox, ...]:
    """Return whom a header names, each once; who has no address is left out."""
    found: dict[str, Mailbox] = {}
    for name, address in getaddresses([value[:20_000]])[:MAILBOXES]:
        if "@" in address:
            found.setdefault(address.lower(), Mailbox(_clean(name).strip(" '\""), address.strip()))
    return tuple(found.values())


def written(name: str, address: str) -> str:
    """Return a mailbox as headers have it, whatever the name holds."""
    quoted = re.sub(r'["\\\r\n]', " ", name)
    return f'"{quoted}" <{address}>' if quoted.strip() else address


def plain(page: str) -> str:
    """Return the words of a page, a line for each of its blocks.

    Strangers write pages, and parsers of HTML can be kept busy for minutes: this goes over it once.
    """
    first, *pieces = page[: 10 * TEXT_LENGTH].split("<")
    words, hidden, commented = [first], "", False
    for piece in pieces:
        if commented:
            _, ended, text = piece.partition("-->")
            commented = not ended
        else:
            tag, _, text = piece.partition(">")
            name = TAG.match(tag)
            if not name and not tag.startswith(("!", "?", "/")):
                text = f"<{piece}"
            elif tag.startswith("!--"):
                _, ended, text = piece[3:].partition("-->")
                commented = not ended
            elif name and hidden:
                hidden = "" if name[0].lower() == f"/{hidden}" else hidden
            elif name and name[0].lower() in HIDDEN:
                hidden = name[0].lower()
            elif name and name[2].lower() in LINES:
                words.append("\n")
        if not hidden:
            words.append(re.sub(r"\s+", " ", text))
    text = re.sub(r"[ \xa0]+", " ", html.unescape("".join(words)))
    return re.sub(r" ?\n\s*", "\n", text).strip()


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


def _untold(text: str) -> str:
    """Without the tokens of our addresses, which stand in what is quoted or forwarded."""
    return TOKEN.sub(r"\1+hidden@", _clean(text))


def _clean(text: str) -> str:
    """Without what no database or JSON holds."""
    return re.sub(r"[\0\ud800-\udfff]", "\ufffd", text)
