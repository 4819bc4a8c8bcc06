"""Texts that people send us, from the vendor's request to what they do."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from services.intake import erasing, proofs, text_answers
from shared import stops
from shared.db import Pool
from shared.events import new_id
from shared.signing import Fingerprints
from tests.intake.inbound_people import PHONE, SMS_URL, by_twilio, nudged
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


async def test_a_stop_that_comes_again_after_start_stops_nothing_any_more(intake: Intake) -> None:
    what = await nudged(intake.pool)
    for body, sid in (("STOP", "SM1"), ("START", "SM2"), ("STOP", "SM1")):
        await by_twilio(intake, body, sid=sid)
    assert not await is_stopped(intake.pool, what.person)


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


async def test_a_number_means_whom_they_were_shown_whatever_they_were_asked(intake: Intake) -> None:
    erin = await nudged(intake.pool, "Erin")
    await nudged(intake.pool, "Sam", person=erin.person)
    assert "1 Erin, 2 Sam" in await by_twilio(intake, "DONE")

    assert "remind you" in await by_twilio(intake, "LATER 1: 3 days")

    assert await acts(intake.pool) == [("later", "3 days")]


async def test_of_one_connection_the_newest_nudge_is_meant_and_old_ones_are_over(intake: Intake) -> None:
    erin = await nudged(intake.pool)
    await nudged(intake.pool, "Bo", person=erin.person)
    await intake.pool.execute(
        "UPDATE nudges SET changed_at = changed_at - $2::interval WHERE id = $1", erin.nudge, timedelta(days=40)
    )
    await by_gateway(intake, "done")
    [row] = await intake.pool.fetch("SELECT connection FROM acts")
    assert row["connection"] != erin.connection


async def test_who_answers_before_we_know_that_it_went_out_is_understood(intake: Intake) -> None:
    erin = await nudged(intake.pool)
    await intake.pool.execute("UPDATE nudges SET state = 'queued'")
    await by_gateway(intake, "done")
    assert await acts(intake.pool) == [("done", "")]

    bo = await nudged(intake.pool, "Bo", person=erin.person)
    await nudged(intake.pool, "Cy", person=erin.person)
    await intake.pool.execute("UPDATE nudges SET state = 'queued' WHERE id <> $1", bo.nudge)
    await by_gateway(intake, "later")
    assert await intake.pool.fetchval("SELECT follow_up FROM acts WHERE act = 'later'") == bo.follow_up


async def test_nothing_that_waits_is_said_and_changes_nothing(intake: Intake) -> None:
    assert await by_gateway(intake, "done") == text_answers.answer("nothing", "en")
    assert await intake.events() == []


async def test_start_also_lets_a_number_come_back_whose_holder_was_erased(
    intake: Intake, keys: tuple[SecretStr, ...]
) -> None:
    prints = Fingerprints(keys, purpose=erasing.PURPOSE)
    await intake.pool.execute(
        "INSERT INTO erased_addresses (fingerprint, channel, at) VALUES ($1, 'sms', now())", prints.every(PHONE)[0]
    )
    await by_twilio(intake, "START")
    assert await intake.count("erased_addresses") == 0


async def test_what_was_used_long_ago_is_forgotten_but_for_tokens_that_prove(intake_pool: Pool) -> None:
    async with intake_pool.acquire() as conn:
        for vendor in ("twilio", "ses report", "mailgun"):
            await proofs.once(conn, vendor, "old")
        await conn.execute("UPDATE proofs SET used_at = used_at - interval '91 days'")
        await proofs.once(conn, "twilio", "new")
        await proofs.hold(conn, "mailgun", "held")
    assert await proofs.forget_old(intake_pool) == 2
    assert await proofs.forget_old(intake_pool) == 0
    async with intake_pool.acquire() as conn:
        found = [
            await proofs.once(conn, vendor, token)
            for vendor, token in (("mailgun", "old"), ("twilio", "new"), ("twilio", "old"))
        ]
    assert found == [False, False, True]
