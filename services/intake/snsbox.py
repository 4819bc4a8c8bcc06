"""`POST /inbound/sns`: what Amazon SES tells of mails, carried by topics of SNS that the operator named.

A subscription is confirmed once, by visiting Amazon; a message counts whose signature is right, by a certificate from
Amazon's own host. Whoever names another topic, or none is named in SNS_TOPICS, is answered 401.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

import structlog
from aiohttp import web
from cryptography.x509 import Certificate

from services.intake import proofs, reporting
from services.intake.inbound import ses_events, sns
from services.intake.inbound.door import unproven
from services.intake.inbound.sns import Envelope
from services.intake.rate import Rates
from shared import db, fetching
from shared.db import Connection, Pool
from shared.mail_tokens import MailTokens
from shared.problem import Problem
from shared.retry import TryAgain
from shared.settings import Settings
from shared.signing import BadToken
from shared.web import bad_body, read_body

log = structlog.get_logger()

Fetch = Callable[[str], Awaitable[bytes]]

TYPES: Final = ("text/plain", "application/json")
CERTIFICATES: Final = 8  # of Amazon's, which changes its own about once a year
AT_ONCE: Final = 2


def routes(pool: Pool, rates: Rates, config: Settings, *, fetch: Fetch = fetching.fetch) -> list[web.RouteDef]:
    """Return the route of SNS; `fetch` is another in tests alone."""
    return [web.post("/inbound/sns", Snsbox(pool, rates, config, fetch=fetch).receive)]


class Snsbox:
    """Receives what topics of SNS carry."""

    def __init__(self, pool: Pool, rates: Rates, config: Settings, *, fetch: Fetch) -> None:
        self._pool = pool
        self._rates = rates
        self._topics = frozenset(config.sns_topics)
        self._fetch = fetch
        self._fetching = asyncio.Semaphore(AT_ONCE)
        self._certificates: OrderedDict[str, Certificate] = OrderedDict()
        self._tokens = MailTokens(config.inbound_address, config.secret_key) if config.inbound_address else None

    async def receive(self, request: web.Request) -> web.Response:
        """Answer 200 to whatever Amazon signed for one of our topics."""
        raw = await read_body(request, types=TYPES)
        try:
            envelope = sns.read(raw)
        except ValueError as error:
            raise bad_body(str(error)) from None
        if envelope.topic not in self._topics or not sns.has_certificate(envelope):
            raise unproven()
        certificate = await self._certificate(envelope.certificate_url)
        async with self._pool.acquire(timeout=2) as conn:
            now = await db.now(conn)
        if not sns.is_signed(envelope, certificate, now=now):
            raise unproven()
        match envelope.kind:
            case "SubscriptionConfirmation":
                await self._confirm(envelope)
            case "Notification":
                await self._tell(envelope)
            case "UnsubscribeConfirmation":
                log.warning("sns.unsubscribed", topic=envelope.topic)
        return web.json_response({})

    async def _certificate(self, url: str) -> Certificate:
        if url in self._certificates:
            self._certificates.move_to_end(url)
            return self._certificates[url]
        self._rates.take("sns certificate")  # nothing is proven yet, and there are not many of these
        async with self._fetching:
            try:
                found = sns.certificate(await self._fetch(url))
            except (TryAgain, fetching.Forbidden, ValueError) as error:
                log.warning("sns.no_certificate", error=str(error)[:200])
                raise Problem(503, "The certificate cannot be fetched for now", headers={"Retry-After": "20"}) from None
        self._certificates[url] = found
        while len(self._certificates) > CERTIFICATES:
            self._certificates.popitem(last=False)
        return found

    async def _confirm(self, envelope: Envelope) -> None:
        """Visit the address that confirms the subscription, once."""
        if not sns.has_confirmation(envelope):
            raise unproven()
        async with self._pool.acquire(timeout=2) as conn:
            hold = await proofs.hold(conn, "sns confirmation", envelope.id)
        if hold == "used":
            return
        if hold == "busy":
            raise Problem(503, "The same is being confirmed just now", headers={"Retry-After": "20"})
        try:
            await self._fetch(envelope.fields["SubscribeURL"])
        except BaseException as error:
            async with self._pool.acquire(timeout=2) as conn:
                await proofs.let_go(conn, "sns confirmation", envelope.id)
            if isinstance(error, TryAgain | fetching.Forbidden):
                log.warning("sns.unconfirmed", topic=envelope.topic, error=str(error)[:200])
                raise Problem(503, "Amazon cannot be visited for now", headers={"Retry-After": "20"}) from None
            raise
        async with self._pool.acquire(timeout=2) as conn:
            await proofs.use(conn, "sns confirmation", envelope.id)
        log.info("sns.confirmed", topic=envelope.topic)

    async def _tell(self, envelope: Envelope) -> None:
        async def tell(conn: Connection) -> int:
            reports = ses_events.read(
                envelope.fields["Message"], id=envelope.id, by_sender=self._by_sender, now=await db.now(conn)
            )
            return await reporting.tell(conn, "ses", reports)

        log.info("report.received", vendor="ses", new=await db.in_transaction(self._pool, tell))

    def _by_sender(self, sender: str) -> UUID | None:
        """The envelope's sender is an address that is good for one nudge alone."""
        use, _, token = sender.partition("@")[0].partition("+")
        if self._tokens is None or use.lower() != "bounce":
            return None
        try:
            return self._tokens.read("bounce", token)
        except BadToken:
            return None
