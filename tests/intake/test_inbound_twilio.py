"""Twilio's webhooks: the signature, reports, and what else comes in its name."""

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from pydantic import SecretStr

from services.intake.inbound import twilio
from shared import stops
from shared.db import Pool
from shared.events import new_id
from tests.intake.inbound_people import PHONE, SMS_URL, TOKEN, URL, by_twilio, nudged, post_twilio, signature
from tests.intake.serving import Intake, serving

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PAYLOADS = Path(__file__).parent / "inbound_payloads"
P = [("From", "+14155550100"), ("To", "+14155550199"), ("Body", "STOP  "), ("NumMedia", "0")]


@pytest.fixture
async def intake(intake_pool: Pool, keys: tuple[SecretStr, ...]) -> AsyncIterator[Intake]:
    given: dict[str, Any] = {"sms_url": SecretStr(SMS_URL)}
    async with serving(intake_pool, keys, **given) as served:
        yield served


async def is_stopped(pool: Pool, person: Any) -> bool:
    async with pool.acquire() as conn, conn.transaction():
        found = await stops.standing(conn, person=person, connections=[])
    return any(stop.kind == "person" and stop.channel == "sms" for stop in found)


@pytest.mark.parametrize(
    ("url", "fields", "right"),
    [
        ("https://rem.example.org/sms/in", P, "RSLARvOUcYe3ul1kveJu4mE8oWw="),
        ("https://rem.example.org/sms/in", P, "CacIUo4DY9cF7h/ob0KinAI4PHI="),
        ("https://rem.example.org:443/sms/in", P, "CacIUo4DY9cF7h/ob0KinAI4PHI="),
        ("https://rem.example.org:443/sms/in", P, "RSLARvOUcYe3ul1kveJu4mE8oWw="),
        ("https://rem.example.org:8443/sms/in?tenant=7&x=a%20b", P, "09ITUf1DSaaptxvuLN4BpTHmFjg="),
        (
            "https://rem.example.org/sms/in",
            [("A", "2"), ("A", "1"), ("A", "1"), ("B", "")],
            "AWUA0vurCCG8c8BPFYwOiLi23Gs=",
        ),
    ],
)
def test_twilios_known_answers_verify_and_nothing_near_them_does(
    url: str, fields: list[tuple[str, str]], right: str
) -> None:
    def fits(url: str = url, fields: list[tuple[str, str]] = fields, by: str = right, token: str = TOKEN) -> bool:
        return twilio.is_signed(url, fields, b"", by, token, is_json=False)

    assert fits()
    assert not fits(token=f"{TOKEN}x")
    assert not fits(url=url.replace("/sms", "/sns"))
    assert not fits(fields=[(name, value.strip() + "x") for name, value in fields])
    assert not fits(fields=fields[:-1])
    assert not fits(by=right.lower())
    assert not fits(by="")
    assert not fits(by="ä")


def test_a_blank_at_the_end_of_a_text_is_signed_too() -> None:
    trimmed = [(name, value.strip()) for name, value in P]
    right = "RSLARvOUcYe3ul1kveJu4mE8oWw="
    assert not twilio.is_signed("https://rem.example.org/sms/in", trimmed, b"", right, TOKEN, is_json=False)


def test_of_json_the_address_is_signed_and_names_the_hash_of_the_body() -> None:
    body = b'{"MessageSid":"SM1","MessageStatus":"delivered"}'
    url = f"https://rem.example.org/sms/status?bodySHA256={hashlib.sha256(body).hexdigest()}"
    right = "QZbe3Q33CP4C1HXtA/a6rKfpnic="
    assert "ce8c3c8da52a17f7dd3e526b3b67d41402b438513f6b2faf55189573f2873f02" in url

    assert twilio.is_signed(url, (), body, right, TOKEN, is_json=True)
    assert not twilio.is_signed(url, (), body + b" ", right, TOKEN, is_json=True)
    bare = "https://rem.example.org/sms/status"
    unhashed = base64.b64encode(hmac.digest(TOKEN.encode(), bare.encode(), "sha1")).decode()
    assert not twilio.is_signed(bare, (), body, unhashed, TOKEN, is_json=True)


@pytest.mark.parametrize("word", ["STOP", "START", "HELP"])
async def test_what_twilio_has_taken_for_a_word_of_its_own_counts_and_is_not_answered_twice(
    intake: Intake, word: str
) -> None:
    what = await nudged(intake.pool)
    fields = {"MessageSid": "SM1", "From": PHONE, "Body": "Lopettakaa", "OptOutType": word}
    answer = await post_twilio(intake, fields)
    assert "<Message>" not in await answer.text()
    assert await is_stopped(intake.pool, what.person) == (word == "STOP")


async def test_a_yes_to_twilio_ends_a_stop_since_twilio_takes_it_for_a_start(intake: Intake) -> None:
    what = await nudged(intake.pool)
    await by_twilio(intake, "STOP")
    assert await by_twilio(intake, "Yes!") == ""
    assert not await is_stopped(intake.pool, what.person)


async def test_a_stop_that_a_gateway_has_packed_is_heard(intake: Intake) -> None:
    what = await nudged(intake.pool)
    await by_twilio(intake, base64.b64encode(b"Alto, por favor").decode())
    assert await is_stopped(intake.pool, what.person)


