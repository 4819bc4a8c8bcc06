"""A guess that is wrong: the meeting is logged without it; what was mapped or is required stays strict."""

import json
from typing import Any

import pytest

from services.intake import rehearsal
from services.intake.meeting import Defaults
from services.intake.providers import PROVIDERS
from shared import db
from tests.intake.serving import PLANNER, Intake

RIGHT = {"Your email": "ada@school.example", "Who did you meet?": "Erin Example"}


def form(**answers: Any) -> bytes:
    return json.dumps({"responseId": "r-1", "answers": RIGHT | answers}).encode()


async def rehearsed(intake: Intake, body: bytes, mapping: dict[str, str] | None = None) -> rehearsal.Rehearsed:
    async with intake.pool.acquire() as conn:
        now = await db.now(conn)
    delivery = PROVIDERS["google-forms"].read({}, body)
    return rehearsal.rehearse(
        delivery, mapped_to=mapping or {}, fixed={}, defaults=Defaults(), plans=PLANNER.names, now=now
    )


@pytest.mark.parametrize(
    ("question", "answer", "field"),
    [
        ("Links", "x", "contact.links"),
        ("When did you meet?", "after lunch", "met_at"),
        ("When did you meet?", "2190-01-01", "met_at"),
        ("Their phone", "(508) 555-0123", "contact.phone"),
        ("Topics", ["x" * 61], "topics"),
        ("Plan", "whatever suits", "plan"),
        ("Time zone", "where I live", "owner.time_zone"),
        ("Contact 2 phone", "5550123", "contacts[2].phone"),
    ],
)
async def test_a_wrong_guess_does_not_cost_the_meeting_and_source_test_says_what_was_left_out(
    intake: Intake, question: str, answer: Any, field: str
) -> None:
    others = {"Contact 2 name": "Sam Sample"} if field.startswith("contacts[") else {}
    body = form(**{question: answer}, **others)
    guessing = await intake.source("google-forms")
    mapped = await intake.source("google-forms", mapping={field: question})

    refused, taken = await mapped.send(body), await guessing.send(body)

    assert (refused.status, taken.status) == (422, 202), await taken.text()
    assert any("(the answer to" in error["problem"] for error in (await refused.json())["errors"])
    names = {row["sent"]["contact"]["name"] for row in await intake.pool.fetch("SELECT sent FROM meetings")}
    assert names >= {"Sam Sample" if others else "Erin Example"}
    found = await rehearsed(intake, body)
    [line] = [line for line in found.fields if line.how == "left out"]
    assert (line.field, line.question) == (field, question) and line.why
    words = "\n".join(rehearsal.in_words(found))
    assert f"guessed from “{question}”, {line.why}" in words
    assert not found.errors and found.would_log


async def test_what_is_required_stays_required_though_it_is_guessed(intake: Intake) -> None:
    sender = await intake.source("google-forms", owner="grace@school.example")

    unread = await sender.send(form(**{"Your email": "ada at school", "Links": "x"}))
    unnamed = await sender.send(form(**{"Who did you meet?": "x" * 201, "Links": "x"}))

    for answer, field, question in ((unread, "owner.email", "Your email"), (unnamed, "contact.name", "Who did you")):
        [error] = (await answer.json())["errors"]
        assert (answer.status, error["field"]) == (422, field)
        assert question in error["problem"]
    assert await intake.count("meetings") == 0


async def test_all_wrong_guesses_are_left_out_and_the_right_ones_kept(intake: Intake) -> None:
    sender = await intake.source("google-forms")

    answer = await sender.send(form(**{"Links": "x", "When did you meet?": "2190-01-01", "Notes": "badge swap"}))

    assert answer.status == 202, await answer.text()
    [sent] = [row["sent"] for row in await intake.pool.fetch("SELECT sent FROM meetings")]
    assert (sent["contact"]["links"], sent["notes"]) == ([], "badge swap")
