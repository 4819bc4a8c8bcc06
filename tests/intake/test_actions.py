"""The pages behind a nudge's links, over real HTTP: looking changes nothing, a button acts once."""

import asyncio
import itertools
import re
from datetime import UTC, date, datetime, timedelta
from html import unescape
from urllib.parse import urlsplit
from uuid import UUID

import aiohttp
import pytest
import time_machine
from pydantic import SecretStr

from services.intake import timeline
from shared import stops
from shared.db import Pool
from shared.events import AddressSuppressed, FollowUpActed
from shared.links import Acting, Leaving, Links
from tests.intake.rows import Logged, follow_up_changed, logged
from tests.intake.site import PUBLIC_URL, Site

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


async def stops_of(pool: Pool, what: Logged) -> list[tuple[str, UUID, str]]:
    async with pool.acquire() as conn, conn.transaction():
        found = await stops.standing(conn, person=what.person, connections=[what.connection])
    return [(stop.kind, stop.id, stop.channel) for stop in found]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_looking_at_every_link_as_often_as_a_scanner_does_changes_nothing(site: Site, method: str) -> None:
    what = await logged(site.pool)
    before = await site.state()
    act, leave = site.act_link(what), site.leave_link(what)

    for path in (act, f"{act}?act=done", f"{act}?act=later&for=1+month", f"{act}?act=stop", leave):
        for _ in range(2):
            answer = await site.send(method, path)
            assert answer.status == 200
            for link in re.findall(r'href="(/[^"]+)"', answer.text):  # a scanner follows what it finds
                assert (await site.send(method, unescape(link))).status == 200

    assert await site.state() == before


async def test_the_page_shows_who_where_and_what_was_promised_and_three_buttons(site: Site) -> None:
    what = await logged(site.pool, contact="Erin <b>", event="MassCUE & friends", promise='the "rubric"')
    await site.pool.execute('UPDATE meetings SET sent = sent || \'{"notes": "a student, Tim"}\'')
    await site.pool.fetch("SELECT 1")
    async with site.pool.acquire() as conn:
        await timeline.keep_follow_ups(conn, [follow_up_changed(what).data])

    answer = await site.send("GET", site.act_link(what))

    assert "Erin &lt;b&gt;" in answer.text
    assert "MassCUE &amp; friends" in answer.text
    assert "the &#34;rubric&#34;" in answer.text
    assert "Tim" not in answer.text
    assert "ada@" not in answer.text
    assert re.findall(r"<button[^>]*>(.*?)</button>", answer.text) == ["Done", "Later", "Stop"]


