"""`POST /hooks/{secret path}`: verify, recognise, keep, in that order, and answer within moments.

Unknown paths are answered 401 like wrong signatures: after a 404 or 410 senders unhook for good.
"""

import hashlib
import re
from collections.abc import Mapping
from time import monotonic
from typing import Final, NamedTuple, NoReturn

import structlog
from aiohttp import web

from services.intake import readers, requests, sources, taking
from services.intake.answers import Delivery, Gathered, Handshake, Ignored, Unreadable
from services.intake.patience import Patience
from services.intake.providers import PROVIDERS, Provider
from services.intake.rate import Rates
from services.intake.sources import Reached, Source
from services.intake.store import Accepted, Received
from services.intake.taking import Taker
from shared import metrics
from shared.db import Pool
from shared.problem import Problem
from shared.retry import TryAgain
from shared.signing import BadToken, Box
from shared.web import bad_body, read_body

log = structlog.get_logger()

PATH: Final = re.compile(r"[A-Za-z0-9_-]{16,128}")
NOTHING: Final[Mapping[str, object]] = {"meetings": []}


class Answered(NamedTuple):
    """What a delivery is answered with: what it became, or an answer of its own."""

    accepted: Accepted | None
    status: int
    outcome: str
    answer: Mapping[str, object] | None = None


def routes(pool: Pool, box: Box, rates: Rates, taker: Taker) -> list[web.RouteDef]:
    """Return the hook, and an answer for everything else below `/hooks`."""
    webhook = Webhook(pool, box, rates, taker)
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

    def __init__(self, pool: Pool, box: Box, rates: Rates, taker: Taker) -> None:
        self._pool = pool
        self._box = box
        self._rates = rates
        self._taker = taker
        self._finding = Patience()  # of its own: that paths are found says nothing of what is stored
        self._storing = Patience()

    async def receive(self, request: web.Request) -> web.Response:
        """Answer 202 with what the submission became, 200 when it came before, or the problem that it has."""
        begun = monotonic()
        reached = await self._reach(request.match_info["path"])
        source = reached.source
        try:
            self._rates.take(source.id)
            answered = await self._receive(request, reached, PROVIDERS[source.provider], monotonic() - begun)
        except Problem as problem:
            outcome = {401: "unverified", 429: "limited"}.get(problem.status, "rejected")
            metrics.submissions.labels(source.provider, outcome).inc()
            log.info("submission.refused", source=str(source.id), outcome=outcome, status=problem.status)
            raise
        metrics.submissions.labels(source.provider, answered.outcome).inc()
        if answered.accepted is None:
            return web.json_response(answered.answer, status=answered.status)
        submission, meetings = str(answered.accepted.submission), [str(id) for id in answered.accepted.meetings]
        log.info(f"submission.{answered.outcome}", source=str(source.id), submission=submission, meetings=meetings)
        return web.json_response({"submission": submission, "meetings": meetings}, status=answered.status)

    async def _reach(self, path: str) -> Reached:
        if PATH.fullmatch(path):
            reached = await self._finding.wait(self._look_up(path))
            if reached is not None and reached.source.provider in PROVIDERS:
                return reached
        metrics.submissions.labels("unknown", "unverified").inc()
        raise _unproven()

    async def _look_up(self, path: str) -> Reached | None:
        async with self._pool.acquire() as conn:
            return await sources.reach(conn, path)

    async def _receive(
        self, request: web.Request, reached: Reached, provider: Provider, spent_seconds: float
    ) -> Answered:
        raw = await read_body(request, types=provider.TYPES)
        headers = requests.headers(request)
        secret = self._verify(provider, headers, raw, reached)
        body = _without_path(raw, request.match_info["path"])
        received = Received(
            source=reached.source.id,
            key=f"sha256:{hashlib.sha256(raw).hexdigest()}",
            headers=requests.kept(provider.KEPT, headers),
            body=body,
            at=reached.now,
        )
        delivery = await self._read(provider, headers, reached.source, body, secret)
        match delivery:
            case Ignored():
                log.info("submission.ignored", source=str(reached.source.id), reason=delivery.reason)
                return Answered(None, 200, "ignored", NOTHING)
            case Handshake():
                return Answered(None, 200, "ignored", delivery.answer(secret))
            case Problem():
                taking_it = self._taker.reject(received, delivery)
            case _:
                taking_it = self._taker.take(received, delivery, reached.source, requests.traceparent(request))
        accepted, is_new = await self._storing.wait(taking_it, spent_seconds=spent_seconds)
        if not is_new:
            return Answered(accepted, 200, "repeated")
        # Zoom knows 200 and 204 alone; and of a ticket that was given up before it was a meeting nothing comes.
        is_fetched = reached.source.provider in readers.POINTING
        is_done = isinstance(delivery, Gathered) or (is_fetched and not accepted.meetings)
        return Answered(accepted, 200 if is_done else 202, "accepted")

    async def _read(
        self, provider: Provider, headers: Mapping[str, str], source: Source, body: bytes, secret: str
    ) -> Delivery | Problem:
        """Return what was delivered, or the problem that it is kept with."""
        try:
            return provider.read(headers, await self._taker.whole(source, body, secret))
        except ValueError as error:
            return bad_body(str(error))
        except Unreadable as error:
            return bad_body(str(error), status=422)
        except TryAgain as error:
            return taking.unfetched(error)

    def _verify(self, provider: Provider, headers: Mapping[str, str], raw: bytes, reached: Reached) -> str:
        """Return the live key of the source that proves these bytes; raises when none does.

        All are tried, always: it takes the same time.
        """
        try:
            keys = [self._box.open(sealed) for sealed in reached.sealed]
        except BadToken:
            # It is our SECRET_KEY that is wrong, not the sender: let them come again.
            log.exception("source.sealed_with_another_key", source=str(reached.source.id))
            raise Problem(503, "Not available for the moment", headers={"Retry-After": "60"}) from None
        right = [key for key in keys if provider.verify(headers, raw, key)]
        if not right:
            # Standard Webhooks signs text. Who sends another encoding would look for the fault in the signature.
            raise _unproven() if _is_utf8(raw) else bad_body("is not UTF-8")
        return right[0]


def _without_path(raw: bytes, path: str) -> bytes:
    """Return the body without the secret path, which Jotform and Eventbrite repeat in it: that is kept as a hash."""
    return raw.replace(path.encode(), b"*" * len(path))


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
