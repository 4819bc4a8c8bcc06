"""Texts that people send us, from the vendor's request to what they do."""

import base64
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from pydantic import SecretStr

from services.intake import text_answers
from services.intake.inbound import twilio
from shared import stops
from shared.db import Pool
from shared.events import new_id
from tests.intake.inbound_people import PHONE, SMS_URL, TOKEN, URL, by_twilio, nudged, post_twilio, signature
from tests.intake.serving import Intake, serving

KEY = "a key of the inbound door"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PAYLOADS = Path(__file__).parent / "inbound_payloads"
P = [("From", "+14155550100"), ("To", "+14155550199"), ("Body", "STOP  "), ("NumMedia", "0")]


@pytest.fixture
async def intake(intake_pool: Pool, keys: tuple[SecretStr, ...]) -> AsyncIterator[Intake]:
    given: dict[str, Any] = {"sms_url": SecretStr(SMS_URL), "inbound_key": SecretStr(KEY)}
    async with serving(intake_pool, keys, **given) as served:
        yield served


async def by_gateway(intake: Intake, text: str, *, sender: str = PHONE, id: str | None = None) -> str | None:
    document = {"id": id or new_id().hex, "from": sender, "to": "+15085550100", "text": text}
    answer = await intake.client.post("/inbound/http-sms", json=document, params={"key": KEY})
    assert answer.status == 200, await answer.text()
    reply: str | None = (await answer.json())["reply"]
    return reply


async def acts(pool: Pool) -> list[tuple[str, str]]:
    rows = await pool.fetch("SELECT act, via, span, channel FROM acts ORDER BY at, id")
    return [(row["act"], row["span"] or row["channel"] or "") for row in rows]


async def is_stopped(pool: Pool, person: Any) -> bool:
    async with pool.acquire() as conn, conn.transaction():
        found = await stops.standing(conn, person=person, connections=[])
    return any(stop.kind == "person" and stop.channel == "sms" for stop in found)


async def kinds(intake: Intake) -> list[str]:
    return [event["type"].removeprefix("afterhello.").removesuffix(".v1") for event in await intake.events()]


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
    unhashed = base64.b64encode(__import__("hmac").digest(TOKEN.encode(), bare.encode(), "sha1")).decode()
    assert not twilio.is_signed(bare, (), body, unhashed, TOKEN, is_json=True)


@pytest.mark.parametrize(
    "body", ["STOP", " stop. ", "Stopall", "ＳＴＯＰ", "please stop texting me", "PARAR", "S.T.O.P."]
)
async def test_whoever_asks_to_stop_gets_no_more_texts_and_twilio_no_answer(intake: Intake, body: str) -> None:
    what = await nudged(intake.pool)

    assert await by_twilio(intake, body) == ""

    assert await is_stopped(intake.pool, what.person)
    assert await acts(intake.pool) == [("stop", "sms")]
    assert await kinds(intake) == ["follow_up.acted", "address.suppressed"]


async def test_a_stop_concerns_everybody_who_has_the_number_and_nobody_elses(intake: Intake) -> None:
    ada = await nudged(intake.pool)
    bo = await nudged(intake.pool, email="bo@school.example", channel="email")
    other = await nudged(intake.pool, email="cy@school.example", phone="+15085550199")

    await by_twilio(intake, "stop")

    assert [await is_stopped(intake.pool, one.person) for one in (ada, bo, other)] == [True, True, False]


async def test_a_stop_from_a_number_that_we_do_not_know_is_kept(intake: Intake) -> None:
    await by_twilio(intake, "STOP", sender="+15085550177")
    [event] = await intake.events()
    assert event["type"] == "afterhello.address.suppressed.v1"
    assert (event["data"]["address"], event["data"]["channel"]) == ("+15085550177", "sms")


async def test_start_lets_texts_come_again(intake: Intake) -> None:
    what = await nudged(intake.pool)
    await by_twilio(intake, "STOP")

    assert "texts you again" in await by_twilio(intake, "Start")

    assert not await is_stopped(intake.pool, what.person)
    assert (await kinds(intake))[-1] == "address.restored"


async def test_a_gateway_without_a_network_that_answers_confirms_a_stop_once(intake: Intake) -> None:
    await nudged(intake.pool)
    assert await by_gateway(intake, "STOP") == text_answers.answer("stopped", "en")
    assert await by_gateway(intake, "STOP") is None


@pytest.mark.parametrize(
    ("body", "act"),
    [
        ("DONE", ("done", "")),
        ("hecho", ("done", "")),
        ("LATER 3D", ("later", "3 days")),
        ("later 2 weeks", ("later", "2 weeks")),
        ("luego 3 días", ("later", "3 days")),
        ("later", ("later", "1 week")),
    ],
)
async def test_done_and_later_act_on_the_one_that_waits(intake: Intake, body: str, act: tuple[str, str]) -> None:
    what = await nudged(intake.pool)

    assert "<Message>" in await by_twilio(intake, body)

    assert await acts(intake.pool) == [act]
    [told] = [event for event in await intake.events() if event["type"] == "afterhello.follow_up.acted.v1"]
    assert told["data"]["follow_up"] == str(what.follow_up)


