"""`PATCH` and `DELETE /api/v1/meetings/{id}`: checked as a submission is, told to the others, stopped at once."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from shared import events, stops
from shared.events import Meeting, MeetingChanged, new_id
from tests.intake.serving import Intake, submission

URL = "/api/v1/meetings"
Send = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
async def send(intake: Intake) -> Send:
    """Sends a request with a token of all rights, or the one given."""
    everybody = await intake.token()

    async def send(method: str, path: str, body: Any = None, *, token: dict[str, str] | None = None) -> tuple[int, Any]:
        headers = token or everybody
        async with intake.client.request(method, path, json=body, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None) if answer.status != 204 else None

    return send


async def log(send: Send, **given: Any) -> str:
    status, body = await send("POST", URL, submission(**given))
    assert status == 201, body
    id: str = body["meetings"][0]["id"]
    return id


async def told(intake: Intake) -> list[Meeting]:
    """Return the meetings as the others were told they changed, oldest first."""
    rows = await intake.pool.fetch("SELECT document FROM outbox ORDER BY id")
    found = [events.read(row["document"]) for row in rows]
    return [event.data.meeting for event in found if isinstance(event, MeetingChanged)]


async def stopped(intake: Intake, meeting: str) -> bool:
    async with intake.pool.acquire() as conn:
        return bool(await stops.known(conn, people=[], connections=[], meetings=[UUID(meeting)]))


async def test_any_field_can_be_changed_and_the_answer_is_what_get_shows(intake: Intake, send: Send) -> None:
    id = await log(send)
    met_at = (datetime.now(UTC) - timedelta(days=2)).replace(microsecond=0)
    change = {
        "contact": {"email": "Erin@other.example", "phone": "+15085550123", "consent": True},
        "event": {"name": "EdCamp Boston", "kind": "edcamp", "hashtag": None},
        "met_at": met_at.isoformat(),
        "notes": "chess club",
        "topics": ["chess", "chess", "go"],
        "promise": "send the board",
        "document": None,
        "goal_at": (met_at + timedelta(days=90)).isoformat(),
        "plan": "goal",
    }

    status, answer = await send("PATCH", f"{URL}/{id}", change)

    assert status == 200
    assert answer["contact"] == {
        "name": "Erin", "email": "Erin@other.example", "phone": "+15085550123", "consent": True,
        "links": ["https://bsky.app/profile/erin"],
    }  # fmt: skip
    assert answer["event"] == {"name": "EdCamp Boston", "kind": "edcamp", "hashtag": None, "place": "Foxborough"}
    assert (answer["notes"], answer["topics"], answer["promise"]) == ("chess club", ["chess", "go"], "send the board")
    assert (answer["document"], answer["plan"]) == (None, "goal")
    assert datetime.fromisoformat(answer["met_at"]) == met_at
    _, shown = await send("GET", f"{URL}/{id}")
    assert {field: shown[field] for field in change} == {field: answer[field] for field in change}
    [meeting] = await told(intake)
    assert (meeting.revision, meeting.plan, meeting.met_at, meeting.topics) == (2, "goal", met_at, ("chess", "go"))
    assert (meeting.contact.email, meeting.contact.consent) == ("Erin@other.example", True)
    assert (meeting.event.name, meeting.event.hashtag, meeting.document) == ("EdCamp Boston", None, None)


async def test_a_change_that_changes_nothing_is_not_told(intake: Intake, send: Send) -> None:
    id = await log(send)
    _, shown = await send("GET", f"{URL}/{id}")
    same = {name: shown[name] for name in ("contact", "event", "met_at", "notes", "topics", "plan", "state", "goal_at")}

    assert (await send("PATCH", f"{URL}/{id}", same))[0] == 200
    assert (await send("PATCH", f"{URL}/{id}", {}))[0] == 200

    assert await told(intake) == []
    assert (await send("GET", f"{URL}/{id}"))[1] == shown


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"note": "x"}, "note"),
        ({"id": "x"}, "id"),
        ({"owner": {"email": "bo@school.example"}}, "owner"),
        ({"contacts": []}, "contacts"),
        ({"contact": None}, "contact"),
        ({"contact": {"name": None}}, "contact.name"),
        ({"contact": {"email": "erin"}}, "contact.email"),
        ({"contact": "Erin"}, "contact"),
        ({"event": {"kind": "party"}}, "event.kind"),
        ({"met_at": None}, "met_at"),
        ({"met_at": ""}, "met_at"),
        ({"met_at": "2001-01-01"}, "met_at"),
        ({"met_at": "2999-01-01"}, "met_at"),
        ({"goal_at": "soon"}, "goal_at"),
        ({"plan": "nope"}, "plan"),
        ({"plan": None}, "plan"),
        ({"state": "asleep"}, "state"),
        ({"state": None}, "state"),
        ({"promise_kept_at": "2999-01-01"}, "promise_kept_at"),
        ({"notes": "x" * 4001}, "notes"),
    ],
)
async def test_what_is_wrong_is_named_and_nothing_changes(
    intake: Intake, send: Send, change: dict[str, Any], field: str
) -> None:
    id = await log(send)
    before = (await send("GET", f"{URL}/{id}"))[1]

    status, answer = await send("PATCH", f"{URL}/{id}", change | {"promise": "something else"})

    assert status == 422
    assert [error["field"] for error in answer["errors"]] == [field]
    assert (await send("GET", f"{URL}/{id}"))[1] == before
    assert await told(intake) == []


async def test_every_wrong_field_is_named_at_once(send: Send) -> None:
    _, answer = await send("PATCH", f"{URL}/{await log(send)}", {"plan": "nope", "met_at": "2999-01-01", "owner": {}})
    assert {error["field"] for error in answer["errors"]} == {"plan", "met_at", "owner"}


async def test_moving_a_meeting_shows_at_once_where_its_follow_ups_go(intake: Intake, send: Send) -> None:
    id = await log(send, plan="conference")
    before = (await send("GET", f"{URL}/{id}"))[1]
    met_at = datetime.fromisoformat(before["met_at"]) - timedelta(days=3)

    _, moved = await send("PATCH", f"{URL}/{id}", {"met_at": met_at.isoformat()})

    assert [one["id"] for one in moved["follow_ups"]] == [one["id"] for one in before["follow_ups"]]
    assert moved["follow_ups"][-1]["due_at"] < before["follow_ups"][-1]["due_at"]
    assert (await send("GET", f"{URL}/{id}"))[1]["follow_ups"] == moved["follow_ups"]


@pytest.mark.parametrize("state", ["paused", "stopped", "cancelled"])
async def test_a_state_is_told_and_shown(intake: Intake, send: Send, state: str) -> None:
    id = await log(send)

    status, answer = await send("PATCH", f"{URL}/{id}", {"state": state})

    assert (status, answer["state"]) == (200, state)
    assert {one["state"] for one in answer["follow_ups"]} == {
        {"paused": "waiting", "stopped": "stopped", "cancelled": "skipped"}[state]
    }
    [meeting] = await told(intake)
    assert (meeting.state, meeting.state_reason, meeting.revision) == (state, None, 2)
    assert await stopped(intake, id) == (state == "stopped")


async def test_what_was_paused_goes_on(intake: Intake, send: Send) -> None:
    id = await log(send)
    await send("PATCH", f"{URL}/{id}", {"state": "paused"})

    status, answer = await send("PATCH", f"{URL}/{id}", {"state": "active"})

    assert (status, answer["state"]) == (200, "active")
    assert [meeting.state for meeting in await told(intake)] == ["paused", "active"]


async def test_what_was_stopped_does_not_start_again(intake: Intake, send: Send) -> None:
    id = await log(send)
    await send("PATCH", f"{URL}/{id}", {"state": "stopped"})

    status, answer = await send("PATCH", f"{URL}/{id}", {"state": "active", "notes": "x"})

    assert (status, answer["errors"][0]["field"]) == (409, "state")
    assert (await send("PATCH", f"{URL}/{id}", {"state": "stopped", "notes": "x"}))[0] == 200  # its words may change
    assert [meeting.notes for meeting in await told(intake)] == ["robotics club swap", "x"]


async def test_a_promise_is_kept_and_taken_back(intake: Intake, send: Send) -> None:
    id = await log(send)
    kept_at = (datetime.now(UTC) - timedelta(hours=1)).replace(microsecond=0)

    _, answer = await send("PATCH", f"{URL}/{id}", {"promise_kept_at": kept_at.isoformat()})
    assert datetime.fromisoformat(answer["promise_kept_at"]) == kept_at
    _, answer = await send("PATCH", f"{URL}/{id}", {"promise_kept_at": None})
    assert answer["promise_kept_at"] is None

    assert [meeting.promise_kept_at for meeting in await told(intake)] == [kept_at, None]


async def test_who_does_what_they_promised_has_kept_it_everywhere(intake: Intake, send: Send) -> None:
    id = await log(send, plan="conference")
    shown = (await send("GET", f"{URL}/{id}"))[1]
    [follow_up, *_] = [one["id"] for one in shown["follow_ups"] if one["playbook"] == "keep-promise"]

    for _ in range(2):
        assert (await send("POST", f"/api/v1/follow-ups/{follow_up}/acts", {"act": "done"}))[0] == 202

    [meeting] = await told(intake)
    assert meeting.promise_kept_at is not None
    assert (await send("GET", f"{URL}/{id}"))[1]["promise_kept_at"] is not None


async def test_a_contact_is_corrected_in_every_meeting_with_them(intake: Intake, send: Send) -> None:
    first = await log(send, contact={"name": "Erin"})
    second = await log(send, contact={"name": "Erin", "phone": "+15085550123"}, notes="again")
    third = await log(send, contact={"name": "erin"})  # the same name
    assert await intake.count("connections") == 2

    status, _ = await send("PATCH", f"{URL}/{first}", {"contact": {"name": "Erin Ó", "email": "erin@x.example"}})

    assert status == 200
    for id in (first, third):
        contact = (await send("GET", f"{URL}/{id}"))[1]["contact"]
        assert (contact["name"], contact["email"]) == ("Erin Ó", "erin@x.example")
    assert (await send("GET", f"{URL}/{second}"))[1]["contact"]["email"] is None
    assert {str(meeting.id) for meeting in await told(intake)} == {first, third}
    assert {meeting.contact.name for meeting in await told(intake)} == {"Erin Ó"}
    await log(send, contact={"name": "Erin", "email": "erin@x.example"})  # known by the new address
    assert await intake.count("connections") == 2


async def test_two_contacts_of_an_owner_do_not_become_one_by_accident(intake: Intake, send: Send) -> None:
    first = await log(send, contact={"name": "Erin"})
    await log(send, contact={"name": "Erin", "email": "erin@x.example"})

    status, answer = await send("PATCH", f"{URL}/{first}", {"contact": {"email": "erin@x.example"}, "notes": "x"})

    assert (status, answer["errors"][0]["field"]) == (422, "contact.email")
    assert await told(intake) == []


async def test_a_token_of_one_owner_changes_and_forgets_their_meetings_alone(intake: Intake, send: Send) -> None:
    id = await log(send)
    bo, ada = await intake.token(owner="bo@school.example"), await intake.token(owner="Ada@School.example")

    for method in ("PATCH", "DELETE"):
        assert (await send(method, f"{URL}/{id}", {"notes": "x"}, token=bo))[0] == 404
        assert (await send(method, f"{URL}/{id}", {"notes": "x"}, token={"Authorization": "Bearer x"}))[0] == 401
        assert (await send(method, f"{URL}/{new_id()}", {"notes": "x"}))[0] == 404
    assert await told(intake) == []
    assert (await send("PATCH", f"{URL}/{id}", {"notes": "x"}, token=ada))[0] == 200
    assert (await send("DELETE", f"{URL}/{id}", token=ada))[0] == 204


async def test_what_is_deleted_is_stopped_at_once_and_nothing_of_it_is_kept(intake: Intake, send: Send) -> None:
    body = submission(notes="between you and me")
    key = await intake.token() | {"Idempotency-Key": "key-1"}
    async with intake.client.post(URL, json=body, headers=key) as answer:
        logged = (await answer.json())["meetings"][0]
    id = logged["id"]
    await send("POST", f"/api/v1/follow-ups/{logged['follow_ups'][0]['id']}/acts", {"act": "later", "for": "1 week"})

    assert (await send("DELETE", f"{URL}/{id}"))[0] == 204

    assert await stopped(intake, id)
    for method in ("GET", "PATCH", "DELETE"):
        assert (await send(method, f"{URL}/{id}", {}))[0] == 404
    [meeting] = await told(intake)
    assert (meeting.state, meeting.notes, meeting.contact.email) == ("stopped", None, None)
    assert "Erin" not in meeting.model_dump_json() and "MassCUE" not in meeting.model_dump_json()
    await intake.pool.execute("DELETE FROM outbox")  # as relayed
    for table in ("meetings", "connections", "follow_ups", "acts", "happenings"):
        assert await intake.count(table) == 0, table
    assert await intake.count("submissions", "body <> ''") == 0
    for table in ("submissions", "idempotency_keys", "people"):
        kept = str(await intake.pool.fetch(f"SELECT {table}::text FROM {table}"))
        assert "Erin" not in kept and "between you" not in kept and "bsky" not in kept
    async with intake.client.post(URL, json=body, headers=key) as answer:  # a late retry does not bring it back
        assert (answer.status, await answer.json()) == (201, {"meetings": []})
    assert await intake.count("meetings") == 0


async def test_a_connection_outlives_a_meeting_that_is_not_its_last(intake: Intake, send: Send) -> None:
    first, second = await log(send), await log(send, notes="again")

    await send("DELETE", f"{URL}/{first}")
    assert (await send("GET", f"{URL}/{second}"))[0] == 200
    assert not await stopped(intake, second)
    await send("DELETE", f"{URL}/{second}")

    assert await intake.count("connections") == 0
