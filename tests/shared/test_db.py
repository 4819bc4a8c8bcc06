import asyncio
from pathlib import Path

import asyncpg
import pytest

from shared import db
from shared.db import Pool, WrongSchema
from tests.servers.proxy import proxy


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The migrations of a schema of its own, named `trial`."""
    migrations = tmp_path / "trial" / "migrations"
    migrations.mkdir(parents=True)
    (migrations / "0001_things.sql").write_text("CREATE TABLE things (id int PRIMARY KEY);")
    (migrations / "notes.txt").write_text("not a migration")
    monkeypatch.setitem(db.SCHEMAS, "trial", (migrations,))
    return migrations


async def check(url: str) -> None:
    async with db.connect(url, schema="trial") as conn:
        await db.check_schema(conn, "trial")


async def test_migrations_apply_in_order_once(folder: Path, database_url: str) -> None:
    (folder / "0002_more.sql").write_text("ALTER TABLE things ADD name text; INSERT INTO things VALUES (1, 'a');")

    assert await db.migrate(database_url, "trial") == ["trial/0001_things", "trial/0002_more"]
    assert await db.migrate(database_url, "trial") == []

    await check(database_url)


async def test_two_migrations_at_once_wait_for_one_another(folder: Path, database_url: str) -> None:
    (folder / "0002_slow.sql").write_text("SELECT pg_sleep(0.1); INSERT INTO things VALUES (1);")

    applied = await asyncio.gather(*(db.migrate(database_url, "trial") for _ in range(4)))

    assert sorted(map(len, applied)) == [0, 0, 0, 2]


async def test_a_migration_that_fails_leaves_nothing_behind(folder: Path, database_url: str) -> None:
    (folder / "0002_bad.sql").write_text("INSERT INTO things VALUES (1); SELECT nonsense;")
    with pytest.raises(asyncpg.UndefinedColumnError):
        await db.migrate(database_url, "trial")

    async with db.connect(database_url, schema="trial") as conn:
        assert await conn.fetchval("SELECT count(*) FROM things") == 0
    (folder / "0002_bad.sql").write_text("INSERT INTO things VALUES (1);")
    assert await db.migrate(database_url, "trial") == ["trial/0002_bad"]


async def test_a_file_changed_after_it_was_applied_is_refused(folder: Path, database_url: str) -> None:
    await db.migrate(database_url, "trial")
    (folder / "0001_things.sql").write_text("CREATE TABLE things (id bigint PRIMARY KEY);")

    with pytest.raises(WrongSchema, match="trial/0001_things was applied with another text"):
        await db.migrate(database_url, "trial")
    with pytest.raises(WrongSchema, match="trial/0001_things was applied with another text"):
        await check(database_url)


async def test_a_schema_that_lacks_something_says_what_to_do(folder: Path, database_url: str) -> None:
    with pytest.raises(WrongSchema, match="lacks trial/0001_things: run `afterhello migrate`"):
        await check(database_url)


async def test_a_schema_of_a_newer_version_is_refused(folder: Path, database_url: str) -> None:
    newer = folder / "0002_newer.sql"
    newer.write_text("SELECT 1;")
    await db.migrate(database_url, "trial")
    newer.unlink()

    with pytest.raises(WrongSchema, match="has trial/0002_newer, which this version does not know"):
        await check(database_url)


async def test_a_pool_sees_its_own_schema_alone(intake_pool: Pool) -> None:
    async with intake_pool.acquire() as conn:
        assert await conn.fetchval("SELECT current_schemas(false)") == ["intake"]
        assert await conn.fetchval("SHOW timezone") == "UTC"
        assert await conn.fetchval("""SELECT '{"a": [1]}'::jsonb""") == {"a": [1]}
        assert await conn.fetchval("SELECT $1::jsonb", {"b": None}) == {"b": None}


async def test_a_pool_opens_while_the_database_is_down_and_is_waited_for(database_url: str) -> None:
    async with proxy(database_url) as line:
        line.refuse()
        pool = await db.open_pool(line.url, schema="intake")
        try:
            waiting = asyncio.create_task(db.wait_for_schema(pool, "intake"))
            done, _ = await asyncio.wait([waiting], timeout=0.7)
            assert not done
            line.accept()
            await asyncio.wait_for(waiting, 10)
        finally:
            pool.terminate()


async def test_a_pool_recovers_after_its_connections_were_ended(database_url: str, intake_pool: Pool) -> None:
    await intake_pool.fetchval("SELECT 1")
    async with db.connect(database_url, schema="intake") as admin:
        ended = await admin.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert ended == 1

    async def ask(conn: db.Connection) -> int:
        value: int = await conn.fetchval("SELECT 1")
        return value

    results = [await attempt(intake_pool, ask) for _ in range(3)]
    assert results[-1] == 1


async def attempt(pool: Pool, work: object) -> object:
    try:
        return await db.in_transaction(pool, work)  # type: ignore[arg-type]
    except db.UNAVAILABLE as error:
        return type(error).__name__


async def test_a_transaction_that_deadlocks_is_tried_again_as_a_whole(intake_pool: Pool) -> None:
    await intake_pool.execute("CREATE TABLE pair (id int PRIMARY KEY, n int NOT NULL)")
    await intake_pool.execute("INSERT INTO pair VALUES (1, 0), (2, 0)")
    tries = 0

    async def add(conn: db.Connection, order: tuple[int, int]) -> None:
        nonlocal tries
        tries += 1
        for id in order:
            await conn.execute("UPDATE pair SET n = n + 1 WHERE id = $1", id)
            await asyncio.sleep(0.05)

    await asyncio.gather(
        db.in_transaction(intake_pool, lambda conn: add(conn, (1, 2))),
        db.in_transaction(intake_pool, lambda conn: add(conn, (2, 1))),
    )

    assert tries == 3
    assert [row["n"] for row in await intake_pool.fetch("SELECT n FROM pair")] == [2, 2]


async def test_now_is_the_clock_of_the_database_and_moves_inside_a_transaction(intake_pool: Pool) -> None:
    async with intake_pool.acquire() as conn, conn.transaction():
        assert await db.now(conn) < await db.now(conn)


def test_what_says_the_database_is_away_is_told_from_a_wrong_value() -> None:
    assert db.is_unavailable(asyncpg.CannotConnectNowError("57P03"))
    assert db.is_unavailable(ConnectionRefusedError())
    assert not db.is_unavailable(asyncpg.UniqueViolationError("23505"))
    assert not db.is_unavailable(ValueError())


@pytest.mark.parametrize("schema", ["intake", "scheduler", "notifier", "stops"])
async def test_the_shipped_migrations_apply_to_an_empty_database_and_are_complete(
    schema: str, database_url: str
) -> None:
    async with db.connect(database_url, schema=schema) as conn:
        await db.check_schema(conn, schema)
    assert await db.migrate(database_url, schema) == []


async def test_a_database_that_refuses_us_is_not_waited_for(database_url: str) -> None:
    no_such_database = database_url.replace("/afterhello_", "/nothing_")
    no_such_mode = f"{database_url}{'&' if '?' in database_url else '?'}sslmode=what"
    for url in (no_such_database, no_such_mode):
        pool = await db.open_pool(url, schema="intake")
        async with asyncio.timeout(10):
            with pytest.raises(WrongSchema, match=r"^DATABASE_URL: the database refuses it: "):
                await db.wait_for_schema(pool, "intake")
        pool.terminate()
