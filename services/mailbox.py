"""The mailbox of `afterhello run`: takes what the notifier sends over SMTP, keeps it, and shows it at /mailbox."""

import asyncio
import email
import email.message
import email.policy
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import structlog
from aiohttp import web

from shared.events import new_id
from shared.web import Pages, Problem

log = structlog.get_logger()

KEPT: Final = 2000  # mails; the oldest make room
SHOWN: Final = 100  # on the list's page
TEMPLATES: Final = Path(__file__).parent / "templates"
# The page reloads when a mail has come, and only then.
NEWS_SCRIPT: Final = """\
const newest = document.body.dataset.newest;
setInterval(async () => {
  const answer = await fetch("/mailbox/messages.json?limit=1").catch(() => null);
  if (!answer || !answer.ok) return;
  const [mail] = await answer.json();
  if (mail && mail.id !== newest) location.reload();
}, 2000);
"""
# What a mail brings runs no script, loads nothing from elsewhere, and opens its links in another tab.
MAIL_POLICY: Final = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    id: UUID
    to: str
    sender: str
    subject: str
    received_at: datetime
    text: str
    html: str
    raw: str


class Mailbox:
    """Mails as `.eml` files in one folder, any of which opens in a mail program."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, content: bytes, *, sender: str, to: str) -> UUID:
        """Put the mail safely on disk, with the envelope before it as a mail server does, and return its id."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mail_id = new_id()
        path = self._path(mail_id)
        with path.with_suffix(".new").open("wb") as file:
            file.write(f"Return-Path: <{sender}>\r\nDelivered-To: {to}\r\n".encode() + content)
            file.flush()
            os.fsync(file.fileno())
        path.with_suffix(".new").rename(path)
        directory = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        for old in self.ids()[KEPT:]:
            self._path(old).unlink(missing_ok=True)
        return mail_id

    def ids(self) -> list[UUID]:
        """Return the ids of what is here, newest first."""
        with suppress(FileNotFoundError):
            return sorted((UUID(path.stem) for path in self._folder.iterdir() if path.suffix == ".eml"), reverse=True)
        return []

    def read(self, ids: Sequence[UUID]) -> list[Mail]:
        """Return these mails in this order, without those that are gone."""
        mails = []
        for mail_id in ids:
            path = self._path(mail_id)
            if path.exists():
                with suppress(FileNotFoundError):
                    mails.append(_read(mail_id, path))
        return mails

    def _path(self, id: UUID) -> Path:
        return self._folder / f"{id}.eml"


