"""What was said about a meeting of which nothing is to come any more is not kept by the scheduler."""

from datetime import UTC, datetime, timedelta

from services.scheduler.pruning import prune
from shared.db import Pool
from shared.events import new_id
from tests.factories import contact, meeting_logged, person
from tests.scheduler.drive import ANY_TIME, receive

DAYS = timedelta(days=30)


async def test_the_words_of_meetings_that_are_over_go_and_of_others_stay(scheduler_pool: Pool) -> None:
    owner = person(**ANY_TIME)
    over, waits, lately = (
        meeting_logged(owner=owner, contact=contact(name=name, email=None)) for name in ("Over", "Waits", "Lately")
    )
    await receive(scheduler_pool, over, waits, lately)
    long_ago = datetime.now(UTC) - 2 * DAYS
    await scheduler_pool.execute("UPDATE meetings SET logged_at = $1", long_ago)
    for event, state, due_at in ((over, "nudged", long_ago), (lately, "nudged", datetime.now(UTC) - DAYS / 2)):
        await scheduler_pool.execute(
            "UPDATE follow_ups SET state = $2, nudge_id = id, due_at = $3 WHERE meeting_id = $1",
            event.data.meeting.id,
            state,
            due_at,
        )

    assert [await prune(scheduler_pool, keep=DAYS) for _ in range(2)] == [1, 0]

    rows = await scheduler_pool.fetch("SELECT id, facts FROM meetings")
    facts = {row["id"]: row["facts"] for row in rows}
    bare = facts[over.data.meeting.id]
    assert (bare["notes"], bare["promise"], bare["topics"], bare["contact"]["name"]) == (None, None, [], "Over")
    for event in (waits, lately):
        assert facts[event.data.meeting.id]["notes"] == "robotics club swap"
    await receive(scheduler_pool, over.model_copy(update={"id": new_id()}))  # told again: no newer
    assert await scheduler_pool.fetchval("SELECT count(*) FROM meetings WHERE facts ->> 'notes' IS NULL") == 1