async def test_the_page_is_not_stored_framed_scripted_indexed_or_fed_from_elsewhere(site: Site) -> None:
    what = await logged(site.pool)
    for path in (site.act_link(what), site.leave_link(what), "/a/forged"):
        answer = await site.send("GET", path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "form-action 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "base-uri 'none'" in policy
        assert "script-src" not in policy
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "noindex" in answer.headers["X-Robots-Tag"]
        assert "<script" not in answer.text
        assert "http" not in answer.text


async def test_the_button_that_the_link_was_for_comes_first(site: Site) -> None:
    what = await logged(site.pool)

    for asked, first, span in (
        ("", "Done", "1 week"),
        ("?act=later&for=1+month", "Later", "1 month"),
        ("?act=stop&for=9+years", "Stop", "1 week"),
        ("?act=nonsense", "Done", "1 week"),
    ):
        answer = await site.send("GET", site.act_link(what) + asked)
        assert re.findall(r"<button[^>]*>(.*?)</button>", answer.text)[0] == first
        assert re.findall(r'value="([^"]+)" checked', answer.text) == [span]


async def test_done_is_a_touch_an_act_and_an_event(site: Site) -> None:
    what = await logged(site.pool)

    answer = await site.press(site.act_link(what), "done")

    assert answer.status == 200
    assert "Done" in answer.text
    (event,) = await site.told()
    assert isinstance(event, FollowUpActed)
    data = event.data
    assert (data.act, data.person, data.connection, data.follow_up) == (
        "done",
        what.person,
        what.connection,
        what.follow_up,
    )
    act = await site.pool.fetchrow("SELECT * FROM acts")
    assert act
    assert (act["id"], act["act"], act["via"], act["nudge"], act["at"]) == (
        event.id,
        "done",
        "link",
        what.nudge,
        data.at,
    )
    touch = await site.pool.fetchrow("SELECT kind, connection, follow_up, at FROM touches")
    assert touch
    assert tuple(touch) == ("done", what.connection, what.follow_up, data.at)
    assert await site.pool.fetchval("SELECT last_touch_at FROM connections") == data.at
    assert await stops_of(site.pool, what) == []


async def test_done_about_a_promise_means_that_it_was_kept(site: Site) -> None:
    kept, other = await logged(site.pool), await logged(site.pool, email="bob@school.example")
    async with site.pool.acquire() as conn:
        told = [follow_up_changed(kept, playbook="keep-promise").data, follow_up_changed(other).data]
        await timeline.keep_follow_ups(conn, told)

    for what in (kept, other):
        await site.press(site.act_link(what), "done")

    rows = await site.pool.fetch("SELECT id, promise_kept_at FROM meetings")
    done_at = await site.pool.fetchval("SELECT at FROM acts WHERE follow_up = $1", kept.follow_up)
    assert {row["id"]: row["promise_kept_at"] for row in rows} == {kept.meeting: done_at, other.meeting: None}


async def test_done_pressed_many_times_at_once_is_one_act(site: Site) -> None:
    what = await logged(site.pool)

    answers = await asyncio.gather(*(site.press(site.act_link(what), "done") for _ in range(8)))

    assert {answer.status for answer in answers} == {200}
    assert len(await site.told()) == 1
    assert await site.pool.fetchval("SELECT count(*) FROM acts") == 1
    assert await site.pool.fetchval("SELECT count(*) FROM touches") == 1


async def test_the_same_button_on_a_page_left_open_says_that_it_was_done_already(site: Site) -> None:
    what = await logged(site.pool)
    path = site.act_link(what)
    page = await site.send("GET", path)
    proof = re.findall(r'name="proof" value="([^"]+)"', page.text)[0]
    await site.press(path, "done")

    for act in ("done", "later"):
        answer = await site.send("POST", path, data={"proof": proof, "act": act, "for": "1 week"})
        assert answer.status == 200
        assert "Already done" in answer.text

    assert len(await site.told()) == 1


async def test_a_follow_up_acted_on_says_so_when_opened_again(site: Site) -> None:
    what = await logged(site.pool)
    await site.press(site.act_link(what), "done")

    answer = await site.send("GET", site.act_link(what))

    assert "Noted on" in answer.text
    assert re.findall(r"<button[^>]*>(.*?)</button>", answer.text) == ["Stop"]


async def test_later_tells_for_how_long(site: Site) -> None:
    day = datetime.now(UTC).date() + timedelta(days=9)
    cases: list[tuple[dict[str, str], str | None, date | None]] = [
        ({"for": "1 week"}, "1 week", None),
        ({"for": "1 month", "until": ""}, "1 month", None),
        ({"for": "10 days"}, "10 days", None),
        ({"for": "1 week", "until": day.isoformat()}, None, day),
        ({"for": "", "until": day.isoformat()}, None, day),
    ]
    for n, (fields, _, _) in enumerate(cases):
        what = await logged(site.pool, email=f"ada{n}@school.example")
        answer = await site.press(site.act_link(what), "later", **fields)
        assert answer.status == 200
        how_long = f"until {day:%A}, {day.day} {day:%B}" if fields.get("until") else f"for {fields['for']}"
        assert f"You put this off {how_long}" in answer.text

    told = [event.data for event in await site.told() if isinstance(event, FollowUpActed)]
    assert [(data.act, data.span, data.until) for data in told] == [("later", span, day) for _, span, day in cases]
    assert await site.pool.fetchval("SELECT count(*) FROM touches") == 0


async def test_later_without_a_time_that_makes_sense_changes_nothing_and_says_why(site: Site) -> None:
    what = await logged(site.pool)
    before = await site.state()

    for fields in (
        {},
        {"for": "soon"},
        {"for": "0 days"},
        {"for": "99 years"},
        {"for": "1 week; drop"},
        {"for": "\N{ARABIC-INDIC DIGIT ONE} week"},
        {"until": "yesterday"},
        {"until": "2020-01-01"},
        {"until": "2026-W10-1"},
        {"until": "9999-12-31"},
        {"until": "2027-02-30"},
    ):
        answer = await site.press(site.act_link(what), "later", **fields)
        assert answer.status == 422, fields
        assert "Nothing has changed" in answer.text
        assert "<button>Later</button>" in answer.text

    assert await site.state() == before


async def test_later_twice_is_one_act_and_another_time_is_another(site: Site) -> None:
    what = await logged(site.pool)

    for span in ("1 week", "1 week", "1 month", "1 month"):
        assert (await site.press(site.act_link(what), "later", **{"for": span})).status == 200

    spans = [event.data.span for event in await site.told() if isinstance(event, FollowUpActed)]
    assert spans == ["1 week", "1 month"]


async def test_stop_stands_when_it_is_answered_and_concerns_this_connection_alone(site: Site) -> None:
    what = await logged(site.pool)
    other = await logged(site.pool, person=what.person, contact="Sam")

    answer = await site.press(site.act_link(what), "stop")

    assert answer.status == 200
    assert "Stopped" in answer.text
    assert "<button" not in answer.text
    assert await stops_of(site.pool, what) == [("connection", what.connection, "")]
    (event,) = await site.told()
    assert isinstance(event, FollowUpActed)
    assert (event.data.act, event.data.connection, event.data.follow_up) == ("stop", what.connection, None)
    states = {row["id"]: row["state"] for row in await site.pool.fetch("SELECT id, state FROM meetings")}
    assert states == {what.meeting: "stopped", other.meeting: "active"}


async def test_stop_twice_is_one_act_until_something_is_logged_again(site: Site) -> None:
    what = await logged(site.pool)
    path = site.act_link(what)
    page = await site.send("GET", path)
    proof = re.findall(r'name="proof" value="([^"]+)"', page.text)[0]
    stop = {"proof": proof, "act": "stop"}

    await site.send("POST", path, data=stop)
    await site.send("POST", path, data=stop)
    assert len(await site.told()) == 1

    again = await logged(site.pool, person=what.person, connection=what.connection, ago=timedelta())
    assert (await site.send("POST", path, data=stop)).status == 200
    assert len(await site.told()) == 2
    assert await site.pool.fetchval("SELECT state FROM meetings WHERE id = $1", again.meeting) == "stopped"


async def test_a_form_without_the_proof_of_its_page_acts_on_nothing_and_gets_the_page(site: Site) -> None:
    what = await logged(site.pool)
    other = await logged(site.pool, person=what.person, contact="Sam")
    page = await site.send("GET", site.act_link(other))
    of_another = re.findall(r'name="proof" value="([^"]+)"', page.text)[0]
    before = await site.state()

    for proof in ({}, {"proof": ""}, {"proof": "x.y.z"}, {"proof": of_another}):
        for act in ("done", "later", "stop"):
            answer = await site.send("POST", site.act_link(what), data=proof | {"act": act, "for": "1 week"})
            assert answer.status == 403
            assert "Done</button>" in answer.text

    assert await site.state() == before


async def test_a_page_left_open_for_longer_than_a_day_has_to_be_pressed_once_more(site: Site) -> None:
    what = await logged(site.pool)
    path = site.act_link(what)
    now = datetime.now(UTC)
    with time_machine.travel(now - timedelta(hours=25), tick=True):
        page = await site.send("GET", path)
    proof = re.findall(r'name="proof" value="([^"]+)"', page.text)[0]
    before = await site.state()

    answer = await site.send("POST", path, data={"proof": proof, "act": "done"})

    assert answer.status == 403
    assert await site.state() == before
    fresh = re.findall(r'name="proof" value="([^"]+)"', answer.text)[0]
    assert (await site.send("POST", path, data={"proof": fresh, "act": "done"})).status == 200
    assert len(await site.told()) == 1


async def test_a_form_of_another_site_is_refused(site: Site) -> None:
    what = await logged(site.pool)
    path = site.act_link(what)
    page = await site.send("GET", path)
    form = {"proof": re.findall(r'name="proof" value="([^"]+)"', page.text)[0], "act": "done"}

    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "https://hello.school.example.evil.example"},
    ):
        assert (await site.send("POST", path, data=form, headers=headers)).status == 403, headers
    assert await site.told() == []

    for headers in (
        {"Origin": "https://hello.school.example", "Sec-Fetch-Site": "same-origin"},
        {"Origin": site.base},
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
    ):
        assert (await site.send("POST", path, data=form, headers=headers)).status == 200, headers
    assert len(await site.told()) == 1


