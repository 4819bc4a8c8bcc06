"""Intake's pages on a port, and what a person or a program can do with them."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import unescape
from urllib.parse import urlsplit

import aiohttp
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from services.intake import actions
from shared import events, web
from shared.db import Pool
from shared.links import Acting, Leaving, Links
from tests.intake.rows import Logged

PUBLIC_URL = "https://hello.school.example"


@asynccontextmanager
async def serving_pages(pool: Pool, keys: tuple[SecretStr, ...]) -> AsyncIterator["Site"]:
    """Serve the pages behind links on this pool."""
    app = web.application()
    app.add_routes(actions.routes(pool, public_url=PUBLIC_URL, keys=keys))
    server = TestServer(app)
    await server.start_server(**web.SERVER)
    async with aiohttp.ClientSession() as session:
        base = str(server.make_url("")).rstrip("/")
        yield Site(pool=pool, links=Links(PUBLIC_URL, keys), base=base, session=session)
    await server.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    text: str
    headers: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Intake's action pages on a port, and what a person or a program can do with them."""

    pool: Pool
    links: Links
    base: str
    session: aiohttp.ClientSession

    def act_link(self, what: Logged) -> str:
        link = self.links.act(
            Acting(person=what.person, connection=what.connection, follow_up=what.follow_up, nudge=what.nudge)
        )
        return urlsplit(link).path

    def leave_link(self, what: Logged, address: str = "ada@school.example") -> str:
        return urlsplit(self.links.leave(Leaving(person=what.person, channel="email", address=address))).path

    async def send(self, method: str, path: str, **given: object) -> Answer:
        async with self.session.request(method, self.base + path, allow_redirects=False, **given) as response:  # type: ignore[arg-type]
            return Answer(status=response.status, text=await response.text(), headers=dict(response.headers))

    async def press(self, path: str, act: str, **fields: str) -> Answer:
        """Open the page and send the form of this button, as a browser does."""
        page = await self.send("GET", path)
        proof = re.search(r'name="proof" value="([^"]+)"', page.text)
        assert proof, "the page has no button"
        return await self.send("POST", path, data={"proof": unescape(proof[1]), "act": act} | fields)

    async def state(self) -> list[object]:
        """Everything that acting may change, to be compared."""
        tables = ("acts", "touches", "outbox", "stops.stops")
        rows = [await self.pool.fetch(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]
        seen = await self.pool.fetch("SELECT id, state, revision FROM meetings ORDER BY id")
        return [*rows, seen, await self.pool.fetch("SELECT id, last_touch_at FROM connections ORDER BY id")]

    async def told(self) -> Sequence[events.Event]:
        """The events on their way to the other services."""
        return [events.read(row["document"]) for row in await self.pool.fetch("SELECT * FROM outbox ORDER BY id")]
