"""The pages behind a nudge's links: GET and HEAD only show, a button POSTs.

Mail scanners fetch every link, and some run the page's scripts: nothing here changes by being looked at, there is no
script to run, and a form without the proof of its page gets the page again.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import structlog
from aiohttp import web
from pydantic import SecretStr

from services.intake import act_page, acts, erasing, later
from services.intake import leaving as leaving_us
from services.intake.act_page import Notice
from services.intake.acts import About, Situation
from services.intake.later import Unclear
from shared import db, stops
from shared.db import Connection, Pool
from shared.links import ACTS_EXPIRE_AFTER, Leaving, Links
from shared.signing import BadToken, Fingerprints, Signer
from shared.web import RETRY_AFTER_SECONDS, Handler, Pages, Problem, read_form

log = structlog.get_logger()

PROOF_LASTS: Final = timedelta(hours=24)
FORM_BYTES: Final = 16 * 1024


def routes(pool: Pool, *, public_url: str, keys: Sequence[SecretStr]) -> list[web.RouteDef]:
    """Return `/a/{token}`, and `/u/{token}` with the way back."""
    actions = Actions(pool, public_url=public_url, keys=keys)
    return [
        web.get("/a/{token}", actions.readable(actions.show_act)),
        web.post("/a/{token}", actions.readable(actions.act)),
        web.get("/u/{token}", actions.readable(actions.show_leave)),
        web.post("/u/{token}", actions.readable(actions.leave)),
        web.post("/u/{token}/again", actions.readable(actions.come_back)),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link of ours that somebody opened."""

    about: About
    is_fresh: bool  # done and later work from it; stop always does


