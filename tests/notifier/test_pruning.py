"""Of what was sent long ago the words are not kept; that it was sent is."""

from datetime import timedelta

from services.notifier.pruning import prune
from services.notifier.store_standing import suppressions
from shared.db import Pool
from shared.events import NudgeData
from tests.factories import contact, due_follow_up, nudge_due, recipient, reported
from tests.notifier.sending import receive, state

CANARY = "canary-7f1c"


async def test_old_deliveries_lose_their_words_and_nothing_else(notifier_pool: Pool) -> None:
    words = {"contact": contact(name=CANARY), "notes": CANARY, "promise": CANARY, "topics": (CANARY,)}
    sent, new, waits = (
        nudge_due(recipient=recipient(name=CANARY), follow_ups=(due_follow_up(**words),)) for _ in range(3)
    )
    await receive(notifier_pool, [sent, new, waits])
    for due, days in ((sent, 31), (new, 29)):
        await notifier_pool.execute(
            """
            UPDATE deliveries SET state = 'sent', sent_at = now() - $2::interval, ended_at = now() - $2::interval,
                                  next_attempt_at = NULL, revision = 2
             WHERE nudge_id = $1
            """,
            due.data.nudge,
            timedelta(days=days),
        )

    assert [await prune(notifier_pool, keep=timedelta(days=30)) for _ in range(2)] == [1, 0]

    facts = {
        row["nudge_id"]: row["facts"]
        for row in await notifier_pool.fetch("SELECT nudge_id, facts::text AS facts FROM deliveries")
    }
    assert CANARY not in facts[sent.data.nudge]
    assert CANARY in facts[new.data.nudge] and CANARY in facts[waits.data.nudge]
    bare = NudgeData.model_validate_json(facts[sent.data.nudge])
    assert [one.id for one in bare.follow_ups] == [one.id for one in sent.data.follow_ups]
    # A report that comes late still finds it.
    await receive(notifier_pool, [reported("bounced", nudge=sent.data.nudge, code="5.1.1")])
    assert (await state(notifier_pool, sent.data))[0] == "bounced"
    async with notifier_pool.acquire() as conn:
        assert len(await suppressions(conn)) == 1
