"""Email, over SMTP: one recipient a transaction, every stage with its own time-out."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from aiosmtplib import SMTP, SMTPException, SMTPResponseException, SMTPTimeoutError
from aiosmtplib.protocol import PERIOD_REGEX, normalize_message_line_endings
from jinja2 import TemplateError

from services.notifier import message
from services.notifier.channels import dkim_key
from services.notifier.channels.dkim_key import DkimKey
from services.notifier.channels.mail_bytes import Mailbox, Unwritable, mailbox, sender, written
from services.notifier.channels.pace import Pace
from services.notifier.channels.receipt import Before, Begin, Receipt
from services.notifier.channels.smtp_connections import Connections, NoConnection, Timeouts, server
from services.notifier.channels.smtp_replies import Stage, judge, said
from shared.events import NudgeData
from shared.links import Links
from shared.mail_tokens import MailTokens, Use
from shared.settings import Settings, SettingsError

# Reports of vendors name our Message-ID or the envelope's sender; Postmark's name neither.
MARKS: Final[Mapping[str, str]] = {".postmarkapp.com": "X-PM-Metadata-nudge"}

NOTHING: Final = Before()


def open_email(config: Settings) -> "Email":
    """Return the channel as the settings want it; raises `SettingsError`. It connects with the first mail."""
    if config.smtp_url is None or config.mail_from is None or config.public_url is None:
        raise SettingsError("SMTP_URL, MAIL_FROM and PUBLIC_URL are needed to send mail")
    try:
        mail_from = sender(config.mail_from)
    except Unwritable as error:
        raise SettingsError(f"MAIL_FROM: {error}") from error
    hello = mail_from.domain if "." in mail_from.domain else "localhost"
    smtp = server(config.smtp_url.get_secret_value())
    connections = Connections(smtp, hello=hello, timeouts=Timeouts())
    return Email(
        connections,
        mail_from=mail_from,
        links=Links(config.public_url, config.secret_key),
        tokens=MailTokens(config.inbound_address, config.secret_key) if config.inbound_address else None,
        verp=config.verp,
        mark=next((mark for host, mark in MARKS.items() if smtp.host.endswith(host)), None),
        dkim=dkim_key.read(config, domain=mail_from.domain),
        pace=Pace(config.mail_pace),
    )


class Email:
    def __init__(
        self,
        connections: Connections,
        *,
        mail_from: Mailbox,
        links: Links,
        tokens: MailTokens | None = None,
        verp: bool = True,
        mark: str | None = None,
        dkim: DkimKey | None = None,
        pace: Pace | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.host = mail_from.domain
        self._connections = connections
        self._mail_from = mail_from
        self._links = links
        self._tokens = tokens  # None: nobody takes mail in for us
        self._verp = verp
        self._mark = mark  # the header whose value the vendor's reports give back to us
        self.dkim = dkim
        self._pace = pace or Pace(0)
        self._monotonic = monotonic
        self._timeouts = connections.timeouts

    @property
    def slots(self) -> int:
        """How many mails may be on their way at once."""
        return self._connections.limit

    @property
    def encryption(self) -> str | None:
        """How the last connection to the mail server was encrypted, such as TLSv1.3."""
        return self._connections.encryption

    async def look(self, nudge: NudgeData, *, unknowns: int) -> Receipt | None:
        """Return None: nobody can ask a mail server, and the same Message-ID twice is shown once or twice, no worse."""
        del nudge, unknowns
        return None

    async def send(
        self, nudge: NudgeData, message_id: str, *, now: datetime, begin: Begin, before: Before | None = None
    ) -> Receipt:
        """Hand the nudge to the mail server and return how that ended.

        `begin` is asked when the server has accepted sender and recipient; unless it says yes, nothing is sent.
        """
        try:
            recipient = mailbox(nudge.recipient.address, nudge.recipient.name or "")
        except Unwritable as error:
            return Receipt(outcome="refused", reason="bad-address", reply=str(error))
        if seconds := self._pace.wait(recipient.domain, nudge.nudge, self._monotonic()):
            return Receipt(outcome="held", after=timedelta(seconds=seconds))
        try:
            content = self.content(nudge, recipient, message_id, now=now, before=before or NOTHING)
        except (Unwritable, TemplateError) as error:
            return Receipt(outcome="refused", reason="unwritable", reply=said(0, str(error)), alert=True)
        return await self.hand_over(content, sender=self.envelope_sender(nudge), recipient=recipient, begin=begin)

    async def hand_over(self, content: bytes, *, sender: str, recipient: Mailbox, begin: Begin) -> Receipt:
        """Hand this mail to the mail server and return how that ended; `send` says when `begin` is asked."""
        try:
            client = await self._connections.take()
        except NoConnection as error:
            if error.receipt.reason == "busy":
                self._connections.fewer()
            return error.receipt
        receipt: Receipt | None = None
        try:
            receipt = await self._transact(client, sender, recipient.address, content, begin)
        finally:
            self._let_go(client, receipt)
        if receipt.slower:
            self._pace.slower(recipient.domain, self._monotonic())
        elif receipt.outcome == "sent":
            self._pace.taken(recipient.domain)
        return receipt

    def content(
        self, nudge: NudgeData, recipient: Mailbox, message_id: str, *, now: datetime, before: Before = NOTHING
    ) -> bytes:
        """Return the mail as it goes over the wire, signed if we have a key; raises `Unwritable`, `TemplateError`."""
        content = written(
            message.mail(
                nudge,
                self._links,
                now=now,
                lost=before.lost,
                answers_to=self._address("reply", nudge),
                organizer=self._mail_from.address,
            ),
            sender=self._mail_from,
            recipient=recipient,
            message_id=message_id,
            began_with=before.began_with,
            at=now,
            reply_to=self._address("reply", nudge),
            unsubscribe=self._address("unsub", nudge),
            marks={self._mark: str(nudge.nudge)} if self._mark else {},
        )
        return self.dkim.signed(content) if self.dkim else content

    def envelope_sender(self, nudge: NudgeData) -> str:
        """Return whom mail servers tell of a bounce: where mail is taken in, an address of this nudge alone."""
        return (self._verp and self._address("bounce", nudge)) or self._mail_from.address

    def _address(self, use: Use, nudge: NudgeData) -> str | None:
        return self._tokens.address(use, nudge.nudge) if self._tokens else None

    def _let_go(self, client: SMTP, receipt: Receipt | None) -> None:
        """Keep the connection if it is still good for a mail; learn from what the server said."""
        if receipt is None:
            return self._connections.drop(client)
        if receipt.pause or receipt.stop:
            self._connections.turn_away(receipt)
        if receipt.reason == "busy":
            self._connections.fewer()
        elif receipt.outcome == "sent":
            self._connections.one_taken()
        if receipt.reason in {"busy", "cut", "protocol", "unknown"}:
            self._connections.drop(client)
        else:
            self._connections.give_back(client)
        return None

    async def close(self) -> None:
        await self._connections.close()

    async def _transact(self, client: SMTP, sender: str, recipient: str, content: bytes, begin: Begin) -> Receipt:
        stage: Stage = "sender"
        try:
            size = [f"SIZE={len(content)}"] if client.supports_extension("size") else []
            await client.mail(sender, options=size, timeout=self._timeouts.command)
            stage = "recipient"
            await client.rcpt(recipient, timeout=self._timeouts.command)
            if not await begin():
                return Receipt(outcome="dropped")
            stage = "content"
            reply = await client.execute_command(b"DATA", timeout=self._timeouts.data)
            if reply.code != 354:
                return judge(reply.code, reply.message, stage)
        except SMTPResponseException as error:
            return judge(error.code, error.message, stage)
        except (SMTPException, OSError) as error:  # nothing has been sent yet, so another try is safe
            why = "timeout" if isinstance(error, SMTPTimeoutError) else "cut"
            return Receipt(outcome="deferred", reason="cut", reply=said(0, f"{why} at {stage}: {error}"))
        return await self._content(client, content)

    async def _content(self, client: SMTP, content: bytes) -> Receipt:
        """Send what comes after 354. From here on silence means that it may have arrived."""
        protocol = client.protocol
        if protocol is None:
            return Receipt(outcome="deferred", reason="cut", reply="cut after 354")
        try:
            protocol.write(PERIOD_REGEX.sub(b"..", normalize_message_line_endings(content)) + b".\r\n")
            reply = await protocol.read_response(timeout=self._timeouts.dot)
        except (SMTPException, OSError) as error:
            return Receipt(outcome="unknown", reason="unknown", reply=said(0, str(error)))
        if 200 <= reply.code < 300:
            return Receipt(outcome="sent", reply=said(reply.code, reply.message))
        if not 400 <= reply.code < 600:
            return Receipt(outcome="unknown", reason="unknown", reply=said(reply.code, reply.message))
        return judge(reply.code, reply.message, "content")
