"""`afterhello person export` and `erase`: what all three services keep of somebody."""

import re
from html import escape
from pathlib import Path

import pytest

from services import people
from services.notifier import exporting as of_notifier
from services.notifier.handlers import ROUTES as NOTIFIER_ROUTES
from services.scheduler import exporting as of_scheduler
from services.scheduler.handlers import routes
from services.scheduler.plan import Plans
from shared.db import Pool
from shared.receive import receiver
from tests.factories import nudge_due, recipient
from tests.intake.command_line import Run, in_thread
from tests.intake.serving import Intake, submission

ADA = "ada@school.example"
EVIL = "<script>alert(1)</script>"


@pytest.fixture
async def known(intake: Intake, scheduler_pool: Pool, notifier_pool: Pool) -> Intake:
    """Ada has logged a meeting, which is planned, and for which a nudge waits."""
    await (await intake.source(name="Sign-up")).send(submission(notes=EVIL))
    await tell(intake, scheduler_pool)
    person = await intake.pool.fetchval("SELECT id FROM people")
    due = nudge_due(recipient=recipient(id=person, address=ADA))
    await receiver(notifier_pool, NOTIFIER_ROUTES, service="notifier")([due.to_json()])
    return intake


async def tell(intake: Intake, scheduler_pool: Pool, notifier_pool: Pool | None = None) -> None:
    """Hand to the others what intake tells."""
    rows = await intake.pool.fetch("DELETE FROM outbox RETURNING id, type, document")
    for pool, service, known in (
        (scheduler_pool, "scheduler", routes(Plans.read(None))),
        (notifier_pool, "notifier", NOTIFIER_ROUTES),
    ):
        types = {route.event.type for route in known}
        if pool is not None:
            await receiver(pool, known, service=service)([row["document"] for row in rows if row["type"] in types])


@pytest.mark.usefixtures("known")
async def test_everything_is_exported_from_all_three_services(run: Run) -> None:
    done = await in_thread(run, "person", "export", "ADA@school.example")

    assert (done.status, done.err) == (0, "")
    found = done.json
    assert found["intake"]["person"]["email"] == ADA
    assert found["intake"]["connections"][0]["meetings"][0]["notes"] == EVIL
    assert found["intake"]["consents"][0]["source"] == "Sign-up"
    assert found["scheduler"]["person"][0]["email"] == ADA and found["scheduler"]["follow_ups"]
    [delivery] = found["notifier"]["deliveries"]
    assert delivery["address"] == ADA and delivery["facts"]["follow_ups"]


