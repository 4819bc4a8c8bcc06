from shared import inbox
from shared.db import Pool
from tests.factories import acted


async def test_an_event_is_unseen_once(intake_pool: Pool) -> None:
    events = [acted(), acted()]
    async with intake_pool.acquire() as conn:
        assert await inbox.unseen(conn, [*events, *reversed(events)]) == events
        assert await inbox.unseen(conn, events) == []


async def test_the_inbox_forgets_only_what_is_old(intake_pool: Pool) -> None:
    old, young = acted(), acted()
    async with intake_pool.acquire() as conn:
        await inbox.unseen(conn, [old, young])
        await conn.execute("UPDATE inbox SET applied_at = now() - interval '15 days' WHERE event_id = $1", old.id)

        assert await inbox.prune(conn) == 1
        assert await inbox.unseen(conn, [old, young]) == [old]
