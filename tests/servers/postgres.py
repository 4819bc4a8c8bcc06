"""A PostgreSQL for one test run, and a fresh database for each test."""

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from shared import db, embedded, postgres_home, postgres_server
from tests.servers.shared_by_workers import Running, started

URL = "AFTERHELLO_TEST_DATABASE_URL"  # an existing server, whose user may create databases
TEMPLATE_NAME = "template_name"

END_OTHERS: Final = """
    SELECT pg_terminate_backend(pid, 5000)
      FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()
    """
APPLIED: Final = " UNION ALL ".join(f"SELECT '{s}', name, sha256 FROM {s}.schema_migrations" for s in db.SCHEMAS)
# Everything that a migration can change, and rows that it inserted: such a table could not simply be emptied.
SHAPE: Final = f"""
    SELECT (SELECT array[count(*), max(oid::bigint)] FROM pg_class),
           (SELECT md5(string_agg(relname || coalesce(relacl::text, ''), ',' ORDER BY oid)) FROM pg_class),
           (SELECT md5(string_agg(a::text, ',' ORDER BY attrelid, attnum)) FROM pg_attribute a WHERE attrelid > 16384),
           (SELECT array[count(*), max(oid::bigint)] FROM pg_constraint),
           (SELECT array[count(*), max(oid::bigint)] FROM pg_proc),
           (SELECT array[count(*), max(oid::bigint)] FROM pg_trigger),
           (SELECT md5(string_agg(n::text, ',' ORDER BY oid)) FROM pg_namespace n),
           (SELECT count(*) FROM pg_db_role_setting),
           (SELECT md5(string_agg(applied::text, ',' ORDER BY applied::text)) FROM ({APPLIED}) applied)
    """
OURS: Final = f"""
    SELECT format('%I.%I', nspname, relname) AS name, c.oid
      FROM pg_class c
      JOIN pg_namespace n ON n.oid = relnamespace
     WHERE relkind = 'r' AND relname <> 'schema_migrations' AND nspname IN ({", ".join(f"'{s}'" for s in db.SCHEMAS)})
    """
EMPTY: Final = f"""
    DO $$
    DECLARE touched text := (SELECT string_agg(name, ', ') FROM ({OURS}) ours WHERE pg_relation_size(oid) > 0);
    BEGIN
        IF touched IS NOT NULL THEN
            EXECUTE 'TRUNCATE ' || touched || ' RESTART IDENTITY CASCADE';
        END IF;
    END $$
    """


def server(folder: Path) -> str:
    """Return the URL of the run's server, started if need be, in which the template has been migrated."""
    return started(folder, "postgres", _start)["url"]


def template(folder: Path) -> str:
    """Return the name of the migrated database that each test's own is cloned from."""
    return (folder / "postgres" / TEMPLATE_NAME).read_text()


class Databases:
    """Hands out empty databases, cloned from the template, and takes them back.

    A clone costs a hundred milliseconds, emptying what a test touched a tenth of that. One whose tables were altered
    is dropped. An emptied one gets another name: what a test forgot to stop does not find its way back.
    """

    def __init__(self, server_url: str, template_name: str) -> None:
        self._server_url = server_url
        self._template = template_name
        self._shape: object = None
        self._empty: list[str] = []

    async def take(self) -> str:
        """Return the URL of an empty database."""
        name = f"afterhello_{secrets.token_hex(6)}"
        if self._empty:
            async with _connected(self._server_url) as admin:
                await admin.execute(f'ALTER DATABASE "{self._empty.pop()}" RENAME TO "{name}"')
        else:
            await self.make(name)
        if self._shape is None:
            async with _connected(at_database(self._server_url, name)) as conn:
                with suppress(asyncpg.UndefinedTableError):  # an empty template holds none of our tables
                    self._shape = await conn.fetchrow(SHAPE)
        return at_database(self._server_url, name)

    async def make(self, name: str) -> str:
        """Return the URL of a clone of this name, whatever it is cloned from."""
        async with _connected(self._server_url) as admin:
            # With fsync off a checkpoint costs nothing, and copying files is faster than writing them to the WAL.
            await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{self._template}" STRATEGY FILE_COPY')
        return at_database(self._server_url, name)

    async def give_back(self, url: str) -> None:
        """Take a database back, whoever is still connected to it."""
        name = urlsplit(url).path.lstrip("/")
        async with _connected(at_database(self._server_url, name)) as conn:
            await conn.execute(END_OTHERS)
            try:
                is_reusable = await conn.fetchrow(SHAPE) == self._shape
            except asyncpg.UndefinedTableError:
                is_reusable = False
            if is_reusable:
                await conn.execute(EMPTY)
        if is_reusable:
            self._empty.append(name)
        else:
            await self.drop(url)

    async def close(self) -> None:
        while self._empty:
            await self.drop(at_database(self._server_url, self._empty.pop()))

    async def drop(self, url: str) -> None:
        name = urlsplit(url).path.lstrip("/")
        async with _connected(self._server_url) as admin:
            await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@asynccontextmanager
async def fresh_database(server_url: str, template_name: str) -> AsyncIterator[str]:
    """A database cloned from this one, and dropped afterwards."""
    databases = Databases(server_url, template_name)
    url = await databases.make(f"afterhello_{secrets.token_hex(6)}")
    try:
        yield url
    finally:
        await databases.drop(url)


@asynccontextmanager
async def _connected(url: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    conn = await asyncpg.connect(url)
    try:
        yield conn
    finally:
        await conn.close()


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
    async with _connected(at_database(server_url, name)) as conn:
        if filled := [row["name"] for row in await conn.fetch(f"{OURS} AND pg_relation_size(c.oid) > 0")]:
            raise RuntimeError(f"a migration fills {filled}: let `Databases` restore that before it reuses a database")
    await admin.close()
