"""Coming back after having stopped everything: by the page's own button, or by whoever runs the place."""

import re
from datetime import timedelta
from html import unescape
from urllib.parse import urljoin

from services.intake.handlers import ROUTES
from shared import db
from shared.db import Pool
from shared.events import AddressRestored, AddressSuppressed
from shared.receive import receiver
from tests.factories import restored
from tests.intake.rows import Logged, logged
from tests.intake.site import Site

ADDRESS = "ada@school.example"


async def is_stopped(pool: Pool, what: Logged) -> bool:
    return bool(await pool.fetchval("SELECT count(*) FROM stops.stops WHERE id = $1", what.person))


async def left(site: Site) -> tuple[Logged, str, dict[str, str]]:
    """Somebody who unsubscribed: what they logged, where their page's button posts to, and with what."""
    what = await logged(site.pool)
    path = site.leave_link(what)
    await site.send("POST", path, data={"List-Unsubscribe": "One-Click"})
    page = await site.send("GET", path)
    [action] = re.findall(r'<form method="post" action="([^"]+)"', page.text)
    [proof] = re.findall(r'name="proof" value="([^"]+)"', page.text)
    return what, urljoin(path, unescape(action)), {"proof": unescape(proof)}


async def test_who_stopped_everything_starts_again_with_one_button(site: Site) -> None:
    what, action, form = await left(site)
    assert await is_stopped(site.pool, what)

    for _ in range(2):
        answer = await site.send("POST", action, data=form)
        assert answer.status == 200 and "Welcome back" in answer.text and "a***@school.example" in answer.text

    assert not await is_stopped(site.pool, what)
    told = [event for event in await site.told() if isinstance(event, AddressSuppressed | AddressRestored)]
    assert [type(event) for event in told] == [AddressSuppressed, AddressRestored]
    assert isinstance(told[1], AddressRestored) and told[1].data.at > told[0].data.at
    assert (told[1].data.address, told[1].data.channel, told[1].data.person) == (ADDRESS, "email", what.person)
    page = await site.send("GET", site.leave_link(what))
    assert "Stop everything?" in page.text


async def test_who_came_back_can_leave_again(site: Site) -> None:
    what, action, form = await left(site)
    await site.send("POST", action, data=form)

    await site.send("POST", site.leave_link(what), data={"List-Unsubscribe": "One-Click"})

    assert await is_stopped(site.pool, what)
    assert [type(event) for event in (await site.told())[-1:]] == [AddressSuppressed]


async def test_nobody_is_brought_back_without_pressing_the_button(site: Site) -> None:
    what, action, form = await left(site)
    of_bo = await logged(site.pool, email="bo@school.example")
    other = site.leave_link(of_bo, "bo@school.example")
    ours = re.findall(r'name="proof" value="([^"]+)"', (await site.send("GET", site.act_link(of_bo))).text)[0]

    refused: list[dict[str, object]] = [
        {"data": {}},
        {"data": {"proof": "x"}},
        {"data": {"proof": unescape(ours)}},
        {"data": form, "headers": {"Sec-Fetch-Site": "cross-site"}},
        {"data": form, "headers": {"Origin": "https://evil.example"}},
    ]
    for given in refused:
        assert (await site.send("POST", action, **given)).status == 403
    assert (await site.send("POST", f"{other}/again", data=form)).status == 403
    assert (await site.send("GET", action)).status == 405
    assert (await site.send("POST", "/u/nonsense/again", data=form)).status == 404
    await site.send("POST", site.leave_link(what), data=form | {"act": "again"})  # one-click: any POST stops

    assert await is_stopped(site.pool, what)


async def test_an_address_restored_elsewhere_lifts_what_was_stopped_before_and_nothing_since(
    intake_pool: Pool, site: Site
) -> None:
    what, _, _ = await left(site)
    receive = receiver(intake_pool, ROUTES, service="intake")
    async with intake_pool.acquire() as conn:
        now = await db.now(conn)

    await receive([restored(ADDRESS, at=now - timedelta(minutes=1)).to_json()])
    await receive([restored("bo@school.example", at=now).to_json()])
    await receive([restored(ADDRESS, at=now, channel="sms").to_json()])
    assert await is_stopped(site.pool, what)

    await receive([restored("Ada@School.example", at=now).to_json()])
    assert not await is_stopped(site.pool, what)


async def test_who_is_reached_on_two_channels_stops_one_or_all_of_them(site: Site) -> None:
    one, both = await logged(site.pool), await logged(site.pool, email="bo@school.example")
    await site.pool.execute("UPDATE people SET phone = '+15085550' || right(email, 3)")
    page = await site.send("GET", site.leave_link(one))
    assert "Stop e-mail" in page.text and "Stop everything</button>" in page.text

    await site.send("POST", site.leave_link(one), data={"List-Unsubscribe": "One-Click"})
    answer = await site.send("POST", f"{site.leave_link(both, 'bo@school.example')}/all")

    assert answer.status == 200 and "nor on any other channel" in answer.text
    stopped = await site.pool.fetch("SELECT id, channel FROM stops.stops ORDER BY channel")
    assert [(row["id"], row["channel"]) for row in stopped if row["id"] == one.person] == [(one.person, "email")]
    assert [row["channel"] for row in stopped if row["id"] == both.person] == ["email", "sms"]
    told = [event.data for event in await site.told() if isinstance(event, AddressSuppressed)]
    assert [one.channel for one in told] == ["email", "email", "sms"]


async def test_who_is_reached_on_one_channel_sees_one_button(site: Site) -> None:
    page = await site.send("GET", site.leave_link(await logged(site.pool)))
    assert page.text.count("<button") == 1 and "about one person only" in page.text
