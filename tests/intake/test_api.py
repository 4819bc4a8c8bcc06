"""/api/v1/meetings: logged, shown, repeated, refused."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import pytest

from services.intake.handlers import ROUTES
from shared import db
from shared.db import Pool
from shared.events import DeliveryChanged, DeliveryData, FollowUp, FollowUpChanged, FollowUpData, new_id
from shared.receive import receiver
from tests.intake.serving import Intake, submission

URL = "/api/v1/meetings"


async def post(intake: Intake, body: Any, headers: dict[str, str], key: str | None = None) -> tuple[int, Any]:
    sent = headers | ({"Idempotency-Key": key} if key else {})
    async with intake.client.post(URL, json=body, headers=sent) as answer:
        return answer.status, await answer.json()


async def test_a_meeting_logged_is_answered_with_what_will_follow(intake: Intake) -> None:
    status, body = await post(intake, submission(), await intake.token())

    assert status == 201
    [meeting] = body["meetings"]
    assert meeting.keys() == {"id", "connection", "contact", "plan", "follow_ups"}
    assert (meeting["contact"], meeting["plan"]) == ({"name": "Erin"}, "conference")
    first = meeting["follow_ups"][0]
    assert first.keys() == {
        "id", "step", "occurrence", "playbook", "state", "reason", "local", "zone", "due_at", "nudge",
    }  # fmt: skip
    assert first["id"] == str(uuid5(UUID(meeting["id"]), f"{first['step']}.{first['occurrence']}"))
    assert first["zone"] == "America/New_York"
    assert first["local"].endswith("T15:30:00") and first["due_at"].endswith("Z")
    assert first["nudge"] is None


async def test_a_meeting_is_shown_as_it_was_sent(intake: Intake) -> None:
    token = await intake.token()
    sent = submission(contact={"name": "Erin", "email": None, "phone": "+15085550123", "links": [], "consent": False})
    _, body = await post(intake, sent, token)
    [logged] = body["meetings"]

    async with intake.client.get(f"{URL}/{logged['id']}", headers=token) as answer:
        shown = await answer.json()

    assert answer.status == 200
    assert shown["contact"] == sent["contact"] | {"phone": "+15085550123"}
    assert shown["owner"] == sent["owner"] | {"phone": None}
    assert {field: shown[field] for field in sent if field not in {"owner", "contact"}} == {
        field: sent[field] for field in sent if field not in {"owner", "contact"}
    }
    assert (shown["id"], shown["connection"], shown["state"]) == (logged["id"], logged["connection"], "active")
    assert (shown["promise_kept_at"], shown["goal_at"]) == (None, None)
    assert shown["follow_ups"] == logged["follow_ups"]
    assert [line["what"] for line in shown["timeline"]] == ["logged"]


async def test_a_meeting_shows_its_follow_ups_with_their_nudges(intake: Intake) -> None:
    token = await intake.token()
    _, body = await post(intake, submission(), token)
    [logged] = body["meetings"]
    preview, nudge = logged["follow_ups"][0], new_id()
    person: UUID = await intake.pool.fetchval("SELECT id FROM people")
    now = datetime.now(UTC)
    follow_up = FollowUp.model_validate(
        preview
        | {"meeting": logged["id"], "connection": logged["connection"], "person": person}
        | {"state": "nudged", "nudge": nudge, "revision": 2}
    )
    receive = receiver(intake.pool, ROUTES, service="intake")
    delivery = DeliveryData(
        nudge=nudge, revision=1, person=person, channel="email", state="sent", at=now, follow_ups=(follow_up.id,)
    )
    told = FollowUpChanged(time=now, subject="x", data=FollowUpData(follow_up=follow_up, at=now))
    sent = DeliveryChanged(time=now, subject="x", data=delivery)
    await receive([told.to_json()])
    await receive([sent.to_json()])

    async with intake.client.get(f"{URL}/{logged['id']}", headers=token) as answer:
        shown = (await answer.json())["follow_ups"][0]

    assert shown.keys() == preview.keys()
    assert (shown["id"], shown["state"], shown["local"]) == (preview["id"], "nudged", preview["local"])
    assert (shown["nudge"]["id"], shown["nudge"]["state"], shown["nudge"]["reason"]) == (str(nudge), "sent", None)


async def test_the_same_key_gets_the_same_answer(intake: Intake) -> None:
    token, body = await intake.token(), submission()

    first = await post(intake, body, token, "key-1")
    again = await post(intake, dict(reversed(body.items())), token, "key-1")

    assert first[0] == 201
    assert again == first
    assert await intake.count("meetings") == await intake.count("outbox") == 1


async def test_the_same_key_at_the_same_instant_is_one_meeting(intake: Intake) -> None:
    token, body = await intake.token(), submission()

    headers = token | {"Idempotency-Key": "key-1"}
    answers = await asyncio.gather(*(intake.client.post(URL, json=body, headers=headers) for _ in range(10)))

    assert {answer.status for answer in answers} == {201}
    assert len({await answer.read() for answer in answers}) == 1
    assert await intake.count("meetings") == await intake.count("outbox") == 1


async def test_the_same_key_with_another_body_is_refused(intake: Intake) -> None:
    token = await intake.token()
    await post(intake, submission(), token, "key-1")

    status, body = await post(intake, submission(notes="other"), token, "key-1")

    assert (status, body["errors"][0]["field"]) == (422, "Idempotency-Key")
    assert await intake.count("meetings") == 1


async def test_a_key_is_one_callers_own(intake: Intake) -> None:
    body = submission()
    for _ in range(2):
        assert (await post(intake, body, await intake.token(), "key-1"))[0] == 201
    assert await intake.count("meetings") == 2


async def test_a_refused_request_does_not_use_its_key_up(intake: Intake) -> None:
    token = await intake.token()
    assert (await post(intake, submission(plan="nope"), token, "key-1"))[0] == 422
    assert (await post(intake, submission(), token, "key-1"))[0] == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "ä"])
async def test_a_key_that_is_none_is_refused(intake: Intake, key: str) -> None:
    headers = await intake.token() | {"Idempotency-Key": key}
    async with intake.client.post(URL, json=submission(), headers=headers) as answer:
        assert answer.status == 400


@pytest.mark.parametrize("value", [None, "Bearer", "Bearer nope", "Basic eDp5", "Bearer a b", "Bearer ü"])
async def test_without_a_token_nothing_is_told(intake: Intake, value: str | None) -> None:
    headers = {"Authorization": value} if value else {}
    for method, path in (("POST", URL), ("GET", f"{URL}/{new_id()}"), ("GET", f"{URL}/nonsense")):
        async with intake.client.request(method, path, json={}, headers=headers) as answer:
            assert (answer.status, answer.content_type) == (401, "application/problem+json")
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert await intake.stored() == {}


async def test_a_revoked_token_is_no_token(intake: Intake) -> None:
    token = await intake.token()
    await intake.pool.execute("UPDATE api_tokens SET revoked_at = now()")
    assert (await post(intake, submission(), token))[0] == 401


async def test_a_token_of_one_owner_sees_and_writes_their_data_alone(intake: Intake) -> None:
    everybody, bo = await intake.token(), await intake.token(owner="Bo@school.example")
    _, of_ada = await post(intake, submission(), everybody)
    status, of_bo = await post(intake, submission(owner={"email": "bo@school.example"}), bo)
    assert status == 201
    assert (await post(intake, submission(owner={}), bo))[0] == 201

    for body, expected in ((of_ada, 404), (of_bo, 200)):
        async with intake.client.get(f"{URL}/{body['meetings'][0]['id']}", headers=bo) as answer:
            assert answer.status == expected
    status, body = await post(intake, submission(), bo)
    assert (status, body["errors"][0]["field"]) == (403, "owner.email")
    assert await intake.count("meetings") == 3


@pytest.mark.parametrize("id", ["nonsense", "1", "..", "%00", "0" * 32, "%7B00000000-0000-0000-0000-000000000000%7D"])
async def test_what_cannot_be_an_id_is_not_found(intake: Intake, id: str) -> None:
    async with intake.client.get(f"{URL}/{id}", headers=await intake.token()) as answer:
        assert answer.status == 404


async def test_an_unknown_meeting_is_not_found(intake: Intake) -> None:
    async with intake.client.get(f"{URL}/{new_id()}", headers=await intake.token()) as answer:
        assert answer.status == 404


async def test_what_is_wrong_is_named_and_kept(intake: Intake) -> None:
    token = await intake.token()

    status, body = await post(intake, submission(contact={"nome": "Erin"}, plan="nope"), token)

    assert status == 422
    assert {error["field"] for error in body["errors"]} == {"contact.name", "contact.nome"}
    assert await intake.stored() == {"submissions": 1}
    assert await intake.pool.fetchval("SELECT reason -> 'errors' FROM submissions") == body["errors"]


async def test_an_unknown_plan_is_answered_with_those_there_are(intake: Intake) -> None:
    _, body = await post(intake, submission(plan="nope"), await intake.token())
    [error] = body["errors"]
    assert error["field"] == "plan"
    assert {"conference", "default", "demo"} <= set(error["problem"].removeprefix("must be one of ").split(", "))


async def test_fifty_contacts_are_fifty_meetings_and_fifty_one_none(intake: Intake) -> None:
    token = await intake.token()
    many = [{"name": f"Erin {n}"} for n in range(51)]

    status, body = await post(intake, submission(contact=None, contacts=many[:50]), token)
    assert (status, len(body["meetings"])) == (201, 50)
    assert [one["contact"]["name"] for one in body["meetings"]] == [one["name"] for one in many[:50]]

    status, body = await post(intake, submission(contact=None, contacts=many), token)
    assert (status, body["errors"][0]["field"]) == (422, "contacts")


async def test_what_is_not_built_is_not_there(intake: Intake) -> None:
    token = await intake.token()
    for path in ("/", "/log", "/me", "/api/v1"):
        async with intake.client.get(path, headers=token) as answer:
            assert answer.status == 404


async def test_the_database_clock_says_when_it_was_logged(intake: Intake, intake_pool: Pool) -> None:
    body = submission()
    del body["met_at"]
    async with intake_pool.acquire() as conn:
        before = await db.now(conn)
    await post(intake, body, await intake.token())

    row = await intake.pool.fetchrow("SELECT met_at, logged_at FROM meetings")
    assert row is not None and row["met_at"] == row["logged_at"] >= before
