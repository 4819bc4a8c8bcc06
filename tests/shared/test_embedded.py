"""A PostgreSQL of our own: started, joined, left, killed."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest
from pydantic import SecretStr

from shared import embedded, postgres_home
from shared.settings import Settings, SettingsError

# Another process that uses the database: says where it is, and stays until its input ends.
USER = """
import asyncio, json, sys
from pathlib import Path
from shared import embedded
from shared.settings import Settings

async def main():
    async with embedded.database(Settings(data_dir=Path(sys.argv[1]))) as dsn:
        print(json.dumps(dsn), flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may reach, which those of pytest are not."""
    folder = Path(tempfile.mkdtemp(prefix="afterhello-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def data_dir(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setattr(postgres_home, "SYSTEM_FOLDER", folder / "system")
    return folder / "with spaces and 'quotes'"


def settings(data_dir: Path) -> Settings:
    return Settings(data_dir=data_dir)


async def ask(dsn: str, question: str) -> Any:
    conn = await asyncpg.connect(dsn)
    try:
        return await conn.fetchval(question)
    finally:
        await conn.close()


def server_processes(data_dir: Path) -> list[int]:
    """The servers of this folder that live, without their children."""
    found = {
        process.pid: process.info["ppid"]
        for process in psutil.process_iter(["cmdline", "status", "ppid"])
        if str(data_dir / "pg18") in (process.info["cmdline"] or ()) and process.info["status"] != psutil.STATUS_ZOMBIE
    }
    return [pid for pid, parent in found.items() if parent not in found]


@asynccontextmanager
async def another_user(data_dir: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", USER, str(data_dir), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None and process.stdin is not None
    try:
        async with asyncio.timeout(60):
            yield process, json.loads(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.stdin.close()
            async with asyncio.timeout(60):
                await process.wait()


async def test_the_database_outlives_the_server_and_the_server_nobody(data_dir: Path) -> None:
    async with embedded.database(settings(data_dir)) as dsn:
        assert await ask(dsn, "SELECT current_database()") == "afterhello"
        assert [await ask(dsn, f"SHOW {name}") for name in ("fsync", "full_page_writes", "synchronous_commit")] == [
            "on"
        ] * 3
        assert await ask(dsn, "SHOW server_encoding") == "UTF8"
        await ask(dsn, "CREATE TABLE kept AS SELECT 42 AS value")
        assert server_processes(data_dir)
    assert not server_processes(data_dir)

    async with embedded.database(settings(data_dir)) as dsn:
        assert await ask(dsn, "SELECT value FROM kept") == 42
    assert not server_processes(data_dir)


async def test_two_at_once_share_it_and_the_last_one_stops_it(data_dir: Path) -> None:
    async with another_user(data_dir) as (_, theirs), embedded.database(settings(data_dir)) as ours:
        assert ours == theirs
        [server] = server_processes(data_dir)
    assert not server_processes(data_dir)

    async with another_user(data_dir) as (process, theirs):
        async with embedded.database(settings(data_dir)):
            pass
        assert await ask(theirs, "SELECT 1") == 1  # it is still there for the other one
        [again] = server_processes(data_dir)
        assert again != server
        assert process.returncode is None
    assert not server_processes(data_dir)


async def test_many_may_come_at_the_same_moment(data_dir: Path) -> None:
    async def use() -> str:
        async with embedded.database(settings(data_dir)) as dsn:
            assert await ask(dsn, "SELECT 1") == 1
            return dsn

    assert len(set(await asyncio.gather(*(use() for _ in range(5))))) == 1
    assert not server_processes(data_dir)


async def test_after_a_kill_of_its_user_the_next_one_takes_over(data_dir: Path) -> None:
    async with another_user(data_dir) as (process, theirs):
        await ask(theirs, "CREATE TABLE kept AS SELECT 42 AS value")
        process.kill()
        await process.wait()
    assert server_processes(data_dir)  # it serves nobody, and harms nobody

    async with embedded.database(settings(data_dir)) as dsn:
        assert await ask(dsn, "SELECT value FROM kept") == 42
    assert not server_processes(data_dir)


async def test_after_a_kill_of_everything_nothing_committed_is_missing(data_dir: Path) -> None:
    async with another_user(data_dir) as (process, theirs):
        await ask(theirs, "CREATE TABLE kept AS SELECT 42 AS value")
        process.kill()
        await process.wait()
        for pid in server_processes(data_dir):
            os.kill(pid, signal.SIGKILL)
        while server_processes(data_dir):
            await asyncio.sleep(0.01)

    async with embedded.database(settings(data_dir)) as dsn:
        assert await ask(dsn, "SELECT value FROM kept") == 42


async def test_a_process_id_that_is_now_another_programs_is_no_server(data_dir: Path) -> None:
    async with embedded.database(settings(data_dir)):
        text = (data_dir / "pg18" / "postmaster.pid").read_text()
    first, rest = text.split("\n", 1)
    (data_dir / "pg18" / "postmaster.pid").write_text(f"{os.getpid()}\n{rest}")
    assert first != str(os.getpid())

    async with embedded.database(settings(data_dir)) as dsn:
        assert await ask(dsn, "SELECT 1") == 1


async def test_a_first_start_that_was_killed_half_way_is_begun_anew(data_dir: Path) -> None:
    (data_dir / "pg18.new").mkdir(parents=True)
    (data_dir / "pg18.new" / "PG_VERSION").write_text("18\n")

    async with embedded.database(settings(data_dir)) as dsn:
        assert await ask(dsn, "SELECT 1") == 1


async def test_a_start_that_is_cancelled_leaves_nothing_running(data_dir: Path) -> None:
    async def use() -> None:
        async with embedded.database(settings(data_dir)):
            pytest.fail("it was cancelled before")

    task = asyncio.create_task(use())
    while not data_dir.exists():
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not server_processes(data_dir)


@pytest.mark.parametrize("name", ["x" * 120, "a,b"])
async def test_a_path_that_no_socket_can_have_is_no_hindrance(data_dir: Path, name: str) -> None:
    async with embedded.database(settings(data_dir / name)) as dsn:
        assert await ask(dsn, "SELECT 1") == 1


async def test_others_get_neither_at_the_data_nor_at_the_socket(data_dir: Path) -> None:
    async with embedded.database(settings(data_dir)):
        assert (data_dir / "pg18").stat().st_mode & 0o077 == 0


async def test_no_folder_above_is_opened_to_others(data_dir: Path) -> None:
    closed = data_dir / "closed"
    closed.mkdir(parents=True)
    closed.chmod(0o700)
    async with embedded.database(settings(closed / "var")) as dsn:
        assert await ask(dsn, "SELECT 1") == 1
    assert closed.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's database has a user of its own")
async def test_what_was_kept_for_a_temporary_folder_goes_when_that_is_gone(data_dir: Path, folder: Path) -> None:
    for name in ("first", "second"):
        closed = folder / name
        closed.mkdir(mode=0o700)
        async with embedded.database(settings(closed / "var")):
            kept = [note.read_text() for note in (folder / "system").glob(f"*/{postgres_home.NOTE}")]
        assert kept == [str(closed / "var")]
        shutil.rmtree(closed)


async def test_what_went_wrong_is_said_in_one_line(data_dir: Path) -> None:
    async with embedded.database(settings(data_dir)):
        pass
    (data_dir / "pg18" / "postgresql.conf").write_text("nonsense = here\n")

    with pytest.raises(
        SettingsError, match=r"^DATA_DIR: the embedded PostgreSQL did not start: [^\n]*postgresql.conf"
    ) as caught:
        async with embedded.database(settings(data_dir)):
            pass
    assert "\n" not in str(caught.value)
    (data_dir / "file").write_text("")
    with pytest.raises(SettingsError, match=r"^DATA_DIR: the embedded PostgreSQL cannot use"):
        async with embedded.database(settings(data_dir / "file" / "var")):
            pass


async def test_a_given_database_is_used_as_it_is(data_dir: Path) -> None:
    given = "postgresql://user:secret@database.example/afterhello"
    async with embedded.database(Settings(database_url=SecretStr(given), data_dir=data_dir)) as dsn:
        assert dsn == given
    assert not data_dir.exists()


async def test_without_the_package_the_way_out_is_named(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"^DATABASE_URL is not set, .* afterhello\[standalone\]"):
        async with embedded.database(settings(data_dir)):
            pass
