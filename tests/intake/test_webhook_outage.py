"""The database away, or gone in the middle of a commit: 503, and the sender's retry makes it right."""

import asyncio
import json

from pydantic import SecretStr

from services.intake import sources
from shared import db
from shared.db import Pool
from tests.intake.serving import ONE_MEETING, Intake, serving, submission
from tests.servers.proxy import proxy
from tests.servers.waiting import until


async def test_without_a_database_the_sender_is_asked_to_come_again(keys: tuple[SecretStr, ...]) -> None:
    nowhere = await db.open_pool("postgresql://nobody@127.0.0.1:1/none", schema="intake")
    async with serving(nowhere, keys) as intake:
        answer = await intake.client.post(f"/hooks/{sources.new_path()}", json={})
    nowhere.terminate()

    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) > 0


async def test_a_commit_whose_answer_was_lost_is_found_by_the_retry(
    intake: Intake, database_url: str, keys: tuple[SecretStr, ...]
) -> None:
    sender = await intake.source()
    raw = json.dumps(submission()).encode()
    await at_commit(intake.pool, "pg_advisory_xact_lock(42)")
    async with proxy(database_url) as between, intake.pool.acquire() as holder:
        pool = await db.open_pool(between.url, schema="intake")
        async with serving(pool, keys) as behind:
            await holder.execute("SELECT pg_advisory_lock(42)")
            sending = asyncio.create_task(behind.client.post(sender.path, data=raw, headers=sender.signed(raw)))
            await until(lambda: somebody_waits(intake.pool))
            between.mute()
            await holder.execute("SELECT pg_advisory_unlock(42)")
            await until(lambda: has_rows(intake.pool))
            between.cut()
            answer = await sending
        pool.terminate()

    assert (answer.status, int(answer.headers["Retry-After"]) > 0) == (503, True)
    assert (await sender.send(raw)).status == 200
    assert await intake.stored() == ONE_MEETING


async def at_commit(pool: Pool, what: str) -> None:
    """Do this at the end of every transaction that adds a meeting, when only the commit itself is left."""
    await pool.execute(
        f"""
        CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM {what}; RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON meetings DEFERRABLE INITIALLY DEFERRED
           FOR EACH ROW EXECUTE FUNCTION at_commit();
        """
    )


async def somebody_waits(pool: Pool) -> bool:
    waiting: bool = await pool.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
    return waiting


async def has_rows(pool: Pool) -> bool:
    found: bool = await pool.fetchval("SELECT EXISTS (SELECT FROM outbox)")
    return found


async def test_a_commit_that_failed_leaves_nothing(intake: Intake) -> None:
    sender = await intake.source()
    await at_commit(intake.pool, "pg_terminate_backend(pg_backend_pid())")

    lost = await sender.send(submission())
    assert (lost.status, await intake.stored()) == (503, {})

    await intake.pool.execute("DROP TRIGGER at_commit ON meetings")
    assert (await sender.send(submission())).status == 202
    assert await intake.stored() == ONE_MEETING
