"""The page behind the link in a text: what it lists, and that looking changes nothing."""

import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import pytest
from pydantic import SecretStr

from services.intake import handlers
from shared import db
from shared.db import Pool
from shared.links import Links
from tests.intake.inbound_people import nudged
from tests.intake.rows import Logged, delivery_changed
from tests.intake.serving import Intake, serving

URL = "https://hello.school.example"


@pytest.fixture
async def intake(intake_pool: Pool, keys: tuple[SecretStr, ...]) -> AsyncIterator[Intake]:
    async with serving(intake_pool, keys) as served:
        yield served


@pytest.fixture
def links(keys: tuple[SecretStr, ...]) -> Links:
    return Links(URL, keys)


async def texted(intake: Intake, links: Links, *names: str, **given: Any) -> list[Logged]:
    """Let one text go out about all of these."""
    first = await nudged(intake.pool, names[0], **given)
    found = [first, *[await nudged(intake.pool, one, person=first.person, nudge=first.nudge) for one in names[1:]]]
    carried = [one.follow_up for one in found]
    told = delivery_changed(first, channel=given.get("channel", "sms"), state="sent", revision=99, follow_ups=carried)
    for _ in range(2):
        async with intake.pool.acquire() as conn, conn.transaction():
            for route in handlers.routes(links):
                if isinstance(told, route.event):
                    await route.handler(conn, [told], await db.now(conn))
    return found


def path(links: Links, what: Logged) -> str:
    return links.short(what.nudge).removeprefix(URL)


async def get(intake: Intake, at: str, method: str = "GET") -> tuple[int, str]:
    async with intake.client.request(method, at, allow_redirects=False) as answer:
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        return answer.status, await answer.text()


async def press(intake: Intake, at: str, act: str, **fields: str) -> tuple[int, str]:
    """Press a button of the page at this path, as a browser does."""
    _, page = await get(intake, at)
    for action, form in re.findall(r'<form method="post" action="([^"]*)"[^>]*>(.*?)</form>', page, re.DOTALL):
        hidden = {
            name: unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form)
        }
        n = fields.get("n", "")
        if hidden.get("act") == act and (not n or action == f"?n={n}"):
            data = hidden | {name: value for name, value in fields.items() if name != "n"}
            goes_to = at if action == "?" else f"{at.partition('?')[0]}{unescape(action)}"
            async with intake.client.post(goes_to, data=data, allow_redirects=False) as answer:
                return answer.status, await answer.text()
    raise AssertionError(f"there is no button {act}")


async def acted(pool: Pool) -> list[tuple[str, Any]]:
    return [(row["act"], row["follow_up"]) for row in await pool.fetch("SELECT act, follow_up FROM acts ORDER BY at")]


async def test_of_one_follow_up_its_own_page_is_shown_and_its_buttons_work(intake: Intake, links: Links) -> None:
    [what] = await texted(intake, links, "Erin <b>")

    status, page = await get(intake, path(links, what))

    assert (status, "Erin &lt;b&gt;" in page, "Your promise" in page) == (200, True, True)
    assert re.findall(r"<button[^>]*>(.*?)</button>", page) == ["Done", "Later", "Stop"]
    status, page = await press(intake, path(links, what), "later", **{"for": "1 month"})
    assert (status, await acted(intake.pool)) == (200, [("later", what.follow_up)])
    await press(intake, path(links, what), "done")
    status, page = await get(intake, path(links, what))
    assert "Noted on" in page


