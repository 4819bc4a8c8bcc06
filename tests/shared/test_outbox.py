import asyncio
import json
from collections.abc import Sequence

import pytest

from shared import events, outbox, wake
from shared.bus import Message, NotAllSafe
from shared.db import Pool
from shared.retry import TryAgain
from tests.factories import acted, meeting_logged
from tests.servers.waiting import until


class Taken:
    """A bus that takes everything, but for what it is told not to."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.refused: set[str] = set()

    async def publish(self, messages: Sequence[Message]) -> None:
        self.messages += [message for message in messages if message.id not in self.refused]
        if refused := [message.id for message in messages if message.id in self.refused]:
            raise NotAllSafe("no room", refused)

    async def consume(self, service: object, types: object, receive: object) -> None: ...

    async def check(self) -> str:
        return "ok"

    async def close(self) -> None: ...

    @property
    def documents(self) -> list[bytes]:
        return [document for message in self.messages for document in events.split(message.body)]


async def add(pool: Pool, added: Sequence[events.Event]) -> None:
    async with pool.acquire() as conn, conn.transaction():
        await outbox.add(conn, added)


async def left(pool: Pool) -> int:
    async with pool.acquire() as conn:
        return (await outbox.waiting(conn))[0]


async def test_events_leave_in_the_order_they_were_added(intake_pool: Pool) -> None:
    added = [meeting_logged() if n % 3 else acted() for n in range(30)]
    await add(intake_pool, added[:10])
    await add(intake_pool, added[10:])
    bus = Taken()

    assert await outbox.relay(intake_pool, bus) == 30
    assert await outbox.relay(intake_pool, bus) == 0

    assert [json.loads(document)["id"] for document in bus.documents] == [str(event.id) for event in added]
    assert await left(intake_pool) == 0


async def test_an_event_of_a_transaction_that_was_undone_never_leaves(intake_pool: Pool) -> None:
    with pytest.raises(RuntimeError):
        async with intake_pool.acquire() as conn, conn.transaction():
            await outbox.add(conn, [meeting_logged()])
            raise RuntimeError

    assert await outbox.relay(intake_pool, Taken()) == 0


async def test_neighbours_of_one_type_travel_together_within_bounds(intake_pool: Pool) -> None:
    await add(intake_pool, [*[meeting_logged() for _ in range(205)], acted(), meeting_logged()])
    bus = Taken()
    await outbox.relay(intake_pool, bus)

    sizes = [len(events.split(message.body)) for message in bus.messages]
    assert sizes == [100, 100, 5, 1, 1]
    assert [message.content_type for message in bus.messages] == [events.BATCH_CONTENT_TYPE] * 3 + [
        events.CONTENT_TYPE
    ] * 2


async def test_a_message_stays_within_its_bytes_and_a_greater_event_goes_alone(intake_pool: Pool) -> None:
    large, greater = "x" * 100_000, "y" * 300_000
    added = [meeting_logged(notes=notes) for notes in (large, large, large, greater, large)]
    await add(intake_pool, added)
    bus = Taken()
    await outbox.relay(intake_pool, bus)

    assert [len(events.split(message.body)) for message in bus.messages] == [2, 1, 1, 1]
    assert all(len(message.body) <= outbox.BYTES_A_MESSAGE for message in bus.messages if len(message.body) < 300_000)
    assert [events.read(document) for document in bus.documents] == added


async def test_what_is_not_known_to_be_safe_stays_and_the_rest_leaves(intake_pool: Pool) -> None:
    bad, good = acted(), meeting_logged()
    await add(intake_pool, [bad, good])
    bus = Taken()
    bus.refused.add(str(bad.id))

    with pytest.raises(TryAgain, match="no room"):
        await outbox.relay(intake_pool, bus)
    assert await left(intake_pool) == 1
    bus.refused.clear()
    assert await outbox.relay(intake_pool, bus) == 1

    assert [events.read(document) for document in bus.documents] == [good, bad]


async def test_two_relays_never_take_the_same_event(intake_pool: Pool) -> None:
    added = [meeting_logged() for _ in range(100)]
    await add(intake_pool, added)
    bus = Taken()

    done = await asyncio.gather(*(outbox.relay(intake_pool, bus, limit=10) for _ in range(5)))
    while await left(intake_pool):
        done.append(await outbox.relay(intake_pool, bus, limit=10))

    assert sum(done) == 100
    assert sorted(bus.documents) == sorted(event.to_json() for event in added)


async def test_how_much_waits_and_for_how_long_can_be_asked(intake_pool: Pool) -> None:
    async with intake_pool.acquire() as conn:
        assert await outbox.waiting(conn) == (0, 0.0)
        await outbox.add(conn, [meeting_logged(), acted()])
        await conn.execute("UPDATE outbox SET added_at = added_at - interval '1 hour'")

        rows, seconds = await outbox.waiting(conn)
    assert rows == 2
    assert 3600 <= seconds < 3700


async def test_an_event_added_wakes_the_relay(database_url: str, intake_pool: Pool) -> None:
    woken = asyncio.Event()
    listening = asyncio.create_task(wake.listen(database_url, "intake", {"outbox": woken}))
    try:
        await woken.wait()  # at the start, since something may have been missed
        woken.clear()
        await add(intake_pool, [meeting_logged()])

        await until(woken.is_set)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