@pytest.mark.parametrize("name", ["MessageSid", "MessageStatus", "ErrorCode", "To", "Body", "OptOutType"])
async def test_bytes_that_are_no_text_are_taken_when_they_are_signed(intake: Intake, name: str) -> None:
    for form in (
        {"MessageSid": "SM1", "MessageStatus": "failed", "ErrorCode": "30003", "To": PHONE},
        {"MessageSid": "SM2", "From": PHONE, "Body": "DONE"},
    ):
        fields = {one: value.encode() for one, value in form.items()} | {name: b"SM\xff\xed\xa0\x80"}
        signed = f"{URL}/inbound/twilio".encode() + b"".join(one.encode() + fields[one] for one in sorted(fields))
        proof = base64.b64encode(hmac.digest(TOKEN.encode(), signed, "sha1")).decode()
        answer = await intake.client.post(
            "/inbound/twilio", data=urlencode(fields).encode(), headers=FORM | {"X-Twilio-Signature": proof}
        )
        assert answer.status == 200


@pytest.mark.parametrize("sender", ["12345", "whatsapp:+15085550123", "", "+1", "+1508555\0", "Ada", "+" + "1" * 99])
async def test_a_text_from_what_is_no_telephone_is_passed_over(intake: Intake, sender: str) -> None:
    assert await by_twilio(intake, "STOP", sender=sender) == ""
    assert await intake.events() == []


@pytest.mark.parametrize(
    "text", ["\0", "STOP\0", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "x" * 1600, "🛑" * 400]
)
async def test_whatever_a_text_holds_is_taken(intake: Intake, text: str) -> None:
    await by_twilio(intake, text)
    fields = {
        "MessageSid": text[:40] or "x",
        "MessageStatus": "failed",
        "ErrorCode": text,
        "ErrorMessage": text,
        "To": text,
    }
    assert (await post_twilio(intake, fields)).status == 200
    [event] = [event for event in await intake.events() if event["type"].endswith("reported.v1")]
    assert "\0" not in str(event)


@pytest.mark.parametrize("status", ["delivered", "undelivered", "failed"])
async def test_a_report_is_told_once_whatever_comes_with_it(intake: Intake, status: str) -> None:
    nudge = new_id()
    fields = {"MessageSid": "SM1", "MessageStatus": status, "To": PHONE, "From": "+15085550100"}
    fields |= {"ErrorCode": "30003"} if status != "delivered" else {}
    for _ in range(2):
        answer = await post_twilio(intake, fields, query=f"?nudge={nudge}")
        assert answer.status == 200

    [event] = await intake.events()
    assert event["type"] == "afterhello.delivery.reported.v1"
    data = event["data"]
    assert (data["nudge"], data["provider_id"], data["channel"]) == (str(nudge), "SM1", "sms")
    assert (data["what"], data["code"]) == (("delivered", None) if status == "delivered" else ("failed", "30003"))


@pytest.mark.parametrize("status", ["queued", "accepted", "sending", "sent", "scheduled", "wonderful"])
async def test_a_report_of_what_we_know_says_nothing(intake: Intake, status: str) -> None:
    answer = await post_twilio(intake, {"MessageSid": "SM1", "MessageStatus": status})
    assert answer.status == 200
    assert await intake.events() == []


@pytest.mark.parametrize("sample", ["twilio-inbound-sms.form", "twilio-status-delivered.form"])
async def test_what_twilio_really_sends_is_taken(intake: Intake, sample: str) -> None:
    raw = (PAYLOADS / sample).read_bytes()
    right = signature(f"{URL}/inbound/twilio", dict(parse_qsl(raw.decode(), keep_blank_values=True)))
    answer = await intake.client.post("/inbound/twilio", data=raw, headers=FORM | {"X-Twilio-Signature": right})
    assert answer.status == 200
    assert len(await intake.events()) == ("status" in sample)


async def test_the_address_that_is_signed_is_ours_whatever_the_request_says_of_itself(intake: Intake) -> None:
    fields = {"MessageSid": "SM1", "From": PHONE, "Body": "STOP"}
    headers = FORM | {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http", "Host": "evil.example"}
    for url, status in ((URL, 200), ("https://evil.example", 401), (f"{URL}:443", 200), (f"{URL}:8443", 401)):
        signed = {"X-Twilio-Signature": signature(f"{url}/inbound/twilio", fields)}
        answer = await intake.client.post("/inbound/twilio", data=urlencode(fields).encode(), headers=headers | signed)
        assert answer.status == status


@pytest.mark.parametrize(
    "proof", [{}, {"X-Twilio-Signature": ""}, {"X-Twilio-Signature": "RSLARvOUcYe3ul1kveJu4mE8oWw="}]
)
async def test_without_the_signature_nothing_happens(intake: Intake, proof: dict[str, str]) -> None:
    await nudged(intake.pool)
    fields = {"MessageSid": "SM1", "From": PHONE, "Body": "STOP"}
    answer = await intake.client.post("/inbound/twilio", data=urlencode(fields).encode(), headers=FORM | proof)
    assert answer.status == 401
    assert await intake.events() == []


async def test_without_an_account_of_twilio_nobody_can_sign(intake_pool: Pool, keys: tuple[SecretStr, ...]) -> None:
    async with serving(intake_pool, keys) as bare:
        answer = await post_twilio(bare, {"MessageSid": "SM1", "From": PHONE, "Body": "STOP"}, token="")
        assert answer.status == 401
