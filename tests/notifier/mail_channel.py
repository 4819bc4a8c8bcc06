"""An email channel for tests, and the certificates its server may show."""

import ssl
from datetime import UTC, datetime

import trustme

from services.notifier.channels.email import Email
from services.notifier.channels.mail_bytes import sender
from services.notifier.channels.receipt import Receipt
from services.notifier.channels.smtp_connections import Connections, Timeouts, server
from tests.factories import nudge_due, recipient
from tests.notifier.sending import LINKS

SHORT = Timeouts(connect=0.3, command=0.3, data=0.3, dot=0.3)
LONG = Timeouts(connect=5, command=5, data=5, dot=5)


class Channel:
    """An email channel, and what it asked."""

    def __init__(self, url: str, *, timeouts: Timeouts = LONG, tls_context: ssl.SSLContext | None = None) -> None:
        self.asked = 0
        self.may = True
        self.connections = Connections(
            server(url), hello="notifier.school.example", timeouts=timeouts, tls_context=tls_context
        )
        self.email = Email(self.connections, mail_from=sender("Afterhello <hello@school.example>"), links=LINKS)

    async def begin(self) -> bool:
        self.asked += 1
        return self.may

    async def send(self, address: str = "ada@school.example") -> Receipt:
        data = nudge_due(recipient=recipient(address=address)).data
        return await self.email.send(data, f"<{data.nudge}@school.example>", now=datetime.now(UTC), begin=self.begin)


def certificate(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context
