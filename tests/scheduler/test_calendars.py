"""Imported breaks: read from iCalendar, held to by what is planned and by what waits, fetched without harm."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from services import cli
from services.scheduler import ical
from services.scheduler.calendars import Calendars
from services.scheduler.ical import NotACalendar
from services.scheduler.rezoning import Rezoning
from shared import fetching
from shared.db import Pool
from shared.events import Break
from shared.fetching import Forbidden
from shared.retry import TryAgain
from tests.factories import acted, meeting_logged, person
from tests.scheduler.drive import ANY_TIME, assert_told, fire, make_due, receive, rows

NOW = datetime.now(UTC)
TODAY = date(2026, 10, 21)


def calendar(*events: str) -> bytes:
    body = "".join(f"BEGIN:VEVENT\nUID:{n}\n{event}\nEND:VEVENT\n" for n, event in enumerate(events))
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//\n{body}END:VCALENDAR\n"
    return text.replace("\n", "\r\n").encode()


def day(at: date) -> str:
    return f"{at:%Y%m%d}"


def breaks(text: bytes, *, today: date, only: Sequence[str] = ()) -> Sequence[Break]:
    """Return the breaks of a calendar of which all events are understood."""
    found = ical.read(text, today=today, only=only)
    assert found.left_out == ()
    return found.breaks


def off(first: date, last: date, summary: str = "Break") -> str:
    return f"DTSTART;VALUE=DATE:{day(first)}\nDTEND;VALUE=DATE:{day(last + timedelta(days=1))}\nSUMMARY:{summary}"


WINTER = "DTSTART;VALUE=DATE:20261221\nDTEND;VALUE=DATE:20270103\nSUMMARY:Winter recess"


@pytest.mark.parametrize(
    ("events", "only", "expected"),
    [
        ([WINTER], (), [("2026-12-21", "2027-01-02")]),  # the end is not part of it
        (["DTSTART;VALUE=DATE:20261111\nSUMMARY:Veterans Day"], (), [("2026-11-11", "2026-11-11")]),
        (["DTSTART;VALUE=DATE:20261111\nDURATION:P3D"], (), [("2026-11-11", "2026-11-13")]),
        (
            [WINTER, "DTSTART:20261111T090000Z\nDTEND:20261111T100000Z\nSUMMARY:Bell"],
            (),
            [("2026-12-21", "2027-01-02")],
        ),
        ([WINTER, off(date(2026, 12, 28), date(2027, 1, 5))], (), [("2026-12-21", "2027-01-05")]),  # merged
        ([WINTER, off(date(2026, 11, 2), date(2026, 11, 2), "Book fair")], ("RECESS",), [("2026-12-21", "2027-01-02")]),
        (
            [WINTER, off(date(2026, 11, 2), date(2026, 11, 2)) + "\nSTATUS:CANCELLED"],
            (),
            [("2026-12-21", "2027-01-02")],
        ),
        (
            ["DTSTART;VALUE=DATE:20261102\nRRULE:FREQ=MONTHLY;COUNT=3\nEXDATE;VALUE=DATE:20261202"],
            (),
            [("2026-11-02", "2026-11-02"), ("2027-01-02", "2027-01-02")],
        ),
        (
            ["DTSTART;VALUE=DATE:20261106\nRRULE:FREQ=WEEKLY;UNTIL=20261120T235959Z\nRDATE;VALUE=DATE:20261201"],
            (),
            [(f"2026-{d}", f"2026-{d}") for d in ("11-06", "11-13", "11-20", "12-01")],
        ),
        (
            ["DTSTART;VALUE=DATE:20261216\nRRULE:FREQ=DAILY;UNTIL=20261219T045959Z"],  # the 18th is over in New York
            (),
            [("2026-12-16", "2026-12-18")],
        ),
        (
            ["DTSTART;VALUE=DATE:20261216\nRRULE:FREQ=DAILY;UNTIL=20261218T105959Z"],  # and in Auckland
            (),
            [("2026-12-16", "2026-12-18")],
        ),
        (["DTSTART:20261221T000000\nDTEND:20270102T000000"], (), [("2026-12-21", "2027-01-01")]),  # as Outlook has it
        (
            ["DTSTART;TZID=America/New_York:20261221T000000\nDTEND;TZID=America/New_York:20261222T000000", WINTER],
            (),
            [("2026-12-21", "2027-01-02")],
        ),
    ],
)
def test_the_whole_days_of_a_calendar_are_its_breaks(
    events: list[str], only: Sequence[str], expected: list[tuple[str, str]]
) -> None:
    found = breaks(calendar(*events), today=TODAY, only=only)
    assert [(str(one.first), str(one.last)) for one in found] == expected


def test_a_weekly_break_that_began_long_ago_is_followed_to_where_it_matters() -> None:
    found = breaks(calendar("DTSTART;VALUE=DATE:19700105\nRRULE:FREQ=WEEKLY"), today=TODAY)
    assert (len(found), found[-1].last.year) == (1000, 2030)


def test_an_event_moved_out_of_its_series_is_where_it_was_moved() -> None:
    series = "DTSTART;VALUE=DATE:20261102\nRRULE:FREQ=MONTHLY;COUNT=2"
    moved = "UID:0\nRECURRENCE-ID;VALUE=DATE:20261202\nDTSTART;VALUE=DATE:20261204"
    text = calendar(series, moved).replace(b"UID:1\r\n", b"")
    assert [str(one.first) for one in breaks(text, today=TODAY)] == ["2026-11-02", "2026-12-04"]


def test_a_break_without_an_end_in_sight_is_followed_for_some_years() -> None:
    found = breaks(calendar("DTSTART;VALUE=DATE:20000704\nRRULE:FREQ=YEARLY"), today=TODAY)
    assert (found[0].first.year, found[-1].first.year) == (2000, 2030)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "it is no iCalendar"),
        (b"<html>Not found</html>", "it is no iCalendar"),
        (b"\xff\xfe\x00", "it is no iCalendar"),
        (b"BEGIN:VEVENT\r\n" + WINTER.encode() + b"\r\nEND:VEVENT\r\n", "no line in it says BEGIN:VCALENDAR"),
        (calendar(), "it has no event of whole days"),
        (calendar("DTSTART:20261111T090000Z"), "it has no event of whole days"),
        (calendar("DTSTART:20261221T000000Z\nDTEND:20261222T000000Z"), "it has no event of whole days"),  # whose day?
        (calendar("DTSTART;VALUE=DATE:20261102\nRRULE:FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30"), "is not followed"),
        (calendar(*["DTSTART;VALUE=DATE:20261102\nRRULE:FREQ=YEARLY"] * 61), "more than 60 events that repeat"),
        (calendar("SUMMARY:nothing"), r"'nothing' \(line 4\): it does not say when it begins"),
        (
            calendar("DTSTART;VALUE=DATE:20261102\nRRULE:FREQ=SOMETIMES"),
            r"the event in line 4: its rule \(RRULE\) is none",
        ),
        (calendar("DTSTART;VALUE=DATE:20261102\nRRULE:FREQ=DAILY;INTERVAL=0"), "its rule repeats after no time"),
        (calendar("DTSTART;VALUE=DATE:2026-11-02\nSUMMARY:A"), "its DTSTART is '2026-11-02', which is no day or time"),
        (calendar("DTSTART;VALUE=DATE:20261102\nDTEND:tomorrow"), "its DTEND is 'tomorrow', which is no day or time"),
        (calendar(WINTER).partition(b"END:VEVENT")[0], "'Winter recess' .line 4.: it is cut off"),
        (
            calendar("DTSTART;VALUE=DATE:20261102\nDTEND;VALUE=DATE:20361102\nSUMMARY:Ever"),
            "'Ever' .line 4.: it lasts longer than a year",
        ),
    ],
)
def test_what_is_no_calendar_is_refused_in_words(text: bytes, why: str) -> None:
    with pytest.raises(NotACalendar, match=why):
        breaks(text, today=TODAY)


async def rezoned(pool: Pool) -> None:
    while await Rezoning(pool=pool).step():
        pass


async def test_what_waits_moves_out_of_an_imported_break_and_back(
    scheduler_pool: Pool,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ada, bob = person(), person(email="bob@school.example")
    await receive(scheduler_pool, *(meeting_logged(owner=one, met_at=NOW, logged_at=NOW) for one in (ada, bob)))
    before = {row["id"]: row["due_at"] for row in await rows(scheduler_pool)}
    until = (NOW + timedelta(days=30)).date()
    file = tmp_path / "district.ics"
    file.write_bytes(calendar(off(NOW.date(), until)))
    monkeypatch.setenv("DATABASE_URL", database_url)

    async def run(*words: str) -> int:
        capsys.readouterr()
        return await asyncio.to_thread(cli.main, ["calendar", *words])

    assert await run("import", str(file), "--person", "Ada@school.example", "--json") == 0
    assert json.loads(capsys.readouterr().out)["breaks"] == 1
    await rezoned(scheduler_pool)
    for row in await rows(scheduler_pool):
        moves = row["person_id"] == ada.id and before[row["id"]].date() <= until
        assert (row["due_at"] != before[row["id"]]) == moves
        assert not moves or row["local_time"].date() > until
    # A snooze, and what is planned from now on, land outside it too.
    third = next(row for row in await rows(scheduler_pool) if row["person_id"] == ada.id)
    await receive(
        scheduler_pool,
        acted("later", person=ada.id, follow_up=third["id"], span="1 week", at=NOW),
        meeting_logged(owner=ada, met_at=NOW, logged_at=NOW),
    )
    assert all(row["local_time"].date() > until for row in await rows(scheduler_pool) if row["person_id"] == ada.id)

    assert await run("import", str(file)) == 0
    await rezoned(scheduler_pool)
    assert all(row["local_time"].date() > until for row in await rows(scheduler_pool))
    assert await run("list", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(one["source"], one["person"], one["breaks"]) for one in listed] == [
        ("district.ics", None, 1),
        ("district.ics", "ada@school.example", 1),
    ]
    assert await run("remove", "district.ics") == 0
    await rezoned(scheduler_pool)
    assert {row["due_at"] == before[row["id"]] for row in await rows(scheduler_pool) if row["person_id"] == bob.id} == {
        True
    }
    assert await run("remove", "district.ics") == 2
    assert await run("import", str(file), "--person", "nobody@school.example") == 2
    assert "nobody with the address" in capsys.readouterr().err
    await assert_told(scheduler_pool)


async def test_a_preview_for_somebody_knows_their_wishes_and_imported_calendars(
    scheduler_pool: Pool,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    ada = person(send_at=time(6, 30), quiet_to=time(6), holidays="US-MA")
    event = meeting_logged(owner=ada, met_at=NOW, logged_at=NOW)
    file = tmp_path / "district.ics"
    file.write_bytes(calendar(off(NOW.date(), (NOW + timedelta(days=100)).date())))
    await receive(scheduler_pool, event)
    assert await asyncio.to_thread(cli.main, ["calendar", "import", str(file)]) == 0
    await rezoned(scheduler_pool)
    capfd.readouterr()

    words = ["plan", "preview", "--plan", event.data.meeting.plan, "--met-at", NOW.isoformat(timespec="seconds")]
    assert await asyncio.to_thread(cli.main, [*words, "--person", "Ada@school.example", "--json"]) == 0

    shown = [(one["step"], one["local"], one["zone"]) for one in json.loads(capfd.readouterr().out)]
    assert shown == [(row["step"], row["local_time"].isoformat(), row["zone"]) for row in await rows(scheduler_pool)]
    assert await asyncio.to_thread(cli.main, [*words, "--person", "nobody@school.example"]) == 2
    assert "--person: nobody with the address nobody@school.example" in capfd.readouterr().err


async def test_an_event_that_is_left_out_of_an_import_is_named_and_listed(
    scheduler_pool: Pool,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    file = tmp_path / "district.ics"
    summer = off(date(2027, 7, 1), date(2027, 8, 31), "Été")
    file.write_bytes(calendar(summer, "SUMMARY:Été, sans date").decode().encode("latin-1"))
    latin = "\udcc9T\udcc9"  # as Python reads what a terminal in Latin-1 sends

    assert await asyncio.to_thread(cli.main, ["calendar", "import", str(file), "--only", latin, "--json"]) == 0

    written = capfd.readouterr()
    why = "'Été, sans date' (line 10): it does not say when it begins (DTSTART)"
    imported = json.loads(written.out)
    assert (imported["breaks"], imported["left_out"]) == (1, [why])
    assert written.err == f"afterhello: {file}: left out: {why}\n"
    assert await asyncio.to_thread(cli.main, ["calendar", "list", "--json"]) == 0
    [listed] = json.loads(capfd.readouterr().out)
    assert (listed["words"], listed["problem"]) == (["ÉTÉ"], f"left out: {why}")
    for word in ("import", "remove"):
        assert await asyncio.to_thread(cli.main, ["calendar", word, "\udcff.ics", "--person", "\udcff"]) == 2
        assert capfd.readouterr().err.count("\n") == 1


async def test_a_file_that_has_no_end_or_is_too_large_is_not_imported(
    scheduler_pool: Pool,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    (large := tmp_path / "large.ics").write_bytes(b"X" * (fetching.LARGEST + 1))
    for path, why in (("/dev/zero", "cannot be read: is no file"), (str(large), "is larger than 1 MiB")):
        assert await asyncio.to_thread(cli.main, ["calendar", "import", path]) == 2
        assert capfd.readouterr().err == f"afterhello: {path}: {why}\n"


async def test_a_feed_is_read_again_every_day_and_what_it_had_stays_when_it_fails(scheduler_pool: Pool) -> None:
    await receive(scheduler_pool, meeting_logged(owner=person(), met_at=NOW, logged_at=NOW))
    await scheduler_pool.execute(
        """
        INSERT INTO calendars (id, source, words, breaks, read_at, next_read_at)
        VALUES (gen_random_uuid(), 'https://district.example/a.ics', '{}', '[]', $1, $1)
        """,
        NOW,
    )
    until = (NOW + timedelta(days=10)).date()

    async def answer(url: str) -> bytes:
        assert url == "https://district.example/a.ics"
        return calendar(off(NOW.date(), until))

    async def fail(url: str) -> bytes:
        raise TryAgain("it answers 503")

    assert await Calendars(pool=scheduler_pool, fetch=answer).step() == 1
    assert await Calendars(pool=scheduler_pool, fetch=answer).step() == 0
    await rezoned(scheduler_pool)
    assert all(row["local_time"].date() > until for row in await rows(scheduler_pool))

    (row,) = await scheduler_pool.fetch("SELECT * FROM calendars")
    assert timedelta(hours=23) < row["next_read_at"] - datetime.now(UTC) <= timedelta(days=1)
    await scheduler_pool.execute("UPDATE calendars SET next_read_at = $1", NOW)
    assert await Calendars(pool=scheduler_pool, fetch=fail).step() == 1
    (row,) = await scheduler_pool.fetch("SELECT * FROM calendars")
    assert (row["problem"], row["breaks"]) == ("it answers 503", [{"first": str(NOW.date()), "last": str(until)}])
    assert timedelta(minutes=50) < row["next_read_at"] - datetime.now(UTC) <= timedelta(hours=1)


@pytest.mark.parametrize(
    "url",
    [
        "http://district.example/a.ics",
        "file:///etc/passwd",
        "https://user:word@district.example/a.ics",
        "https://district.example:8443/a.ics",
        "https://127.0.0.1/a.ics",
        "https://[::1]/a.ics",
        "https://[64:ff9b::a00:1]/a.ics",
        "https://[::ffff:10.0.0.1]/a.ics",
        "https://169.254.169.254/latest",
        "https://10.1.2.3/a.ics",
        "https://localhost/a.ics",
        "https://:443/",
    ],
)
async def test_an_address_that_might_lead_inside_is_not_fetched(url: str) -> None:
    with pytest.raises(Forbidden):
        await fetching.fetch(url)


async def test_a_redirect_and_an_endless_answer_are_no_calendar() -> None:
    async def redirect(_: web.Request) -> web.Response:
        raise web.HTTPFound("http://127.0.0.1/inside")

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(64):
            await response.write(b"x" * 64 * 1024)
        return response

    async def right(_: web.Request) -> web.Response:
        return web.Response(body=b"BEGIN:VCALENDAR")

    app = web.Application()
    app.router.add_get("/redirect", redirect)
    app.router.add_get("/endless", endless)
    app.router.add_get("/right", right)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        with pytest.raises(TryAgain, match="it answers 302"):
            await fetching.read(session, str(server.make_url("/redirect")))
        with pytest.raises(TryAgain, match="larger than 1 MiB"):
            await fetching.read(session, str(server.make_url("/endless")))
        assert await fetching.read(session, str(server.make_url("/right"))) == b"BEGIN:VCALENDAR"


async def test_what_rolls_to_the_next_wanted_day_goes_past_an_imported_break(scheduler_pool: Pool) -> None:
    owner = person(**ANY_TIME)
    await receive(scheduler_pool, *(meeting_logged(owner=owner, met_at=NOW, logged_at=NOW) for _ in range(6)))
    await scheduler_pool.execute("DELETE FROM follow_ups WHERE step > 1")
    until = (NOW + timedelta(days=20)).date()
    await scheduler_pool.execute(
        """
        INSERT INTO calendars (id, person_id, source, words, breaks, read_at)
        VALUES (gen_random_uuid(), $1, 'a.ics', '{}',
                jsonb_build_array(jsonb_build_object('first', $2::text, 'last', $3::text)),
                now())
        """,
        owner.id,
        str((NOW + timedelta(days=1)).date()),
        str(until),
    )
    await make_due(scheduler_pool, datetime.now(UTC))
    assert await fire(scheduler_pool) == 6
    (rolled,) = [row for row in await rows(scheduler_pool) if row["state"] == "waiting"]
    assert rolled["local_time"].date() > until
