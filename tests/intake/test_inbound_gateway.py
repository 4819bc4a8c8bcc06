"""What we answer to a text, in whatever number, and the door for gateways other than Twilio."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from services.intake import text_answers
from shared.db import Pool
from shared.events import new_id
from tests.intake.inbound_people import PHONE, SMS_URL, nudged
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