async def test_after_90_days_the_link_still_stops_and_does_nothing_else(site: Site) -> None:
    what = await logged(site.pool, ago=timedelta(days=100))
    now = datetime.now(UTC)
    with time_machine.travel(now - timedelta(days=91)):
        path = site.act_link(what)

    page = await site.send("GET", path)
    assert "from long ago" in page.text
    assert re.findall(r"<button[^>]*>(.*?)</button>", page.text) == ["Stop"]
    for act in ("done", "later"):
        assert (await site.press(path, act, **{"for": "1 week"})).status == 410
    assert await site.told() == []

    assert (await site.press(path, "stop")).status == 200
    assert await stops_of(site.pool, what) == [("connection", what.connection, "")]


@pytest.mark.parametrize("kind", ["a", "u"])
async def test_a_forged_or_cut_link_gets_a_page_in_plain_words(site: Site, kind: str) -> None:
    what = await logged(site.pool)
    theirs = Links(PUBLIC_URL, [SecretStr("x" * 64)])
    act = Acting(person=what.person, connection=what.connection, follow_up=what.follow_up, nudge=what.nudge)
    leaving = Leaving(person=what.person, channel="email", address="ada@school.example")
    forged = urlsplit(theirs.act(act) if kind == "a" else theirs.leave(leaving)).path
    # A token of the other purpose is as foreign as one of another key.
    wrong = (site.leave_link(what) if kind == "a" else site.act_link(what)).replace("/u/", "/a/")
    paths = [forged, wrong if kind == "a" else wrong.replace("/a/", "/u/")]
    paths += [f"/{kind}/{token}" for token in ("x", "a.b.c", "%00", "..%2f..", "%F0%9F%92%A9", "W10.x.y", "a" * 4000)]

    for method, path in itertools.product(("GET", "HEAD", "POST"), paths):
        answer = await site.send(method, path, data={"act": "done"} if method == "POST" else None)
        assert answer.status == 404, path
        assert answer.headers["Content-Type"].startswith("text/html")
        assert method == "HEAD" or "no link of ours" in answer.text

    assert await site.told() == []


