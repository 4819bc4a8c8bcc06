"""The command line: what it answers to right and wrong use."""

import json
import re
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.cli import WORDS, main
from shared import db, dead_letter, events
from shared.db import Pool
from tests.servers import postgres

NO_SETTINGS = ("DATABASE_URL", "AMQP_URL", "SMTP_URL", "PUBLIC_URL", "SECRET_KEY", "MAIL_FROM", "PORT", "PLANS_DIR")


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting but a DATA_DIR of one's own."""
    for name in NO_SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
async def empty_database_url(servers: Path) -> AsyncIterator[str]:
    """A database in which nothing was ever migrated."""
    server = postgres.server(servers)
    name = f"afterhello_{secrets.token_hex(6)}"
    admin = await asyncpg.connect(server)
    await admin.execute(f'CREATE DATABASE "{name}"')
    yield postgres.at_database(server, name)
    await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await admin.close()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["pln"], "there is no command 'pln', did you mean `plan`?"),
        (["--frobnicate"], "there is no option '--frobnicate'"),
        (["plan", "lst"], "`afterhello plan --help` shows how"),
        (["plan", "preview", "--frobnicate"], "--frobnicate"),
        (["plan", "preview", "--plan", "no-such"], "no-such"),
        (["plan", "preview", "--plan", "demo", "--zone", "Mars/Olympus"], "Mars/Olympus"),
        (["run", "--port", "eighty"], "'--port'"),
        (["run", "--port", "70000"], "'--port'"),
        (["dead-letter", "show", "not-an-id"], "valid UUID"),
        (["dead-letter", "show"], "missing argument"),
        (["dead-letter", "replay"], "--all"),
        (["dead-letter", "list", "--service", "postman"], "'intake', 'scheduler', 'notifier'"),
        (["source", "add"], "missing argument"),
        (["intake"], "DATABASE_URL is not set"),
        (["scheduler"], "DATABASE_URL is not set"),
        (["notifier"], "DATABASE_URL is not set"),
    ],
)
def test_wrong_use_is_one_line_on_standard_error_and_exit_status_2(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2

    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("afterhello: ") and printed.err.count("\n") == 1
    assert says in printed.err


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("PORT", "eighty", "run"),
        ("SECRET_KEY", "short", "migrate"),
        ("DATABASE_URL", "mysql://localhost/x", "migrate"),
        ("SMTP_URL", "http://mail", "run"),
        ("PLANS_DIR", "/no/such/folder", "run"),
        ("SECRET_KEY_FILE", "/no/such/file", "migrate"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(
    name: str, value: str, word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)

    status = main([word])

    printed = capsys.readouterr().err.splitlines()[-1]
    assert status == 2
    assert re.match(rf"afterhello: {name}\b", printed)


def test_a_database_that_does_not_answer_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")

    assert main(["migrate"]) == 1
    assert re.fullmatch(r"afterhello: DATABASE_URL: the database does not answer: .+\n", capsys.readouterr().err)


def test_help_names_every_word_and_without_a_word_it_is_help_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(re.search(rf"^  {word} +\S", text, re.MULTILINE) for word in WORDS)

    assert main([]) == 2
    assert capsys.readouterr().out == text


@pytest.mark.parametrize("word", WORDS)
def test_each_word_explains_itself(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([word, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: afterhello {word} ")


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert re.fullmatch(r"afterhello \d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize("arguments", [["--help"], ["plan", "preview", "--plan", "demo", "--json"]])
def test_a_quick_command_imports_no_server(arguments: list[str]) -> None:
    code = (
        "import sys; from services.cli import main; status = main(sys.argv[1:]);"
        "assert not {'aiohttp', 'asyncpg', 'aio_pika'} & sys.modules.keys(), sorted(sys.modules); sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_command_is_installed_and_its_exit_status_is_the_answer() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", "plan", "preview", "--plan", "no-such"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("afterhello: ")


def test_what_a_library_complains_of_is_not_printed_beside_our_one_line(empty_database_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", "migrate"],
        env={"DATABASE_URL": empty_database_url, "AMQP_URL": "amqp://127.0.0.1:1/"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "afterhello: AMQP_URL: the broker cannot be reached\n")


def test_migrate_says_what_it_applied_and_nothing_the_second_time(empty_database_url: str) -> None:
    first = _afterhello(empty_database_url, "migrate", "--json")
    assert first.keys() == db.SCHEMAS.keys()
    assert all(first.values())

    assert _afterhello(empty_database_url, "migrate", "--json") == {schema: [] for schema in db.SCHEMAS}


DOCUMENT = b'{"specversion": "1.0"}'


async def _keep_one(pool: Pool) -> str:
    letter = events.new_id()
    async with pool.acquire() as conn:
        await dead_letter.keep(
            conn,
            letter,
            b'{"specversion": "1.0"}',
            type="afterhello.nudge.due.v1",
            reason="no such thing",
            state="dead",
        )
    return str(letter)


async def test_dead_letters_of_all_services_are_listed_shown_replayed_and_dropped(
    database_url: str, scheduler_pool: Pool, notifier_pool: Pool
) -> None:
    ours, theirs = await _keep_one(scheduler_pool), await _keep_one(notifier_pool)

    listed = _afterhello(database_url, "dead-letter", "list", "--json")
    assert {(row["service"], row["id"], row["state"], row["reason"]) for row in listed} == {
        ("scheduler", ours, "dead", "no such thing"),
        ("notifier", theirs, "dead", "no such thing"),
    }
    assert [
        row["id"] for row in _afterhello(database_url, "dead-letter", "list", "--service", "scheduler", "--json")
    ] == [ours]
    (shown,) = _afterhello(database_url, "dead-letter", "show", theirs, "--json")
    assert shown["document"] == DOCUMENT.decode()

    _afterhello(database_url, "dead-letter", "replay", ours, "--json")
    assert {row["id"]: row["state"] for row in _afterhello(database_url, "dead-letter", "list", "--json")} == {
        ours: "retrying",
        theirs: "dead",
    }
    _afterhello(database_url, "dead-letter", "drop", ours, theirs, "--json")
    assert _afterhello(database_url, "dead-letter", "list", "--json") == []
    assert "no dead letter" in _refused(database_url, "dead-letter", "show", ours)


def _afterhello(database_url: str, *arguments: str) -> Any:
    done = _run(database_url, arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _refused(database_url: str, *arguments: str) -> str:
    done = _run(database_url, arguments)
    assert done.returncode == 2
    return done.stderr


def _run(database_url: str, arguments: tuple[str, ...]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "services.cli", *arguments],
        env={"DATABASE_URL": database_url, "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
