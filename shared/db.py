"""The database: connections and pools of one schema, and its migrations."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar
from uuid import UUID

import asyncpg
import asyncpg.pool
import orjson
import structlog

log = structlog.get_logger()

if TYPE_CHECKING:  # asyncpg's classes take a parameter only in the eyes of the type checker
    Connection = asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]
else:
    Connection = asyncpg.Connection
    Pool = asyncpg.Pool

# What a database that is away, restarting or failing over raises. The same work may succeed later, as a whole.
UNAVAILABLE: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that ended in the very moment it was taken from the pool
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.DiskFullError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
)

T = TypeVar("T")

# What a wrong DATABASE_URL raises: waiting changes nothing about it.
REFUSED: Final = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ClientConfigurationError,
)


def is_unavailable(error: BaseException) -> bool:
    """Return whether the database was away. A value that fits no column is an `InterfaceError` too, and is a bug."""
    return isinstance(error, UNAVAILABLE) and not isinstance(error, ValueError)


EVERY_SERVICE: Final = Path(__file__).parent / "migrations"  # outbox, inbox, dead_letter
SERVICES: Final = Path(__file__).parent.parent / "services"
SCHEMAS: Final[dict[str, tuple[Path, ...]]] = {
    "stops": (EVERY_SERVICE / "stops",),
    "intake": (EVERY_SERVICE, SERVICES / "intake" / "migrations"),
    "scheduler": (EVERY_SERVICE, SERVICES / "scheduler" / "migrations"),
    "notifier": (EVERY_SERVICE, SERVICES / "notifier" / "migrations"),
}


async def _set_codecs(conn: Connection) -> None:
    await conn.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: orjson.dumps(value, default=_id_as_text).decode(),
        decoder=orjson.loads,
    )


def _id_as_text(value: object) -> str:
    """An id that was read from the database is of asyncpg's own class, which orjson does not know."""
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(type(value).__name__)


def _server_settings(schema: str) -> dict[str, str]:
    return {
        "application_name": f"afterhello {schema}",
        "search_path": schema,
        "timezone": "UTC",
        "statement_timeout": "30s",
        "lock_timeout": "10s",
        "idle_in_transaction_session_timeout": "60s",
    }


async def open_pool(dsn: str, *, schema: str, max_size: int = 8) -> Pool:
    """Return a pool whose connections see this schema alone. It opens none yet, so the database may still be down."""
    pool = asyncpg.create_pool(
        dsn,
        min_size=0,
        max_size=max_size,
        init=_set_codecs,
        command_timeout=30,
        timeout=5,
        server_settings=_server_settings(schema),
    )
    await pool
    return pool


@asynccontextmanager
async def connect(dsn: str, *, schema: str) -> AsyncIterator[Connection]:
    """One connection that sees this schema alone; raises `OSError` or `asyncpg.PostgresError` when there is none."""
    conn = await asyncpg.connect(dsn, timeout=5, command_timeout=60, server_settings=_server_settings(schema))
    try:
        await _set_codecs(conn)
        yield conn
    finally:
        await conn.close(timeout=5)


async def now(conn: Connection) -> datetime:
    """Return the database's clock, which is the same for all replicas of a service."""
    value: datetime = await conn.fetchval("SELECT clock_timestamp()")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    name: str
    sql: str
    sha256: str


def migrations(folders: Sequence[Path]) -> list[Migration]:
    """Return the numbered `.sql` files of these folders, folder by folder, each in the order of its numbers."""
    files = [file for folder in folders for file in sorted(folder.glob("[0-9]*.sql"))]
    texts = [(f"{file.parent.parent.name}/{file.stem}", file.read_text(encoding="utf-8")) for file in files]
    return [Migration(name=name, sql=sql, sha256=hashlib.sha256(sql.encode()).hexdigest()) for name, sql in texts]


class WrongSchema(Exception):
    """The schema is not the one this version of the program was written for: what is wrong, and what to do."""

    def __init__(self, wrong: str, *, do: str | None = None) -> None:
        super().__init__(f"{wrong}: {do}" if do else wrong)
        self.wrong = wrong
        self.do = do


