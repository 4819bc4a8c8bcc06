"""A PostgreSQL for one test run, and a fresh database for each test."""

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from shared import db, embedded, postgres_home, postgres_server
from tests.servers.shared_by_workers import Running, started

URL = "AFTERHELLO_TEST_DATABASE_URL"  # an existing server, whose user may create databases
TEMPLATE_NAME = "template_name"


def server(folder: Path) -> str:
    """Return the URL of the run's server, started if need be, in which the template has been migrated."""
    return started(folder, "postgres", _start)["url"]


def template(folder: Path) -> str:
    """Return the name of the migrated database that each test's own is cloned from."""
    return (folder / "postgres" / TEMPLATE_NAME).read_text()


@asynccontextmanager
async def fresh_database(server_url: str, template_name: str) -> AsyncIterator[str]:
    """A database of one's own, cloned from the migrated template and dropped afterwards."""
    name = f"afterhello_{secrets.token_hex(6)}"
    admin = await asyncpg.connect(server_url)
    try:
        # With fsync off a checkpoint costs nothing, and copying files is faster than writing them to the WAL.
        await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template_name}" STRATEGY FILE_COPY')
        try:
            yield at_database(server_url, name)
        finally:
            await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await admin.close()


def at_database(server_url: str, name: str) -> str:
    """Return the URL of another database on the same server."""
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))


def drop_template(folder: Path) -> None:
    """Leave nothing behind on a server that is not ours."""
    if not (url := os.environ.get(URL)) or not (folder / "postgres" / TEMPLATE_NAME).exists():
        return

    async def drop() -> None:
        admin = await asyncpg.connect(url)
        await admin.execute(f'DROP DATABASE IF EXISTS "{template(folder)}" WITH (FORCE)')
        await admin.close()

    asyncio.run(drop())


def _start(folder: Path) -> Running:
    if URL in os.environ:
        running: Running = {"url": os.environ[URL], "pid": None, "stop": signal.SIGINT}
    else:
        running = _embedded(folder)
    name = f"afterhello_template_{secrets.token_hex(4)}"
    with ThreadPoolExecutor(1) as thread:  # we may be called from inside a running event loop
        thread.submit(asyncio.run, _migrate(running["url"], name)).result()
    (folder / TEMPLATE_NAME).write_text(name)
    return running


def _embedded(folder: Path) -> Running:
    home = postgres_home.locate(folder)
    socket_folder = postgres_server.start(home)
    pid = int((home.data / "postmaster.pid").read_text().split()[0])
    # Nothing in it is worth a goodbye.
    return {"url": embedded.address(socket_folder, "postgres"), "pid": pid, "stop": signal.SIGQUIT}


async def _migrate(server_url: str, name: str) -> None:
    admin = await asyncpg.connect(server_url)
    if URL not in os.environ:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            await admin.execute(f"ALTER SYSTEM SET {setting} = off")
        await admin.execute("SELECT pg_reload_conf()")
    await admin.execute(f'CREATE DATABASE "{name}"')
    for schema in db.SCHEMAS:
        await db.migrate(at_database(server_url, name), schema)
    await admin.close()
