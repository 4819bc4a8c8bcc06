"""`/s/{code}`: the page behind the link in a text, which has no room for one link each.

One follow-up is shown as behind its own link; of several each has its buttons, and its own page at `?n=`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from aiohttp import web
from pydantic import SecretStr

from services.intake import act_page, actions, acts, short_codes
from services.intake.act_page import Notice
from services.intake.actions import Link
from services.intake.acts import Situation
from services.intake.our_pages import OurPages
from services.intake.short_codes import Texted
from shared import db
from shared.db import Connection, Pool
from shared.links import ACTS_EXPIRE_AFTER
from shared.signing import BadToken

log = structlog.get_logger()

CODE: Final = re.compile(r"[A-Za-z0-9_-]{10}", re.ASCII)


def routes(pool: Pool, *, public_url: str, keys: Sequence[SecretStr]) -> list[web.RouteDef]:
    """Return the route of short links."""
    pages = OurPages(public_url=public_url, keys=keys)
    short = ShortPages(pool, pages)
    return [
        web.get("/s/{code}", pages.readable(short.show)),
        web.post("/s/{code}", pages.readable(short.act)),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """One follow-up of the list, and how it stands."""

    n: int
    link: Link
    known: Situation


class ShortPages:
    """Answers the links of texts."""

    def __init__(self, pool: Pool, pages: OurPages) -> None:
        self._pool = pool
        self._pages = pages

    async def show(self, request: web.Request) -> web.Response:
        """Show what the text was about; changes nothing."""
        async with self._pool.acquire(timeout=2) as conn:
            now = await db.now(conn)
            shown = _shown(await self._texted(conn, request), now)
            one = _chosen(request, shown)
            if one is not None:
                known = await acts.situation(conn, one.about)
                return actions.page(self._pages, request, one, known, now=now, beside=len(shown) > 1)
            listed = [
                _Shown(n=n, link=link, known=known)
                for n, link in enumerate(shown, start=1)
                if (known := await acts.situation(conn, link.about))
            ]
        return self._list(listed)

    async def act(self, request: web.Request) -> web.Response:
        """Do what a button says, once, and show how things stand then with that one."""

        async with self._pool.acquire(timeout=2) as conn:
            shown = _shown(await self._texted(conn, request), await db.now(conn))
        link = _chosen(request, shown)
        if link is None:
            raise BadToken("it does not say whom it is about")
        form, is_ours = await self._pages.pressed(request, actions.proven(link.about))

        async def change(conn: Connection) -> tuple[Situation | None, Notice | None, datetime]:
            now = await db.now(conn)
            notice = await actions.press(conn, link, form, now) if is_ours else act_page.NO_PROOF
            return await acts.situation(conn, link.about), notice, now

        known, notice, now = await db.in_transaction(self._pool, change)
        log.info("acted", via="short link", outcome=notice.status if notice else 200)
        return actions.page(self._pages, request, link, known, now=now, notice=notice, beside=len(shown) > 1)

    async def _texted(self, conn: Connection, request: web.Request) -> Texted:
        code = request.match_info["code"]
        texted = await short_codes.find(conn, code) if CODE.fullmatch(code) else None
        if texted is None:
            raise BadToken("this link is not one of ours")
        return texted

    def _list(self, listed: Sequence[_Shown]) -> web.Response:
        if not listed:
            return self._pages.message("Gone", act_page.GONE, status=404)
        people = [
            {
                "n": one.n,
                "contact": one.known.contact,
                "event": one.known.event,
                "standing": act_page.standing(one.known, is_fresh=one.link.is_fresh),
                "offers": act_page.offers(one.known, is_fresh=one.link.is_fresh),
                "proof": self._pages.proof(actions.proven(one.link.about)),
            }
            for one in listed
        ]
        span, words = next(iter(act_page.SPANS.items()))
        return self._pages.render("several.html", proves=["several"], people=people, span=span, span_words=words)


def _shown(texted: Texted, now: datetime) -> list[Link]:
    is_fresh = now - texted.at < ACTS_EXPIRE_AFTER
    return [Link(about=about, is_fresh=is_fresh) for about in texted.abouts]


def _chosen(request: web.Request, shown: Sequence[Link]) -> Link | None:
    """The one that is asked for, by its place, or the only one."""
    n = request.query.get("n", "1" if len(shown) == 1 else "")
    return shown[int(n) - 1] if n.isascii() and n.isdigit() and len(n) < 4 and 1 <= int(n) <= len(shown) else None
