"""What mail servers' refusals do to deliveries, addresses and the channel, over hours (M01 to M08 of the matrix)."""

from datetime import timedelta

import pytest

from services.notifier import store_channels
from shared import db
from shared.db import Pool
from tests.factories import nudge_due, recipient
from tests.notifier.sending import MINUTE, Notifier, attempts, receive, state, states, told, told_states
from tests.servers.smtp import Scripted

HOUR = timedelta(hours=1)
SUPPRESSED = "afterhello.address.suppressed.v1"


@pytest.fixture
def notifier(notifier_pool: Pool, smtp: Scripted) -> Notifier:
    return Notifier(notifier_pool, smtp.url)


async def trouble(notifier: Notifier) -> store_channels.Trouble | None:
    async with notifier.pool.acquire() as conn:
        found = await store_channels.troubles(conn, now=await notifier.clock(conn))
    return found[0] if found else None


async def paused_for(notifier: Notifier) -> timedelta:
    one = await trouble(notifier)
    assert one is not None and one.paused_until is not None
    async with notifier.pool.acquire() as conn:
        return one.paused_until - await notifier.clock(conn)


async def test_m01_a_server_with_too_many_connections_is_left_alone_for_minutes(
    notifier: Notifier, notifier_pool: Pool, smtp: Scripted
) -> None:
    addresses = [f"{n}@school{n % 3}.example" for n in range(30)]
    batch = [nudge_due(recipient=recipient(address=address)) for address in addresses]
    await receive(notifier_pool, batch)
    smtp.always("banner", "421 4.7.0 too many connections")
    await notifier.work()
    assert smtp.connections <= 4
    assert 0.9 * MINUTE < await paused_for(notifier) <= MINUTE

    smtp.always("banner", None)
    notifier.clock.ahead = 7 * MINUTE
    await notifier.work()
    assert {state for state, _ in (await states(notifier_pool)).values()} == {"sent"}
    assert await notifier_pool.fetchval("SELECT sum(refusals) FROM deliveries") == 0  # it was nobody's fault
    assert await trouble(notifier) is None


async def test_m03_a_greylisted_mail_is_tried_at_growing_distances_and_sent_once(
    notifier: Notifier, notifier_pool: Pool, smtp: Scripted
) -> None:
    due = nudge_due()
    await receive(notifier_pool, [due])
    smtp.always("rcpt", "451 4.7.1 greylisted")
    waits = []
    for minutes in (1, 5, 15, 30, 60, 60):
        await notifier.work()
        async with notifier_pool.acquire() as conn:
            now = await notifier.clock(conn)
        at = await notifier_pool.fetchval("SELECT next_attempt_at FROM deliveries")
        waits.append((at - now) / MINUTE)
        notifier.clock.ahead += 1.11 * minutes * MINUTE
    for wait, minutes in zip(waits, (1, 5, 15, 30, 60, 60), strict=True):
        assert 0.95 * minutes <= wait <= 1.1 * minutes
    smtp.always("rcpt", None)
    await notifier.work()
    assert len(smtp.received) == 1
    assert await attempts(notifier_pool, due.data) == ["deferred"] * 6 + ["sent"]
    assert await told_states(notifier_pool, due.data) == [
        (1, "queued", None),
        (2, "queued", "deferred"),  # why it has not come yet, said once
        (3, "sent", None),
    ]


async def test_m04_what_is_deferred_for_ever_fails_when_it_is_too_late(
    notifier: Notifier, notifier_pool: Pool, smtp: Scripted
) -> None:
    due = nudge_due()
    await receive(notifier_pool, [due])
    smtp.always("rcpt", "450 4.2.1 try later")
    for _ in range(40):
        await notifier.work()
        notifier.clock.ahead += 67 * MINUTE
    assert await state(notifier_pool, due.data) == ("failed", "deferred")
    assert 20 <= len(await attempts(notifier_pool, due.data)) <= 26
    assert (await told_states(notifier_pool, due.data))[-1] == (3, "failed", "deferred")


