"""`afterhello person`: wishes shown and set from the command line."""

import pytest

from shared import events
from shared.db import Pool
from shared.events import PersonChanged
from tests.intake.command_line import Run, in_thread
from tests.intake.rows import logged

ADA = "ada@school.example"


async def test_wishes_are_set_shown_and_told(run: Run, intake_pool: Pool) -> None:
    await logged(intake_pool)
    wished = ["time_zone=Eastern Standard Time", "days=Mon, fri", "quiet_to=07:30", "holidays=us-ma", "daily_limit=3"]
    wished += ["breaks=2026-12-21..2027-01-02,2027-02-15", "paused_until=2027-01-04", "name=Ada = L."]

    done = await in_thread(run, "person", "set", "ADA@school.example", *wished, "--json")

    assert (done.status, done.err) == (0, "")
    assert done.json == {
        "email": ADA, "phone": None, "name": "Ada = L.", "time_zone": "America/New_York", "locale": "en",
        "channel": "email", "send_at": "15:30", "days": ["mon", "fri"], "quiet_from": "21:00", "quiet_to": "07:30",
        "holidays": "US-MA", "daily_limit": 3, "paused_until": "2027-01-04",
        "breaks": [{"first": "2026-12-21", "last": "2027-01-02"}, {"first": "2027-02-15", "last": "2027-02-15"}],
    }  # fmt: skip
    assert (await in_thread(run, "person", "show", ADA, "--json")).json == done.json
    [row] = await intake_pool.fetch("SELECT document FROM outbox")
    told = events.read(row["document"])
    assert isinstance(told, PersonChanged) and told.data.person.daily_limit == 3


async def test_a_wish_is_forgotten_and_shown_in_words(run: Run, intake_pool: Pool) -> None:
    await logged(intake_pool)
    await in_thread(run, "person", "set", ADA, "paused_until=2027-01-04", "breaks=2026-12-21..2027-01-02")

    out = (await in_thread(run, "person", "set", ADA, "paused_until=")).out

    lines = dict(line.split(maxsplit=1) for line in out.splitlines() if not line.startswith(("paused", "time", "send")))
    assert lines["breaks"] == "2026-12-21..2027-01-02"
    assert "paused until   -" in out
    assert out == (await in_thread(run, "person", "show", ADA)).out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["show", "nobody@school.example"], "nobody here is reached at 'nobody@school.example'"),
        (["show", "ada"], "EMAIL: must be a telephone number such as +15085550123"),
        (["set", ADA, "time_zone"], "has no =; write KEY=VALUE"),
        (["set", ADA, "time_zone=Mars"], "time_zone must be a time zone such as America/New_York"),
        (["set", ADA, "holidays=US-ZZ"], "holidays must be a region whose public holidays are known; US has AK"),
        (["set", ADA, "daily_limit=many"], "daily_limit must be a whole number"),
        (["set", ADA, "email=x@y.example"], "email is not a field known here"),
        (["set", "nobody@school.example", "name=x"], "nobody here is reached at"),
    ],
)
async def test_what_is_wrong_is_said_in_one_line(run: Run, intake_pool: Pool, arguments: list[str], says: str) -> None:
    await logged(intake_pool)
    done = await in_thread(run, "person", *arguments)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("afterhello: ") and says in done.err and done.err.count("\n") == 1
    assert await intake_pool.fetchval("SELECT count(*) FROM outbox") == 0
