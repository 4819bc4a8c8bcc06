"""`/u/{token}`: a channel, or everything, is stopped, and started again. GET shows; one click stops (RFC 8058)."""

from typing import Final
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from services.intake import act_page, leaving
from services.intake.our_pages import OurPages
from shared import db, stops
from shared.db import Connection, Pool
from shared.events import Channel
from shared.links import Leaving
from shared.signing import Fingerprints

log = structlog.get_logger()

CALLED: Final[dict[Channel, str]] = {"email": "e-mail", "sms": "text messages", "apprise": "messages on this channel"}


def routes(pool: Pool, pages: OurPages, erased: Fingerprints) -> list[web.RouteDef]:
    """Return the page, what its buttons do, and the way back."""
    page = LeavePage(pool, pages, erased)
    return [
        web.get("/u/{token}", pages.readable(page.show)),
        web.post("/u/{token}", pages.readable(page.leave)),
        web.post("/u/{token}/all", pages.readable(page.leave_all)),
        web.post("/u/{token}/again", pages.readable(page.come_back)),
    ]


class LeavePage:
    """Answers who wants to hear nothing more."""

    def __init__(self, pool: Pool, pages: OurPages, erased: Fingerprints) -> None:
        self._pool = pool
        self._pages = pages
        self._erased = erased

    async def show(self, request: web.Request) -> web.Response:
        """Show the buttons that stop; changes nothing."""
        link = self._read(request)
        async with self._pool.acquire(timeout=2) as conn, conn.transaction():
            standing = await stops.standing(conn, person=link.person, connections=[])
            others = await leaving.reached_otherwise(conn, link.person, but=link.channel)
        stopped = any(stop.kind == "person" and stop.channel in {"", link.channel} for stop in standing)
        return self._page(link, stopped=stopped, others=bool(others))

    async def leave(self, request: web.Request) -> web.Response:
        """Unsubscribe (RFC 8058): any POST will do, whatever its body, with no cookie, proof or redirect."""
        link = self._read(request)

        async def stop(conn: Connection) -> bool:
            return await leaving.stop_everything(
                conn, person=link.person, channel=link.channel, address=link.address, via="unsubscribe"
            )

        is_new = await db.in_transaction(self._pool, stop)
        log.info("unsubscribed", person=str(link.person), channel=link.channel, is_new=is_new)
        return self._page(link, stopped=True)

    async def leave_all(self, request: web.Request) -> web.Response:
        """Stop every channel of theirs; a stop needs no proof either."""
        link = self._read(request)

        async def stop(conn: Connection) -> bool:
            others = await leaving.reached_otherwise(conn, link.person, but=link.channel)
            found = False
            for channel, address in {link.channel: link.address, **others}.items():
                found |= await leaving.stop_everything(
                    conn, person=link.person, channel=channel, address=address, via="page"
                )
            return found

        is_new = await db.in_transaction(self._pool, stop)
        log.info("unsubscribed", person=str(link.person), channel="every", is_new=is_new)
        return self._page(link, stopped=True, all_of_it=True)

    async def come_back(self, request: web.Request) -> web.Response:
        """Let messages come again, for the button of our page alone: whoever finds the link cannot be made to press."""
        link = self._read(request)
        _, is_ours = await self._pages.pressed(request, _proves(link))
        if not is_ours:
            return self._pages.message(act_page.NO_PROOF.title, act_page.NO_PROOF.text, status=act_page.NO_PROOF.status)

        async def start(conn: Connection) -> bool:
            return await leaving.start_again(
                conn, person=link.person, channel=link.channel, address=link.address, erased=self._erased
            )

        is_new = await db.in_transaction(self._pool, start)
        log.info("came back", person=str(link.person), channel=link.channel, is_new=is_new)
        text = act_page.WELCOME.format(address=act_page.masked(link.address))
        return self._pages.message("Welcome back", text, status=200)

    def _read(self, request: web.Request) -> Leaving:
        return self._pages.links.read_leave(request.match_info["token"])

    def _page(self, link: Leaving, *, stopped: bool, others: bool = False, all_of_it: bool = False) -> web.Response:
        own = urlsplit(self._pages.links.leave(link)).path.rpartition("/")[2]  # beside the page itself
        return self._pages.render(
            "leave.html",
            proves=_proves(link),
            stopped=stopped,
            all_of_it=all_of_it,
            others=others,
            called=CALLED[link.channel],
            address=act_page.masked(link.address),
            again=f"{own}/again",
            all=f"{own}/all",
        )


def _proves(link: Leaving) -> list[str]:
    return ["again", link.person.hex, link.channel, link.address]
