"""`POST /inbound/{vendor}`: letters that people send to addresses of ours, and what became of those that we sent.

Proven, then for us, then somebody's own, in that order. What was proven is answered 200 whatever it says: a vendor
would only send it again for hours, and what is wrong with it is kept for `source list`. Never 403, 404, 406 or 410,
after which one or the other vendor gives up.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import structlog
from aiohttp import web

from services.intake import proofs, requests
from services.intake.catching_up import Outcome
from services.intake.inbound import VENDORS, Delivered, Vendor, sendgrid_events
from services.intake.inbound.door import knows_the_key, unproven
from services.intake.rate import Rates
from services.intake.sorting import Sorter
from services.intake.taking import Taker
from shared import metrics, strict_json
from shared.problem import Problem
from shared.settings import Settings
from shared.web import JSON, bad_body, read_body

log = structlog.get_logger()

BODY_BYTES: Final = 16 * 1024 * 1024  # attachments come along, though they are passed over
AT_ONCE: Final = 2  # so many letters are in memory; the others wait to be read
THREAD_BYTES: Final = 256 * 1024  # what is larger is read beside the loop
REPORT_BYTES: Final = 4 * 1024 * 1024  # SendGrid packs what happened within seconds


def routes(taker: Taker, rates: Rates, config: Settings) -> list[web.RouteDef]:
    """Return the route of letters."""
    letterbox = Letterbox(taker, rates, config)
    return [web.post("/inbound/{vendor}", letterbox.receive)]


class Letterbox:
    """Receives letters."""

    def __init__(self, taker: Taker, rates: Rates, config: Settings) -> None:
        self._taker = taker
        self._sorter = Sorter(taker, rates, config)
        self._inbound_key = config.inbound_key
        self._mailgun_key = config.mailgun_signing_key
        self._sendgrid_key = config.sendgrid_public_key
        self._reading = asyncio.Semaphore(AT_ONCE)

    async def receive(self, request: web.Request) -> web.Response:
        """Answer 200 with the meetings that a letter became, and why not, if it became none."""
        name = request.match_info["vendor"]
        if name == "sendgrid" and request.content_type == JSON[0]:
            return await self._from_sendgrid(request)
        vendor = VENDORS.get(name)
        if vendor is None or not (vendor.SIGNS or knows_the_key(request, self._inbound_key)):
            raise unproven()
        delivered = await self._read(request, vendor)
        if not vendor.SIGNS:
            return await self._answer(request, name, delivered)
        proof = delivered.proof
        key = self._mailgun_key.get_secret_value() if self._mailgun_key else ""
        if proof is None or not (key and proof.timestamp and proof.token and proof.is_right(key)):
            raise unproven()
        async with self._taker.pool.acquire(timeout=2) as conn:
            hold = await proofs.hold(conn, name, proof.token)
        if hold == "busy":
            raise Problem(503, "The same is being read just now", headers={"Retry-After": "30"})
        if hold == "used":
            log.info("letter.repeated", vendor=name)
            return web.json_response({"meetings": []})
        try:
            answer = await self._answer(request, name, delivered)
        except BaseException:
            async with self._taker.pool.acquire(timeout=2) as conn:
                await proofs.let_go(conn, name, proof.token)
            raise
        async with self._taker.pool.acquire(timeout=2) as conn:
            await proofs.use(conn, name, proof.token)
        return answer

    async def _from_sendgrid(self, request: web.Request) -> web.Response:
        """Answer 200 to reports, which SendGrid signs, and letters not."""
        signature = request.headers.get(sendgrid_events.SIGNATURE, "")
        timestamp = request.headers.get(sendgrid_events.TIMESTAMP, "")
        if self._sendgrid_key is None or not signature or not timestamp:
            raise unproven()
        raw = await read_body(request, types=JSON, limit=REPORT_BYTES)
        if not sendgrid_events.is_signed(raw, timestamp=timestamp, signature=signature, key=self._sendgrid_key):
            raise unproven()
        try:
            events = strict_json.read_objects(raw)
        except ValueError as error:
            raise bad_body(str(error)) from None
        await self._sorter.report("sendgrid", lambda now: sendgrid_events.read(events, now=now))
        return web.json_response({})

    async def _read(self, request: web.Request, vendor: Vendor) -> Delivered:
        async with self._reading:
            raw = await read_body(request, types=vendor.TYPES, limit=BODY_BYTES)
            content_type = request.headers.get("Content-Type", "")
            try:
                if len(raw) > THREAD_BYTES:
                    return await asyncio.to_thread(vendor.read, content_type, raw)
                return vendor.read(content_type, raw)
            except ValueError as error:
                raise unproven() if vendor.SIGNS else bad_body(str(error)) from None

    async def _answer(self, request: web.Request, vendor: str, delivered: Delivered) -> web.Response:
        outcomes: list[Outcome] = []
        if delivered.reports is not None:
            await self._sorter.report(vendor, delivered.reports)
        elif delivered.letter is not None:
            outcomes = await self._sorter.sort(vendor, delivered, traceparent=requests.traceparent(request))
        for outcome in outcomes:
            told = {"logged": "accepted", "known": "repeated"}.get(outcome.what, outcome.what)
            metrics.submissions.labels("mail", told).inc()
            log.info(f"submission.{told}", meetings=[str(id) for id in outcome.meetings])
        return web.json_response(_shown(outcomes))


def _shown(outcomes: list[Outcome]) -> Mapping[str, Any]:
    meetings = [str(id) for outcome in outcomes for id in outcome.meetings]
    submissions = [str(outcome.submission) for outcome in outcomes if outcome.submission]
    why = "; ".join(filter(None, (outcome.why() for outcome in outcomes if outcome.what in {"rejected", "ignored"})))
    return (
        {"meetings": meetings} | ({"submission": submissions[0]} if submissions else {}) | ({"why": why} if why else {})
    )
