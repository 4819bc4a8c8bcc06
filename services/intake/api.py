"""`POST /api/v1/meetings`: meetings logged as JSON, with idempotency keys."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog
from aiohttp import web

from services.intake import forecast, guard, idempotency, logbook, meeting, requests, store, store_around, timeline
from services.intake.body import Invalid
from services.intake.idempotency import Answered
from services.intake.logbook import Logged
from services.intake.meeting import Defaults, Planner, Submitted
from services.intake.rate import Rates
from services.intake.store import Received
from services.intake.taking import bare, unfit
from services.intake.tokens import Token
from shared import db, metrics
from shared.db import Connection, Pool
from shared.events import FollowUp, Meeting, new_id
from shared.problem import Problem
from shared.web import JSON, read_body, read_json

log = structlog.get_logger()


def routes(pool: Pool, planner: Planner, rates: Rates, defaults: Defaults) -> list[web.RouteDef]:
    """Return the route that logs meetings."""
    api = Api(pool, planner, rates, defaults)
    return [web.post("/api/v1/meetings", api.log_meetings)]


class Api:
    """Answers the API."""

    def __init__(self, pool: Pool, planner: Planner, rates: Rates, defaults: Defaults) -> None:
        self._pool = pool
        self._planner = planner
        self._rates = rates
        self._defaults = defaults

    async def log_meetings(self, request: web.Request) -> web.Response:
        """Answer 201 with the meetings and what will follow; the same `Idempotency-Key` again: the same answer."""
        async with self._pool.acquire(timeout=2) as conn:
            token = await requests.token(conn, request)
            now = await db.now(conn)
        self._rates.take(token.id)
        key = idempotency.key(request)
        raw = await read_body(request, types=JSON)
        submission = new_id()
        kept = raw if self._defaults.guard.may_keep(raw) else b""
        received = Received(token=token.id, key=str(submission), headers={}, body=kept, at=now)
        try:
            document = read_json(raw)
            answered = await self._log(request, received, document, token, key)
        except Problem as problem:
            await self._keep_rejected(received, problem)
            raise
        except Invalid as invalid:
            unfitting = unfit(invalid.errors)
            await self._keep_rejected(bare(received) if guard.is_refusal(invalid.errors) else received, unfitting)
            raise unfitting from None
        return web.Response(status=answered.status, text=answered.answer, content_type="application/json")

    async def _log(
        self, request: web.Request, received: Received, document: Mapping[str, Any], token: Token, key: str | None
    ) -> Answered:
        request_is = idempotency.fingerprint(request, document)
        traceparent = requests.traceparent(request)
        logged: list[Logged] = []

        async def work(conn: Connection) -> Answered:
            submitted, defaults = self._read(document, token)
            one = await logbook.log(conn, received, submitted, defaults=defaults, traceparent=traceparent)
            assert one is not None, "its key is new"
            logged[:] = [one]
            known = await store_around.around(conn, one.meetings, one.owner)
            previews = [known.preview(self._planner, meeting, now=meeting.logged_at) for meeting in one.meetings]
            await timeline.expect(conn, [follow_up for preview in previews for follow_up in preview], received.at)
            shown = [_shown(meeting, preview) for meeting, preview in zip(one.meetings, previews, strict=True)]
            return Answered(request=request_is, status=201, answer=requests.to_json({"meetings": shown}).decode())

        answered, is_new = await idempotency.once(self._pool, token, key, request_is, work)
        metrics.submissions.labels("api", "accepted" if is_new else "repeated").inc()
        for one in logged if is_new else ():
            log.info(
                "submission.accepted",
                token=str(token.id),
                submission=str(one.submission),
                meetings=[str(meeting.id) for meeting in one.meetings],
            )
        return answered

    def _read(self, document: Mapping[str, Any], token: Token) -> tuple[Submitted, Defaults]:
        defaults = replace(self._defaults, owner=token.owner, origin=token.origin)
        submitted = meeting.read(document, plans=self._planner.names, defaults=defaults)
        if token.owner and str(submitted.owner.email).lower() != token.owner:
            raise Problem(
                403,
                "This token is for the meetings of one owner",
                errors=[{"field": "owner.email", "problem": "must be the owner whom the token is for"}],
            )
        return submitted, defaults

    async def _keep_rejected(self, received: Received, problem: Problem) -> None:
        metrics.submissions.labels("api", "rejected").inc()
        reason = {"status": problem.status, "title": problem.title, "errors": list(problem.errors)}
        async with self._pool.acquire(timeout=2) as conn:
            await store.reject(conn, received, reason)
        log.info("submission.refused", token=str(received.token), status=problem.status)


def _shown(one: Meeting, preview: Sequence[FollowUp]) -> dict[str, object]:
    return {
        "id": one.id,
        "connection": one.connection,
        "contact": {"name": one.contact.name},
        "plan": one.plan,
        "follow_ups": forecast.shown(preview),
    }
