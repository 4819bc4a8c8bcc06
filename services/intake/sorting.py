"""Where a letter goes, by the addresses of ours that it was sent to, and where reports go.

`log+` is a source's, and logs a meeting; `reply+`, `unsub+` and `bounce+` are good for one nudge each, whose token they
hold. A mail that came back is believed when its token is right, whoever brings it.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

import structlog

from services.intake import catching_up, letter, mail_replies, reporting, sources
from services.intake.catching_up import Outcome
from services.intake.inbound import Delivered
from services.intake.inbound.report import about
from services.intake.inbound.returned import Notice
from services.intake.letter import Letter
from services.intake.mail_replies import What
from services.intake.rate import Rates
from services.intake.reporting import Named
from services.intake.sources import Source
from services.intake.store import Received
from services.intake.taking import Taker
from shared import db
from shared.db import Connection
from shared.mail_tokens import MailTokens, Use
from shared.problem import Problem
from shared.settings import Settings
from shared.signing import BadToken

log = structlog.get_logger()

ADDRESSES: Final = 5  # of ours, of one letter
WITHIN_SECONDS: Final = 20.0


class Sorter:
    """Hands on what vendors bring."""

    def __init__(self, taker: Taker, rates: Rates, config: Settings) -> None:
        self._taker = taker
        self._rates = rates
        self._tokens = MailTokens(config.inbound_address, config.secret_key) if config.inbound_address else None

    async def report(self, vendor: str, reports: Callable[[datetime], Sequence[Named]]) -> None:
        """Tell the notifier what the vendor reports, as far as that is new."""

        async def tell(conn: Connection) -> int:
            return await reporting.tell(conn, vendor, reports(await db.now(conn)))

        log.info("report.received", vendor=vendor, new=await db.in_transaction(self._taker.pool, tell))

    async def sort(self, vendor: str, delivered: Delivered, *, traceparent: str) -> list[Outcome]:
        """Return what the letter became at each of the addresses that it was sent to."""
        one = delivered.letter
        assert one is not None
        async with asyncio.timeout(WITHIN_SECONDS):
            done = await self._of_nudges(vendor, one, delivered.returned)
            if one.automatic:
                found = [] if done else [Outcome(what="ignored", reason=one.automatic)]
            else:
                found = await self._log(one, traceparent=traceparent)
        return found if found or done else [Outcome(what="ignored", reason="a letter to none of our addresses")]

    async def _of_nudges(self, vendor: str, one: Letter, returned: Notice | None) -> bool:
        """Say whether it was to an address of a nudge, after doing what it says."""
        done = False
        for nudge in self._nudges(one, "bounce"):
            done = True
            if returned is not None:
                await self.report(vendor, partial(_returned, one, nudge, returned))
        for nudge in self._nudges(one, "unsub"):
            done = True
            if not one.is_returned:
                work = partial(mail_replies.unsubscribe, nudge=nudge)
                _say(nudge, await db.in_transaction(self._taker.pool, work))
        for nudge in self._nudges(one, "reply"):
            done = True
            _say(nudge, await db.in_transaction(self._taker.pool, partial(mail_replies.receive, one=one, nudge=nudge)))
        return done

    def _nudges(self, one: Letter, use: Use) -> list[UUID]:
        found: list[UUID] = []
        for token in one.tokens(use)[:ADDRESSES] if self._tokens else ():
            try:
                found.append(self._tokens.read(use, token))  # type: ignore[union-attr]
            except BadToken:
                log.info("letter.no_token", use=use)
        return found

    async def _log(self, one: Letter, *, traceparent: str) -> list[Outcome]:
        found: list[Outcome] = []
        for token in one.tokens()[:ADDRESSES]:
            source = await self._source(token)
            if source is None:
                continue
            self._rates.take(source.id)
            async with self._taker.pool.acquire() as conn:
                now = await db.now(conn)
            received = Received(source=source.id, key=one.id, headers={}, body=letter.as_json(one), at=now)
            outcome = await catching_up.take(self._taker, source, received, traceparent=traceparent)
            if outcome.meetings:
                touch = partial(mail_replies.touch_known, one=one, meetings=outcome.meetings)
                await db.in_transaction(self._taker.pool, touch)
            found.append(outcome)
        return found

    async def _source(self, token: str) -> Source | None:
        async with self._taker.pool.acquire() as conn:
            reached = await sources.reach(conn, token)
        return reached.source if reached and reached.source.provider == "mail" else None


def _returned(one: Letter, nudge: UUID, notice: Notice, now: datetime) -> Sequence[Named]:
    report = about(notice.what, now, nudge=nudge, address=notice.address, code=notice.code, detail=notice.detail)
    return [(f"{nudge} {one.id}", report)]


def _say(nudge: UUID, what: What | None) -> None:
    log.info("letter.replied", nudge=str(nudge), what=what or "unknown")
    if what is None:  # it was sent, so we shall hear of it: a wish to leave must not be lost meanwhile
        raise Problem(503, "Not known yet", headers={"Retry-After": "60"})
