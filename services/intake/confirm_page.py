"""`/c/{token}`: an owner whose address others gave says that it is theirs. GET shows, the page's button confirms."""

from urllib.parse import urlsplit

import structlog
from aiohttp import web

from services.intake import act_page, confirming
from services.intake.our_pages import OurPages
from shared import db
from shared.db import Connection, Pool
from shared.links import Leaving

log = structlog.get_logger()


def routes(pool: Pool, pages: OurPages) -> list[web.RouteDef]:
    """Return the page, and what its button does."""
    page = ConfirmPage(pool, pages)
    return [web.get("/c/{token}", pages.readable(page.show)), web.post("/c/{token}", pages.readable(page.confirm))]


class ConfirmPage:
    """Answers who is asked whether an address is theirs."""

    def __init__(self, pool: Pool, pages: OurPages) -> None:
        self._pool = pool
        self._pages = pages

    async def show(self, request: web.Request) -> web.Response:
        """Show the address and the button; changes nothing."""
        asked = self._pages.links.read_confirm(request.match_info["token"])
        async with self._pool.acquire(timeout=2) as conn:
            standing = await confirming.standing(conn, asked)
            stopped = await confirming.is_stopped(conn, asked)
        return self._page(asked, standing, stopped=stopped)

    async def confirm(self, request: web.Request) -> web.Response:
        """Confirm the address, for the button of our page alone; once or twice is the same."""
        asked = self._pages.links.read_confirm(request.match_info["token"])
        _, is_ours = await self._pages.pressed(request, _proves(asked))
        if not is_ours:
            return self._pages.message(act_page.NO_PROOF.title, act_page.NO_PROOF.text, status=act_page.NO_PROOF.status)

        async def work(conn: Connection) -> tuple[bool, bool | None, bool]:
            is_new = await confirming.confirm(conn, asked)
            return is_new, await confirming.standing(conn, asked), await confirming.is_stopped(conn, asked)

        is_new, standing, stopped = await db.in_transaction(self._pool, work)
        log.info("confirmed", person=str(asked.person), channel=asked.channel, is_new=is_new)
        return self._page(asked, standing, stopped=stopped)

    def _page(self, asked: Leaving, confirmed: bool | None, *, stopped: bool) -> web.Response:
        if confirmed is None:
            return self._pages.message("Gone", "Nothing is kept about this address any more.", status=404)
        return self._pages.render(
            "confirm.html",
            proves=_proves(asked),
            confirmed=confirmed,
            stopped=stopped,
            address=act_page.masked(asked.address),
            leave=urlsplit(self._pages.links.leave(asked)).path,
        )


def _proves(asked: Leaving) -> list[str]:
    return ["confirm", asked.person.hex, asked.channel, asked.address]