async def test_m05_a_bad_address_gets_one_try_and_no_further_mail(
    notifier: Notifier, notifier_pool: Pool, smtp: Scripted
) -> None:
    person = recipient(address="Gone@School.example")
    first, waits = nudge_due(recipient=person), nudge_due(recipient=person)
    await receive(notifier_pool, [first])
    smtp.always("rcpt", "550 5.1.1 no such user")
    await notifier.work()
    await receive(notifier_pool, [waits])
    await notifier.work()

    assert await state(notifier_pool, first.data) == ("failed", "bad-address")
    assert await state(notifier_pool, waits.data) == ("skipped", "suppressed")
    assert sum(command.startswith("RCPT") for command in smtp.commands) == 1
    [said] = await told(notifier_pool, SUPPRESSED)
    assert (said.address, said.channel, said.reason, said.person) == (
        "Gone@School.example",
        "email",
        "bad-address",
        person.id,
    )


async def test_m06_a_full_mailbox_is_tried_for_a_day_and_the_person_stays(
    notifier: Notifier, notifier_pool: Pool, smtp: Scripted
) -> None:
    person = recipient()
    week = timedelta(days=7)
    due = nudge_due(recipient=person, too_late_after=nudge_due().data.due_at + week)
    await receive(notifier_pool, [due])
    smtp.always("rcpt", "552 5.2.2 mailbox full")
    hours = 0.0
    while await state(notifier_pool, due.data) != ("failed", "mailbox-full"):
        await notifier.work()
        notifier.clock.ahead += 67 * MINUTE
        hours = notifier.clock.ahead / HOUR
        assert hours < 30
    assert hours > 22
    assert len(await attempts(notifier_pool, due.data)) > 15
    assert await told(notifier_pool, SUPPRESSED) == []

    smtp.always("rcpt", None)
    next_one = nudge_due(recipient=person, too_late_after=due.data.due_at + 2 * week)
    await receive(notifier_pool, [next_one])
    await notifier.work()
    assert await state(notifier_pool, next_one.data) == ("sent", None)


async def test_a_disabled_mailbox_is_suppressed_the_second_time_within_a_week(
    notifier: Notifier, notifier_pool: Pool, smtp: Scripted
) -> None:
    person = recipient()
    smtp.always("rcpt", "550 5.2.1 disabled")
    far = {"too_late_after": nudge_due().data.due_at + 40 * 24 * HOUR}
    counts = []
    for days in (0, 8, 10):
        notifier.clock.ahead = days * 24 * HOUR
        await receive(notifier_pool, [nudge_due(recipient=person, **far)])
        await notifier.work()
        counts.append(len(await told(notifier_pool, SUPPRESSED)))
    assert counts == [0, 0, 1]


async def test_m07_a_policy_refusal_pauses_the_channel_longer_each_time_and_blames_nobody(
    notifier: Notifier, notifier_pool: Pool, smtp: Scripted
) -> None:
    batch = [nudge_due() for _ in range(20)]
    await receive(notifier_pool, batch)
    smtp.always("dot", "550 5.7.26 unauthenticated")
    pauses = []
    for _ in range(6):
        await notifier.work()
        pauses.append(round(await paused_for(notifier) / MINUTE))
        notifier.clock.ahead += pauses[-1] * MINUTE + MINUTE
    assert pauses == [15, 30, 60, 120, 240, 240]
    assert len(smtp.received) <= 6 * 4  # those under way together, each time
    assert {state for state, _ in (await states(notifier_pool)).values()} == {"queued"}
    assert await told(notifier_pool, SUPPRESSED) == []

    smtp.always("dot", None)
    await notifier.work()
    assert {state for state, _ in (await states(notifier_pool)).values()} == {"sent"}
    smtp.always("dot", "550 5.7.1 again")
    await receive(notifier_pool, [nudge_due(due_at=nudge_due().data.due_at + notifier.clock.ahead)])
    await notifier.work()
    assert round(await paused_for(notifier) / MINUTE) == 15  # after a success it begins anew


