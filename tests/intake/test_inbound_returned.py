"""Mails that come back to the address that is good for one nudge alone."""

import base64
import json
import secrets
from collections.abc import AsyncIterator
from email.message import EmailMessage

import pytest
from pydantic import SecretStr

from services.intake.inbound import returned as reader
from shared.db import Pool
from shared.events import new_id
from shared.mail_tokens import MailTokens
from tests.intake import postmen
from tests.intake.postmen import INBOUND_KEY, VENDORS, Mail, mailgun_proof
from tests.intake.report_senders import ADDRESS, Amazon, post, reports, serving_reports
from tests.intake.serving import Intake
from tests.intake.vendor_reports import ADA, NUDGE


@pytest.fixture
def amazon() -> Amazon:
    return Amazon()


@pytest.fixture
async def intake(
    intake_pool: Pool, keys: tuple[SecretStr, ...], amazon: Amazon, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Intake]:
    async with serving_reports(intake_pool, keys, amazon, monkeypatch) as served:
        yield served


@pytest.fixture
def tokens(keys: tuple[SecretStr, ...]) -> MailTokens:
    return MailTokens(ADDRESS, keys)


def returned(action: str = "failed", status: str = "5.1.1", *, diagnosis: str = "") -> bytes:
    """Return a mail as mail servers send them back (RFC 3464)."""
    blocks = f"Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; {ADA}\r\nAction: {action}\r\n"
    blocks += f"Status: {status}\r\n" if status else ""
    blocks += f"Diagnostic-Code: {diagnosis}\r\n" if diagnosis else ""
    text = (
        "From: MAILER-DAEMON@mx.district.example\r\nTo: x\r\nSubject: Undelivered Mail Returned to Sender\r\n"
        "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\nMessage-ID: <dsn1@mx.district.example>\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nIt could not be delivered: 550 5.7.1 whatever this says.\r\n"
        f"--b\r\nContent-Type: message/delivery-status\r\n\r\n{blocks}\r\n"
        f"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: Erin\r\n\r\nHello\r\n--b--\r\n"
    )
    return text.encode()


async def send_back(intake: Intake, to: str, raw: bytes) -> None:
    """Hand the mail to us as Mailgun does when the route ends in `mime`."""
    fields = {"recipient": to, "sender": "", "body-mime": raw.decode("latin-1")} | mailgun_proof()
    answer = await intake.client.post("/inbound/mailgun", data=fields)
    assert answer.status == 200, await answer.text()


@pytest.mark.parametrize(
    ("given", "what", "code"),
    [
        ({}, "bounced", "5.1.1"),
        ({"status": "5.0.0", "diagnosis": "smtp; 550 5.7.1 refused by policy"}, "bounced", "5.7.1"),
        ({"status": "5.0.0", "diagnosis": "x-unix; 5.7.1"}, "bounced", "5.0.0"),
        ({"status": "5.7.1"}, "bounced", "5.7.1"),
        ({"status": "4.4.7"}, "bounced", "4.4.7"),
        ({"action": "delayed", "status": "4.2.2"}, "delayed", "4.2.2"),
        ({"action": "delivered", "status": "2.0.0"}, "delivered", "2.0.0"),
        ({"status": ""}, "failed", None),
        ({"action": "FAILED (sorry)"}, "bounced", "5.1.1"),
        ({"action": "relayed", "status": "2.0.0"}, None, None),
    ],
)
async def test_m14_a_mail_that_comes_back_is_read_by_its_token(
    intake: Intake, tokens: MailTokens, given: dict[str, str], what: str | None, code: str | None
) -> None:
    nudge = new_id()
    for _ in range(2):
        await send_back(intake, tokens.address("bounce", nudge), returned(**given))
    told = [(one["what"], one["code"], one["nudge"]) for one in await reports(intake)]
    assert told == ([(what, code, str(nudge))] if what else [])


async def test_m14_what_comes_back_from_a_server_of_international_addresses_is_read(
    intake: Intake, tokens: MailTokens
) -> None:
    raw = (
        returned().replace(b"message/delivery-status", b"message/global-delivery-status").replace(b"rfc822;", b"utf-8;")
    )
    await send_back(intake, tokens.address("bounce", NUDGE), raw)
    assert [(one["what"], one["code"]) for one in await reports(intake)] == [("bounced", "5.1.1")]