async def test_what_was_erased_is_gone_for_the_page_and_stopped_for_the_button(site: Site) -> None:
    what = await logged(site.pool)
    path = site.act_link(what)
    page = await site.send("GET", path)
    proof = re.findall(r'name="proof" value="([^"]+)"', page.text)[0]
    await site.pool.execute("DELETE FROM people")

    assert (await site.send("GET", path)).status == 404
    for act in ("done", "stop"):
        assert (await site.send("POST", path, data={"proof": proof, "act": act})).status == 404

    assert await stops_of(site.pool, what) == [("connection", what.connection, "")]
    assert [event.data.act for event in await site.told() if isinstance(event, FollowUpActed)] == ["stop"]


async def test_one_click_unsubscribes_whatever_the_body_looks_like(site: Site) -> None:
    multipart = aiohttp.FormData(default_to_multipart=True)
    multipart.add_field("List-Unsubscribe", "One-Click")
    bodies: list[dict[str, object]] = [
        {"data": ONE_CLICK},
        {"data": multipart},
        {"data": b""},
        {"data": b"\xff\x00 garbage", "headers": {"Content-Type": "application/x-unheard-of"}},
        {"data": b"x", "headers": {"Content-Type": "multipart/form-data"}},
        {"data": b"not gzip", "headers": {"Content-Encoding": "gzip"}},
    ]
    for n, given in enumerate(bodies):
        what = await logged(site.pool, email=f"ada{n}@school.example")

        answer = await site.send("POST", site.leave_link(what), **given)

        assert answer.status == 200
        assert await stops_of(site.pool, what) == [("person", what.person, "email")]


