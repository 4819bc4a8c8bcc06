import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared import wake
from shared.db import Pool
from tests.servers.waiting import until


@asynccontextmanager
async def listening(url: str, wakes: dict[str, asyncio.Event]) -> AsyncIterator[None]:
    task = asyncio.create_task(wake.listen(url, "scheduler", wakes))
    try:
        for event in wakes.values():
            await event.wait()  # at the start all are set
            event.clear()
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_one_that_is_notified_is_set(database_url: str, scheduler_pool: Pool) -> None:
    wakes = {"due": asyncio.Event(), "outbox": asyncio.Event()}
    async with listening(database_url, wakes):
        async with scheduler_pool.acquire() as conn:
            await wake.notify(conn, "intake", "due")
            await wake.notify(conn, "scheduler", "due")

        await until(wakes["due"].is_set)
        assert not wakes["outbox"].is_set()


async def test_nothing_is_set_by_a_transaction_that_was_undone(database_url: str, scheduler_pool: Pool) -> None:
    wakes = {"due": asyncio.Event(), "outbox": asyncio.Event()}
    async with listening(database_url, wakes), scheduler_pool.acquire() as conn:
        transaction = conn.transaction()
        await transaction.start()
        await wake.notify(conn, "scheduler", "due")
        await transaction.rollback()
        await wake.notify(conn, "scheduler", "outbox")

        await until(wakes["outbox"].is_set)
        assert not wakes["due"].is_set()


async def test_listening_survives_its_connection_and_tells_of_what_may_have_been_missed(
    database_url: str, scheduler_pool: Pool
) -> None:
    wakes = {"due": asyncio.Event()}
    async with listening(database_url, wakes):
        ended = await scheduler_pool.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE '%wake' "
            "AND datname = current_database()"
        )
        assert ended == 1
        await until(wakes["due"].is_set)

        wakes["due"].clear()
        async with scheduler_pool.acquire() as conn:
            await wake.notify(conn, "scheduler", "due")
        await until(wakes["due"].is_set)