async def migrate(dsn: str, schema: str) -> list[str]:
    """Bring the schema up to date, one transaction a file, and return the names of what was applied.

    Two of these at once wait for one another. Raises `WrongSchema` when a file that was applied has changed since.
    """
    if not re.fullmatch(r"[a-z_]+", schema):
        raise ValueError(schema)
    wanted = migrations(SCHEMAS[schema])
    async with connect(dsn, schema=schema) as conn:
        await conn.execute("SELECT set_config('lock_timeout', '0', false), set_config('statement_timeout', '0', false)")
        await conn.execute("SELECT pg_advisory_lock(hashtext('afterhello.migrate'))")
        await conn.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        await conn.execute(
            """
            CREATE TABLE IF NOT EXISTS schema_migrations (
                name       text PRIMARY KEY,
                sha256     text NOT NULL,
                applied_at timestamptz NOT NULL DEFAULT now()
            )
            """
        )
        applied = await _applied(conn)
        _refuse_changed(schema, wanted, applied)
        missing = [migration for migration in wanted if migration.name not in applied]
        for migration in missing:
            async with conn.transaction():
                await conn.execute(migration.sql)
                await conn.execute(
                    "INSERT INTO schema_migrations (name, sha256) VALUES ($1, $2)", migration.name, migration.sha256
                )
        if missing:
            log.info("schema.migrated", schema=schema, migrations=len(missing), last=missing[-1].name)
        return [migration.name for migration in missing]


async def check_schema(conn: Connection, schema: str) -> None:
    """Return when the schema is exactly the one this program knows; else raise `WrongSchema`."""
    wanted = migrations(SCHEMAS[schema])
    try:
        applied = await _applied(conn)
    except asyncpg.UndefinedTableError:
        applied = {}
    _refuse_changed(schema, wanted, applied)
    if missing := [migration.name for migration in wanted if migration.name not in applied]:
        raise WrongSchema(
            f"schema {schema} lacks {', '.join(missing)}", do="run `afterhello migrate` as its owner first"
        )
    if unknown := applied.keys() - {migration.name for migration in wanted}:
        raise WrongSchema(
            f"schema {schema} has {', '.join(sorted(unknown))}, which this version does not know",
            do="run a newer version of Afterhello",
        )


async def may_use(conn: Connection, schema: str) -> bool:
    """Return whether this role may look into the schema; one that does not exist is nobody's secret."""
    usable = await conn.fetchval(
        "SELECT has_schema_privilege(oid, 'USAGE') FROM pg_catalog.pg_namespace WHERE nspname = $1", schema
    )
    return usable is not False


async def wait_for_schema(pool: Pool, schema: str) -> None:
    """Return once the database answers and its schema is right; raise `WrongSchema` when it answers and is not."""
    while True:
        try:
            async with pool.acquire(timeout=5) as conn:
                return await check_schema(conn, schema)
        except REFUSED as error:
            raise WrongSchema(f"DATABASE_URL: the database refuses it: {error}") from error
        except UNAVAILABLE as error:
            log.warning("database.waiting", schema=schema, error=type(error).__name__)
            await asyncio.sleep(0.5)


async def in_transaction(pool: Pool, work: Callable[[Connection], Awaitable[T]], *, tries: int = 5) -> T:
    """Return what `work` returns, done in one transaction; a deadlock or serialization failure is tried again."""
    for attempt in range(1, tries + 1):
        try:
            async with pool.acquire(timeout=2) as conn, conn.transaction():
                return await work(conn)
        except (asyncpg.SerializationError, asyncpg.DeadlockDetectedError):
            if attempt == tries:
                raise
            await asyncio.sleep(0.02 * attempt)
    raise AssertionError("unreachable")


async def _applied(conn: Connection) -> dict[str, str]:
    return {row["name"]: row["sha256"] for row in await conn.fetch("SELECT name, sha256 FROM schema_migrations")}


def _refuse_changed(schema: str, wanted: Sequence[Migration], applied: dict[str, str]) -> None:
    for migration in wanted:
        if applied.get(migration.name, migration.sha256) != migration.sha256:
            raise WrongSchema(
                f"schema {schema}: {migration.name} was applied with another text",
                do="restore the file as it was and add a new one",
            )
