"""`afterhello source import`, from the file to the rows: without a running intake, line by line, and again."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from services.intake import source_takes, sources
from shared.db import Pool
from shared.events import MeetingLogged
from tests.intake.command_line import Done, Run, in_thread
from tests.intake.serving import PLANNER, serving

ROSTER = """\
Your email,Who did you meet?,Their email,Where?,What did you promise?
ada@school.example,Erin,erin@district.example,MassCUE 2026,send the rubric
ada@school.example,"Bob, of Boston",,MassCUE 2026,"a list
of books"
bea@school.example,=HYPERLINK("http://evil.example"),,MassCUE 2026,+1-1
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "roster.csv"
    path.write_text(ROSTER)
    return path


async def source(run: Run, *given: str) -> None:
    added = await in_thread(run, "source", "add", "csv", "Scans", *given, "--json")
    assert added.status == 0, added.err
    assert added.json == {"name": "Scans", "provider": "csv", "url": None, "secret": None}


async def imported(run: Run, file: Path, *given: str) -> Done:
    return await in_thread(run, "source", "import", "scans", str(file), *given)


async def logged(pool: Pool) -> list[MeetingLogged]:
    """What intake tells of meetings, in order."""
    rows = await pool.fetch("SELECT document FROM outbox ORDER BY id")
    documents = [orjson.loads(row["document"]) for row in rows]
    return [MeetingLogged.model_validate(one) for one in documents if one["type"] == "afterhello.meeting.logged.v1"]


async def test_every_line_of_a_roster_is_a_meeting_and_again_it_is_the_same(
    run: Run, intake_pool: Pool, file: Path
) -> None:
    await source(run, "--set", "event.kind=conference")

    first = await imported(run, file, "--json")
    again = await imported(run, file, "--json")

    assert first.status == 0, first.err
    assert {key: first.json[key] for key in ("lines", "logged", "known", "rejected", "errors", "dry_run")} == {
        "lines": 3, "logged": 3, "known": 0, "rejected": 0, "errors": [], "dry_run": False,
    }  # fmt: skip
    assert (again.json["logged"], again.json["known"]) == (0, 3)
    assert again.json["meetings"] == first.json["meetings"]
    rows = await intake_pool.fetch("SELECT sent FROM meetings ORDER BY id")
    assert [row["sent"]["contact"]["name"] for row in rows] == [
        "Erin", "Bob, of Boston", '=HYPERLINK("http://evil.example")',
    ]  # fmt: skip
    assert rows[1]["sent"]["promise"] == "a list\nof books"
    assert {row["sent"]["event"]["name"] for row in rows} == {"MassCUE 2026"}
    assert len(await logged(intake_pool)) == 3


async def test_what_is_new_in_a_file_is_logged_and_nothing_else(run: Run, intake_pool: Pool, file: Path) -> None:
    await source(run)
    await imported(run, file)
    file.write_text(ROSTER + "ada@school.example,Eve,,MassCUE 2026,\n")

    done = await imported(run, file)

    assert (done.status, done.out) == (0, "4 lines: 1 logged, 3 known from before, 0 rejected\n")
    assert await intake_pool.fetchval("SELECT count(*) FROM meetings") == 4


async def test_a_wrong_line_is_named_and_keeps_no_other_from_being_logged(
    run: Run, intake_pool: Pool, file: Path
) -> None:
    await source(run)
    file.write_text(ROSTER + "ada@school.example,,,MassCUE 2026,\nnobody,Eve,,,\na,b,c,d,e,f\nada@school.example,Fay\n")

    done = await imported(run, file)
    told = done.err.splitlines()

    assert done.status == 1
    assert done.out == "7 lines: 4 logged, 0 known from before, 3 rejected\n"
    assert told[0].startswith("line 6: contact.name is required (")
    assert told[1].startswith("line 7: owner.email must be one e-mail address")
    assert told[2].startswith("line 8: has 6 cells, and the first line has 5")
    assert len(told) == 3
    assert await intake_pool.fetchval("SELECT count(*) FROM meetings") == 4
    # What can be read is kept, as a webhook's rejected submissions are.
    assert await intake_pool.fetchval("SELECT count(*) FROM submissions WHERE state = 'rejected'") == 2
    errors = (await imported(run, file, "--json")).json["errors"]
    assert [(one["line"], one["errors"][0]["field"]) for one in errors] == [
        (6, "contact.name"), (7, "owner.email"), (8, "body"),
    ]  # fmt: skip


