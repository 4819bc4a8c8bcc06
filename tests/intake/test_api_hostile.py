"""What the API makes of what nobody should send: a clear refusal or a harmless answer, and never a fault of ours."""

import json
from typing import Any

import pytest

from services.intake import openapi
from tests.intake.serving import Intake, submission

NASTY: list[Any] = [
    None, True, 0, -1, 1e308, 10**30, "", " ", "\0", "a\0b", "x" * 5000, "\u202e\u2066", "'; DROP TABLE people; --",
    "%s", "{{7*7}}", "0001-01-01", "9999-12-31T23:59:59+14:00", "2026-02-30", "24:00", [], [None], [[]], ["x"] * 60, {},
    {"": ""}, {"name": None}, {"first": "2026-01-01"}, {"name": {"name": "x"}},
]  # fmt: skip
WRITES = {
    ("PATCH", "/api/v1/meetings/{meeting}"): "MeetingChange",
    ("POST", "/api/v1/connections/{connection}/touches"): "NewTouch",
    ("POST", "/api/v1/follow-ups/{follow_up}/acts"): "NewAct",
    ("PATCH", "/api/v1/people/ada@school.example"): "PersonChange",
}
RAW = [
    b"", b"null", b"[]", b"7", b'"x"', b"{", b"{}{}", b'{"a": NaN}', b'{"notes": "\\ud800"}', b'{"notes": "\xff"}',
    b'{"notes": 1, "notes": 2}', b"[" * 100_000, b'{"a":' * 40 + b"1" + b"}" * 40, b'{"n": 1' + b"0" * 5000 + b"}",
]  # fmt: skip


async def logged(intake: Intake, token: dict[str, str]) -> dict[str, str]:
    async with intake.client.post("/api/v1/meetings", json=submission(), headers=token) as answer:
        [meeting] = (await answer.json())["meetings"]
    return {
        "meeting": meeting["id"], "connection": meeting["connection"], "follow_up": meeting["follow_ups"][0]["id"],
    }  # fmt: skip


async def ask(intake: Intake, method: str, path: str, token: dict[str, str], body: bytes) -> int:
    headers = token | {"Content-Type": "application/json"}
    async with intake.client.request(method, path, data=body, headers=headers) as answer:
        text = await answer.text()
        assert answer.status < 500, (method, path, body[:200], text)
        if answer.status >= 400:
            assert answer.content_type == "application/problem+json"
            assert len(text) <= 4096 and json.loads(text)["title"]
        return answer.status


@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_whatever_stands_in_a_field_is_taken_or_refused(intake: Intake, method: str, path: str) -> None:
    token = await intake.token()
    path = path.format(**await logged(intake, token))
    fields = openapi.document()["components"]["schemas"][WRITES[method, _pattern(path)]]["properties"]
    refused = 0
    for field in (*fields, "contact.name", "\0", "x" * 300):
        for value in NASTY:
            body = {"act": "later"} | {field: value} if "acts" in path else {field: value}
            refused += await ask(intake, method, path, token, json.dumps(body).encode()) >= 400
    assert refused > len(fields)
    async with intake.client.get("/api/v1/connections", headers=token) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_what_is_no_json_object_is_refused(intake: Intake, method: str, path: str) -> None:
    token = await intake.token()
    path = path.format(**await logged(intake, token))
    for raw in RAW:
        assert await ask(intake, method, path, token, raw) in {400, 422}, raw[:60]
    assert await ask(intake, method, path, token, b'{"x": "' + b"x" * 300_000 + b'"}') == 413


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/connections?q=%00", "/api/v1/connections?owner=%00", "/api/v1/connections?q=%FF%FE",
        "/api/v1/connections?cursor=%00", "/api/v1/connections?limit=%D9%A3", "/api/v1/connections?cursor=AAAA",
        "/api/v1/connections?owner=%27%20OR%201%3D1", "/api/v1/people/%00@x", "/api/v1/people/+0", "/api/v1/people/%ff",
        f"/api/v1/people/{'x' * 3000}@y.example", "/api/v1/people/+1%202%203", "/api/v1/people/a%2Fb@x.example",
    ],
)  # fmt: skip
async def test_whatever_stands_in_an_address_finds_nothing_of_others(intake: Intake, path: str) -> None:
    token = await intake.token()
    await logged(intake, token)
    async with intake.client.get(path, headers=token) as answer:
        assert answer.status in {200, 400, 404, 422}, await answer.text()
        if answer.status == 200:
            assert (await answer.json())["connections"] == []


def _pattern(path: str) -> str:
    [found] = [known for _, known in WRITES if known.partition("{")[0] == path[: len(known.partition("{")[0])]]
    return found
