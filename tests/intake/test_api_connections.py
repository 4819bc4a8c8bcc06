"""`/api/v1/connections`: listed page by page, found, touched."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared import events
from shared.events import ConnectionTouched, new_id
from tests.intake.serving import Intake, submission

URL = "/api/v1/connections"
Send = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
async def send(intake: Intake) -> Send:
    """Sends a request with a token of all rights, or the one given."""
    everybody = await intake.token()

    async def send(
        method: str, path: str, body: Any = None, *, token: dict[str, str] | None = None, **headers: str
    ) -> tuple[int, Any]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with intake.client.request(method, path, json=body, headers=(token or everybody) | named) as answer:
            return answer.status, await answer.json()

    return send


async def log(send: Send, **given: Any) -> str:
    status, body = await send("POST", "/api/v1/meetings", submission(**given))
    assert status == 201, body
    connection: str = body["meetings"][0]["connection"]
    return connection


async def names(send: Send, query: str = "", **given: Any) -> list[str]:
    status, body = await send("GET", URL + query, **given)
    assert status == 200, body
    return [one["contact"]["name"] for one in body["connections"]]


async def test_a_connection_is_shown_with_what_comes_next(send: Send) -> None:
    id = await log(send)
    _, body = await send("GET", URL)

    [one] = body["connections"]
    assert list(one) == ["id", "owner", "contact", "last_touch_at", "next_due_at", "plan", "state"]
    assert (one["id"], one["owner"], one["plan"], one["state"]) == (
        id, {"email": "ada@school.example"}, "conference", "active",
    )  # fmt: skip
    assert one["contact"] == {
        "name": "Erin", "email": "erin@district.example", "phone": None, "consent": False,
        "links": ["https://bsky.app/profile/erin"],
    }  # fmt: skip
    assert one["last_touch_at"] is None
    assert datetime.fromisoformat(one["next_due_at"]) > datetime.now(UTC)
    assert body["next"] is None


async def test_what_does_not_come_is_not_next(send: Send) -> None:
    for state in ("paused", "stopped", "cancelled"):
        _, body = await send("POST", "/api/v1/meetings", submission(contact={"name": state}))
        await send("PATCH", f"/api/v1/meetings/{body['meetings'][0]['id']}", {"state": state})

    _, body = await send("GET", URL)

    assert {(one["state"], one["next_due_at"]) for one in body["connections"]} == {
        ("paused", None), ("stopped", None), ("cancelled", None),
    }  # fmt: skip


async def test_plan_and_state_are_those_of_the_latest_meeting_that_takes_place(send: Send) -> None:
    await log(send, plan="conference")
    met_at = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    _, body = await send("POST", "/api/v1/meetings", submission(plan="goal", met_at=met_at))

    async def plan() -> tuple[str, str]:
        [one] = (await send("GET", URL))[1]["connections"]
        return one["plan"], one["state"]

    assert await plan() == ("goal", "active")
    await send("PATCH", f"/api/v1/meetings/{body['meetings'][0]['id']}", {"state": "cancelled"})
    assert await plan() == ("conference", "active")


async def test_pages_hold_every_connection_once_also_when_some_are_added_meanwhile(send: Send) -> None:
    expected = [f"Erin {n}" for n in range(7)]
    for name in expected:
        await log(send, contact={"name": name})

    found, cursor = list[str](), ""
    while True:
        _, body = await send("GET", f"{URL}?limit=3&cursor={cursor}")
        found += [one["contact"]["name"] for one in body["connections"]]
        if not (cursor := body["next"]):
            break
        assert len(body["connections"]) == 3
        await log(send, contact={"name": f"New since {cursor}"})

    assert found == expected[::-1]


async def test_the_last_full_page_has_no_next(send: Send) -> None:
    for name in ("Erin", "Finn"):
        await log(send, contact={"name": name})
    assert (await send("GET", f"{URL}?limit=2"))[1]["next"] is None


async def test_connections_are_found_by_owner_and_by_words(send: Send) -> None:
    await log(send, contact={"name": "Erin 100%", "email": "e_rin@x.example"})
    await log(send, contact={"name": "Finn"}, event={"name": "EdCamp Boston", "kind": "edcamp"})
    await log(send, contact={"name": "Gus"}, owner={"email": "bo@school.example"}, event={"name": "MassCUE"})

    assert await names(send, "?owner=BO@school.example") == ["Gus"]
    assert await names(send, "?owner=nobody@school.example") == []
    assert await names(send, "?q=erin") == ["Erin 100%"]
    assert await names(send, "?q=100%25") == ["Erin 100%"]
    assert await names(send, "?q=%25") == ["Erin 100%"]  # what SQL makes of it finds everybody
    assert await names(send, "?q=_") == ["Erin 100%"]
    assert await names(send, "?q=%5C") == []
    assert await names(send, "?q=edcamp") == ["Finn"]
    assert await names(send, "?q=x.example&owner=ada@school.example") == ["Erin 100%"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?limit=0", "limit"), ("?limit=201", "limit"), ("?limit=ten", "limit"), ("?limit=5&limit=6", "limit"),
        ("?cursor=nonsense", "cursor"), ("?cursor=%C3%A4", "cursor"), ("?page=2", "page"), (f"?q={'x' * 201}", "q"),
    ],
)  # fmt: skip
async def test_a_wrong_parameter_is_named(send: Send, query: str, field: str) -> None:
    status, body = await send("GET", URL + query)
    assert (status, {error["field"] for error in body["errors"]}) == (422, {field})


async def test_a_token_of_one_owner_lists_and_touches_theirs_alone(intake: Intake, send: Send) -> None:
    of_ada = await log(send)
    of_bo = await log(send, contact={"name": "Gus"}, owner={"email": "bo@school.example"})
    bo = await intake.token(owner="bo@school.example")

    assert await names(send, token=bo) == ["Gus"]
    assert await names(send, "?owner=Bo@school.example", token=bo) == ["Gus"]
    assert await names(send, "?owner=ada@school.example", token=bo) == []
    assert (await send("POST", f"{URL}/{of_ada}/touches", {}, token=bo))[0] == 404
    assert (await send("POST", f"{URL}/{of_bo}/touches", {}, token=bo))[0] == 201
    assert (await send("GET", URL, token={"Authorization": "Bearer x"}))[0] == 401


async def test_a_touch_is_noted_and_told(intake: Intake, send: Send) -> None:
    id = await log(send)
    at = (datetime.now(UTC) - timedelta(seconds=5)).replace(microsecond=0)

    status, body = await send("POST", f"{URL}/{id}/touches", {"at": at.isoformat(), "note": "had coffee"})

    assert status == 201
    assert (body["connection"], body["note"]) == (id, "had coffee")
    assert datetime.fromisoformat(body["at"]) == datetime.fromisoformat(body["last_touch_at"]) == at
    told = [events.read(row["document"]) for row in await intake.pool.fetch("SELECT document FROM outbox ORDER BY id")]
    [touched] = [event for event in told if isinstance(event, ConnectionTouched)]
    assert (str(touched.data.connection), touched.data.at, touched.data.how) == (id, at, "logged")
    [one] = (await send("GET", URL))[1]["connections"]
    assert datetime.fromisoformat(one["last_touch_at"]) == at


async def test_a_touch_is_a_line_of_the_timeline(send: Send) -> None:
    _, body = await send("POST", "/api/v1/meetings", submission())
    [meeting] = body["meetings"]
    await send("POST", f"{URL}/{meeting['connection']}/touches", {"note": "had coffee"})

    _, shown = await send("GET", f"/api/v1/meetings/{meeting['id']}")

    assert [(line["what"], line["detail"]) for line in shown["timeline"]] == [
        ("logged", None), ("touched", "had coffee"),
    ]  # fmt: skip


async def test_an_earlier_touch_does_not_undo_a_later_one(send: Send) -> None:
    id = await log(send)
    _, first = await send("POST", f"{URL}/{id}/touches", {})
    _, second = await send("POST", f"{URL}/{id}/touches", {"at": "2026-01-02"})
    assert second["last_touch_at"] == first["at"] > second["at"]


async def test_the_same_key_touches_once(intake: Intake, send: Send) -> None:
    id = await log(send)
    first = await send("POST", f"{URL}/{id}/touches", {"note": "x"}, Idempotency_Key="k")

    assert await send("POST", f"{URL}/{id}/touches", {"note": "x"}, Idempotency_Key="k") == first
    assert (await send("POST", f"{URL}/{id}/touches", {"note": "y"}, Idempotency_Key="k"))[0] == 422
    assert await intake.count("touches") == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"at": "2999-01-01"}, "at"), ({"at": "1999-01-01"}, "at"), ({"at": 7}, "at"), ({"note": "x" * 4001}, "note"),
        ({"when": "now"}, "when"), ({"at": "0001-01-01T00:00:00"}, "at"), ({"at": "9999-12-31T23:59:59-14:00"}, "at"),
    ],
)  # fmt: skip
async def test_what_is_no_touch_is_refused(intake: Intake, send: Send, body: dict[str, Any], field: str) -> None:
    id = await log(send)
    status, answer = await send("POST", f"{URL}/{id}/touches", body)
    assert (status, [error["field"] for error in answer["errors"]]) == (422, [field])
    assert await intake.count("touches") == 0


async def test_what_is_not_there_cannot_be_touched(send: Send) -> None:
    for id in (new_id(), "nonsense"):
        assert (await send("POST", f"{URL}/{id}/touches", {}))[0] == 404
