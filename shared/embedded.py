"""A PostgreSQL of our own under DATA_DIR, shared by all who use it at the same time."""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import asyncpg

from shared.settings import Settings, SettingsError

DATABASE: Final = "afterhello"
SUPERUSER: Final = "postgres"

if TYPE_CHECKING:
    from shared.postgres_home import Home


@asynccontextmanager
async def database(config: Settings) -> AsyncIterator[str]:
    """The address of the database: DATABASE_URL, else that of the embedded server under DATA_DIR.

    Joins the server that another process started there, or starts it; the last to leave stops it. Raises
    `SettingsError` when there is none to be had.
    """
    if config.database_url is not None:
        yield config.database_url.get_secret_value()
        return
    async with server(config.data_dir) as socket_folder:
        await _create_database(socket_folder)
        yield address(socket_folder, DATABASE)


@asynccontextmanager
async def server(data_dir: Path) -> AsyncIterator[Path]:
    """The folder of the socket on which the embedded server of this data directory listens."""
    entering = asyncio.ensure_future(asyncio.to_thread(_enter, data_dir))
    try:
        use = await asyncio.shield(entering)
    except asyncio.CancelledError:  # the thread goes on; what it started must not stay behind
        await asyncio.to_thread(_leave, await entering)
        raise
    try:
        yield use.socket_folder
    finally:
        await asyncio.shield(asyncio.ensure_future(asyncio.to_thread(_leave, use)))


def address(socket_folder: Path, name: str) -> str:
    """The address of one database of an embedded server; the environment's PG* variables change nothing in it."""
    host = quote(str(socket_folder), safe="")
    return f"postgresql://{SUPERUSER}@/{name}?host={host}&port=5432&sslmode=disable"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Use:
    home: "Home"
    socket_folder: Path
    users: int  # a descriptor; its shared lock says that the server is in use, and dies with this process


def _enter(data_dir: Path) -> _Use:
    from shared import postgres_home, postgres_server  # only here is the extra `standalone` needed

    try:
        home = postgres_home.locate(data_dir)
        with _alone(home):
            users = os.open(home.beside("users"), os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(users, fcntl.LOCK_SH)
                return _Use(home=home, socket_folder=postgres_server.start(home), users=users)
            except BaseException:
                os.close(users)
                raise
    except OSError as error:
        raise SettingsError(
            f"DATA_DIR: the embedded PostgreSQL cannot use {error.filename}: {error.strerror}"
        ) from error


def _leave(use: _Use) -> None:
    from shared import postgres_server

    with _alone(use.home):
        try:
            fcntl.flock(use.users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # somebody else still uses it, and will stop it
        else:
            postgres_server.stop(use.home)
        finally:
            os.close(use.users)


@contextlib.contextmanager
def _alone(home: "Home") -> Iterator[None]:
    """Only one process at a time starts or stops this server. The kernel drops the lock of a process that dies."""
    lock = os.open(home.beside("lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


async def _create_database(socket_folder: Path) -> None:
    try:
        await (await asyncpg.connect(address(socket_folder, DATABASE), timeout=30)).close()
    except asyncpg.InvalidCatalogNameError:
        conn = await asyncpg.connect(address(socket_folder, "postgres"), timeout=30)
        try:
            # Another process may be doing the same: then it exists afterwards, and that is all that is wanted.
            with contextlib.suppress(asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
                await conn.execute(f"CREATE DATABASE {DATABASE}")
        finally:
            await conn.close()
