"""The page behind a nudge's link, in a real browser the size of a small telephone."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from pydantic import SecretStr

from services.intake import actions
from shared import events
from shared.db import Pool
from shared.events import FollowUpActed
from shared.links import Acting, Leaving, Links
from shared.web import application, runner
from tests.browser import chromium
from tests.browser.chromium import Page
from tests.intake.rows import Logged, logged

LONG = "Wolfeschlegelsteinhausenbergerdorff" * 3


@dataclass(frozen=True, slots=True)
class Phone:
    """A browser, and the pages of an intake."""

    page: Page
    pool: Pool
    base: str
    links: Links

    def act(self, what: Logged) -> str:
        acting = Acting(person=what.person, connection=what.connection, follow_up=what.follow_up, nudge=what.nudge)
        return self.base + urlsplit(self.links.act(acting)).path

    def leave(self, what: Logged) -> str:
        leaving = Leaving(person=what.person, channel="email", address="ada@school.example")
        return self.base + urlsplit(self.links.leave(leaving)).path

    async def text(self) -> str:
        text: str = await self.page.value("document.body.innerText")
        return text

    async def told(self) -> list[tuple[str, str | None]]:
        rows = await self.pool.fetch("SELECT document FROM outbox ORDER BY id")
        found = [event for row in rows if isinstance(event := events.read(row["document"]), FollowUpActed)]
        return [(event.data.act, event.data.span) for event in found]


@pytest.fixture
async def phone(intake_pool: Pool, keys: tuple[SecretStr, ...], tmp_path: Path) -> AsyncIterator[Phone]:
    program = chromium.find()
    if program is None:
        pytest.skip("NO CHROMIUM HERE: the pages were not looked at (Debian: apt-get install chromium)")
    app = application()
    public_url = "https://hello.school.example"  # behind a proxy: the browser's address is another one
    app.add_routes(actions.routes(intake_pool, public_url=public_url, keys=keys))
    running = runner(app, shutdown_timeout=1)
    await running.setup()
    site = web.TCPSite(running, "127.0.0.1", 0)
    await site.start()
    try:
        async with chromium.page(program, tmp_path / "profile") as page:
            await page.look_like(width=320)
            links = Links(public_url, keys)
            yield Phone(page, intake_pool, f"http://127.0.0.1:{site.port}", links)
    finally:
        await running.cleanup()


async def test_a_finger_on_each_button_does_what_it_says(phone: Phone) -> None:
    what = await logged(phone.pool)
    await phone.page.open(phone.act(what) + "?act=later&for=1+month")
    assert await phone.told() == []

    await phone.page.press("Later")
    assert "put this off for 1 month" in await phone.text()
    await phone.page.press("Done")
    assert "Noted on" in await phone.text()
    await phone.page.press("Stop")
    assert "no more reminders about Erin" in await phone.text()
    await phone.page.open(phone.leave(what))
    await phone.page.press("Stop")
    assert "Everything is stopped" in await phone.text()

    assert await phone.told() == [("later", "1 month"), ("done", None), ("stop", None), ("stop", None)]
    assert phone.page.complaints == []
    assert {urlsplit(url).netloc for url in phone.page.requests if not url.startswith("data:")} == {
        urlsplit(phone.base).netloc
    }


@pytest.mark.parametrize("dark", [False, True])
async def test_everything_can_be_read_and_touched_on_a_small_telephone(phone: Phone, dark: bool) -> None:
    what = await logged(phone.pool, contact=LONG, event=LONG, promise=LONG)
    await phone.page.look_like(width=320, dark=dark)

    for url in (phone.act(what), phone.act(what) + "?act=stop", phone.leave(what), f"{phone.base}/a/forged"):
        await phone.page.open(url)
        assert await phone.page.value("document.documentElement.scrollWidth") <= 320
        sizes = await phone.page.value("[...document.querySelectorAll('button')].map(one => one.offsetHeight)")
        assert all(size >= 44 for size in sizes)
        assert await phone.page.value("parseFloat(getComputedStyle(document.body).fontSize)") >= 16
        assert await contrast(phone.page) >= 4.5


async def contrast(page: Page) -> float:
    """The least contrast (WCAG 2) between a text of the page and what is behind it."""
    ratio: float = await page.value(
        """
        (() => {
          const channels = colour => colour.match(/[\\d.]+/g).map(Number);
          const light = colour => channels(colour).slice(0, 3).map(c => c / 255)
            .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
            .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
          const behind = one => {
            for (; one; one = one.parentElement) {
              const colour = getComputedStyle(one).backgroundColor;
              if (channels(colour)[3] !== 0) return colour;
            }
            return 'rgb(255, 255, 255)';
          };
          const texts = [...document.querySelectorAll('body *')].filter(one =>
            [...one.childNodes].some(node => node.nodeType === 3 && node.textContent.trim()));
          return Math.min(...texts.map(one => {
            const [a, b] = [light(getComputedStyle(one).color), light(behind(one))];
            return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
          }));
        })()
        """
    )
    return ratio
