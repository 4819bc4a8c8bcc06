"""Whatever is sent to `/inbound/`: an answer that makes no vendor give up, nothing reflected, nothing told."""

import gzip
import itertools
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest
from pydantic import SecretStr

from shared.db import Pool
from tests.intake.inbound_people import SMS_URL, URL, nudged, signature
from tests.intake.postmen import INBOUND_KEY, mailgun_proof
from tests.intake.report_senders import Amazon, message, serving_reports
from tests.intake.serving import Intake

MARK = "zz<script>canary</script>"
BODIES: dict[str, bytes] = {
    "nothing": b"",
    "blank": b"   ",
    "null": b"null",
    "list": b"[]",
    "object": b"{}",
    "deep": b"[" * 5000 + b"]" * 5000,
    "deep object": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "twice": b'{"id":"1","id":"2"}',
    "nan": b'{"id":NaN}',
    "huge number": b'{"id":' + b"9" * 5000 + b"}",
    "not utf-8": b'{"id":"\xff\xfe"}',
    "utf-16": '{"id":"1"}'.encode("utf-16"),
    "bom": b'\xef\xbb\xbf{"id":"1"}',
    "nul": b'{"id":"\\u0000","from":"+15085550123","to":"","text":"STOP"}',
    "surrogate": b'{"id":"\\ud800","from":"+15085550123","to":"","text":"STOP"}',
    "mark": json.dumps({"id": MARK, "From": MARK, "RecordType": MARK, "Type": MARK, "event": MARK}).encode(),
    "form": urlencode({"From": MARK, "Body": "STOP", "recipient": MARK, "sender": MARK}).encode(),
    "many fields": b"&".join(b"a=1" for _ in range(5000)),
    "percents": b"From=%FF%00%ZZ&Body=%",
    "large": b"x" * 300_000,
    "gzip garbage": b"\x1f\x8b\x08garbage",
    "bomb": gzip.compress(b"a" * 20_000_000),
    "multipart": b'--b\r\nContent-Disposition: form-data; name="email"\r\n\r\nFrom: x\r\n--b--\r\n',
    "broken multipart": b"--b\r\nContent-Disposition: form-data\r\n\r\n",
}
TYPES = (
    "application/json",
    "application/x-www-form-urlencoded",
    "text/plain",
    "multipart/form-data; boundary=b",
    "multipart/form-data",
    "application/json; charset=utf-16",
    "",
)
VENDORS = ("twilio", "http-sms", "sns", "postmark", "mailgun", "sendgrid", "nobody", "%00", "..%2f..")
KINDLY = {200, 400, 401, 408, 413, 415, 422, 429, 503}


@pytest.fixture
async def intake(
    intake_pool: Pool, keys: tuple[SecretStr, ...], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Intake]:
    async with serving_reports(intake_pool, keys, Amazon(), monkeypatch, sms_url=SecretStr(SMS_URL)) as served:
        yield served


@pytest.mark.parametrize("vendor", VENDORS)
async def test_whatever_comes_is_answered_so_that_no_vendor_gives_up(intake: Intake, vendor: str) -> None:
    for (name, body), kind in itertools.product(BODIES.items(), TYPES):
        for key in ("", INBOUND_KEY):
            headers = {"Content-Type": kind} if kind else {}
            if name in {"gzip garbage", "bomb"}:
                headers["Content-Encoding"] = "gzip"
            path = f"/inbound/{vendor}"
            async with intake.client.post(
                path, data=body, headers=headers, params={"key": key} if key else {}, skip_auto_headers=["Content-Type"]
            ) as answer:
                text = await answer.text()
                assert answer.status in KINDLY or vendor.startswith(("%", ".")), (name, kind, text)
                assert answer.status < 500, (name, kind, text)
                assert len(text) < 4096
                assert "<script>" not in text
    # The one body that is a right report of a gateway: nobody has that key in it but us.
    assert {event["type"] for event in await intake.events()} <= {"afterhello.address.suppressed.v1"}


@pytest.mark.parametrize("field", ["Body", "From", "MessageSid", "MessageStatus", "ErrorCode", "To", "nudge", "SmsSid"])
@pytest.mark.parametrize("value", ["", "\0", "x" * 5000, MARK, "' OR 1=1 --", "\u202e", "{{7*7}}", "%s%n"])
async def test_whatever_twilio_signs_is_taken(intake: Intake, field: str, value: str) -> None:
    fields = {"MessageSid": "SM1", "From": "+15085550123", "To": "+15085550100", "Body": "hello"} | {field: value}
    path = "/inbound/twilio?nudge=" + ("x" if field == "nudge" else "")
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Twilio-Signature": signature(URL + path, fields),
    }
    async with intake.client.post(path, data=urlencode(fields).encode(), headers=headers) as answer:
        text = await answer.text()
        assert answer.status in {200, 400}, text
        assert "script" not in text
    assert "\\u0000" not in json.dumps(await intake.events())


@pytest.mark.parametrize("vendor", ["mailgun", "postmark", "ses"])
async def test_reports_with_anything_in_any_place_are_read(intake: Intake, vendor: str) -> None:
    odd: tuple[Any, ...] = (None, 1, -1.5, True, "", "\u0001", MARK, [], {}, [[]], "9" * 400, {"a": [None]})
    names = {
        "mailgun": ("event", "id", "timestamp", "severity", "reason", "delivery-status", "message", "recipient"),
        "postmark": ("RecordType", "ID", "Type", "Metadata", "MessageID", "Email", "BouncedAt", "Details", "Inactive"),
        "ses": ("notificationType", "bounce", "mail", "complaint", "delivery", "eventType"),
    }[vendor]
    rights: dict[str, dict[str, Any]] = {
        "mailgun": {"event": "failed", "severity": "permanent", "reason": "bounce", "recipient": "a@b.example"},
        "postmark": {"RecordType": "Bounce", "Type": "HardBounce", "Email": "a@b.example", "Inactive": True, "ID": 1},
        "ses": {"notificationType": "Bounce", "bounce": {"bounceType": "Permanent", "bouncedRecipients": [{}]}},
    }
    for name, value in itertools.product(names, odd):
        document = rights[vendor] | {name: value}
        if vendor == "mailgun":
            sent = intake.client.post("/inbound/mailgun", json={"signature": mailgun_proof(), "event-data": document})
        elif vendor == "postmark":
            sent = intake.client.post("/inbound/postmark", json=document, params={"key": INBOUND_KEY})
        else:
            raw = json.dumps(message(document)).encode()
            sent = intake.client.post("/inbound/sns", data=raw, headers={"Content-Type": "text/plain"})
        async with sent as answer:
            assert answer.status in {200, 400}, (name, value, await answer.text())


async def test_a_stranger_cannot_stop_anybody(intake: Intake) -> None:
    await nudged(intake.pool)
    fields = {"MessageSid": "SM1", "From": "+15085550123", "Body": "STOP"}
    for given in (
        {"data": urlencode(fields).encode(), "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        {"json": {"id": "1", "from": "+15085550123", "to": "", "text": "STOP"}},
    ):
        for path in ("/inbound/twilio", "/inbound/http-sms", "/inbound/http-sms?key=", "/inbound/http-sms?key=None"):
            async with intake.client.post(path, **given) as answer:
                assert answer.status == 401
    assert await intake.events() == []