async def test_m08_a_refused_login_stops_the_channel_until_it_is_resumed(notifier_pool: Pool, smtp: Scripted) -> None:
    smtp.offers.append("AUTH PLAIN")
    smtp.always("auth", "535 5.7.8 wrong")
    notifier = Notifier(notifier_pool, f"smtp://us:pw@127.0.0.1:{smtp.port}?starttls=0")
    batch = [nudge_due() for _ in range(10)]
    await receive(notifier_pool, batch)
    await notifier.work()
    tries = smtp.connections
    notifier.clock.ahead = 20 * HOUR
    assert await notifier.work() == 0
    assert smtp.connections == tries <= 4
    one = await trouble(notifier)
    assert one is not None and one.in_words().startswith("stopped: login (`afterhello channel resume email`")
    assert {state for state, _ in (await states(notifier_pool)).values()} == {"queued"}

    smtp.always("auth", None)
    async with notifier_pool.acquire() as conn:
        assert await store_channels.resume(conn, "email")
    await notifier.work()
    assert {state for state, _ in (await states(notifier_pool)).values()} == {"sent"}


async def test_a_server_that_is_away_is_asked_again_within_a_minute_and_no_row_is_burnt(
    notifier_pool: Pool, smtp: Scripted
) -> None:
    port = smtp.port
    batch = [nudge_due() for _ in range(100)]
    await receive(notifier_pool, batch)
    away = Notifier(notifier_pool, "smtp://127.0.0.1:1?starttls=0")
    for _ in range(12):
        await away.work()
        assert await paused_for(away) <= timedelta(seconds=30)
        away.clock.ahead += timedelta(seconds=31)
    assert await notifier_pool.fetchval("SELECT sum(refusals) FROM deliveries") == 0
    assert await notifier_pool.fetchval("SELECT count(*) FROM attempts") <= 12 * 16

    back = Notifier(notifier_pool, f"smtp://127.0.0.1:{port}?starttls=0", clock=away.clock)
    await back.work()
    assert len(smtp.received) == 100
    assert await trouble(back) is None


async def test_x07_a_mail_server_whose_name_is_not_found_holds_the_channel_and_blames_nobody(
    notifier_pool: Pool,
) -> None:
    await receive(notifier_pool, [nudge_due() for _ in range(20)])
    notifier = Notifier(notifier_pool, "smtp://no-such-host.invalid?starttls=0")
    await notifier.work()
    one = await trouble(notifier)
    assert one is not None and (one.state, one.reason) == ("paused", "unreachable")
    assert await paused_for(notifier) <= timedelta(seconds=30)
    assert {state for state, _ in (await states(notifier_pool)).values()} == {"queued"}
    assert await notifier_pool.fetchval("SELECT sum(refusals) + sum(unknowns) FROM deliveries") == 0
    assert await told(notifier_pool, SUPPRESSED) == []


async def test_a_pause_is_never_shortened_by_a_lesser_trouble(notifier_pool: Pool) -> None:
    from services.notifier.channels.smtp_replies import POLICY, UNREACHABLE

    async with notifier_pool.acquire() as conn:
        now = await db.now(conn)
        assert await store_channels.pause(conn, "email", POLICY, now)
        assert not await store_channels.pause(conn, "email", UNREACHABLE, now)
        assert not await store_channels.pause(conn, "email", POLICY, now)  # those under way together are one
        [one] = await store_channels.troubles(conn, now=now)
        assert one.reason == "policy"
        assert await store_channels.stop(conn, "email", "login", now)
        assert not await store_channels.pause(conn, "email", POLICY, now)
        [one] = await store_channels.troubles(conn, now=now)
        assert one.state == "stopped"
