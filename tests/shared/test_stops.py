import asyncio
from uuid import uuid4

from shared import db, stops
from shared.db import Pool
from shared.stops import Stop


async def standing(pool: Pool, person: object, *connections: object) -> set[tuple[str, object, str]]:
    async with pool.acquire() as conn, conn.transaction():
        found = await stops.standing(conn, person=person, connections=connections)  # type: ignore[arg-type]
    return {(stop.kind, stop.id, stop.channel) for stop in found}


async def test_what_intake_wrote_the_notifier_sees(intake_pool: Pool, notifier_pool: Pool) -> None:
    ada, bob, with_erin, with_finn = uuid4(), uuid4(), uuid4(), uuid4()
    async with intake_pool.acquire() as conn, conn.transaction():
        await stops.stop_connection(conn, person=ada, connection=with_erin)
        await stops.stop_person(conn, person=ada, channel="sms")

    assert await standing(notifier_pool, ada, with_erin, with_finn) == {
        ("connection", with_erin, ""),
        ("person", ada, "sms"),
    }
    assert await standing(notifier_pool, ada, with_finn) == {("person", ada, "sms")}
    assert await standing(notifier_pool, bob, with_finn) == set()


async def test_a_person_comes_back_on_one_channel_or_on_all(intake_pool: Pool) -> None:
    ada = uuid4()
    async with intake_pool.acquire() as conn:
        for channel in ("", "email", "sms"):
            await stops.stop_person(conn, person=ada, channel=channel)
        await stops.resume_person(conn, person=ada, channel="sms")
        assert await standing(intake_pool, ada) == {("person", ada, ""), ("person", ada, "email")}
        await stops.resume_person(conn, person=ada)
        assert await standing(intake_pool, ada) == set()


async def test_a_meeting_is_stopped_alone(intake_pool: Pool, notifier_pool: Pool) -> None:
    ada, with_erin, stopped, other = (uuid4() for _ in range(4))
    async with intake_pool.acquire() as conn, conn.transaction():
        await stops.stop_meeting(conn, person=ada, meeting=stopped)

    async with notifier_pool.acquire() as conn, conn.transaction():
        [found] = await stops.standing(conn, person=ada, connections=[with_erin], meetings=[stopped, other])
        [known] = await stops.known(conn, people=[ada], connections=[with_erin], meetings=[stopped, other])
        assert await stops.standing(conn, person=ada, connections=[with_erin], meetings=[other]) == []
    assert (found.kind, found.id) == ("meeting", stopped)
    assert known == found


async def test_a_stop_said_after_a_person_came_back_stands(intake_pool: Pool) -> None:
    ada = uuid4()
    async with intake_pool.acquire() as conn, conn.transaction():
        before = await db.now(conn)
        await stops.stop_person(conn, person=ada, channel="email")

        await stops.resume_person(conn, person=ada, channel="email", at=before)
        assert len(await stops.standing(conn, person=ada, connections=[])) == 1
        await stops.resume_person(conn, person=ada, channel="email", at=await db.now(conn))
        assert await stops.standing(conn, person=ada, connections=[]) == []


async def test_stopping_twice_counts_from_the_later_time(intake_pool: Pool) -> None:
    ada, with_erin = uuid4(), uuid4()

    async def at() -> Stop:
        async with intake_pool.acquire() as conn, conn.transaction():
            await stops.stop_connection(conn, person=ada, connection=with_erin)
            [stop] = await stops.standing(conn, person=ada, connections=[with_erin])
            return stop

    assert (await at()).at < (await at()).at


async def test_a_stop_waits_for_a_send_that_is_being_begun_and_none_begins_after_it(
    intake_pool: Pool, notifier_pool: Pool
) -> None:
    ada, bob = uuid4(), uuid4()

    async def stop(person: object) -> None:
        async with intake_pool.acquire() as conn, conn.transaction():
            await stops.stop_person(conn, person=person)  # type: ignore[arg-type]

    async with notifier_pool.acquire() as conn, conn.transaction():
        assert await stops.standing(conn, person=ada, connections=[]) == []
        stopping = asyncio.create_task(stop(ada))
        await stop(bob)  # of somebody else: does not wait
        done, _ = await asyncio.wait([stopping], timeout=0.1)
        assert not done
    await asyncio.wait_for(stopping, 5)

    assert await standing(notifier_pool, ada) == {("person", ada, "")}


async def test_a_send_waits_for_a_stop_that_is_being_written(intake_pool: Pool, notifier_pool: Pool) -> None:
    ada = uuid4()
    async with intake_pool.acquire() as conn, conn.transaction():
        await stops.stop_person(conn, person=ada)
        asking = asyncio.create_task(standing(notifier_pool, ada))
        done, _ = await asyncio.wait([asking], timeout=0.1)
        assert not done

    assert await asyncio.wait_for(asking, 5) == {("person", ada, "")}
