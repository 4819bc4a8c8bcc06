"""POST /hooks/...: every answer of the contract, and what is stored after each."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from services.intake import sources
from services.intake.providers import PROVIDERS
from shared import db
from shared.db import Pool
from shared.events import new_id
from tests.intake.serving import Intake, serving, standard_signature, submission
from tests.servers.proxy import proxy
from tests.servers.waiting import until

TYPEFORM = (Path(__file__).parent / "payloads" / "typeform" / "form_response.json").read_bytes()
KNOWN_ANSWER = "sha256=VsvwNrh0fT5VWF+05H3azXZXJyFkhHTtONMxIVm6PZ4="
NAME = {"contact.name": "readable_ref_short_text"}
ONE_MEETING = {"submissions": 1, "people": 1, "connections": 1, "meetings": 1, "outbox": 1}


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


async def test_one_byte_changed_is_refused_and_nothing_is_stored(intake: Intake) -> None:
    sender = await intake.source("typeform", secret="123456", mapping=NAME)

    answer = await sender.send(TYPEFORM.replace(b"Laura", b"Lauri"), Typeform_Signature=KNOWN_ANSWER)

    assert answer.status == 401
    assert await intake.stored() == {}


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


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
@pytest.mark.parametrize(
    "path", ["/hooks", "/hooks/", "/hooks/short", f"/hooks/{'a' * 32}", f"/hooks/{'a' * 32}/more", "/hooks/%2e%2e%2f"]
)
async def test_an_unknown_path_is_answered_like_a_wrong_signature(intake: Intake, method: str, path: str) -> None:
    answer = await intake.client.request(method, path)
    assert answer.status == 401


async def test_another_method_on_a_known_path_is_answered_like_a_wrong_signature(intake: Intake) -> None:
    sender = await intake.source()
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        assert (await intake.client.request(method, sender.path)).status == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,ü"},
        {"webhook-id": "msg_2"},
        {"webhook-id": ""},
        {"webhook-timestamp": "nan"},
        {"webhook-timestamp": "99999999999999999999"},
        {"Typeform-Signature": KNOWN_ANSWER, "webhook-signature": "x"},
    ],
    ids=str,
)
async def test_what_is_not_proven_is_refused_and_not_stored(intake: Intake, headers: dict[str, str]) -> None:
    sender = await intake.source()
    raw = json.dumps(submission()).encode()

    answer = await intake.client.post(sender.path, data=raw, headers=sender.signed(raw) | headers)

    assert answer.status == 401
    assert "WWW-Authenticate" in answer.headers
    assert await intake.stored() == {}


@pytest.mark.parametrize(("seconds", "status"), [(-310, 401), (-290, 202), (290, 202), (310, 401)])
async def test_the_time_of_signing_may_be_off_by_five_minutes(intake: Intake, seconds: int, status: int) -> None:
    sender = await intake.source()
    raw = json.dumps(submission()).encode()

    headers = sender.signed(raw, at=datetime.now(UTC) + timedelta(seconds=seconds))
    answer = await intake.client.post(sender.path, data=raw, headers=headers)

    assert answer.status == status


async def test_while_a_secret_is_rotated_both_are_right_and_then_only_the_new_one(intake: Intake) -> None:
    sender = await intake.source()
    raw = json.dumps(submission()).encode()
    fresh = PROVIDERS["standard"].new_secret()
    add = "INSERT INTO source_keys (id, source, sealed) VALUES ($1, $2, $3)"
    await intake.pool.execute(add, new_id(), sender.source.id, intake.box.seal(fresh))
    by_new = {"Content-Type": "application/json"} | standard_signature(raw, fresh, id="msg_new")

    assert (await intake.client.post(sender.path, data=raw, headers=by_new)).status == 202
    assert (await sender.send(raw, id="msg_old")).status == 202
    await intake.pool.execute("UPDATE source_keys SET ends_at = now() WHERE sealed <> $1", await newest(intake.pool))
    assert (await sender.send(raw, id="msg_later")).status == 401
    assert (await intake.client.post(sender.path, data=raw, headers=by_new)).status == 200


async def newest(pool: Pool) -> str:
    sealed: str = await pool.fetchval("SELECT sealed FROM source_keys ORDER BY created_at DESC LIMIT 1")
    return sealed


async def test_a_disabled_source_is_an_unknown_path(intake: Intake) -> None:
    sender = await intake.source()
    await intake.pool.execute("UPDATE sources SET disabled_at = now()")
    assert (await sender.send(submission())).status == 401


async def test_a_secret_sealed_with_another_key_is_our_fault_not_the_senders(intake: Intake) -> None:
    sender = await intake.source()
    await intake.pool.execute("UPDATE source_keys SET sealed = 'gAAAAA'")

    answer = await sender.send(submission())

    assert (answer.status, answer.headers["Retry-After"]) == (503, "60")


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


async def test_without_a_database_the_sender_is_asked_to_come_again(keys: tuple[SecretStr, ...]) -> None:
    nowhere = await db.open_pool("postgresql://nobody@127.0.0.1:1/none", schema="intake")
    async with serving(nowhere, keys) as intake:
        answer = await intake.client.post(f"/hooks/{sources.new_path()}", json={})
    nowhere.terminate()

    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) > 0


async def test_a_commit_whose_answer_was_lost_is_found_by_the_retry(
    intake: Intake, database_url: str, keys: tuple[SecretStr, ...]
) -> None:
    sender = await intake.source()
    raw = json.dumps(submission()).encode()
    await at_commit(intake.pool, "pg_advisory_xact_lock(42)")
    async with proxy(database_url) as between, intake.pool.acquire() as holder:
        pool = await db.open_pool(between.url, schema="intake")
        async with serving(pool, keys) as behind:
            await holder.execute("SELECT pg_advisory_lock(42)")
            sending = asyncio.create_task(behind.client.post(sender.path, data=raw, headers=sender.signed(raw)))
            await until(lambda: somebody_waits(intake.pool))
            between.mute()
            await holder.execute("SELECT pg_advisory_unlock(42)")
            await until(lambda: has_rows(intake.pool))
            between.cut()
            answer = await sending
        pool.terminate()

    assert (answer.status, int(answer.headers["Retry-After"]) > 0) == (503, True)
    assert (await sender.send(raw)).status == 200
    assert await intake.stored() == ONE_MEETING


async def at_commit(pool: Pool, what: str) -> None:
    """Do this at the end of every transaction that adds a meeting, when only the commit itself is left."""
    await pool.execute(
        f"""
        CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM {what}; RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON meetings DEFERRABLE INITIALLY DEFERRED
           FOR EACH ROW EXECUTE FUNCTION at_commit();
        """
    )


async def somebody_waits(pool: Pool) -> bool:
    waiting: bool = await pool.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
    return waiting


async def has_rows(pool: Pool) -> bool:
    found: bool = await pool.fetchval("SELECT EXISTS (SELECT FROM outbox)")
    return found


async def test_a_commit_that_failed_leaves_nothing(intake: Intake) -> None:
    sender = await intake.source()
    await at_commit(intake.pool, "pg_terminate_backend(pg_backend_pid())")

    lost = await sender.send(submission())
    assert (lost.status, await intake.stored()) == (503, {})

    await intake.pool.execute("DROP TRIGGER at_commit ON meetings")
    assert (await sender.send(submission())).status == 202
    assert await intake.stored() == ONE_MEETING


async def test_what_is_logged_names_no_person(intake: Intake, caplog: Any, capsys: pytest.CaptureFixture[str]) -> None:
    sender = await intake.source()
    await sender.send(submission(notes="canary-notes"))
    await sender.send(submission(contact={"name": "canary-name\u202e"}), id="msg_2")

    written = "".join(capsys.readouterr()) + caplog.text
    assert "submission.accepted" in written and "submission.refused" in written
    assert not [word for word in ("ada@school", "erin@district", "canary", sender.path[7:]) if word in written]
