import asyncio
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from shared import db, dead_letter, events, receive
from shared.bus import Route, on
from shared.db import Connection, Pool
from shared.dead_letter import DeadLetter
from shared.events import FollowUpActed, MeetingLogged
from shared.receive import Receiver, receiver
from tests.factories import acted, meeting_logged, nudge_due


class Handlers:
    """Handlers that write what they are given into a table, and fail on demand."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []
        self.fail: dict[UUID, Exception] = {}
        self.routes: tuple[Route[Any], ...] = (on(MeetingLogged, self.logged), on(FollowUpActed, self.acted))

    async def logged(self, conn: Connection, batch: Sequence[MeetingLogged], now: datetime) -> None:
        await self._write(conn, "logged", batch)

    async def acted(self, conn: Connection, batch: Sequence[FollowUpActed], now: datetime) -> None:
        await self._write(conn, "acted", batch)

    async def _write(self, conn: Connection, name: str, batch: Sequence[events.Event]) -> None:
        self.calls.append((name, len(batch)))
        await conn.execute("INSERT INTO written SELECT unnest($1::uuid[])", [event.id for event in batch])
        for event in batch:
            if event.id in self.fail:
                raise self.fail[event.id]


@pytest.fixture
def handlers() -> Handlers:
    return Handlers()


@pytest.fixture
async def receive_all(scheduler_pool: Pool, handlers: Handlers) -> Receiver:
    await scheduler_pool.execute("CREATE TABLE written (id uuid NOT NULL)")
    return receiver(scheduler_pool, handlers.routes, service="scheduler")


async def written(pool: Pool) -> list[UUID]:
    return [row["id"] for row in await pool.fetch("SELECT id FROM written")]


async def letters(pool: Pool) -> list[DeadLetter]:
    async with pool.acquire() as conn:
        return await dead_letter.list_(conn)


async def make_due(pool: Pool) -> None:
    await pool.execute("UPDATE dead_letter SET next_attempt_at = clock_timestamp() WHERE state = 'retrying'")


async def test_handlers_get_their_events_as_a_batch_in_the_order_of_the_routes(
    receive_all: Receiver, handlers: Handlers, scheduler_pool: Pool
) -> None:
    arrived = [acted(), meeting_logged(), acted(), meeting_logged(), meeting_logged()]

    await receive_all([event.to_json() for event in arrived[:3]] + [batch(*arrived[3:])])

    assert handlers.calls == [("logged", 3), ("acted", 2)]
    assert sorted(await written(scheduler_pool)) == sorted(event.id for event in arrived)


async def test_a_copy_has_no_effect_in_the_same_message_or_a_later_one(
    receive_all: Receiver, handlers: Handlers, scheduler_pool: Pool
) -> None:
    event = meeting_logged()

    await receive_all([batch(event, event), event.to_json()])
    await receive_all([event.to_json()])

    assert await written(scheduler_pool) == [event.id]
    assert handlers.calls == [("logged", 1)]


async def test_copies_received_by_many_at_once_take_effect_once(receive_all: Receiver, scheduler_pool: Pool) -> None:
    arrived = [meeting_logged() for _ in range(20)]
    bodies = [event.to_json() for event in arrived]

    await asyncio.gather(*(receive_all(bodies if n % 2 else bodies[::-1]) for n in range(6)))

    assert sorted(await written(scheduler_pool)) == sorted(event.id for event in arrived)


async def test_what_a_failed_handler_wrote_is_undone(
    receive_all: Receiver, handlers: Handlers, scheduler_pool: Pool
) -> None:
    event = meeting_logged()
    handlers.fail[event.id] = KeyError("nope")

    await receive_all([event.to_json()])

    assert await written(scheduler_pool) == []
    assert await scheduler_pool.fetchval("SELECT count(*) FROM inbox") == 0


async def test_a_poisoned_event_is_dead_after_five_attempts_with_reason_traceback_and_raw_document(
    receive_all: Receiver, handlers: Handlers, scheduler_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        dead_letter, "RETRY_DELAYS", (timedelta(minutes=10),)
    )  # a busy machine is slower than the first
    event = meeting_logged()
    raw = json.dumps(json.loads(event.to_json()) | {"newer": "field"}).encode()
    handlers.fail[event.id] = KeyError("no\0pe\nsecond line")
    await receive_all([raw])

    for attempts in range(1, dead_letter.ATTEMPTS):
        [letter] = await letters(scheduler_pool)
        assert (letter.state, letter.attempts) == ("retrying", attempts)
        assert await receive_all.later() == 0  # not due yet
        await make_due(scheduler_pool)
        assert await receive_all.later() == 1

    [letter] = await letters(scheduler_pool)
    assert (letter.state, letter.attempts, letter.next_attempt_at) == ("dead", 5, None)
    assert letter.reason.startswith("KeyError: ")
    assert "test_receive.py" in (letter.detail or "")
    assert letter.document == raw
    assert (letter.id, letter.type) == (event.id, event.type)
    assert len(handlers.calls) == 1 + 1 + 4  # in its batch, alone, four more times


async def test_a_copy_of_what_is_kept_neither_counts_nor_runs_again(
    receive_all: Receiver, handlers: Handlers, scheduler_pool: Pool
) -> None:
    event = meeting_logged()
    handlers.fail[event.id] = KeyError("nope")
    for _ in range(10):
        await receive_all([event.to_json()])

    [letter] = await letters(scheduler_pool)
    assert letter.attempts == 1
    assert len(handlers.calls) == 1 + 1 + 9  # once alone; of its copies only the batches they came in


async def test_an_attempt_in_which_the_process_dies_counts(
    receive_all: Receiver, handlers: Handlers, scheduler_pool: Pool
) -> None:
    event = meeting_logged()
    await receive_all.park([event.to_json()], "it came back from the broker too often")
    for _ in range(dead_letter.ATTEMPTS - 1):
        await make_due(scheduler_pool)
        async with scheduler_pool.acquire() as conn:
            assert len(await dead_letter.lease(conn, limit=10)) == 1  # and no word of it any more
    await make_due(scheduler_pool)

    assert await receive_all.later() == 0

    [letter] = await letters(scheduler_pool)
    assert (letter.state, letter.attempts) == ("dead", 5)
    assert letter.reason == "the service died while it applied this event; before: " + (
        "it came back from the broker too often"
    )
    assert handlers.calls == []


async def test_what_was_parked_is_tried_by_itself(receive_all: Receiver, scheduler_pool: Pool) -> None:
    arrived = [meeting_logged(), acted()]
    await receive_all.park([batch(arrived[0]), arrived[1].to_json(), b"{"], "too often")
    assert await written(scheduler_pool) == []

    await make_due(scheduler_pool)
    assert await receive_all.later() == 2

    assert sorted(await written(scheduler_pool)) == sorted(event.id for event in arrived)
    assert [letter.document for letter in await letters(scheduler_pool)] == [b"{"]


async def test_a_letter_whose_event_took_effect_meanwhile_is_let_go(
    receive_all: Receiver, scheduler_pool: Pool
) -> None:
    event = meeting_logged()
    await receive_all.park([event.to_json()], "too often")
    await receive_all([event.to_json()])

    await make_due(scheduler_pool)
    await receive_all.later()

    assert await written(scheduler_pool) == [event.id]
    assert await letters(scheduler_pool) == []


@pytest.mark.parametrize(
    "unreadable",
    [
        b"\x00\xff",
        b"[",
        b'[{"specversion": "1.0"}]',
        b'{"specversion": "1.0", "type": "afterhello.meeting.logged.v9", "id": "%s"}' % str(uuid4()).encode(),
        nudge_due().to_json(),
    ],
    ids=["bytes", "broken batch", "no type", "a later version", "no handler here"],
)
async def test_what_cannot_be_read_is_dead_at_once_and_its_neighbours_take_effect(
    unreadable: bytes, receive_all: Receiver, scheduler_pool: Pool
) -> None:
    event = meeting_logged()

    for _ in range(2):
        await receive_all([unreadable, event.to_json()])

    assert await written(scheduler_pool) == [event.id]
    [letter] = await letters(scheduler_pool)
    assert letter.state == "dead"
    assert json_or_bytes(letter.document) == json_or_bytes(unreadable)


@pytest.mark.parametrize(
    "error",
    [ConnectionResetError(), asyncpg.AdminShutdownError("57P01"), asyncpg.InterfaceError("closed"), TimeoutError()],
    ids=lambda error: type(error).__name__,
)
async def test_a_database_that_is_away_counts_as_no_attempt(
    error: Exception, receive_all: Receiver, handlers: Handlers, scheduler_pool: Pool
) -> None:
    event = meeting_logged()
    handlers.fail[event.id] = error
    with pytest.raises(type(error)):
        await receive_all([event.to_json()])
    assert await letters(scheduler_pool) == []

    handlers.fail.clear()
    await receive_all([event.to_json()])
    assert await written(scheduler_pool) == [event.id]


async def test_a_value_that_fits_no_column_is_a_fault_of_the_event_not_of_the_database(
    scheduler_pool: Pool,
) -> None:
    async def writes_a_word_into_a_number(conn: Connection, batch: Sequence[Any], now: datetime) -> None:
        await conn.execute("SELECT $1::int", "word")

    receive_it = receiver(scheduler_pool, [on(MeetingLogged, writes_a_word_into_a_number)], service="scheduler")
    await receive_it([meeting_logged().to_json()])

    [letter] = await letters(scheduler_pool)
    assert letter.reason.startswith("DataError")


async def test_handlers_are_told_the_time_of_the_database(scheduler_pool: Pool) -> None:
    told: list[datetime] = []

    async def note(conn: Connection, batch: Sequence[Any], now: datetime) -> None:
        told.append(now)

    async with scheduler_pool.acquire() as conn:
        before = await db.now(conn)
        await receiver(scheduler_pool, [on(MeetingLogged, note)], service="x")([meeting_logged().to_json()])
        assert before <= told[0] <= await db.now(conn)


async def test_the_inbox_is_pruned_now_and_then(
    receive_all: Receiver, scheduler_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await receive_all([meeting_logged().to_json()])
    await scheduler_pool.execute("UPDATE inbox SET applied_at = now() - interval '15 days'")
    await receive_all.later()
    assert await scheduler_pool.fetchval("SELECT count(*) FROM inbox") == 1

    monkeypatch.setattr(receive, "PRUNE_EVERY_SECONDS", 0.0)
    await receive_all.later()
    assert await scheduler_pool.fetchval("SELECT count(*) FROM inbox") == 0


def batch(*arrived: events.Event) -> bytes:
    return b"[" + b",".join(event.to_json() for event in arrived) + b"]"


def json_or_bytes(body: bytes) -> object:
    try:
        value = json.loads(body)
    except ValueError:
        return body
    return value[0] if isinstance(value, list) else value
