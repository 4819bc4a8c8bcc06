"""What was submitted long ago is not kept as it came; a repeat is recognised all the same."""

from datetime import timedelta

from services.intake.pruning import prune
from tests.intake.serving import Intake, submission

DAYS = timedelta(days=30)


async def test_old_submissions_lose_their_words_and_rejected_ones_go(intake: Intake) -> None:
    source = await intake.source()
    old, new = submission(), submission(contact={"name": "Zoe"})
    first = await (await source.send(old)).json()
    await source.send(submission(contact=None), id="msg_2")
    await source.send({"owner": 1}, id="msg_3")
    await intake.pool.execute("UPDATE submissions SET received_at = received_at - interval '31 days'")
    await source.send(new, id="msg_4")
    await source.send(submission(contact=None), id="msg_5")

    assert [await prune(intake.pool, keep=DAYS, limit=2) for _ in range(3)] == [2, 1, 0]

    assert await intake.count("submissions", "state = 'rejected'") == 1
    assert await intake.count("submissions", "state = 'accepted' AND body = '' AND headers = '{}'") == 1
    assert await intake.count("submissions", "state = 'accepted' AND body <> ''") == 1
    again = await source.send(old)
    assert (again.status, await again.json()) == (200, first)
    assert await intake.count("meetings") == 2
    assert await intake.pool.fetchval("SELECT count(*) FROM meetings WHERE sent ->> 'notes' <> ''") == 2
