"""The API's description: valid, up to date, and true of what is answered."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from services.intake import act_api, api, api_connections, api_meetings, api_people, openapi
from services.intake.handlers import ROUTES
from shared.receive import receiver
from tests.intake.rows import Logged, delivery_changed, follow_up_changed
from tests.intake.serving import Intake, submission

KEPT = Path(openapi.__file__).with_suffix(".json")
DOCUMENT = openapi.document()


def wrong(name: str, value: object) -> list[str]:
    """Return what of this value is other than described."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    return [f"{list(one.path)}: {one.message}" for one in OAS31Validator(schema).iter_errors(value)]


def described(path: str, method: str, status: int) -> str | None:
    answer = DOCUMENT["paths"][path][method]["responses"][str(status)]
    for content in answer.get("content", {}).values():
        return str(content["schema"]["$ref"]).rpartition("/")[2]
    return None


def test_it_is_valid_openapi() -> None:
    validate(DOCUMENT)


def test_the_copy_that_is_kept_is_up_to_date() -> None:
    assert json.loads(KEPT.read_text()) == DOCUMENT, f"python -m services.intake.openapi > {KEPT.name}"


def test_it_describes_every_route_and_no_other() -> None:
    given: Any = None
    routes = [
        *api.routes(given, given, given, given), *api_meetings.routes(given, given, given),
        *api_connections.routes(given), *act_api.routes(given), *api_people.routes(given, given),
    ]  # fmt: skip
    assert sorted((route.path, route.method.lower()) for route in routes) == sorted(
        (path, method) for path, item in DOCUMENT["paths"].items() for method in item if method != "parameters"
    )


async def test_it_is_served_to_programs_and_to_people(intake: Intake) -> None:
    async with intake.client.get("/openapi.json") as answer:
        assert (answer.status, answer.content_type, await answer.json()) == (200, "application/json", DOCUMENT)
    async with intake.client.get("/docs") as answer:
        text = await answer.text()
        assert (answer.status, answer.content_type) == (200, "text/html")
    for path, item in DOCUMENT["paths"].items():
        for method in item.keys() - {"parameters"}:
            assert f"{method.upper()} {path}" in text
    assert "robotics club swap" in text and "<script" not in text


async def test_what_is_answered_is_as_described(intake: Intake) -> None:
    token = await intake.token()

    async def ask(method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        async with intake.client.request(method, f"/api/v1{path}", json=body, headers=token) as answer:
            assert answer.status == status, await answer.text()
            value = await answer.json() if status != 204 else None
        pattern = re.sub(r"(?<=people/).*", "{reached}", re.sub(r"[0-9a-f-]{36}", "{id}", path.partition("?")[0]))
        name = described(f"/api/v1{pattern}", method.lower(), status)
        assert (name is None) == (value is None)
        if name:
            assert wrong(name, value) == []
        return value

    [logged] = (await ask("POST", "/meetings", submission(), status=201))["meetings"]
    meeting, follow_up, connection = logged["id"], logged["follow_ups"][0]["id"], logged["connection"]
    row = await intake.pool.fetchrow("SELECT person, connection, id FROM meetings")
    assert row is not None
    what = Logged(
        person=row["person"], connection=row["connection"], meeting=row["id"], follow_up=follow_up, nudge=row["id"]
    )
    receive = receiver(intake.pool, ROUTES, service="intake")
    await receive(
        [follow_up_changed(what, state="nudged", nudge=what.nudge).to_json(), delivery_changed(what).to_json()]
    )
    await ask("GET", f"/meetings/{meeting}")
    await ask("POST", f"/follow-ups/{follow_up}/acts", {"act": "done"}, status=202)
    await ask("POST", f"/connections/{connection}/touches", {"note": "x"}, status=201)
    await ask(
        "PATCH", f"/meetings/{meeting}", {"goal_at": "2027-05-01", "event": None, "promise_kept_at": "2026-11-01"}
    )
    await ask("GET", "/connections?limit=1")
    await ask("PATCH", "/people/ada@school.example", {"breaks": ["2026-12-21"], "paused_until": "2027-01-04"})
    await ask("GET", "/people/ada@school.example")
    await ask("DELETE", f"/meetings/{meeting}", status=204)
    await ask("GET", f"/meetings/{meeting}", status=404)
    await ask("POST", "/meetings", {"contact": {}}, status=422)


@pytest.mark.parametrize(
    ("name", "value", "fits"),
    [
        ("NewMeeting", submission(), True),
        ("NewMeeting", submission(met_at=7), False),
        ("NewMeeting", submission(colour="teal"), False),
        ("MeetingChange", {"state": "paused"}, True),
        ("MeetingChange", {"owner": {"email": "x@y.example"}}, False),
        ("NewAct", {"act": "later", "for": "1 week"}, True),
        ("NewAct", {"act": "snooze"}, False),
        ("PersonChange", {"breaks": ["2026-12-21..2027-01-02", {"first": "2027-02-15", "last": "2027-02-15"}]}, True),
        ("PersonChange", {"email": "x@y.example"}, False),
    ],
)
def test_what_is_taken_is_as_described(name: str, value: dict[str, Any], fits: bool) -> None:
    assert (wrong(name, value) == []) == fits