@pytest.mark.usefixtures("known")
async def test_it_is_a_page_to_read_as_well(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "ada.html"
    file.touch(mode=0o644)  # an older one, say
    done = await in_thread(run, "person", "export", ADA, "--html", str(file))

    assert (done.status, done.out) == (0, "") and "written to" in done.err
    assert file.stat().st_mode & 0o077 == 0
    page = file.read_text()
    for words in (ADA, "What was logged", "What is planned", "What was sent", "say-hello", "send the rubric"):
        assert words in page
    assert EVIL not in page and escape(EVIL) in page
    assert not re.search(r"<(script|img|link)", page)
    printed = await in_thread(run, "person", "export", ADA, "--html", "-")
    assert printed.out.startswith("<!doctype html>")


async def test_an_erasure_waits_for_the_others_and_says_whether_it_is_complete(
    run: Run, known: Intake, scheduler_pool: Pool, notifier_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "WAIT_SECONDS", 0.1)

    done = await in_thread(run, "person", "erase", ADA, "--yes")

    assert done.status == 1 and "still to take it, when they run: scheduler, notifier" in done.err
    assert "meetings of theirs 1" in done.out
    await tell(known, scheduler_pool, notifier_pool)
    for pool in (scheduler_pool, notifier_pool):
        assert await pool.fetchval("SELECT count(*) FROM erased") == 1
    assert (await in_thread(run, "person", "export", ADA)).status == 2
    again = await in_thread(run, "person", "erase", ADA, "--yes")
    assert again.status == 2 and "nothing is kept about" in again.err


async def test_when_the_others_have_taken_it_it_is_complete(
    run: Run, known: Intake, scheduler_pool: Pool, notifier_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(*_: object) -> bool:
        return True

    for module in (of_scheduler, of_notifier):
        monkeypatch.setattr(module, "is_erased", at_once)
    done = await in_thread(run, "person", "erase", ADA, "--json")
    assert done.status == 0, done.err
    assert (done.json["complete"], done.json["missing"], done.json["meetings"]) == (True, [], 1)
    del known, scheduler_pool, notifier_pool


@pytest.mark.parametrize(("word", "says"), [("ada", "EMAIL: must be a telephone"), ("no@x.example", "nothing is kept")])
async def test_whom_nobody_knows_is_said_in_one_line(run: Run, known: Intake, word: str, says: str) -> None:
    del known
    for given in (("export",), ("erase", "--yes")):
        done = await in_thread(run, "person", given[0], word, *given[1:])
        assert (done.status, done.out) == (2, "") and says in done.err and done.err.count("\n") == 1


async def test_who_was_erased_is_in_the_list_by_a_fingerprint_and_can_be_let_in_again(
    run: Run, known: Intake, scheduler_pool: Pool, notifier_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "WAIT_SECONDS", 0.1)
    await in_thread(run, "suppression", "add", "bo@school.example", "--json")
    await in_thread(run, "person", "erase", ADA, "--yes")
    await tell(known, scheduler_pool, notifier_pool)

    rows = (await in_thread(run, "suppression", "list", "--json")).json
    assert [set(row) for row in rows] == [{"address", "channel", "reason", "at"}] * 2
    assert [(row["channel"], row["reason"]) for row in rows] == [("email", "erased"), ("email", "by hand")]
    assert re.fullmatch("erased:[0-9a-f]{12}", rows[0]["address"])

    assert (await in_thread(run, "suppression", "remove", ADA.upper(), "--json")).json["removed"] is True
    assert (await in_thread(run, "suppression", "remove", ADA)).status == 2
    assert (await in_thread(run, "suppression", "remove", "bo@school.example")).out == "removed\n"
    assert (await in_thread(run, "suppression", "list")).out == "no address is suppressed\n"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["Bo <bo@school.example>"], None),
        (["bo@"], None),
        ([""], None),
        (["+15085550123"], None),
        (["bo@schüle.example"], "bo@xn--schle-mva.example"),
        (["+1 (508) 555-0123", "--channel", "sms"], "+15085550123"),
        (["555-0123", "--channel", "sms"], None),
        (["bo@school.example", "--channel", "sms"], None),
        (["ntfy://my-topic", "--channel", "apprise"], "ntfy://my-topic"),
        (["my-topic", "--channel", "apprise"], None),
        (["bo@school.example", "--reason", "a\nb"], None),
    ],
)
async def test_what_is_suppressed_is_an_address_as_people_are_kept_with_it(
    run: Run, notifier_pool: Pool, given: list[str], kept: str | None
) -> None:
    del notifier_pool
    done = await in_thread(run, "suppression", "add", *given)
    rows = (await in_thread(run, "suppression", "list", "--json")).json
    assert [row["address"] for row in rows] == ([kept] if kept else [])
    if kept is None:
        assert (done.status, done.out, done.err.count("\n")) == (2, "", 1)
    else:
        assert (await in_thread(run, "suppression", "remove", *given)).out == "removed\n"


async def test_a_wrong_channel_lets_nobody_in_again_who_was_erased(
    run: Run, known: Intake, scheduler_pool: Pool, notifier_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "WAIT_SECONDS", 0.1)
    await in_thread(run, "person", "erase", ADA, "--yes")
    assert (await in_thread(run, "suppression", "remove", ADA, "--channel", "pigeon")).status == 2
    assert len((await in_thread(run, "suppression", "list", "--json")).json) == 1
    del known, scheduler_pool, notifier_pool
