from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest

from shared import dead_letter
from shared.bus import on
from shared.db import Connection, Pool
from shared.events import MeetingLogged
from shared.receive import receiver
from tests.factories import meeting_logged


async def kept(conn: Connection, **given: Any) -> dead_letter.DeadLetter:
    fields: dict[str, Any] = {"type": "t", "reason": "it broke", "detail": "Traceback", "state": "dead"}
    id = uuid4()
    await dead_letter.keep(conn, id, b"raw", **fields | given)
    letter = await dead_letter.show(conn, id)
    assert letter is not None
    return letter


async def test_a_letter_shows_what_was_kept(intake_pool: Pool) -> None:
    async with intake_pool.acquire() as conn:
        letter = await kept(conn)

        assert (letter.type, letter.state, letter.reason, letter.detail) == ("t", "dead", "it broke", "Traceback")
        assert (letter.document, letter.attempts) == (b"raw", 1)
        assert await dead_letter.list_(conn) == [letter]
        assert await dead_letter.show(conn, uuid4()) is None


async def test_the_newest_failure_is_listed_first(intake_pool: Pool) -> None:
    async with intake_pool.acquire() as conn:
        letters = [await kept(conn) for _ in range(3)]

        assert await dead_letter.list_(conn) == letters[::-1]
        assert await dead_letter.list_(conn, limit=1) == letters[2:]


async def test_what_is_dropped_is_gone(intake_pool: Pool) -> None:
    async with intake_pool.acquire() as conn:
        first, second = await kept(conn), await kept(conn)

        assert await dead_letter.drop(conn, [first.id, uuid4()]) == 1
        assert await dead_letter.list_(conn) == [second]


async def test_what_is_replayed_goes_through_the_handlers_of_today(scheduler_pool: Pool) -> None:
    event = meeting_logged()
    seen: list[MeetingLogged] = []
    broken = True

    async def handle(conn: Connection, batch: Sequence[MeetingLogged], now: datetime) -> None:
        if broken:
            raise ValueError("broken")
        seen.extend(batch)

    receive = receiver(scheduler_pool, [on(MeetingLogged, handle)], service="scheduler")
    await receive([event.to_json()])
    async with scheduler_pool.acquire() as conn:
        await conn.execute("UPDATE dead_letter SET state = 'dead', next_attempt_at = NULL, attempts = 5")
        assert await receive.later() == 0
        broken = False

        assert await dead_letter.replay(conn, [event.id]) == 1
        assert await receive.later() == 1

        assert seen == [event]
        assert await dead_letter.list_(conn) == []


async def test_a_replay_of_all_takes_the_dead_and_leaves_alone_what_is_retrying(intake_pool: Pool) -> None:
    async with intake_pool.acquire() as conn:
        dead, retrying = await kept(conn), await kept(conn, state="retrying")

        assert await dead_letter.replay(conn) == 1
        assert await dead_letter.replay(conn) == 0
        leased = await dead_letter.lease(conn, limit=10)

    assert [letter.id for letter in leased] == [dead.id]
    assert leased[0].attempts == 1
    assert retrying.attempts == 1


async def test_a_leased_letter_is_not_leased_again_before_its_lease_ends(intake_pool: Pool) -> None:
    async with intake_pool.acquire() as conn:
        await kept(conn, state="retrying")
        await conn.execute("UPDATE dead_letter SET next_attempt_at = clock_timestamp()")

        assert len(await dead_letter.lease(conn, limit=10)) == 1
        assert await dead_letter.lease(conn, limit=10) == []


async def test_how_many_there_are_can_be_asked(intake_pool: Pool) -> None:
    async with intake_pool.acquire() as conn:
        assert await dead_letter.counts(conn) == {"retrying": 0, "dead": 0}
        await kept(conn)
        await kept(conn, state="retrying")

        assert await dead_letter.counts(conn) == {"retrying": 1, "dead": 1}


@pytest.mark.parametrize("text", ["nul \0 inside", "lone \ud800 surrogate", "x" * 100_000])
async def test_no_text_is_too_strange_to_be_kept(text: str, intake_pool: Pool) -> None:
    async with intake_pool.acquire() as conn:
        letter = await kept(conn, reason=text, detail=text, type=text)

    assert len(letter.reason) <= 1010
    assert letter.reason[:3] == text[:3]