async def test_m14_without_a_token_that_verifies_it_is_not_believed(intake: Intake, tokens: MailTokens) -> None:
    right = tokens.address("bounce", NUDGE)
    other_use = tokens.address("reply", NUDGE).replace("reply+", "bounce+")
    for to in (
        "bounce@in.school.example",
        f"bounce+{NUDGE}@in.school.example",
        right[:-30] + "x" + right[-29:],
        other_use,
    ):
        await send_back(intake, to, returned())
    assert await reports(intake) == []


async def test_m14_a_server_that_knows_no_standard_gives_nobody_up(intake: Intake, tokens: MailTokens) -> None:
    text = (
        "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example\r\nSubject: failure notice\r\n\r\n"
        "Hi. This is the qmail-send program at mx.example.\r\nI'm afraid I wasn't able to deliver your message to the "
        f"following addresses.\r\nThis is a permanent error; I've given up. Sorry.\r\n\r\n<{ADA}>:\r\n"
        "Sorry, no mailbox here by that name.\r\n\r\n--- Below this line is a copy of the message.\r\n\r\nx\r\n"
    )
    await send_back(intake, tokens.address("bounce", NUDGE), text.encode())
    assert [(one["what"], one["code"]) for one in await reports(intake)] == [("failed", None)]


@pytest.mark.parametrize(
    "text", ["I am out of the office", "", "Final-Recipient: rfc822; x\r\nAction: failed\r\nStatus: 5.1.1"]
)
async def test_m14_an_answer_that_is_sent_to_it_says_nothing(intake: Intake, tokens: MailTokens, text: str) -> None:
    for vendor in VENDORS:
        to = tokens.address("bounce", NUDGE)
        answer = await postmen.post(
            intake, vendor, VENDORS[vendor](Mail(recipient=to, text=text, headers={"Auto-Submitted": "auto-replied"}))
        )
        assert answer.status == 200
    assert await reports(intake) == []


async def test_m14_the_part_for_machines_counts_wherever_a_vendor_puts_it(intake: Intake, tokens: MailTokens) -> None:
    to, part = (
        tokens.address("bounce", NUDGE),
        returned().partition(b"message/delivery-status\r\n\r\n")[2].partition(b"\r\n--b")[0],
    )
    parcel = json.loads(VENDORS["postmark"](Mail(recipient=to)).body)
    parcel["Attachments"] = [
        {"Name": "d", "ContentType": "message/delivery-status", "Content": base64.b64encode(part).decode()}
    ]
    assert (await post(intake, "postmark", parcel)).status == 200
    body, headers = VENDORS["sendgrid"](Mail(recipient=to, id="<2@x.example>"))
    head = b'--xY\r\nContent-Disposition: form-data; name="a2"; filename="d"\r\nContent-Type: message/delivery-status'
    body = body.removesuffix(b"--xY--\r\n") + head + b"\r\n\r\n" + part + b"\r\n--xY--\r\n"
    sent = await intake.client.post("/inbound/sendgrid", data=body, headers=headers, params={"key": INBOUND_KEY})
    assert sent.status == 200
    assert [(one["what"], one["code"]) for one in await reports(intake)] == [("bounced", "5.1.1")] * 2


async def test_m14_a_complaint_that_comes_by_mail_is_one(intake: Intake, tokens: MailTokens) -> None:
    raw = (
        b'From: abuse@isp.example\r\nContent-Type: multipart/report; report-type=feedback-report; boundary="b"\r\n\r\n'
        b"--b\r\nContent-Type: text/plain\r\n\r\nSpam!\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\n"
        b"Feedback-Type: abuse\r\nVersion: 1\r\n\r\n--b--\r\n"
    )
    await send_back(intake, tokens.address("bounce", NUDGE), raw)
    assert [one["what"] for one in await reports(intake)] == ["complained"]


@pytest.mark.parametrize(
    "raw", [b"", b"\xff" * 4000, b"Content-Type: message/delivery-status\r\n\r\n" + b"Action: failed\r\n" * 9000]
)
async def test_whatever_is_sent_back_is_read_or_passed_over(intake: Intake, tokens: MailTokens, raw: bytes) -> None:
    await send_back(intake, tokens.address("bounce", NUDGE), b"From: x@y.example\r\n" + raw)


def test_random_mails_break_no_reader() -> None:
    for n in range(200):
        mail = EmailMessage()
        mail["From"] = "MAILER-DAEMON@x.example"
        mail.set_content(secrets.token_urlsafe(n * 10))
        reader.of_mime(mail.as_bytes()[: n * 7] + secrets.token_bytes(n))
