"""`/api/v1/meetings/{id}`: a meeting shown, changed, and forgotten."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import structlog
from aiohttp import web

from services.intake import amending, expecting, forecast, forgetting, requests, store, store_around, timeline
from services.intake.amending import Amended
from services.intake.body import Invalid
from services.intake.meeting import Defaults, Planner
from services.intake.requests import MERGE_PATCH, entity_id, json_response
from services.intake.taking import unfit
from services.intake.tokens import Token
from shared import db
from shared.db import Connection, Pool
from shared.problem import Problem
from shared.web import read_body, read_json

log = structlog.get_logger()


def routes(pool: Pool, planner: Planner, defaults: Defaults) -> list[web.RouteDef]:
    """Return the routes of one meeting."""
    meetings = Meetings(pool, planner, defaults)
    return [
        web.get("/api/v1/meetings/{id}", meetings.show),
        web.patch("/api/v1/meetings/{id}", meetings.change),
        web.delete("/api/v1/meetings/{id}", meetings.forget),
    ]


class Meetings:
    """Answers about one meeting."""

    def __init__(self, pool: Pool, planner: Planner, defaults: Defaults) -> None:
        self._pool = pool
        self._planner = planner
        self._defaults = defaults

    async def show(self, request: web.Request) -> web.Response:
        """Answer with the meeting as sent, its follow-ups as they stand, and what happened so far."""
        async with self._pool.acquire(timeout=2) as conn:
            token = await requests.token(conn, request)
            return json_response(await _shown(conn, entity_id(request), token))

    async def change(self, request: web.Request) -> web.Response:
        """Change what the body names (JSON Merge Patch), and answer as GET does, with what will follow from now on."""
        async with self._pool.acquire(timeout=2) as conn:
            token = await requests.token(conn, request)
        meeting = entity_id(request)
        document = read_json(await read_body(request, types=MERGE_PATCH))
        traceparent = requests.traceparent(request)

        async def work(conn: Connection) -> Mapping[str, Any]:
            amended = await amending.amend(
                conn,
                meeting,
                document,
                owner=token.owner,
                plans=self._planner.names,
                phone_region=self._defaults.phone_region,
                traceparent=traceparent,
                guard=self._defaults.guard,
                origin=token.origin,
            )
            if amended is None:
                raise _no_such_meeting()
            shown = await self._as_it_will_be(conn, token, amended)
            await expecting.expect_changed(conn, shown["follow_ups"])
            return shown

        try:
            shown = await db.in_transaction(self._pool, work)
        except Invalid as invalid:
            raise unfit(invalid.errors) from None
        log.info("meeting.changed", meeting=str(meeting), fields=sorted(set(document) & {*shown}))
        return json_response(shown)

    async def _as_it_will_be(self, conn: Connection, token: Token, amended: Amended) -> Mapping[str, Any]:
        before, after = amended.before, amended.after
        shown = await _shown(conn, after.id, token)
        is_planned_anew = forecast.is_planned_anew(before, after)
        if not is_planned_anew and not forecast.is_addressed_anew(before, after):
            return {**shown, "follow_ups": [forecast.stood(one, after) for one in shown["follow_ups"]]}
        now = await db.now(conn)
        around = await store_around.around(conn, [after], amended.owner)
        ended = [(one["step"], one["occurrence"]) for one in shown["follow_ups"] if one["state"] != "waiting"]
        preview = around.preview(self._planner, after, now=now, ended=ended if shown["follow_ups"] else None)
        if not is_planned_anew:
            return {**shown, "follow_ups": forecast.addressed(shown["follow_ups"], preview, after, now=now)}
        put_off = await expecting.put_off(conn, after.id)
        follow_ups = forecast.changed(shown["follow_ups"], preview, after, put_off=put_off, now=now)
        await timeline.expect(conn, preview, now)
        return {**shown, "follow_ups": follow_ups}

    async def forget(self, request: web.Request) -> web.Response:
        """Stop the meeting and keep nothing of it; answer 204 when that is done."""
        async with self._pool.acquire(timeout=2) as conn:
            token = await requests.token(conn, request)
        meeting, traceparent = entity_id(request), requests.traceparent(request)

        async def work(conn: Connection) -> bool:
            return await forgetting.forget(conn, meeting, owner=token.owner, traceparent=traceparent)

        if not await db.in_transaction(self._pool, work):
            raise _no_such_meeting()
        log.info("meeting.forgotten", meeting=str(meeting))
        return web.Response(status=204)


async def _shown(conn: Connection, meeting: UUID, token: Token) -> dict[str, Any]:
    found = await store.find_meeting(conn, meeting, owner=token.owner)
    if found is None:
        raise _no_such_meeting()
    follow_ups = (await timeline.follow_ups(conn, [meeting]))[meeting]
    return found | {"follow_ups": follow_ups, "timeline": await timeline.timeline(conn, meeting)}


def _no_such_meeting() -> Problem:
    return Problem(404, "There is no such meeting")
