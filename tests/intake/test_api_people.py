"""`/api/v1/people/{email or phone}` and `afterhello person`: wishes shown, changed, told."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from shared import events, stops
from shared.events import Break, Person, PersonChanged
from tests.intake.serving import Intake, submission

ADA = "/api/v1/people/ada@school.example"
AS_NEW: dict[str, Any] = {
    "name": "Ada", "time_zone": "America/New_York", "locale": "en", "channel": "email", "send_at": "15:30",
    "days": ["mon", "tue", "wed", "thu", "fri"], "quiet_from": "21:00", "quiet_to": "07:00", "holidays": None,
    "breaks": [], "daily_limit": 5, "paused_until": None,
}  # fmt: skip
OTHER: dict[str, Any] = {
    "name": "Ada L.", "time_zone": "Europe/Berlin", "locale": "es", "channel": "email", "send_at": "08:15",
    "days": ["tue", "sun"], "quiet_from": "20:00", "quiet_to": "06:30", "holidays": "US-MA",
    "breaks": [{"first": "2026-12-21", "last": "2027-01-02"}], "daily_limit": 9, "paused_until": "2027-01-04",
}  # fmt: skip
Send = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
async def send(intake: Intake) -> Send:
    """Sends a request with a token of all rights, or the one given; Ada has logged a meeting."""
    everybody = await intake.token()

    async def send(method: str, path: str, body: Any = None, *, token: dict[str, str] | None = None) -> tuple[int, Any]:
        async with intake.client.request(method, path, json=body, headers=token or everybody) as answer:
            return answer.status, await answer.json()

    assert (await send("POST", "/api/v1/meetings", submission()))[0] == 201
    return send


async def told(intake: Intake) -> list[Person]:
    rows = await intake.pool.fetch("SELECT document FROM outbox ORDER BY id")
    found = [events.read(row["document"]) for row in rows]
    return [event.data.person for event in found if isinstance(event, PersonChanged)]


async def test_wishes_are_shown_and_each_can_be_changed(intake: Intake, send: Send) -> None:
    assert await send("GET", ADA) == (200, AS_NEW)

    assert await send("PATCH", ADA, OTHER) == (200, OTHER)

    assert await send("GET", ADA) == (200, OTHER)
    [person] = await told(intake)
    assert (person.revision, person.time_zone, person.days) == (2, "Europe/Berlin", ("tue", "sun"))
    assert person.breaks == (Break.model_validate(OTHER["breaks"][0]),)
    assert person.email == "ada@school.example"


async def test_one_field_is_changed_and_the_others_stay(intake: Intake, send: Send) -> None:
    for name, value in OTHER.items():
        before = (await send("GET", ADA))[1]
        assert await send("PATCH", ADA, {name: value}) == (200, before | {name: value})
    assert len(await told(intake)) == len(OTHER) - 1  # the channel is what it was
    assert [person.revision for person in await told(intake)] == list(range(2, len(OTHER) + 1))


async def test_null_is_as_if_it_had_never_been_said(send: Send) -> None:
    await send("PATCH", ADA, OTHER)
    status, wishes = await send("PATCH", ADA, dict.fromkeys(OTHER))
    assert (status, wishes) == (200, AS_NEW | {"name": None, "time_zone": "UTC"})


async def test_what_is_wished_already_is_not_told(intake: Intake, send: Send) -> None:
    assert await send("PATCH", ADA, AS_NEW) == (200, AS_NEW)
    assert await send("PATCH", ADA, {}) == (200, AS_NEW)
    assert await told(intake) == []


async def test_a_zone_that_is_wished_for_is_theirs_whatever_a_form_says_later(intake: Intake, send: Send) -> None:
    gus = submission(owner={"email": "gus@school.example"})
    await send("POST", "/api/v1/meetings", gus)
    await send("PATCH", "/api/v1/people/gus@school.example", {"time_zone": "UTC"})  # as by default, now by choice

    await send("POST", "/api/v1/meetings", gus | {"owner": gus["owner"] | {"time_zone": "Asia/Tokyo"}})

    assert (await send("GET", "/api/v1/people/gus@school.example"))[1]["time_zone"] == "UTC"


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"email": "x@y.example"}, "email"), ({"revision": 7}, "revision"), ({"time_zone": "Mars/Base"}, "time_zone"),
        ({"holidays": "US-ZZ"}, "holidays"), ({"holidays": "XQ"}, "holidays"), ({"send_at": "25:00"}, "send_at"),
        ({"days": []}, "days"), ({"days": ["someday"]}, "days.0"), ({"channel": "sms"}, "channel"),
        ({"channel": "pigeon"}, "channel"), ({"daily_limit": 0}, "daily_limit"), ({"daily_limit": "5"}, "daily_limit"),
        ({"breaks": [{"first": "2027-01-02", "last": "2026-12-21"}]}, "breaks.0"), ({"breaks": "x"}, "breaks"),
        ({"paused_until": "soon"}, "paused_until"), ({"paused_until": "9999-12-31"}, "paused_until"),
        ({"locale": "English"}, "locale"), ({"quiet_from": 21}, "quiet_from"), ({"name": "x" * 201}, "name"),
    ],
)  # fmt: skip
async def test_what_is_no_wish_is_named_and_nothing_changes(
    intake: Intake, send: Send, wish: dict[str, Any], field: str
) -> None:
    status, answer = await send("PATCH", ADA, wish | {"send_at": "10:00"} if "send_at" not in wish else wish)
    assert (status, [error["field"] for error in answer["errors"]]) == (422, [field])
    assert await send("GET", ADA) == (200, AS_NEW)
    assert await told(intake) == []


async def test_breaks_are_taken_as_they_are_written_elsewhere(send: Send) -> None:
    _, wishes = await send("PATCH", ADA, {"breaks": ["2026-12-21..2027-01-02", "2027-02-15"], "holidays": "us-ma"})
    assert wishes["breaks"] == [
        {"first": "2026-12-21", "last": "2027-01-02"}, {"first": "2027-02-15", "last": "2027-02-15"},
    ]  # fmt: skip
    assert wishes["holidays"] == "US-MA"


async def test_somebody_is_found_by_address_in_any_case_and_by_number(send: Send) -> None:
    await send("POST", "/api/v1/meetings", submission(owner={"email": "gus@school.example", "phone": "+15085550123"}))
    assert (await send("GET", "/api/v1/people/ADA@School.example"))[0] == 200
    for number in ("+15085550123", "%2B1%20508%20555%200123"):
        assert (await send("GET", f"/api/v1/people/{number}"))[0] == 200
    for nobody in ("bo@school.example", "+15085550199", "5085550123", "ada", "%00", "@"):
        assert (await send("GET", f"/api/v1/people/{nobody}"))[0] == 404
        assert (await send("PATCH", f"/api/v1/people/{nobody}", {"name": "x"}))[0] == 404


async def test_a_token_of_one_owner_is_for_their_wishes_alone(intake: Intake, send: Send) -> None:
    bo, ada = await intake.token(owner="bo@school.example"), await intake.token(owner="Ada@School.example")
    for method in ("GET", "PATCH"):
        assert (await send(method, ADA, {"name": "x"}, token=bo))[0] == 404
        assert (await send(method, ADA, {"name": "x"}, token={"Authorization": "Bearer x"}))[0] == 401
        assert (await send(method, ADA, {"name": "Ada B."}, token=ada))[0] == 200
    assert [person.name for person in await told(intake)] == ["Ada B."]


async def test_wishes_do_not_lift_a_stop(intake: Intake, send: Send) -> None:
    person = await intake.pool.fetchval("SELECT id FROM people")
    async with intake.pool.acquire() as conn, conn.transaction():
        await stops.stop_person(conn, person=person, channel="email")
    await send("PATCH", ADA, {"channel": "email", "paused_until": None, "name": "Ada B."})

    async with intake.pool.acquire() as conn, conn.transaction():
        assert len(await stops.standing(conn, person=person, connections=[])) == 1
