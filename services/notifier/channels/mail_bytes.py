"""A mail as the bytes that go over the wire."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.errors import MessageError
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy, default
from email.utils import format_datetime
from typing import Any, Final

from email_validator import EmailNotValidError, validate_email

from services.notifier.message import Mail
from services.notifier.plain import for_header


class _Lines(EmailPolicy):
    """One line a header; but what is not ASCII becomes encoded words, which have 75 characters at most (RFC 2047).

    Folding all at 78 would turn a long List-Unsubscribe into an encoded word, which Gmail refuses there; and folding
    nothing makes a long name one encoded word that some mail programs show as it is.
    """

    def fold(self, name: str, value: Any) -> str:
        if str(value).isascii():
            return str(super().fold(name, value))
        if hasattr(value, "addresses"):
            return f"{name}: {', '.join(_address(name, address) for address in value.addresses)}\r\n"
        return f"{name}: {_encoded(name, str(value))}\r\n"

    def fold_binary(self, name: str, value: Any) -> bytes:
        return self.fold(name, value).encode("ascii")


def _address(header: str, address: Address) -> str:
    if str(address).isascii():
        return str(address)
    return f"{_encoded(header, address.display_name)}\r\n <{address.addr_spec}>"


def _encoded(header: str, text: str) -> str:
    return Header(text, "utf-8", maxlinelen=76, header_name=header).encode(linesep="\r\n")


POLICY: Final = _Lines(linesep="\r\n", max_line_length=998)
NO_MARKS: Final[Mapping[str, str]] = {}


class Unwritable(Exception):
    """This can not be put into a mail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    name: str
    address: str  # ASCII, also its domain

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]

    def header(self) -> Address:
        return Address(display_name=self.name, addr_spec=self.address)


def mailbox(address: str, name: str = "") -> Mailbox:
    """Return the mailbox with its domain as A-labels; raises `Unwritable` for what is no address SMTP can carry."""
    try:
        checked = validate_email(
            address,
            allow_smtputf8=False,
            strict=True,
            allow_quoted_local=True,
            check_deliverability=False,
            globally_deliverable=False,
            test_environment=True,
        )
    except EmailNotValidError as error:
        raise Unwritable(str(error)) from error
    if checked.ascii_email is None:
        raise Unwritable("the part before the @-sign is not ASCII")
    return Mailbox(name=for_header(name, 200), address=checked.ascii_email)


def sender(mail_from: str) -> Mailbox:
    """Return the mailbox of `MAIL_FROM`; raises `Unwritable`."""
    addresses = default.header_factory("From", " ".join(mail_from.split())).addresses
    if len(addresses) != 1:
        raise Unwritable("must be one address, such as Afterhello <hello@school.example>")
    return mailbox(addresses[0].addr_spec, addresses[0].display_name)


def written(
    mail: Mail,
    *,
    sender: Mailbox,
    recipient: Mailbox,
    message_id: str,
    at: datetime,
    began_with: str | None = None,
    reply_to: str | None = None,
    unsubscribe: str | None = None,
    marks: Mapping[str, str] = NO_MARKS,
) -> bytes:
    """Return the whole message, every line ended with CRLF; raises `Unwritable`.

    `began_with` is the Message-ID of the mail that the conversation began with; `reply_to` and `unsubscribe` are
    addresses of ours that take answers to this very mail; `marks` are headers that its vendor gives back to us.
    """
    message = EmailMessage(POLICY)
    try:
        message["From"] = sender.header()
        message["To"] = recipient.header()
        message["Subject"] = for_header(mail.subject, 200)
        message["Date"] = format_datetime(at)
        message["Message-ID"] = message_id
        if mail.thread is not None:
            root = f"<{mail.thread}{message_id[message_id.rindex('@') :]}"
            # The first has nothing to answer, and its vendor may have changed its id: so all name the root as well.
            message["In-Reply-To"] = began_with or root
            message["References"] = f"{root} {began_with}" if began_with else root
        # Reply reaches both: the person, and us, who then know that somebody wrote to them.
        if answers := [found.header() for address in (mail.reply_to, reply_to) if (found := _known(address))]:
            message["Reply-To"] = answers
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834
        message["X-Auto-Response-Suppress"] = "OOF, AutoReply"
        ways = [mail.leave_url, *([f"mailto:{unsubscribe}"] if unsubscribe else [])]
        message["List-Unsubscribe"] = ", ".join(f"<{way}>" for way in ways)
        for name, value in marks.items():
            message[name] = value
        message["MIME-Version"] = "1.0"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
        boundary = f"=_{message_id[1 : message_id.rindex('@')]}"
        message.make_alternative()
        message.attach(_part(mail.text, "plain"))
        message.attach(_part(mail.html, "html"))
        message.set_boundary(boundary)
        if mail.calendar is not None:
            message.make_mixed(f"{boundary}+")
            message.attach(_calendar(mail.calendar))
        return message.as_bytes()
    except (MessageError, ValueError, LookupError, UnicodeError) as error:
        raise Unwritable(f"{type(error).__name__}: {error}") from error


def _part(text: str, subtype: str) -> EmailMessage:
    """One way to read the mail, in lines of 76 as quoted-printable wants them."""
    part = EmailMessage(SMTP)
    part.set_content(text, subtype=subtype, cte="quoted-printable")
    del part["MIME-Version"]
    return part


def _calendar(entries: bytes) -> EmailMessage:
    """The entries as a file, not as an invitation beside the text: nobody is asked to accept anything."""
    part = EmailMessage(SMTP)
    part.set_content(entries, maintype="text", subtype="calendar", disposition="attachment", filename="afterhello.ics")
    part.set_param("charset", "UTF-8")
    part.set_param("method", "PUBLISH")  # as in the file itself
    del part["MIME-Version"]
    return part


def _known(address: str | None) -> Mailbox | None:
    try:
        return mailbox(address) if address else None
    except Unwritable:
        return None
