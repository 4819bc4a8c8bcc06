"""Who may submit: known paths and right signatures; everything else is 401 and leaves nothing."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from services.intake.providers import standard
from shared.db import Pool
from shared.events import new_id
from tests.intake.serving import KNOWN_ANSWER, NAME, TYPEFORM, Intake, standard_signature, submission


async def test_one_byte_changed_is_refused_and_nothing_is_stored(intake: Intake) -> None:
    sender = await intake.source("typeform", secret="123456", mapping=NAME)

    answer = await sender.send(TYPEFORM.replace(b"Laura", b"Lauri"), Typeform_Signature=KNOWN_ANSWER)

    assert answer.status == 401
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
    fresh = standard.new_secret()
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


@pytest.mark.parametrize("email", ["ada@school.example", ""], ids=["accepted", "rejected"])
async def test_a_path_that_the_tool_repeats_in_its_body_is_not_kept(intake: Intake, email: str) -> None:
    sender = await intake.source("jotform")
    answers = json.dumps({"q3_yourEmail": email, "q4_whoDid": "Erin", "q5_notes": "hooks"})
    url = f"https://hello.school.example{sender.path}"
    parts = {"webhookURL": url, "submissionID": "1", "rawRequest": answers}
    form = "".join(f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{parts[name]}\r\n' for name in parts)

    answer = await sender.send(f"{form}--x--\r\n".encode())

    assert answer.status == (202 if email else 422)
    kept: bytes = await intake.pool.fetchval("SELECT body FROM submissions")
    assert b"https://hello.school.example/hooks/***" in kept
    assert sender.path.rpartition("/")[2].encode() not in kept


async def test_eventbrite_repeats_its_path_as_json_does(intake: Intake) -> None:
    sender = await intake.source("eventbrite")
    url = f"https://hello.school.example{sender.path}".replace("/", "\\/")

    answer = await sender.send(f'{{"config": {{"action": "order.placed", "endpoint_url": "{url}"}}}}'.encode())

    assert answer.status == 422
    kept: bytes = await intake.pool.fetchval("SELECT body FROM submissions")
    assert sender.path.rpartition("/")[2].encode() not in kept


async def test_a_disabled_source_is_an_unknown_path(intake: Intake) -> None:
    sender = await intake.source()
    await intake.pool.execute("UPDATE sources SET disabled_at = now()")
    assert (await sender.send(submission())).status == 401


async def test_a_secret_sealed_with_another_key_is_our_fault_not_the_senders(intake: Intake) -> None:
    sender = await intake.source()
    await intake.pool.execute("UPDATE source_keys SET sealed = 'gAAAAA'")

    answer = await sender.send(submission())

    assert (answer.status, answer.headers["Retry-After"]) == (503, "60")
