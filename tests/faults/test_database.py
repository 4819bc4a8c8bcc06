"""The database is stopped in the middle and comes back: nothing is promised meanwhile, and nothing lost or repeated."""

import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from pydantic import SecretStr

from shared import db, embedded, postgres_home, postgres_server
from tests.servers.installation import STEPS, Installation, Part, in_three_processes, open_folder, response, start
from tests.servers.waiting import until


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Of a PostgreSQL of one's own, which may be stopped at will."""
    with open_folder() as folder:
        yield folder / "data"
        postgres_server.stop(postgres_home.locate(folder / "data"))


@pytest.mark.parametrize("how", ["fast", "as a power cut would"])
async def test_services_wait_for_the_database_and_lose_nothing(
    data_dir: Path, rabbit_url: str, tmp_path: Path, keys: tuple[SecretStr, ...], how: str
) -> None:
    home = postgres_home.locate(data_dir)
    database_url = embedded.address(postgres_server.start(home), "postgres")
    for schema in db.SCHEMAS:
        await db.migrate(database_url, schema)
    prefix = f"test.{secrets.token_hex(6)}"
    async with in_three_processes(database_url, rabbit_url, tmp_path, keys, BUS_PREFIX=prefix) as installation:
        await start(installation)
        source = await installation.connect()
        early = [f"early{number}@school.example" for number in range(4)]
        for owner in early:
            assert (await installation.submit(source, response(owner)))[0] == 202
        await installation.mails_arrive(2)

        with _down(home, how):
            body = response("late@school.example")
            status, problem = await installation.submit(source, body)
            assert (status, problem["status"]) == (503, 503)
            for part in installation.parts.values():
                await until(partial(_says_no_database, part), seconds=30)

        for part in installation.parts.values():
            await until(part.is_ready, seconds=60)
        assert (await installation.submit(source, body))[0] == 202
        for owner in [*early, "late@school.example"]:
            await until(partial(_has_the_last, installation, owner), seconds=60)
        await until(installation.is_settled, seconds=60)
        assert len(installation.mails("late@school.example")) == STEPS
        for owner in early:
            subjects = [mail.subject for mail in installation.mails(owner)]
            repeated = {subject for subject in subjects if subjects.count(subject) > 1}
            assert len(subjects) - len(repeated) <= STEPS
            assert not repeated or await _were_unknown(installation, owner)


@contextmanager
def _down(home: postgres_home.Home, how: str) -> Iterator[None]:
    if how == "fast":
        postgres_server.stop(home)
    else:
        pid = int((home.data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGQUIT)  # ends at once, without a checkpoint: the next start replays the log
        postgres_server.stop(home)
    yield
    postgres_server.start(home)


async def _says_no_database(part: Part) -> bool:
    assert part.process is not None and part.process.poll() is None, part.log.read_text()
    status, words = await part.readyz()
    return status == 503 and words["checks"]["database"] != "ok" and words["checks"]["broker"] == "ok"


def _has_the_last(installation: Installation, owner: str) -> bool:
    return "Check in with Erin" in [mail.subject for mail in installation.mails(owner)]


async def _were_unknown(installation: Installation, owner: str) -> bool:
    """Whether the record says that a mail to this owner may have gone out unreported."""
    async with installation.database() as conn:
        query = "SELECT count(*) FROM notifier.deliveries WHERE address = $1 AND unknowns > 0"
        return bool(await conn.fetchval(query, owner))