@pytest.mark.parametrize("vendor", ["twilio", "http-sms"])
async def test_a_text_that_comes_twice_acts_once(intake: Intake, vendor: str) -> None:
    await nudged(intake.pool)
    for _ in range(3):
        if vendor == "twilio":
            await by_twilio(intake, "LATER 3D", sid="SM1")
        else:
            await by_gateway(intake, "LATER 3D", id="1")
    assert await acts(intake.pool) == [("later", "3 days")]
    assert await kinds(intake) == ["follow_up.acted"]


async def test_of_several_we_ask_which_and_the_number_holds_whatever_changes_meanwhile(intake: Intake) -> None:
    erin = await nudged(intake.pool, "Erin Gardner")
    bo = await nudged(intake.pool, "Bo", person=erin.person)

    asked = await by_gateway(intake, "done")

    assert asked == "Which one? Reply DONE and the number: 1 Erin, 2 Bo"
    assert await acts(intake.pool) == []
    await by_gateway(intake, "DONE 1")
    await by_gateway(intake, "done 2")
    rows = await intake.pool.fetch("SELECT follow_up FROM acts ORDER BY at")
    assert [row["follow_up"] for row in rows] == [erin.follow_up, bo.follow_up]


@pytest.mark.parametrize("body", ["done 3", "done 0", "later 7 3 days"])
async def test_a_number_that_was_not_shown_does_nothing(intake: Intake, body: str) -> None:
    erin = await nudged(intake.pool)
    await nudged(intake.pool, "Bo", person=erin.person)
    await by_gateway(intake, "done")
    await by_gateway(intake, body)
    assert await acts(intake.pool) == []


async def test_of_one_connection_the_newest_nudge_is_meant_and_old_ones_are_over(intake: Intake) -> None:
    erin = await nudged(intake.pool)
    await nudged(intake.pool, "Bo", person=erin.person)
    await intake.pool.execute(
        "UPDATE nudges SET changed_at = changed_at - $2::interval WHERE id = $1", erin.nudge, timedelta(days=40)
    )
    await by_gateway(intake, "done")
    [row] = await intake.pool.fetch("SELECT connection FROM acts")
    assert row["connection"] != erin.connection


async def test_nothing_that_waits_is_said_and_changes_nothing(intake: Intake) -> None:
    assert await by_gateway(intake, "done") == text_answers.answer("nothing", "en")
    assert await intake.events() == []


async def test_each_answer_is_given_once_a_day_to_one_sender(intake: Intake) -> None:
    await nudged(intake.pool)
    first = [await by_gateway(intake, body) for body in ("HELP", "what?")]
    again = [await by_gateway(intake, body) for body in ("info", "who is this")]
    other = await by_gateway(intake, "HELP", sender="+15085550199")
    await intake.pool.execute("UPDATE answered SET at = at - interval '25 hours'")

    assert all(first)
    assert again == [None, None]
    assert other
    assert await by_gateway(intake, "HELP")


async def test_two_machines_that_answer_each_other_come_to_an_end(intake: Intake) -> None:
    await nudged(intake.pool)
    text, said = "hello?", 0
    for _ in range(20):
        reply = await by_gateway(intake, text)
        said, text = said + (reply is not None), reply or text
    assert said <= len(text_answers.ANSWERS["en"])


async def test_answers_come_in_the_persons_language(intake: Intake) -> None:
    await nudged(intake.pool, locale="es-MX")
    assert await by_gateway(intake, "ayuda") == text_answers.answer("help", "es")


def test_every_answer_is_one_part_in_the_letters_of_telephones() -> None:
    gsm = set("@£$¥èéùìòÇ\nØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà") | set(
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    )
    texts = [text for answers in text_answers.ANSWERS.values() for text in answers.values()]
    for language in ("en", "es"):
        names = ["Maximiliana-Extraordinaria", "Bo", "Cy", "Di", "Ed"]
        texts += [text_answers.which(names, language, is_later=later) for later in (True, False)]
    assert all(len(text) <= 160 and set(text) <= gsm for text in texts), [t for t in texts if not set(t) <= gsm]


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
    from urllib.parse import parse_qsl

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


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"id": "1", "from": PHONE, "to": "+1", "text": "STOP"}, 200),
        ({"id": "1", "from": PHONE, "to": "+1"}, 422),
        ({"id": "1", "from": PHONE, "to": "+1", "text": "STOP", "more": 1}, 422),
        ({"id": 1, "from": PHONE, "to": "+1", "text": "STOP"}, 422),
        ({"id": "", "from": PHONE, "to": "+1", "text": "STOP"}, 422),
        ({"id": "1", "from": "Erin", "to": "+1", "text": "STOP"}, 422),
        ({"id": "1", "from": PHONE, "to": "+1", "text": "x" * 2001}, 422),
        ([], 400),
    ],
)
async def test_a_gateways_body_is_read_strictly(intake: Intake, given: Any, status: int) -> None:
    answer = await intake.client.post("/inbound/http-sms", json=given, params={"key": KEY})
    assert answer.status == status
    assert (await intake.count("outbox")) == (status == 200)


@pytest.mark.parametrize("key", ["", "wrong", KEY.upper(), f"{KEY} "])
async def test_a_gateway_without_the_key_is_refused(intake: Intake, key: str) -> None:
    document = {"id": "1", "from": PHONE, "to": "+1", "text": "STOP"}
    answer = await intake.client.post("/inbound/http-sms", json=document, params={"key": key})
    assert answer.status == 401
