"""Whatever people typed, what leaves for the mail server is one mail to one person: real bytes on a real connection."""

import re
from collections import Counter
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from typing import Final
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.notifier.channels.email import Email
from services.notifier.channels.mail_bytes import sender
from services.notifier.channels.smtp_connections import Connections, server
from shared.events import Contact, Gathering
from shared.mail_tokens import MailTokens
from tests.factories import due_follow_up, nudge_due, recipient
from tests.notifier.mail_channel import LONG
from tests.notifier.sending import KEYS, LINKS
from tests.servers.smtp import Received, Scripted

ONCE: Final = {
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "MIME-Version",
    "Content-Type",
    "Reply-To",
}
PERHAPS: Final = {"In-Reply-To", "References"}

# What ends a header, a mail, a command, an encoded word; what turns text around; what a template would run.
FRAGMENTS: Final = (
    "\r\n", "\n", "\r", "\r\n\r\n", "\r\n.\r\n", "\n.\n", ".", "..", "\0", "\t", "\v", "\f", "\x1c", "\x85", "\u2028",
    "Bcc: eve@evil.example", "Subject: no", "MAIL FROM:<eve@evil.example>", "RCPT TO:<eve@evil.example>", "DATA",
    "=?utf-8?q?=0D=0ABcc:_x@y?=", "=?", "?=", "=0D=0A", "=\r\n", "\u202e", "\u2066", "\u200b", "\ufeff", "\ud800",
    "{{7*7}}", "{% raw %}", "<script>", "</p>", "\"", "'", ",", ";", "<eve@evil.example>", "@", "(", ")", "\\", "é",
    "李", "🦉", "RSET", "--=_", "Content-Type: text/html", "From nobody", "x" * 1200, " ",
)  # fmt: skip
HOSTILE = st.one_of(
    st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=8).map("".join),
    st.text(st.characters(), max_size=60),
)


async def test_the_domain_of_an_address_is_ascii_on_the_wire_and_the_envelope_is_of_this_nudge(smtp: Scripted) -> None:
    received = await sent(smtp, address="ada@schüle.example")
    assert received.recipient == "ada@xn--schle-mva.example"
    assert str(received.message["To"].addresses[0].addr_spec) == "ada@xn--schle-mva.example"
    local, _, domain = received.sender.partition("@")
    assert domain == "in.school.example" and local.startswith("bounce+") and len(local) <= 64
    other = await sent(smtp)
    assert other.sender != received.sender


async def sent(
    smtp: Scripted, *, text: str = "Ada", address: str = "ada@school.example", calendar: bool = False
) -> Received:
    """Return the mail that the server got of a nudge in which all that people can type is this text."""
    follow_up = due_follow_up(
        contact=Contact(name=text, email=text, phone=text, links=(text,)),
        event=Gathering(name=text, place=text, hashtag=text),
        notes=text,
        promise=text,
        topics=(text,),
        document=text,
        playbook="call" if calendar else text,
        calendar=calendar,
    )
    data = nudge_due(recipient=recipient(name=text, address=address), follow_ups=(follow_up,)).data
    connections = Connections(server(smtp.url), hello="notifier.school.example", timeouts=LONG)
    tokens = MailTokens("reply@in.school.example", KEYS)
    mail_from = sender("Afterhello <hello@school.example>")
    email = Email(connections, mail_from=mail_from, links=LINKS, tokens=tokens)

    async def begin() -> bool:
        return True

    smtp.received.clear()
    smtp.commands.clear()
    receipt = await email.send(data, f"<{uuid4()}@school.example>", now=datetime.now(UTC), begin=begin)
    await email.close()
    assert receipt.outcome == "sent", receipt
    [received] = smtp.received
    return received


@given(HOSTILE, st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_people_typed_is_inert_on_the_wire(smtp: Scripted, text: str, calendar: bool) -> None:
    received = await sent(smtp, text=text, calendar=calendar)

    assert [re.split("[ :]", command)[0] for command in smtp.commands] == ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]
    assert received.recipient == "ada@school.example"
    raw = re.sub(rb"(?m)^\.\.", b".", received.raw)  # as the server keeps it
    raw.decode("ascii")
    assert b"\n" not in raw.replace(b"\r\n", b"") and b"\r" not in raw.replace(b"\r\n", b"") and b"\0" not in raw
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    head, _, body = raw.partition(b"\r\n\r\n")
    names = Counter(line.partition(":")[0] for line in re.sub("\r\n ", "", head.decode()).split("\r\n"))
    words = re.findall(rb"=\?[^?\s]+\?[bq]\?[^?\s]*\?=", head)
    assert max(map(len, words), default=0) <= 75
    assert set(names.values()) == {1}
    assert names.keys() - PERHAPS == ONCE
    assert max(len(line) for line in body.split(b"\r\n") if not line.startswith(b"Content-Type: multipart")) <= 78

    parsed = message_from_bytes(raw, policy=default)
    assert not parsed.defects
    assert [one.addr_spec for one in parsed["To"].addresses] == ["ada@school.example"]
    assert [one.addr_spec for one in parsed["From"].addresses] == ["hello@school.example"]
    assert str(parsed["Reply-To"].addresses[-1].addr_spec).startswith("reply+")
    for name in ("To", "Subject", "Reply-To"):
        assert not set(str(parsed[name])) & set("\0\r\n\v\f\t\x1b\x85\u2028\u2029\u202e\u2066\u200b\ufeff")
    kinds = ["multipart/alternative", "text/plain", "text/html"]
    if calendar:
        kinds = ["multipart/mixed", *kinds, "text/calendar"]
    assert [part.get_content_type() for part in parsed.walk()] == kinds
    assert all(not part.defects for part in parsed.walk())
