"""The database away, or gone in the middle of a commit: 503, and the sender's retry makes it right."""

import asyncio
import json
from functools import partial
from time import monotonic

import pytest
from pydantic import SecretStr

from services.intake import patience, sources
from services.intake.patience import AT_FIRST_SECONDS
from shared import db
from shared.db import Pool
from tests.intake.serving import ONE_MEETING, Intake, serving, submission
from tests.servers.proxy import proxy
from tests.servers.waiting import until


@pytest.fixture(autouse=True)
def patient() -> None:
    """No more than in earnest."""


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


async def test_within_a_second_a_sender_knows_that_the_database_does_not_answer(
    intake: Intake, database_url: str, keys: tuple[SecretStr, ...]
) -> None:
    sender = await intake.source()
    raw = json.dumps(submission()).encode()
    async with proxy(database_url) as between:
        pool = await db.open_pool(between.url, schema="intake")
        async with serving(pool, keys) as behind:
            post = partial(behind.client.post, sender.path, data=raw, headers=sender.signed(raw))
            assert (await post()).status == 202
            between.mute()
            began = monotonic()
            answers = await asyncio.gather(*(post() for _ in range(5)))
            seconds = monotonic() - began
            between.cut()
        pool.terminate()

    assert {answer.status for answer in answers} == {503}
    assert seconds < 2 * AT_FIRST_SECONDS, "one second, with some for a machine that has much to do"


async def test_a_table_that_is_locked_is_a_503_within_a_second_and_nothing_half_done(intake: Intake) -> None:
    sender = await intake.source()
    async with intake.pool.acquire() as holder, holder.transaction():
        await holder.execute("LOCK TABLE meetings")
        began = monotonic()
        answer = await sender.send(submission())
        seconds = monotonic() - began

    assert (answer.status, await intake.stored()) == (503, {})
    assert seconds < 2 * AT_FIRST_SECONDS
    assert (await sender.send(submission())).status == 202


async def test_while_others_are_answered_one_waits_longer_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("AT_FIRST", 0.05), ("AFTER_A_SIGN", 0.2), ("IN_ALL", 0.4)):
        monkeypatch.setattr(patience, f"{name}_SECONDS", seconds)
    waiting, at_last = patience.Patience(), asyncio.Event()

    async def others_are_answered() -> None:
        while not at_last.is_set():
            await waiting.wait(asyncio.sleep(0.01))

    others = asyncio.create_task(others_are_answered())
    began = monotonic()
    with pytest.raises(TimeoutError):
        await waiting.wait(asyncio.sleep(9))
    together = monotonic() - began
    at_last.set()
    await others
    began = monotonic()
    with pytest.raises(TimeoutError):
        await waiting.wait(asyncio.sleep(9), spent_seconds=0.02)
    alone = monotonic() - began

    assert together >= 0.4 > 0.3 > alone >= 0.03


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
