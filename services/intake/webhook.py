"""`POST /hooks/{secret path}`: verify, recognise, keep, in that order, and answer within moments.

Unknown paths are answered 401 like wrong signatures: after a 404 or 410 senders unhook for good.
"""

import asyncio
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

import structlog
from aiohttp import web

from services.intake import logbook, mapping, meeting, requests, sources, store
from services.intake.answers import Ignored, Submission, Unreadable
from services.intake.body import FieldError, Invalid
from services.intake.mapping import Mapped
from services.intake.meeting import Defaults, Planner
from services.intake.providers import PROVIDERS, Provider
from services.intake.rate import Rates
from services.intake.sources import Reached
from services.intake.store import Accepted, Received
from shared import db, metrics
from shared.db import Connection, Pool
from shared.problem import Problem
from shared.signing import BadToken, Box
from shared.web import bad_body, read_body

log = structlog.get_logger()

PATH: Final = re.compile(r"[A-Za-z0-9_-]{16,128}")
# Zoom, the most impatient sender, waits three seconds in all. Whoever gets no answer by then comes again.
STORE_WITHIN_SECONDS: Final = 2.5


def routes(pool: Pool, box: Box, planner: Planner, rates: Rates, defaults: Defaults) -> list[web.RouteDef]:
    """Return the hook, and an answer for everything else below `/hooks`."""
    webhook = Webhook(pool, box, planner, rates, defaults)
    return [
        web.post("/hooks/{path}", webhook.receive),
        web.route("*", "/hooks", unknown),
        web.route("*", "/hooks/{path:.*}", unknown),
    ]


async def unknown(_: web.Request) -> NoReturn:
    """Answer 401: nobody learns what is here, and nobody is told to go away for good."""
    metrics.submissions.labels("unknown", "unverified").inc()
    raise _unproven()


class Webhook:
    """Receives submissions."""

    def __init__(self, pool: Pool, box: Box, planner: Planner, rates: Rates, defaults: Defaults) -> None:
        self._pool = pool
        self._box = box
        self._planner = planner
        self._rates = rates
        self._defaults = defaults

    async def receive(self, request: web.Request) -> web.Response:
        """Answer 202 with what the submission became, 200 when it came before, or the problem that it has."""
        reached = await self._reach(request.match_info["path"])
        source = reached.source
        try:
            self._rates.take(source.id)
            accepted, status = await self._receive(request, reached, PROVIDERS[source.provider])
        except Problem as problem:
            outcome = {401: "unverified", 429: "limited"}.get(problem.status, "rejected")
            metrics.submissions.labels(source.provider, outcome).inc()
            log.info("submission.refused", source=str(source.id), outcome=outcome, status=problem.status)
            raise
        outcome = "ignored" if accepted is None else "accepted" if status == 202 else "repeated"
        metrics.submissions.labels(source.provider, outcome).inc()
        if accepted is None:
            return web.json_response({"meetings": []}, status=status)
        meetings = [str(id) for id in accepted.meetings]
        log.info(f"submission.{outcome}", source=str(source.id), submission=str(accepted.submission), meetings=meetings)
        return web.json_response({"submission": str(accepted.submission), "meetings": meetings}, status=status)

    async def _reach(self, path: str) -> Reached:
        if PATH.fullmatch(path):
            async with asyncio.timeout(STORE_WITHIN_SECONDS), self._pool.acquire() as conn:
                reached = await sources.reach(conn, path)
            if reached is not None and reached.source.provider in PROVIDERS:
                return reached
        metrics.submissions.labels("unknown", "unverified").inc()
        raise _unproven()

    async def _receive(self, request: web.Request, reached: Reached, provider: Provider) -> tuple[Accepted | None, int]:
        raw = await read_body(request, types=provider.TYPES)
        headers = requests.headers(request)
        self._verify(provider, headers, raw, reached)
        received = Received(
            source=reached.source.id,
            key=f"sha256:{hashlib.sha256(raw).hexdigest()}",
            headers=requests.kept(provider.KEPT, headers),
            body=raw,
            at=reached.now,
        )
        async with asyncio.timeout(STORE_WITHIN_SECONDS):
            try:
                delivery = provider.read(headers, raw)
            except ValueError as error:
                return await self._reject(received, bad_body(str(error)))
            except Unreadable as error:
                return await self._reject(received, bad_body(str(error), status=422))
            if isinstance(delivery, Ignored):
                log.info("submission.ignored", source=str(reached.source.id), reason=delivery.reason)
                return None, 200
            return await self._store(received.named(delivery.key), delivery, reached, requests.traceparent(request))

    def _verify(self, provider: Provider, headers: Mapping[str, str], raw: bytes, reached: Reached) -> None:
        """Raise unless a live key of the source proves these bytes. All are tried, always: it takes the same time."""
        try:
            keys = [self._box.open(sealed) for sealed in reached.sealed]
        except BadToken:
            # It is our SECRET_KEY that is wrong, not the sender: let them come again.
            log.exception("source.sealed_with_another_key", source=str(reached.source.id))
            raise Problem(503, "Not available for the moment", headers={"Retry-After": "60"}) from None
        if True not in [provider.verify(headers, raw, key) for key in keys]:
            # Standard Webhooks signs text. Who sends another encoding would look for the fault in the signature.
            raise _unproven() if _is_utf8(raw) else bad_body("is not UTF-8")

    async def _store(
        self, received: Received, submission: Submission, reached: Reached, traceparent: str
    ) -> tuple[Accepted, int]:
        async with self._pool.acquire() as conn:
            if before := await store.recognise(conn, received):
                return before, 200
        source = reached.source
        defaults = self._defaults.of_source(plan=source.plan, zone=source.zone, owner=source.owner)
        mapped = mapping.apply(
            submission, mapping=source.mapping, fixed=source.fixed, owner_is_known=bool(source.owner)
        )
        try:
            submitted = meeting.read(mapped.document, plans=self._planner.names, defaults=defaults)

            async def work(conn: Connection) -> logbook.Logged | None:
                return await logbook.log(conn, received, submitted, defaults=defaults, traceparent=traceparent)

            logged = await db.in_transaction(self._pool, work)
        except Invalid as invalid:
            return await self._reject(received, unfit(explained(invalid.errors, mapped, submission)))
        if logged is None:
            return await self._accepted_before(received)
        return Accepted(submission=logged.submission, meetings=tuple(one.id for one in logged.meetings)), 202

    async def _reject(self, received: Received, problem: Problem) -> tuple[Accepted, int]:
        """Keep it with its reason and raise the problem; unless the same was accepted in this very moment."""
        reason = {"status": problem.status, "title": problem.title, "errors": list(problem.errors)}
        async with self._pool.acquire() as conn:
            if await store.reject(conn, received, reason):
                raise problem
        return await self._accepted_before(received)

    async def _accepted_before(self, received: Received) -> tuple[Accepted, int]:
        async with self._pool.acquire() as conn:
            before = await store.recognise(conn, received)
        assert before is not None, "it is there, or we would have stored it"
        return before, 200


def explained(errors: Sequence[FieldError], mapped: Mapped, submission: Submission) -> Sequence[FieldError]:
    """Return the errors; those of a form name the questions that were looked for."""
    return errors if submission.document is not None else mapping.explained(errors, mapped)


def unfit(errors: Sequence[FieldError]) -> Problem:
    """A submission that can be read, and is no meeting."""
    return Problem(422, "Some fields are missing or wrong", errors=[{**error} for error in errors])


def _unproven() -> Problem:
    return Problem(
        401, "The path or the signature is not right", headers={"WWW-Authenticate": 'Signature realm="hooks"'}
    )


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
