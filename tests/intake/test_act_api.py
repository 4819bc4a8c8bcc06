"""`POST /api/v1/follow-ups/{id}/acts`, over real HTTP."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from services.intake import act_api, timeline, tokens
from shared import events, stops, web
from shared.db import Pool
from shared.events import FollowUpActed, new_id
from tests.intake.rows import Logged, follow_up_changed, logged

Post = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]


@pytest.fixture
async def post(intake_pool: Pool) -> AsyncIterator[Post]:
    app = web.application()
    app.add_routes(act_api.routes(intake_pool))
    server = TestServer(app)
    await server.start_server(**web.SERVER)
    async with intake_pool.acquire() as conn:
        await tokens.add_token(conn, name="all", text="all-rights")
        await tokens.add_token(conn, name="ada", text="of-ada", owner="Ada@School.example")
        await tokens.add_token(conn, name="bob", text="of-bob", owner="bob@school.example")

    async def send(follow_up: object, body: object, *, token: str = "all-rights") -> tuple[int, dict[str, Any]]:
        url = server.make_url(f"/api/v1/follow-ups/{follow_up}/acts")
        headers = {"Authorization": f"Bearer {token}"}
        async with session.post(url, json=body, headers=headers) as response:
            return response.status, await response.json(content_type=None)

    async with aiohttp.ClientSession() as session:
        yield send
    await server.close()


async def nudged(pool: Pool) -> Logged:
    """A meeting whose first follow-up was nudged."""
    what = await logged(pool)
    async with pool.acquire() as conn:
        await timeline.keep_follow_ups(conn, [follow_up_changed(what, state="nudged", nudge=what.nudge).data])
    return what


async def told(pool: Pool) -> list[tuple[str, UUID | None, object]]:
    found = [events.read(row["document"]) for row in await pool.fetch("SELECT document FROM outbox ORDER BY id")]
    return [
        (event.data.act, event.data.follow_up, event.data.span or event.data.until)
        for event in found
        if isinstance(event, FollowUpActed)
    ]


async def test_each_act_is_accepted_and_told_once_however_often_it_is_sent(intake_pool: Pool, post: Post) -> None:
    what = await nudged(intake_pool)
    day = datetime.now(UTC).date() + timedelta(days=30)

    for body in (
        {"act": "later", "for": "1 week"},
        {"act": "later", "until": str(day)},
        {"act": "done"},
        {"act": "stop"},
    ):
        first, *again = await asyncio.gather(*(post(what.follow_up, body) for _ in range(3)))
        assert first[0] == 202
        assert {status for status, _ in again} == {202}
        assert sorted(answer["new"] for _, answer in (first, *again)) == [False, False, True]

    assert await told(intake_pool) == [
        ("later", what.follow_up, "1 week"),
        ("later", what.follow_up, day),
        ("done", what.follow_up, None),
        ("stop", None, None),
    ]
    async with intake_pool.acquire() as conn, conn.transaction():
        (stop,) = await stops.standing(conn, person=what.person, connections=[what.connection])
    assert (stop.kind, stop.id) == ("connection", what.connection)


async def test_what_is_no_act_is_refused_naming_the_field(intake_pool: Pool, post: Post) -> None:
    what = await nudged(intake_pool)
    cases: list[tuple[dict[str, object], str]] = [
        ({}, "act"),
        ({"act": "snooze"}, "act"),
        ({"act": ["done"]}, "act"),
        ({"act": "later"}, "for"),
        ({"act": "later", "for": "1 week", "until": "2026-12-01"}, "until"),
        ({"act": "later", "for": 7}, "for"),
        ({"act": "later", "for": "a while"}, "for"),
        ({"act": "later", "until": "2020-01-01"}, "until"),
        ({"act": "done", "for": "1 week"}, "for"),
        ({"act": "done", "why": "x"}, "why"),
    ]

    for body, field in cases:
        status, answer = await post(what.follow_up, body)
        assert status == 422, body
        assert [error["field"] for error in answer["errors"]] == [field]

    assert await told(intake_pool) == []


@pytest.mark.parametrize("ended", ["done", "stop"])
async def test_later_is_too_late_for_what_has_ended(intake_pool: Pool, post: Post, ended: str) -> None:
    what = await nudged(intake_pool)
    await post(what.follow_up, {"act": ended})

    status, answer = await post(what.follow_up, {"act": "later", "for": "1 week"})

    assert status == 409
    assert answer["errors"][0]["field"] == "act"
    assert len(await told(intake_pool)) == 1


async def test_a_token_acts_on_what_it_may_see_alone(intake_pool: Pool, post: Post) -> None:
    what = await nudged(intake_pool)

    assert (await post(what.follow_up, {"act": "done"}, token="of-bob"))[0] == 404
    assert (await post(what.follow_up, {"act": "done"}, token="nobodys"))[0] == 401
    assert (await post(new_id(), {"act": "done"}))[0] == 404
    assert (await post("no-id", {"act": "done"}))[0] == 404
    assert await told(intake_pool) == []

    assert (await post(what.follow_up, {"act": "done"}, token="of-ada"))[0] == 202


async def test_a_follow_up_that_was_only_previewed_can_be_acted_on(intake_pool: Pool, post: Post) -> None:
    what = await logged(intake_pool)
    preview = follow_up_changed(what).data
    async with intake_pool.acquire() as conn:
        await timeline.expect(conn, [preview.follow_up], preview.at)

    assert (await post(what.follow_up, {"act": "done"}))[0] == 202

    async with intake_pool.acquire() as conn:  # what the scheduler says counts for more, from its first word
        await timeline.keep_follow_ups(conn, [follow_up_changed(what, state="done").data])
        await timeline.expect(conn, [preview.follow_up], preview.at)
        found = await timeline.follow_ups(conn, [what.meeting])
    assert [follow_up["state"] for follow_up in found[what.meeting]] == ["done"]


async def test_what_a_preview_skips_has_not_happened_until_the_scheduler_skips_it(
    intake_pool: Pool, post: Post
) -> None:
    what = await logged(intake_pool)
    told = follow_up_changed(what, state="skipped", reason="past").data
    async with intake_pool.acquire() as conn:
        await timeline.expect(conn, [told.follow_up], told.at - timedelta(seconds=1))
        assert [line["what"] for line in await timeline.timeline(conn, what.meeting)] == ["logged"]
        await timeline.keep_follow_ups(conn, [told])
        lines = {line["what"] for line in await timeline.timeline(conn, what.meeting)}

    assert lines == {"logged", "skipped"}