async def test_a_dry_run_says_the_same_and_keeps_nothing(run: Run, intake_pool: Pool, file: Path) -> None:
    await source(run)
    file.write_text(ROSTER + "ada@school.example,,,MassCUE 2026,\nbea@school.example,Gil,,,\n" * 2)

    done = await imported(run, file, "--dry-run")

    assert done.status == 1
    assert done.out == "7 lines: 4 would be logged, 1 known from before, 2 rejected\n"
    assert done.err.startswith("line 6: contact.name is required")
    for table in ("submissions", "meetings", "people", "outbox"):
        assert await intake_pool.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_after_the_mapping_is_mended_the_lines_that_were_rejected_are_logged(
    run: Run, intake_pool: Pool, file: Path
) -> None:
    await source(run, "--owner", "ada@school.example")
    file.write_text("Attendee badge,Remarks\nErin,robotics\nBob,chess\n")
    assert (await imported(run, file)).status == 1
    mapped = await in_thread(run, "source", "map", "scans", "--map", "contact.name=Attendee badge", "--json")
    assert mapped.json["map"] == {"contact.name": "Attendee badge"}

    replayed = await in_thread(run, "source", "replay", "Scans", "--json")

    assert replayed.status == 0, replayed.err
    assert [(one["outcome"], len(one["meetings"])) for one in replayed.json] == [("logged", 1)] * 2
    assert (await imported(run, file, "--json")).json["known"] == 2
    assert await intake_pool.fetchval("SELECT count(*) FROM meetings") == 2


@pytest.mark.parametrize("plan", sorted(set(PLANNER.names) - {"demo"}))
@pytest.mark.parametrize("days", [0, 30])
async def test_nothing_is_sent_at_once_because_of_an_import(
    run: Run, intake_pool: Pool, file: Path, plan: str, days: int
) -> None:
    """The first nudge waits for a send time of the owner, however long ago they met."""
    met = ["--set", f"met_at={(datetime.now(UTC) - timedelta(days=days)).date()}"] if days else []
    await source(run, "--zone", "America/New_York", "--plan", plan, *met, "--set", f"goal_at={_in_a_year()}")
    await imported(run, file)

    for event in await logged(intake_pool):
        now = event.data.meeting.logged_at
        waiting = [one for one in PLANNER.preview(event.data.meeting, event.data.owner, now) if one.state == "waiting"]
        assert waiting
        assert all(one.due_at > now for one in waiting)


def _in_a_year() -> str:
    return (datetime.now(UTC) + timedelta(days=365)).date().isoformat()


def test_a_file_that_is_no_roster_is_refused_in_one_line(run: Run, file: Path) -> None:
    run("source", "add", "csv", "Scans")
    run("source", "add", "typeform", "Form")
    file.write_bytes("Name\nJosé".encode("cp1252"))
    for arguments, says in (
        (("Scans", str(file)), "is not UTF-8 (line 2)"),
        (("Scans", str(file), "--encoding", "cp1252", "--id", "Nr"), "has no column 'Nr'"),
        (("Form", str(file), "--encoding", "cp1252"), "'Form' is a typeform source"),
        (("Pub", str(file), "--encoding", "cp1252"), "there is no source 'Pub'"),
        (("Scans", str(file.with_name("none.csv"))), "no such file"),
    ):
        done = run("source", "import", *arguments)
        assert (done.status, done.out) == (2, ""), arguments
        assert says in done.err
        assert done.err.count("\n") == 1
    run("source", "disable", "Scans")
    assert "is disabled" in run("source", "import", "Scans", str(file), "--encoding", "cp1252").err


def test_a_roster_has_no_secret_and_nothing_to_rotate(run: Run) -> None:
    assert "csv has none" in run("source", "add", "csv", "x", "--secret", "0123456789abcdef").err
    run("source", "add", "csv", "Scans")
    assert "it reads files" in run("source", "rotate", "Scans").err


def test_a_rehearsal_of_a_roster_is_that_of_its_first_line(run: Run, file: Path) -> None:
    run("source", "add", "csv", "Scans")
    done = run("source", "test", "Scans", str(file), "--json")
    assert done.status == 0, done.err
    assert [one["contact"]["name"] for one in done.json["would_log"]] == ["Erin"]
    file.write_text("Name,Notes\n")
    assert "has no line below the titles" in run("source", "test", "Scans", str(file)).err


def test_a_bar_is_drawn_on_a_terminal_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def progress() -> str:
        with source_takes._progress("rows", 2, hidden=False) as report:
            report("line 2: \x1b[31mred")
            report()
        return capsys.readouterr().err

    assert progress() == "line 2:  [31mred\n"
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert "2/2" in progress()


async def test_nobody_reaches_a_source_of_files_by_a_url(
    intake_pool: Pool, keys: tuple[SecretStr, ...], run: Run
) -> None:
    await source(run)
    assert await intake_pool.fetchval("SELECT count(*) FROM source_paths") == 0
    async with serving(intake_pool, keys) as intake:
        given: dict[str, Any] = {"mapping": {}, "fixed": {}}
        for provider in ("csv", "mail"):
            path = f"{provider}-with-a-path-all-the-same"
            async with intake_pool.acquire() as conn:
                await sources.add_source(conn, intake.box, provider=provider, name=path, path=path, secret="", **given)
            assert (await intake.client.post(f"/hooks/{path}", json={})).status == 401
