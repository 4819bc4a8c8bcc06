"""POST /hooks/...: every answer of the contract, and what is stored after each."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from shared.db import Pool
from tests.intake.serving import Intake, serving, submission

PAYLOADS = Path(__file__).parent / "payloads"
TYPEFORM = (PAYLOADS / "typeform" / "form_response.json").read_bytes()
KNOWN_ANSWER = "sha256=VsvwNrh0fT5VWF+05H3azXZXJyFkhHTtONMxIVm6PZ4="


@pytest.fixture
async def intake(intake_pool: Pool, keys: tuple[SecretStr, ...]) -> AsyncIterator[Intake]:
    async with serving(intake_pool, keys) as served:
        yield served


async def outbox(pool: Pool) -> list[dict[str, Any]]:
    import orjson

    rows = await pool.fetch("SELECT document FROM outbox ORDER BY id")
    return [orjson.loads(row["document"]) for row in rows]


async def test_a_submission_becomes_a_meeting_and_an_event(intake: Intake) -> None:
    sender = await intake.source()

    answer = await sender.send(submission())

    assert answer.status == 202
    body = await answer.json()
    [meeting] = await intake.pool.fetch("SELECT id, submission, plan FROM meetings")
    assert body == {"submission": str(meeting["submission"]), "meetings": [str(meeting["id"])]}
    [event] = await outbox(intake.pool)
    assert event["type"] == "afterhello.meeting.logged.v1"
    assert event["data"]["meeting"]["contact"]["email"] == "erin@district.example"
    assert event["data"]["owner"]["time_zone"] == "America/New_York"


async def test_the_same_at_the_same_instant_is_one_meeting(intake: Intake) -> None:
    sender = await intake.source()
    body = submission()

    answers = await asyncio.gather(*(sender.send(body) for _ in range(10)))

    assert sorted(answer.status for answer in answers) == [200] * 9 + [202]
    assert len({(await answer.text()) for answer in answers}) == 1
    assert await intake.count("meetings") == await intake.count("outbox") == await intake.count("submissions") == 1


async def test_the_vendors_own_example_is_a_meeting(intake: Intake) -> None:
    mapping = {"contact.name": "readable_ref_short_text"}
    sender = await intake.source("typeform", secret="123456", mapping=mapping, fixed={"plan": "demo"})

    answer = await sender.send(TYPEFORM, Typeform_Signature=KNOWN_ANSWER)

    assert answer.status == 202
    [event] = await outbox(intake.pool)
    assert event["data"]["owner"]["email"] == "laura@example.com"
    assert event["data"]["meeting"]["contact"]["name"] == "Laura"
    assert event["data"]["meeting"]["plan"] == "demo"