@asynccontextmanager
async def smtp_server(mailbox: Mailbox) -> AsyncIterator[int]:
    """Take mails for the mailbox over SMTP on a free port of this machine, which is the value."""
    from aiosmtpd.smtp import SMTP  # of the extra `standalone`

    loop = asyncio.get_running_loop()
    sessions: list[Any] = []

    def session() -> Any:
        sessions[:] = [session for session in sessions if session.transport is not None]
        sessions.append(SMTP(_Delivery(mailbox), loop=loop, hostname="localhost", ident="Afterhello's mailbox"))
        return sessions[-1]

    server = await loop.create_server(session, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for open_session in sessions:
            if open_session.transport is not None:
                open_session.transport.close()
        await server.wait_closed()


class _Delivery:
    """What aiosmtpd asks; the names are its own."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        """Answer 250 once the mail is on disk, for every recipient."""
        sender = envelope.mail_from or ""
        try:
            for to in envelope.rcpt_tos:
                kept = await asyncio.to_thread(self._mailbox.keep, bytes(envelope.content), sender=sender, to=to)
        except OSError as error:
            log.warning("mailbox.full", error=error.strerror)
            return "452 4.3.1 the mailbox cannot be written"
        return f"250 2.0.0 kept as {kept}"


def add_pages(app: web.Application, mailbox: Mailbox) -> None:
    """Show the mailbox at /mailbox, and as JSON at /mailbox/messages.json."""
    pages = Pages(TEMPLATES)

    async def show_list(request: web.Request) -> web.Response:
        _refuse_strangers(request)
        ids = await asyncio.to_thread(mailbox.ids)
        mails = await asyncio.to_thread(mailbox.read, ids[:SHOWN])
        response = pages.render("mailbox.html", mails=mails, total=len(ids), newest=str(ids[0]) if ids else "")
        response.headers["Content-Security-Policy"] += "; script-src 'self'; connect-src 'self'"
        return response

    async def show_mail(request: web.Request) -> web.Response:
        response = pages.render("mail.html", mail=await _mail(mailbox, request))
        response.headers["Content-Security-Policy"] += "; frame-src 'self'"
        return response

    async def show_html(request: web.Request) -> web.Response:
        mail = await _mail(mailbox, request)
        # Before the doctype it would put the mail into quirks mode; a browser moves it into the head from here too.
        body = mail.html.replace("<head>", '<head><base target="_blank">', 1)
        headers = {"Content-Security-Policy": MAIL_POLICY, "X-Frame-Options": "SAMEORIGIN"}
        return web.Response(text=body, content_type="text/html", headers=headers)

    async def show_raw(request: web.Request) -> web.Response:
        return web.Response(text=(await _mail(mailbox, request)).raw, content_type="text/plain")

    async def show_json(request: web.Request) -> web.Response:
        _refuse_strangers(request)
        limit = request.query.get("limit", "")
        if limit and not (limit.isascii() and limit.isdigit() and len(limit) < 6):
            raise Problem(400, "limit must be a number", errors=[{"field": "limit", "problem": "must be a number"}])
        ids = (await asyncio.to_thread(mailbox.ids))[: int(limit or KEPT)]
        mails = await asyncio.to_thread(mailbox.read, ids)
        return web.json_response(
            [
                {
                    "id": str(mail.id),
                    "to": mail.to,
                    "subject": mail.subject,
                    "received_at": mail.received_at.isoformat().replace("+00:00", "Z"),
                    "text": mail.text,
                    "html": mail.html,
                    "raw": mail.raw,
                }
                for mail in mails
            ]
        )

    async def show_script(_request: web.Request) -> web.Response:
        return web.Response(text=NEWS_SCRIPT, content_type="text/javascript")

    app.router.add_get("/mailbox", show_list)
    app.router.add_get("/mailbox/messages.json", show_json)
    app.router.add_get("/mailbox/news.js", show_script)
    app.router.add_get("/mailbox/{id:[0-9a-f-]{36}}", show_mail)
    app.router.add_get("/mailbox/{id:[0-9a-f-]{36}}/html", show_html)
    app.router.add_get("/mailbox/{id:[0-9a-f-]{36}}/raw", show_raw)


async def _mail(mailbox: Mailbox, request: web.Request) -> Mail:
    _refuse_strangers(request)
    with suppress(ValueError):
        for mail in await asyncio.to_thread(mailbox.read, [UUID(request.match_info["id"])]):
            return mail
    raise Problem(404, "There is no such mail here")


def _refuse_strangers(request: web.Request) -> None:
    """Let nobody read the mails by pointing a name of theirs at this machine (DNS rebinding)."""
    host = request.url.host or ""
    with suppress(ValueError):
        ip_address(host)
        return
    if host != "localhost" and not host.endswith(".localhost"):
        raise Problem(403, "The mailbox is shown at localhost or a numeric address only")


# A mail stays as it is, while pages and scripts ask for all of them every moment: parsing takes milliseconds each.
@lru_cache(maxsize=KEPT)
def _read(id: UUID, path: Path) -> Mail:
    content = path.read_bytes()
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, email.message.EmailMessage)
    return Mail(
        id=id,
        to=str(message["Delivered-To"]),
        sender=_readable(message, "From"),
        subject=_readable(message, "Subject"),
        received_at=datetime.fromtimestamp((id.int >> 80) / 1000, UTC),
        text=_part(message, "plain"),
        html=_part(message, "html"),
        raw=content.decode("utf-8", "replace"),
    )


def _readable(message: email.message.EmailMessage, name: str) -> str:
    try:
        header = message[name]
        addresses: Sequence[Address] = getattr(header, "addresses", ())
        return addresses[0].display_name or addresses[0].addr_spec if addresses else str(header or "")
    except (ValueError, LookupError, IndexError):  # a header that the parser gives up on is still a mail
        return ""


def _part(message: email.message.EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    if part is None:
        return ""
    try:
        return str(part.get_content()).replace("\r\n", "\n")
    except (ValueError, LookupError):  # an unknown charset, say
        return bytes(part.get_payload(decode=True) or b"").decode("utf-8", "replace")