async def test_unsubscribing_tells_the_others_once_however_often_it_is_posted(site: Site) -> None:
    what = await logged(site.pool)
    path = site.leave_link(what)

    answers = await asyncio.gather(*(site.send("POST", path, data=ONE_CLICK) for _ in range(8)))

    assert {answer.status for answer in answers} == {200}
    assert all("a***@school.example" in answer.text and "ada@" not in answer.text for answer in answers)
    act, suppressed = await site.told()  # in this order: what waits is stopped, not skipped as suppressed
    assert isinstance(suppressed, AddressSuppressed)
    assert suppressed.source == "/afterhello/intake"
    assert (suppressed.data.address, suppressed.data.channel, suppressed.data.person, suppressed.data.reason) == (
        "ada@school.example",
        "email",
        what.person,
        "unsubscribed",
    )
    assert isinstance(act, FollowUpActed)
    assert (act.data.act, act.data.person, act.data.channel) == ("stop", what.person, "email")
    assert (act.data.connection, act.data.follow_up) == (None, None)
    assert await site.pool.fetchval("SELECT state FROM meetings") == "stopped"


async def test_unsubscribing_works_for_somebody_we_have_forgotten(site: Site) -> None:
    what = await logged(site.pool)
    await site.pool.execute("DELETE FROM people")

    answers = [await site.send("POST", site.leave_link(what), data=ONE_CLICK) for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 200]
    assert await stops_of(site.pool, what) == [("person", what.person, "email")]
    assert len(await site.told()) == 2


async def test_the_page_to_leave_offers_one_button_and_says_when_it_was_pressed(site: Site) -> None:
    what = await logged(site.pool)
    path = site.leave_link(what)

    before = await site.send("GET", path)
    assert re.findall(r"<button[^>]*>(.*?)</button>", before.text) == ["Stop"]
    await site.send("POST", path, data={"List-Unsubscribe": "One-Click"})

    after = await site.send("GET", path)
    assert "Everything is stopped" in after.text
    assert re.findall(r"<button[^>]*>(.*?)</button>", after.text) == ["Start again"]
    assert "Stopped" in (await site.send("GET", site.act_link(what))).text


async def test_the_page_of_a_nudge_leads_to_stopping_everything(site: Site) -> None:
    what = await logged(site.pool)
    page = await site.send("GET", site.act_link(what))
    link = re.search(r'<a href="(/u/[^"]+)">Stop everything</a>', page.text)
    assert link

    assert (await site.send("POST", unescape(link[1]))).status == 200

    assert await stops_of(site.pool, what) == [("person", what.person, "email")]


async def test_without_the_database_the_page_says_that_nothing_was_changed(site: Site) -> None:
    what = await logged(site.pool)
    await site.pool.close()

    for method in ("GET", "POST"):
        for path in (site.act_link(what), site.leave_link(what)):
            answer = await site.send(method, path, data={"act": "done"} if method == "POST" else None)
            assert answer.status == 503
            assert answer.headers["Retry-After"]
            assert "Nothing was changed" in answer.text


async def test_every_act_is_a_line_of_the_timeline(site: Site) -> None:
    what = await logged(site.pool)
    async with site.pool.acquire() as conn:
        await timeline.keep_follow_ups(conn, [follow_up_changed(what).data])

    await site.press(site.act_link(what), "later", **{"for": "1 week"})
    await site.press(site.act_link(what), "done")
    await site.press(site.act_link(what), "stop")
    await site.send("POST", site.leave_link(what))

    async with site.pool.acquire() as conn:
        lines = [(line["what"], line["detail"]) for line in await timeline.timeline(conn, what.meeting)]
    assert lines == [
        ("logged", None),
        ("later", "say-hello: 1 week"),
        ("done", "say-hello"),
        ("stop", None),
        ("stop", "everything"),
    ]
