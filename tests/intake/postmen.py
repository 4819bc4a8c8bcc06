"""How each vendor hands us a letter and proves itself, written without what the product reads it with."""

import base64
import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, getaddresses
from typing import Any, NamedTuple
from urllib.parse import urlencode

from aiohttp import ClientResponse

from tests.intake.serving import Intake

INBOUND_KEY = "a key of the inbound door"
SIGNING_KEY = "TEST_WEBHOOK_SIGNING_KEY"
ADA = "Ada Lovelace <ada@school.example>"
WRITTEN_AT = (datetime.now(UTC) - timedelta(hours=2)).replace(microsecond=0)


class Request(NamedTuple):
    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A letter as somebody writes it, valid by default: Ada to Erin, with the source's address in Bcc."""

    recipient: str
    sender: str = ADA
    to: str = "Erin Gardner <erin@district.example>"
    cc: str = ""
    subject: str = "Robotics club"
    text: str = "It was good to meet you."
    html: str = ""
    id: str = "<CAEPk3R+4Zr@mail.school.example>"
    date: str = format_datetime(WRITTEN_AT)
    headers: dict[str, str] = field(default_factory=dict)
    return_path: str = "ada@school.example"

    def all_headers(self) -> list[tuple[str, str]]:
        named = {
            "From": self.sender, "To": self.to, "Cc": self.cc, "Subject": self.subject, "Date": self.date,
            "Message-ID": self.id,
        }  # fmt: skip
        return [("Received", "from elsewhere"), *((k, v) for k, v in (named | self.headers).items() if v)]


def postmark(mail: Mail) -> Request:
    def full(value: str) -> list[dict[str, str]]:
        return [{"Email": address, "Name": name, "MailboxHash": ""} for name, address in getaddresses([value])]

    named = ("from", "to", "cc", "subject", "date")
    headers = [{"Name": name, "Value": value} for name, value in mail.all_headers() if name.lower() not in named]
    document: dict[str, Any] = {
        "From": mail.sender, "FromFull": full(mail.sender)[0], "To": mail.to, "ToFull": full(mail.to),
        "Cc": mail.cc, "CcFull": full(mail.cc), "BccFull": [], "OriginalRecipient": mail.recipient,
        "Subject": mail.subject, "MessageID": secrets.token_hex(8), "Date": mail.date, "TextBody": mail.text,
        "HtmlBody": mail.html, "Headers": headers,
        "Attachments": [{"Name": "x.bin", "Content": "AAAA" * 100_000, "ContentType": "application/octet-stream"}],
    }  # fmt: skip
    proof = base64.b64encode(f"postmark:{INBOUND_KEY}".encode()).decode()
    return Request(
        json.dumps(document).encode(), {"Content-Type": "application/json", "Authorization": f"Basic {proof}"}
    )


def mailgun_proof(*, key: str = SIGNING_KEY, token: str | None = None) -> dict[str, str]:
    token, timestamp = token or secrets.token_hex(25), str(int(datetime.now(UTC).timestamp()))
    signature = hmac.digest(key.encode(), f"{timestamp}{token}".encode(), "sha256").hex()
    return {"timestamp": timestamp, "token": token, "signature": signature}


def mailgun(mail: Mail, **proof: str) -> Request:
    fields = {
        "recipient": mail.recipient, "sender": mail.return_path, "from": mail.sender, "subject": mail.subject,
        "body-plain": mail.text, "body-html": mail.html, "stripped-text": mail.text,
        "message-headers": json.dumps(mail.all_headers()),
    } | (proof or mailgun_proof())  # fmt: skip
    return Request(urlencode(fields).encode(), {"Content-Type": "application/x-www-form-urlencoded"})


def sendgrid(mail: Mail) -> Request:
    headers = "\n".join(f"{name}: {value}" for name, value in mail.all_headers())
    fields: dict[str, bytes] = {
        "headers": headers.encode(), "to": mail.to.encode(), "from": mail.sender.encode(),
        "envelope": json.dumps({"to": [mail.recipient], "from": mail.return_path}).encode(),
        "subject": mail.subject.encode("iso-8859-15", "replace"), "text": mail.text.encode("utf-16-le"),
        "html": mail.html.encode(), "attachments": b"1",
        "charsets": b'{"to":"UTF-8","subject":"iso-8859-15","from":"UTF-8","text":"utf-16-le","html":"klingon"}',
    }  # fmt: skip
    parts = [f'--xY\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n'.encode() + v for n, v in fields.items()]
    file = b'--xY\r\nContent-Disposition: form-data; name="attachment1"; filename="\xe9.bin"\r\n\r\n\x00\xff\r\n\xfe'
    body = b"\r\n".join([*parts, file, b"--xY--\r\n"])
    return Request(body, {"Content-Type": "multipart/form-data; boundary=xY"})


VENDORS: dict[str, Callable[[Mail], Request]] = {"postmark": postmark, "mailgun": mailgun, "sendgrid": sendgrid}


async def post(intake: Intake, vendor: str, request: Request, *, key: str | None = INBOUND_KEY) -> ClientResponse:
    query = {"key": key} if vendor == "sendgrid" and key is not None else {}
    return await intake.client.post(f"/inbound/{vendor}", data=request.body, headers=request.headers, params=query)
