"""POST /hooks/...: every answer of the contract, and what is stored after each."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from shared.db import Pool
from tests.intake.serving import KNOWN_ANSWER, NAME, ONE_MEETING, TYPEFORM, Intake, serving, submission


async def test_a_submission_becomes_a_meeting_and_an_event(intake: Intake) -> None:
    sender = await intake.source()

    answer = await sender.send(submission())

    assert answer.status == 202
    [meeting] = await intake.pool.fetch("SELECT id, submission, plan FROM meetings")
    assert await answer.json() == {"submission": str(meeting["submission"]), "meetings": [str(meeting["id"])]}
    [event] = await intake.events()
    assert event["type"] == "afterhello.meeting.logged.v1"
    assert event["subject"] == event["data"]["meeting"]["id"] == str(meeting["id"])
    assert event["data"]["meeting"]["contact"]["email"] == "erin@district.example"
    assert event["data"]["owner"]["time_zone"] == "America/New_York"


async def test_the_same_again_gets_the_same_ids_and_leaves_nothing(intake: Intake) -> None:
    sender = await intake.source()
    first = await sender.send(submission())

    again = await sender.send(submission())

    assert (first.status, again.status) == (202, 200)
    assert await again.json() == await first.json()
    assert await intake.stored() == ONE_MEETING


async def test_the_same_at_the_same_instant_is_one_meeting(intake: Intake) -> None:
    sender = await intake.source()
    body = submission()

    answers = await asyncio.gather(*(sender.send(body) for _ in range(10)))

    assert sorted(answer.status for answer in answers) == [200] * 9 + [202]
    assert len({await answer.text() for answer in answers}) == 1
    assert await intake.stored() == ONE_MEETING


async def test_another_id_is_another_submission_and_the_connection_continues(intake: Intake) -> None:
    sender = await intake.source()

    await sender.send(submission(), id="msg_1")
    await sender.send(submission(contact={"name": "Erin B.", "email": "ERIN@district.example"}), id="msg_2")

    assert await intake.stored() == ONE_MEETING | {"submissions": 2, "meetings": 2, "outbox": 2}


async def test_several_contacts_are_several_meetings_in_their_order(intake: Intake) -> None:
    sender = await intake.source()
    met = [{"name": "Zoe"}, {"name": "Abe"}, {"name": "zoe "}, {"name": "Mia", "email": "mia@school.example"}]

    answer = await sender.send(submission(contact=None, contacts=met))

    meetings = (await answer.json())["meetings"]
    names = [event["data"]["meeting"]["contact"]["name"] for event in await intake.events()]
    assert names == ["Zoe", "Abe", "Mia"]
    assert [event["subject"] for event in await intake.events()] == meetings
    assert (await (await sender.send(submission(contact=None, contacts=met))).json())["meetings"] == meetings


async def test_the_vendors_own_example_is_a_meeting(intake: Intake) -> None:
    sender = await intake.source("typeform", secret="123456", mapping=NAME, fixed={"plan": "demo"})

    answer = await sender.send(TYPEFORM, Typeform_Signature=KNOWN_ANSWER)

    assert answer.status == 202
    [event] = await intake.events()
    assert event["data"]["owner"]["email"] == "laura@example.com"
    assert event["data"]["meeting"]["contact"]["name"] == "Laura"
    assert event["data"]["meeting"]["plan"] == "demo"


async def test_a_retry_under_another_event_id_is_the_same_response(intake: Intake) -> None:
    sender = await intake.source("typeform", mapping=NAME)
    first = await sender.send(TYPEFORM)

    again = await sender.send(TYPEFORM.replace(b"LtWXD3crgy", b"LtWXD3crgz"))

    assert (again.status, await again.json()) == (200, await first.json())


async def test_a_form_half_filled_in_is_no_submission(intake: Intake) -> None:
    sender = await intake.source("typeform", mapping=NAME)

    answer = await sender.send(TYPEFORM.replace(b'"form_response",', b'"form_response_partial",', 1))

    assert (answer.status, await answer.json()) == (200, {"meetings": []})
    assert await intake.stored() == {}


async def test_what_cannot_be_mapped_is_kept_with_its_reason_and_names_the_questions(intake: Intake) -> None:
    sender = await intake.source("typeform", mapping={"contact.name": "Who was it?"})

    answer = await sender.send(TYPEFORM)

    assert (answer.status, answer.content_type) == (422, "application/problem+json")
    [error] = (await answer.json())["errors"]
    assert error["field"] == "contact.name"
    assert error["problem"].startswith("is required") and "Who was it?" in error["problem"]
    assert await intake.stored() == {"submissions": 1}
    [kept] = await intake.pool.fetch("SELECT state, body, reason FROM submissions")
    assert (kept["state"], kept["body"], kept["reason"]["errors"]) == ("rejected", TYPEFORM, [error])


async def test_a_rejected_submission_is_accepted_once_the_mapping_is_mended(intake: Intake) -> None:
    sender = await intake.source("typeform", mapping={"contact.name": "Who was it?"})
    await sender.send(TYPEFORM)
    rejected = await intake.pool.fetchval("SELECT id FROM submissions")

    await intake.pool.execute("UPDATE sources SET mapping = $1", NAME)
    answer = await sender.send(TYPEFORM)

    assert (answer.status, (await answer.json())["submission"]) == (202, str(rejected))
    assert await intake.stored() == ONE_MEETING
    assert await intake.pool.fetchval("SELECT state FROM submissions") == "accepted"


async def test_an_accepted_one_stays_accepted_when_the_mapping_breaks_later(intake: Intake) -> None:
    sender = await intake.source("typeform", mapping=NAME)
    first = await sender.send(TYPEFORM)

    await intake.pool.execute("UPDATE sources SET mapping = $1", {"contact.name": "Who was it?"})
    again = await sender.send(TYPEFORM)

    assert (again.status, await again.json()) == (200, await first.json())


async def test_broken_json_of_a_known_sender_is_kept_and_of_a_stranger_not(intake: Intake) -> None:
    sender = await intake.source("typeform")

    known = await sender.send(b'{"event_id": ')
    stranger = await sender.send(b'{"event_id":  ', Typeform_Signature="sha256=AAAA")

    assert (known.status, stranger.status) == (400, 401)
    assert await intake.stored() == {"submissions": 1}


async def test_another_encoding_is_told_as_such_and_not_as_a_wrong_signature(intake: Intake) -> None:
    for provider, kept in (("standard", 0), ("typeform", 1)):  # the former's signature is of text, so proves nothing
        answer = await (await intake.source(provider)).send('{"notes": "é"}'.encode("latin-1"))
        assert (answer.status, (await answer.json())["errors"][0]["problem"]) == (400, "is not UTF-8")
        assert await intake.count("submissions") == kept


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Encoding": "br"}, 415),
        ({"Content-Encoding": "gzip"}, 400),
    ],
)
async def test_a_body_that_is_sent_wrongly_says_so(intake: Intake, headers: dict[str, str], status: int) -> None:
    sender = await intake.source()
    raw = json.dumps(submission()).encode()
    answer = await intake.client.post(sender.path, data=raw, headers=sender.signed(raw) | headers)
    assert answer.status == status


async def test_a_body_that_is_too_large_says_so(intake: Intake) -> None:
    sender = await intake.source()
    answer = await sender.send(submission(notes="x" * 300_000))
    assert answer.status == 413


async def test_who_calls_too_often_is_told_when_to_come_again(intake_pool: Pool, keys: tuple[SecretStr, ...]) -> None:
    async with serving(intake_pool, keys, rate_limit=1) as intake:
        busy, quiet = await intake.source(), await intake.source()

        answers = [await busy.send(submission(), id=f"msg_{n}") for n in range(3)]
        other = await quiet.send(submission())

    assert [answer.status for answer in answers] == [202, 202, 429]
    assert answers[-1].headers["Retry-After"] == "1"
    assert other.status == 202


async def test_the_source_says_what_the_form_does_not_ask(intake: Intake) -> None:
    sender = await intake.source(zone="Europe/Madrid", owner="bo@school.example", plan="demo")

    await sender.send({"contact": {"name": "Erin"}, "met_at": a_day_ago()})

    [event] = await intake.events()
    owner, meeting = event["data"]["owner"], event["data"]["meeting"]
    assert (owner["email"], owner["time_zone"], meeting["plan"]) == ("bo@school.example", "Europe/Madrid", "demo")


def a_day_ago() -> str:
    return (datetime.now(UTC) - timedelta(days=1)).isoformat()


async def test_the_trace_of_the_request_is_carried_by_the_event(intake: Intake) -> None:
    sender = await intake.source()
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    await sender.send(submission(), id="1", traceparent=trace)
    await sender.send(submission(), id="2", traceparent=trace.upper())

    first, second = await intake.events()
    assert first["traceparent"] == trace
    assert second["traceparent"] != trace and len(second["traceparent"]) == len(trace)


async def test_what_is_logged_names_no_person(intake: Intake, caplog: Any, capsys: pytest.CaptureFixture[str]) -> None:
    sender = await intake.source()
    await sender.send(submission(notes="canary-notes"))
    await sender.send(submission(contact={"name": "canary-name\u202e"}), id="msg_2")

    written = "".join(capsys.readouterr()) + caplog.text
    assert "submission.accepted" in written and "submission.refused" in written
    assert not [word for word in ("ada@school", "erin@district", "canary", sender.path[7:]) if word in written]
