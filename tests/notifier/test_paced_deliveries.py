"""Deliveries to many domains at once, each at its own pace."""

from collections import Counter
from datetime import timedelta

from services.notifier import store_channels
from services.notifier.channels.pace import Pace
from shared.db import Pool
from tests.factories import nudge_due, recipient
from tests.notifier.sending import MINUTE, Notifier, receive
from tests.servers.smtp import Scripted


async def test_a_domain_that_asks_for_less_is_slowed_and_no_other(notifier_pool: Pool, smtp: Scripted) -> None:
    notifier = Notifier(notifier_pool, smtp.url, pace=Pace(60))
    slow = [nudge_due(recipient=recipient(address=f"{n}@slow.example")) for n in range(12)]
    await receive(notifier_pool, slow[:1])
    smtp.answer("rcpt", "421 4.7.28 unusual rate")
    await notifier.work()
    await receive(notifier_pool, [*slow[1:], nudge_due(), nudge_due(recipient=recipient(address="bo@other.example"))])
    await notifier.work()
    arrived = [mail.recipient.partition("@")[2] for mail in smtp.received]
    assert sorted(arrived) == ["other.example", "school.example"]
    async with notifier_pool.acquire() as conn:
        assert await store_channels.troubles(conn, now=await notifier.clock(conn)) == []
    assert await notifier_pool.fetchval("SELECT sum(refusals) FROM deliveries") == 0

    for _ in range(40):
        notifier.clock.ahead += timedelta(seconds=10)
        await notifier.work()
    assert len(smtp.received) == 14
    at = [row["at"] for row in await notifier_pool.fetch("SELECT sent_at AS at FROM deliveries ORDER BY sent_at")]
    assert at[-1] - at[2] >= timedelta(seconds=10)


async def test_thousands_to_one_domain_hold_nobody_else_up(notifier_pool: Pool, smtp: Scripted) -> None:
    notifier = Notifier(notifier_pool, smtp.url, pace=Pace(20))
    big = [nudge_due(recipient=recipient(address=f"{n}@big.example")) for n in range(300)]
    await receive(
        notifier_pool, [*big, *(nudge_due(recipient=recipient(address=f"a@s{n}.example")) for n in range(30))]
    )
    await notifier.work()
    arrived = Counter(mail.recipient.partition("@")[2] for mail in smtp.received)
    assert 20 <= arrived.pop("big.example") <= 25
    assert set(arrived.values()) == {1} and len(arrived) == 30
    # Each of the others has a time of its own when it is tried again, and none has been told of as troubled.
    times = await notifier_pool.fetch("SELECT next_attempt_at AS at, reason FROM deliveries WHERE state = 'queued'")
    assert {row["reason"] for row in times} == {None}
    assert 13.5 <= (max(row["at"] for row in times) - min(row["at"] for row in times)) / MINUTE <= 14.5