async def test_of_several_each_has_its_buttons_and_a_page_of_its_own(intake: Intake, links: Links) -> None:
    erin, bo, cy = await texted(intake, links, "Erin", "Bo", "Cy")
    at = path(links, erin)

    _, page = await get(intake, at)
    assert re.findall(r'<h2><a href="\?n=(\d)">(\w+)</a>', page) == [("1", "Erin"), ("2", "Bo"), ("3", "Cy")]
    assert len(re.findall(r"<button", page)) == 9
    assert "promise" not in page

    await press(intake, at, "done", n="2")
    await press(intake, at, "later", n="3")
    await press(intake, f"{at}?n=1", "stop")
    assert await acted(intake.pool) == [("done", bo.follow_up), ("later", cy.follow_up), ("stop", None)]
    _, page = await get(intake, at)
    assert len(re.findall(r"<button", page)) == 4  # Bo's stop, and Cy's three


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_looking_changes_nothing(intake: Intake, links: Links, method: str) -> None:
    what, _ = await texted(intake, links, "Erin", "Bo")
    for query in ("", "?n=1", "?n=2&act=done", "?n=1&act=stop"):
        assert (await get(intake, path(links, what) + query, method))[0] == 200
    assert (await acted(intake.pool), await intake.count("outbox")) == ([], 0)


@pytest.mark.parametrize("query", ["?n=0", "?n=3", "?n=-1", "?n=x", "?n=²", "?n=99999999999999999999"])
async def test_a_place_that_there_is_none_of_shows_the_list_and_takes_no_button(
    intake: Intake, links: Links, query: str
) -> None:
    what, _ = await texted(intake, links, "Erin", "Bo")
    status, page = await get(intake, path(links, what) + query)
    assert (status, "Whom you met" in page) == (200, True)
    async with intake.client.post(path(links, what) + query, data={"act": "stop"}) as answer:
        assert answer.status == 404
    assert await acted(intake.pool) == []


async def test_a_button_of_another_page_is_not_believed(intake: Intake, links: Links) -> None:
    erin, _ = await texted(intake, links, "Erin", "Bo")
    _, page = await get(intake, f"{path(links, erin)}?n=1")
    proof = unescape(re.findall(r'name="proof" value="([^"]+)"', page)[0])
    for data in ({"act": "done"}, {"act": "done", "proof": proof}):
        async with intake.client.post(f"{path(links, erin)}?n=2", data=data) as answer:
            assert answer.status == 403
    assert await acted(intake.pool) == []


async def test_a_code_of_ours_works_while_its_key_is_live_and_no_other_does(
    intake: Intake, keys: tuple[SecretStr, ...]
) -> None:
    old, new = SecretStr("an old key of more than enough letters"), keys[0]
    rotated = Links(URL, (new, old))
    [what] = await texted(intake, rotated, "Erin")
    for key, status in ((new, 200), (old, 200), (SecretStr("a key that never was of ours, at all"), 404)):
        assert (await get(intake, path(Links(URL, (key,)), what)))[0] == status


@pytest.mark.parametrize("code", ["aaaaaaaaaa", "x", "%00", "..%2f", "a" * 500, "%27%20or%201=1"])
async def test_what_is_no_code_is_a_page_that_says_so(intake: Intake, links: Links, code: str) -> None:
    await texted(intake, links, "Erin")
    status, page = await get(intake, f"/s/{code}")
    assert status == 404
    assert "no link of ours" in page


async def test_done_and_later_end_after_ninety_days_and_stop_does_not(intake: Intake, links: Links) -> None:
    [what] = await texted(intake, links, "Erin")
    await intake.pool.execute("UPDATE nudges SET changed_at = changed_at - interval '91 days'")
    _, page = await get(intake, path(links, what))
    assert re.findall(r"<button[^>]*>(.*?)</button>", page) == ["Stop"]


async def test_when_nothing_is_kept_of_it_the_page_says_so(intake: Intake, links: Links) -> None:
    [what] = await texted(intake, links, "Erin")
    await intake.pool.execute("DELETE FROM connections")
    status, page = await get(intake, path(links, what))
    assert (status, "Gone" in page) == (404, True)


async def test_a_mail_has_no_code(intake: Intake, links: Links) -> None:
    [what] = await texted(intake, links, "Erin", channel="email")
    assert (await get(intake, path(links, what)))[0] == 404


async def test_the_code_is_not_logged(intake: Intake, links: Links, capfd: pytest.CaptureFixture[str]) -> None:
    [what] = await texted(intake, links, "Erin")
    await get(intake, path(links, what))
    await press(intake, path(links, what), "done")
    said = "".join(capfd.readouterr())
    assert "/s/{code}" in said
    assert path(links, what).removeprefix("/s/") not in said
