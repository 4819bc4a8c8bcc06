"""The pages behind the links of our messages; `/a/{token}`, of a nudge, acts: done, later, stop."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlencode, urlsplit

import structlog
from aiohttp import web
from pydantic import SecretStr

from services.intake import act_page, acts, confirm_page, erasing, later, leave_page
from services.intake.act_page import Notice
from services.intake.acts import About, Situation
from services.intake.later import Unclear
from services.intake.our_pages import OurPages
from shared import db
from shared.db import Connection, Pool
from shared.links import ACTS_EXPIRE_AFTER, Leaving
from shared.signing import BadToken, Fingerprints

log = structlog.get_logger()


def routes(pool: Pool, *, public_url: str, keys: Sequence[SecretStr]) -> list[web.RouteDef]:
    """Return `/a/{token}`, `/u/{token}` with the way back, and `/c/{token}`."""
    pages = OurPages(public_url=public_url, keys=keys)
    actions = Actions(pool, pages)
    return [
        web.get("/a/{token}", pages.readable(actions.show)),
        web.post("/a/{token}", pages.readable(actions.act)),
        *leave_page.routes(pool, pages, Fingerprints(keys, purpose=erasing.PURPOSE)),
        *confirm_page.routes(pool, pages),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link of ours that somebody opened."""

    about: About
    is_fresh: bool  # done and later work from it; stop always does


class Actions:
    """Answers the links of nudges."""

    def __init__(self, pool: Pool, pages: OurPages) -> None:
        self._pool = pool
        self._pages = pages

    async def show(self, request: web.Request) -> web.Response:
        """Show what the link is about and its buttons; changes nothing."""
        link = self._read(request)
        async with self._pool.acquire(timeout=2) as conn:
            known = await acts.situation(conn, link.about)
            now = await db.now(conn)
        return page(self._pages, request, link, known, now=now)

    async def act(self, request: web.Request) -> web.Response:
        """Do what a button of the page says, once, and show how things stand then."""
        link = self._read(request)
        form, is_ours = await self._pages.pressed(request, proven(link.about))

        async def change(conn: Connection) -> tuple[Situation | None, Notice | None, datetime]:
            now = await db.now(conn)
            notice = await press(conn, link, form, now) if is_ours else act_page.NO_PROOF
            return await acts.situation(conn, link.about), notice, now

        known, notice, now = await db.in_transaction(self._pool, change)
        log.info("acted", via="link", follow_up=str(link.about.follow_up), outcome=notice.status if notice else 200)
        return page(self._pages, request, link, known, now=now, notice=notice)

    def _read(self, request: web.Request) -> Link:
        token = request.match_info["token"]
        acting = self._pages.links.read_act(token)
        try:
            self._pages.links.read_act(token, max_age=ACTS_EXPIRE_AFTER)
            is_fresh = True
        except BadToken:
            is_fresh = False
        about = About(
            person=acting.person, connection=acting.connection, follow_up=acting.follow_up, nudge=acting.nudge
        )
        return Link(about=about, is_fresh=is_fresh)


def page(
    pages: OurPages,
    request: web.Request,
    link: Link,
    known: Situation | None,
    *,
    now: datetime,
    notice: Notice | None = None,
    beside: bool = False,
) -> web.Response:
    """Return the page of one follow-up as things stand; `beside` others that came in the same message."""
    if known is None:
        return pages.message("Gone", act_page.GONE, status=404)
    leaving = known.address and Leaving(person=link.about.person, channel=known.channel, address=known.address)
    act, span = request.query.get("act"), request.query.get("for")
    return pages.render(
        "act.html",
        status=notice.status if notice else 200,
        proves=proven(link.about),
        leave=urlsplit(pages.links.leave(leaving)).path if leaving else None,
        beside=beside,
        query=urlencode({"n": request.query["n"]}) if beside and "n" in request.query else "",
        **act_page.values(known, notice=notice, is_fresh=link.is_fresh, now=now, act=act, span=span),
    )


async def press(conn: Connection, link: Link, form: Mapping[str, str], now: datetime) -> Notice | None:
    """Do what the button says; return what to tell beside how things stand then, if there is something."""
    about, act = link.about, form.get("act")
    if act == "stop":
        await acts.stop_connection(conn, about, via="link")
        return None
    if act not in {"done", "later"}:
        return act_page.NO_BUTTON
    known = await acts.situation(conn, about, lock=True)
    if known is None:
        return None
    if not link.is_fresh:
        return replace(act_page.EXPIRED, status=410)
    if act == "done":
        return act_page.again("done", known, changed=await acts.done(conn, about, via="link"))
    until = form.get("until")
    try:  # a day that somebody wrote counts, even when the mark beside it stayed at a week
        how_long = later.read(span=None if until else form.get("for"), until=until, today=act_page.today(known, now))
    except Unclear as problem:
        return Notice(title="When?", text=f"Nothing has changed: the time {problem}.", status=422)
    return act_page.again("later", known, changed=await acts.later(conn, about, how_long, via="link"))


def proven(about: About) -> list[str]:
    """Return what the forms of this one's page are proven by."""
    # The token's text will not do: one token has several spellings.
    return [about.follow_up.hex, about.nudge.hex if about.nudge else ""]