class Actions:
    """Answers the links."""

    def __init__(self, pool: Pool, *, public_url: str, keys: Sequence[SecretStr]) -> None:
        self._pool = pool
        self._public_host = urlsplit(public_url).netloc
        self._links = Links(public_url, keys)
        self._proofs = Signer(keys, purpose="act page")
        self._erased = Fingerprints(keys, purpose=erasing.PURPOSE)
        self._pages = Pages(Path(__file__).parent / "templates")

    def readable(self, handler: Handler) -> Handler:
        """Return the handler, with its failures told to a person, not to a program."""

        @functools.wraps(handler)
        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except BadToken:
                text = "It may have been cut off on its way: open it from the message again, or copy the whole line."
                return self._message("This is no link of ours", text, status=404)
            except Problem as problem:
                text = " ".join(f"{error['field']} {error['problem']}." for error in problem.errors)
                return self._message(problem.title, text, status=problem.status)
            except Exception as error:
                if not db.is_unavailable(error):
                    raise
                log.warning("request.unavailable", error=type(error).__name__, exc_info=True)
                text = "Nothing was changed. Please try again in a minute."
                response = self._message("Not available for the moment", text, status=503)
                response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
                return response

        return answer

    async def show_act(self, request: web.Request) -> web.Response:
        """Show what the link is about and its buttons; changes nothing."""
        link = self._read(request)
        async with self._pool.acquire(timeout=2) as conn:
            known = await acts.situation(conn, link.about)
            now = await db.now(conn)
        return self._act_page(request, link, known, now=now)

    async def act(self, request: web.Request) -> web.Response:
        """Do what a button of the page says, once, and show how things stand then."""
        link = self._read(request)
        form = await read_form(request, limit=FORM_BYTES)
        is_ours = self._is_from_our_page(request, _proven(link.about), form.get("proof", ""))

        async def change(conn: Connection) -> tuple[Situation | None, Notice | None, datetime]:
            now = await db.now(conn)
            notice = await _press(conn, link, form, now) if is_ours else act_page.NO_PROOF
            return await acts.situation(conn, link.about), notice, now

        known, notice, now = await db.in_transaction(self._pool, change)
        log.info("acted", via="link", follow_up=str(link.about.follow_up), outcome=notice.status if notice else 200)
        return self._act_page(request, link, known, now=now, notice=notice)

    async def show_leave(self, request: web.Request) -> web.Response:
        """Show the button that stops everything; changes nothing."""
        leaving = self._links.read_leave(request.match_info["token"])
        async with self._pool.acquire(timeout=2) as conn, conn.transaction():
            standing = await stops.standing(conn, person=leaving.person, connections=[])
        return self._leave_page(leaving, stopped=any(stop.channel in {"", leaving.channel} for stop in standing))

    async def leave(self, request: web.Request) -> web.Response:
        """Unsubscribe (RFC 8058): any POST will do, whatever its body, with no cookie, proof or redirect."""
        leaving = self._links.read_leave(request.match_info["token"])
        person, channel, address = leaving.person, leaving.channel, leaving.address

        async def stop(conn: Connection) -> bool:
            return await leaving_us.stop_everything(
                conn, person=person, channel=channel, address=address, via="unsubscribe"
            )

        is_new = await db.in_transaction(self._pool, stop)
        log.info("unsubscribed", person=str(person), channel=channel, is_new=is_new)
        return self._leave_page(leaving, stopped=True)

    async def come_back(self, request: web.Request) -> web.Response:
        """Let messages come again, for the button of our page alone: whoever finds the link cannot be made to press."""
        leaving = self._links.read_leave(request.match_info["token"])
        form = await read_form(request, limit=FORM_BYTES)
        if not self._is_from_our_page(request, _left(leaving), form.get("proof", "")):
            return self._message(act_page.NO_PROOF.title, act_page.NO_PROOF.text, status=act_page.NO_PROOF.status)
        person, channel, address = leaving.person, leaving.channel, leaving.address

        async def start(conn: Connection) -> bool:
            return await leaving_us.start_again(
                conn, person=person, channel=channel, address=address, erased=self._erased
            )

        is_new = await db.in_transaction(self._pool, start)
        log.info("came back", person=str(person), channel=channel, is_new=is_new)
        return self._message("Welcome back", act_page.WELCOME.format(address=act_page.masked(address)), status=200)

    def _read(self, request: web.Request) -> Link:
        token = request.match_info["token"]
        acting = self._links.read_act(token)
        try:
            self._links.read_act(token, max_age=ACTS_EXPIRE_AFTER)
            is_fresh = True
        except BadToken:
            is_fresh = False
        about = About(
            person=acting.person, connection=acting.connection, follow_up=acting.follow_up, nudge=acting.nudge
        )
        return Link(about=about, is_fresh=is_fresh)

    def _is_from_our_page(self, request: web.Request, proven: list[str], proof: str) -> bool:
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
            return False
        origin = request.headers.get("Origin", "null")  # "null" is what browsers send from a page without referrer
        if origin != "null" and urlsplit(origin).netloc not in {self._public_host, request.host}:
            return False
        try:
            return bool(self._proofs.read(proof, max_age=PROOF_LASTS) == proven)
        except BadToken:
            return False

    def _act_page(
        self, request: web.Request, link: Link, known: Situation | None, *, now: datetime, notice: Notice | None = None
    ) -> web.Response:
        if known is None:
            return self._message("Gone", act_page.GONE, status=404)
        leaving = known.address and Leaving(person=link.about.person, channel=known.channel, address=known.address)
        act, span = request.query.get("act"), request.query.get("for")
        return self._pages.render(
            "act.html",
            status=notice.status if notice else 200,
            proof=self._proofs.sign(_proven(link.about)),
            leave=urlsplit(self._links.leave(leaving)).path if leaving else None,
            **act_page.values(known, notice=notice, is_fresh=link.is_fresh, now=now, act=act, span=span),
        )

    def _leave_page(self, leaving: Leaving, *, stopped: bool) -> web.Response:
        return self._pages.render(
            "leave.html",
            stopped=stopped,
            address=act_page.masked(leaving.address),
            again=f"{urlsplit(self._links.leave(leaving)).path.rpartition('/')[2]}/again",  # beside the page itself
            proof=self._proofs.sign(_left(leaving)),
        )

    def _message(self, title: str, text: str, *, status: int) -> web.Response:
        return self._pages.render("message.html", status=status, title=title, text=text)


async def _press(conn: Connection, link: Link, form: Mapping[str, str], now: datetime) -> Notice | None:
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


def _proven(about: About) -> list[str]:
    # The token's text will not do: one token has several spellings.
    return [about.follow_up.hex, about.nudge.hex if about.nudge else ""]


def _left(leaving: Leaving) -> list[str]:
    return ["again", leaving.person.hex, leaving.channel, leaving.address]
