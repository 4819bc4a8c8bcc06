"""`POST /inbound/{vendor}`: letters that people send to the address of a source, `log+TOKEN@...`.

Proven, then for us, then somebody's own, in that order. What was proven is answered 200 whatever it says: a vendor
would only send it again for hours, and what is wrong with it is kept for `source list`. Never 403, 404, 406 or 410,
after which one or the other vendor gives up.
"""

import asyncio
import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from typing import Any, Final

import structlog
from aiohttp import web
from pydantic import SecretStr

from services.intake import catching_up, letter, proofs, requests, sources
from services.intake.catching_up import Outcome
from services.intake.inbound import VENDORS, Delivered, Vendor
from services.intake.letter import Letter
from services.intake.rate import Rates
from services.intake.sources import Source
from services.intake.store import Received
from services.intake.taking import Taker
from shared import db, metrics
from shared.problem import Problem
from shared.settings import Settings
from shared.web import bad_body, read_body

log = structlog.get_logger()

BODY_BYTES: Final = 16 * 1024 * 1024  # attachments come along, though they are passed over
AT_ONCE: Final = 2  # so many letters are in memory; the others wait to be read
THREAD_BYTES: Final = 256 * 1024  # what is larger is read beside the loop
SOURCES: Final = 5  # of one letter
WITHIN_SECONDS: Final = 20.0
BASIC: Final = re.compile(r"basic +([A-Za-z0-9+/=]{1,2000})", re.IGNORECASE)


def routes(taker: Taker, rates: Rates, config: Settings) -> list[web.RouteDef]:
    """Return the route of letters."""
    letterbox = Letterbox(taker, rates, inbound_key=config.inbound_key, mailgun_key=config.mailgun_signing_key)
    return [web.post("/inbound/{vendor}", letterbox.receive)]


class Letterbox:
    """Receives letters."""

    def __init__(
        self, taker: Taker, rates: Rates, *, inbound_key: SecretStr | None, mailgun_key: SecretStr | None
    ) -> None:
        self._taker = taker
        self._rates = rates
        self._inbound_key = inbound_key
        self._mailgun_key = mailgun_key
        self._reading = asyncio.Semaphore(AT_ONCE)

    async def receive(self, request: web.Request) -> web.Response:
        """Answer 200 with the meetings that a letter became, and why not, if it became none."""
        name = request.match_info["vendor"]
        vendor = VENDORS.get(name)
        if vendor is None or not (vendor.SIGNS or self._knows_the_key(request)):
            raise _unproven()
        delivered = await self._read(request, vendor)
        if not vendor.SIGNS:
            return await self._answer(request, delivered)
        proof = delivered.proof
        key = self._mailgun_key.get_secret_value() if self._mailgun_key else ""
        if proof is None or not (key and proof.timestamp and proof.token and proof.is_right(key)):
            raise _unproven()
        async with self._taker.pool.acquire(timeout=2) as conn:
            hold = await proofs.hold(conn, name, proof.token)
        if hold == "busy":
            raise Problem(503, "The same is being read just now", headers={"Retry-After": "30"})
        if hold == "used":
            log.info("letter.repeated", vendor=name)
            return web.json_response({"meetings": []})
        try:
            answer = await self._answer(request, delivered)
        except BaseException:
            async with self._taker.pool.acquire(timeout=2) as conn:
                await proofs.let_go(conn, name, proof.token)
            raise
        async with self._taker.pool.acquire(timeout=2) as conn:
            await proofs.use(conn, name, proof.token)
        return answer

    def _knows_the_key(self, request: web.Request) -> bool:
        """Say whether INBOUND_KEY is in the address, or is the password of basic authentication."""
        given = [*request.query.getall("key", []), _password(request.headers.get("Authorization", ""))]
        key = self._inbound_key.get_secret_value().encode() if self._inbound_key else b""
        right = [hmac.compare_digest(one.encode("utf-8", "replace"), key) for one in given]
        return bool(key) and any(right)

    async def _read(self, request: web.Request, vendor: Vendor) -> Delivered:
        async with self._reading:
            raw = await read_body(request, types=vendor.TYPES, limit=BODY_BYTES)
            content_type = request.headers.get("Content-Type", "")
            try:
                if len(raw) > THREAD_BYTES:
                    return await asyncio.to_thread(vendor.read, content_type, raw)
                return vendor.read(content_type, raw)
            except ValueError as error:
                raise _unproven() if vendor.SIGNS else bad_body(str(error)) from None

    async def _answer(self, request: web.Request, delivered: Delivered) -> web.Response:
        one = delivered.letter
        outcomes = await self._log(request, one) if one else [Outcome(what="ignored", reason="no letter")]
        if not outcomes:
            outcomes = [Outcome(what="ignored", reason="a letter to none of our addresses")]
        for outcome in outcomes:
            told = {"logged": "accepted", "known": "repeated"}.get(outcome.what, outcome.what)
            metrics.submissions.labels("mail", told).inc()
            log.info(f"submission.{told}", meetings=[str(id) for id in outcome.meetings])
        return web.json_response(_shown(outcomes))

    async def _log(self, request: web.Request, one: Letter) -> list[Outcome]:
        """What the letter became at each of the sources it was sent to."""
        if one.automatic:
            return [Outcome(what="ignored", reason=one.automatic)]
        found: list[Outcome] = []
        async with asyncio.timeout(WITHIN_SECONDS):
            for token in one.tokens()[:SOURCES]:
                source = await self._source(token)
                if source is None:
                    continue
                self._rates.take(source.id)
                async with self._taker.pool.acquire() as conn:
                    now = await db.now(conn)
                received = Received(source=source.id, key=one.id, headers={}, body=letter.as_json(one), at=now)
                traceparent = requests.traceparent(request)
                found.append(await catching_up.take(self._taker, source, received, traceparent=traceparent))
        return found

    async def _source(self, token: str) -> Source | None:
        async with self._taker.pool.acquire() as conn:
            reached = await sources.reach(conn, token)
        return reached.source if reached and reached.source.provider == "mail" else None


def _shown(outcomes: list[Outcome]) -> Mapping[str, Any]:
    meetings = [str(id) for outcome in outcomes for id in outcome.meetings]
    submissions = [str(outcome.submission) for outcome in outcomes if outcome.submission]
    why = "; ".join(filter(None, (outcome.why() for outcome in outcomes if outcome.what in {"rejected", "ignored"})))
    return (
        {"meetings": meetings} | ({"submission": submissions[0]} if submissions else {}) | ({"why": why} if why else {})
    )


def _password(header: str) -> str:
    given = BASIC.fullmatch(header.strip())
    try:
        text = base64.b64decode(given[1], validate=True).decode("utf-8", "replace") if given else ""
    except binascii.Error:
        return ""
    return text.partition(":")[2]


def _unproven() -> Problem:
    return Problem(401, "The key or the signature is not right", headers={"WWW-Authenticate": 'Basic realm="inbound"'})
