"""Delivery: each nudge once, whatever is killed when. C12 to C21 and T06 are rows of the crash matrix."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Literal
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from services.notifier import store, store_channels
from services.notifier.channels.smtp_connections import Timeouts
from shared import db, stops
from shared.db import Pool
from shared.events import NudgeDue, Window
from tests.factories import due_follow_up, nudge_due, recipient
from tests.notifier.sending import (
    MINUTE,
    Clock,
    Notifier,
    attempts,
    receive,
    state,
    states,
    told,
    told_states,
)
from tests.servers.proxy import proxy
from tests.servers.smtp import HANG, Mailbox, Scripted
from tests.servers.waiting import until

HOUR = timedelta(hours=1)
SHORT = Timeouts(connect=0.3, command=0.3, data=0.3, dot=0.3)


@asynccontextmanager
async def pool_at(url: str) -> AsyncIterator[Pool]:
    pool = await db.open_pool(url, schema="notifier")
    try:
        yield pool
    finally:
        pool.terminate()


async def queued(pool: Pool, **given: object) -> NudgeDue:
    due = nudge_due(**given)
    await receive(pool, [due])
    return due


async def test_what_is_due_is_sent_once_and_told(notifier_pool: Pool, mailbox: Mailbox) -> None:
    due = await queued(notifier_pool)
    notifier = Notifier(notifier_pool, mailbox.url)
    for _ in range(3):
        await notifier.work()
    await notifier.close()

    assert [mail.recipient for mail in mailbox.received] == ["ada@school.example"]
    assert await told_states(notifier_pool, due.data) == [(1, "queued", None), (2, "sent", None)]
    assert await attempts(notifier_pool, due.data) == ["sent"]
    [_, sent] = await told(notifier_pool)
    assert sent.follow_ups == (due.data.follow_ups[0].id,) and sent.person == due.data.recipient.id


async def test_many_are_sent_several_at_once_each_with_its_own_message_id(notifier_pool: Pool, smtp: Scripted) -> None:
    batch = [nudge_due() for _ in range(200)]
    await receive(notifier_pool, batch)
    notifier = Notifier(notifier_pool, smtp.url)
    await notifier.work()
    await notifier.close()

    ids = [mail.message["Message-ID"] for mail in smtp.received]
    assert sorted(ids) == sorted(f"<{due.data.nudge}@school.example>" for due in batch)
    assert 1 < smtp.most_open <= 4


async def test_c13_what_no_message_announces_is_found_by_scanning(notifier_pool: Pool, smtp: Scripted) -> None:
    due = await queued(notifier_pool)
    notifier = Notifier(notifier_pool, smtp.url)
    stop = asyncio.Event()
    running = asyncio.create_task(notifier.deliveries.run(stop))  # nobody sets `wake`
    await until(lambda: len(smtp.received) == 1)
    stop.set()
    await running
    assert await state(notifier_pool, due.data) == ("sent", None)


@pytest.mark.parametrize("stage", ["banner", "ehlo", "mail", "rcpt"])
async def test_c14_killed_before_the_send_began_it_is_sent_later_once(
    notifier_pool: Pool, smtp: Scripted, stage: str
) -> None:
    due = await queued(notifier_pool)
    smtp.answer(stage, HANG)
    first, second = Notifier(notifier_pool, smtp.url), Notifier(notifier_pool, smtp.url)
    await first.deliveries.step()
    await until(lambda: smtp.waits_at(stage))
    await first.die()

    assert await second.work() == 0  # the lease is still somebody's
    second.clock.ahead = 2 * MINUTE
    await second.work()
    assert len(smtp.received) == 1
    assert await attempts(notifier_pool, due.data) == ["aborted", "sent"]
    assert await state(notifier_pool, due.data) == ("sent", None)


@pytest.mark.parametrize(("stage", "copies"), [("data", 1), ("dot", 2)])
async def test_c15_c16_killed_after_it_began_it_is_repeated_once_under_the_same_id(
    notifier_pool: Pool, smtp: Scripted, stage: str, copies: int
) -> None:
    due = await queued(notifier_pool)
    smtp.answer(stage, HANG)
    first, second = Notifier(notifier_pool, smtp.url), Notifier(notifier_pool, smtp.url)
    await first.deliveries.step()
    await until(lambda: smtp.waits_at(stage))
    await first.die()
    second.clock.ahead = 2 * MINUTE
    await second.work()

    assert Counter(mail.message["Message-ID"] for mail in smtp.received) == {
        f"<{due.data.nudge}@school.example>": copies
    }
    assert await attempts(notifier_pool, due.data) == ["unknown", "sent"]


async def test_c17_killed_after_the_server_took_it_it_is_repeated_once_at_most(
    notifier_pool: Pool, smtp: Scripted
) -> None:
    due = await queued(notifier_pool)
    clock = Clock()
    for _ in range(4):  # as often as one likes
        notifier = Notifier(notifier_pool, smtp.url, clock=clock)
        await notifier.deliveries.step()
        await asyncio.gather(*notifier.deliveries._sending.values())
        await notifier.die()  # sent, and never recorded
        clock.ahead += 2 * MINUTE
    assert len(smtp.received) == 2
    assert await state(notifier_pool, due.data) == ("failed", "unknown")
    assert await attempts(notifier_pool, due.data) == ["unknown", "unknown"]


async def test_c19_while_the_database_is_away_the_record_is_tried_again_and_the_send_is_not(
    notifier_pool: Pool, smtp: Scripted, database_url: str
) -> None:
    due = await queued(notifier_pool)
    hold = asyncio.Event()
    smtp.answer("dot", hold)
    async with proxy(database_url) as between, pool_at(between.url) as pool:
        notifier = Notifier(pool, smtp.url, clock=Clock())
        stop = asyncio.Event()
        running = asyncio.create_task(notifier.deliveries.run(stop))
        await until(lambda: smtp.waits_at("dot"))
        between.refuse()
        between.cut()
        notifier.clock.ahead = 5 * MINUTE  # the lease will have run out by then, and is still ours
        with capture_logs() as logs:
            hold.set()
            await until(lambda: sum(line["event"] == "delivery.unrecorded" for line in logs) >= 3)
        assert await state(notifier_pool, due.data) == ("queued", None)
        between.accept()

        async def recorded() -> bool:
            return await state(notifier_pool, due.data) == ("sent", None)

        await until(recorded)
        stop.set()
        await running
    assert len(smtp.received) == 1
    assert await attempts(notifier_pool, due.data) == ["sent"]


async def test_c19_what_was_sent_and_is_not_yet_recorded_is_not_claimed_again(
    notifier_pool: Pool, smtp: Scripted, database_url: str
) -> None:
    due = await queued(notifier_pool)
    hold = asyncio.Event()
    smtp.answer("dot", hold)
    async with proxy(database_url) as between, pool_at(between.url) as pool:
        notifier = Notifier(pool, smtp.url)
        await notifier.deliveries.step()
        await until(lambda: smtp.waits_at("dot"))
        between.refuse()
        hold.set()
        await asyncio.gather(*notifier.deliveries._sending.values())
        between.accept()
        notifier.clock.ahead = 5 * MINUTE  # the lease has run out
        assert await notifier.deliveries.step() == 0
        await notifier.deliveries.finish(5)
    assert len(smtp.received) == 1
    assert await attempts(notifier_pool, due.data) == ["sent"]


async def test_without_the_database_nothing_begins(notifier_pool: Pool, smtp: Scripted, database_url: str) -> None:
    due = await queued(notifier_pool)
    hold = asyncio.Event()
    smtp.answer("rcpt", hold)
    async with proxy(database_url) as between, pool_at(between.url) as pool:
        notifier = Notifier(pool, smtp.url)
        await notifier.deliveries.step()
        await until(lambda: smtp.waits_at("rcpt"))
        between.refuse()
        between.cut()
        hold.set()
        await asyncio.gather(*notifier.deliveries._sending.values())
        between.accept()
        await notifier.deliveries.finish(5)
        assert smtp.begun == []
        assert await attempts(notifier_pool, due.data) == ["held"]
        notifier.clock.ahead = MINUTE
        await notifier.work()
    assert await state(notifier_pool, due.data) == ("sent", None)


async def test_c20_told_to_stop_it_finishes_what_is_under_way_and_begins_nothing(
    notifier_pool: Pool, smtp: Scripted
) -> None:
    due = await queued(notifier_pool)
    hold = asyncio.Event()
    smtp.answer("dot", hold)
    notifier = Notifier(notifier_pool, smtp.url)
    stop = asyncio.Event()
    running = asyncio.create_task(notifier.deliveries.run(stop))
    await until(lambda: smtp.waits_at("dot"))
    stop.set()
    late = await queued(notifier_pool)
    notifier.wake.set()
    hold.set()
    await running
    assert await state(notifier_pool, due.data) == ("sent", None)
    assert await state(notifier_pool, late.data) == ("queued", None)


async def test_c20_what_has_not_begun_when_the_grace_ends_is_free_for_others_at_once(
    notifier_pool: Pool, smtp: Scripted
) -> None:
    due = await queued(notifier_pool)
    smtp.answer("rcpt", HANG)
    first, second = Notifier(notifier_pool, smtp.url), Notifier(notifier_pool, smtp.url)
    await first.deliveries.step()
    await until(lambda: smtp.waits_at("rcpt"))
    await first.deliveries.finish(0.1)
    await second.work()
    assert await state(notifier_pool, due.data) == ("sent", None)
    assert await attempts(notifier_pool, due.data) == ["held", "sent"]


async def test_c21_what_kills_us_three_times_is_quarantined_and_others_flow(
    notifier_pool: Pool, smtp: Scripted
) -> None:
    poison = await queued(notifier_pool, recipient=recipient(address="poison@school.example"))
    smtp.decide = lambda stage, to: HANG if to.startswith("poison") else None
    clock = Clock()
    for _ in range(5):
        notifier = Notifier(notifier_pool, smtp.url, clock=clock)
        if await notifier.deliveries.step():
            await until(lambda: smtp.waits_at("rcpt"))
        await notifier.die()
        clock.ahead += 2 * MINUTE
    assert await state(notifier_pool, poison.data) == ("failed", "poison")
    assert await attempts(notifier_pool, poison.data) == ["aborted"] * 3

    other = await queued(notifier_pool)
    await Notifier(notifier_pool, smtp.url).work()
    assert await state(notifier_pool, other.data) == ("sent", None)


async def test_an_error_of_ours_is_tried_again_and_quarantined_too(
    notifier_pool: Pool, smtp: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    due = await queued(notifier_pool)
    notifier = Notifier(notifier_pool, smtp.url)

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(notifier.email, "send", broken)
    for _ in range(5):
        await notifier.work()
        notifier.clock.ahead += HOUR
    assert await state(notifier_pool, due.data) == ("failed", "poison")
    assert await attempts(notifier_pool, due.data) == ["aborted"] * 3


async def test_t06_who_wakes_after_another_took_over_changes_nothing(notifier_pool: Pool, smtp: Scripted) -> None:
    due = await queued(notifier_pool)
    hold = asyncio.Event()
    smtp.answer("rcpt", hold)
    asleep, other = Notifier(notifier_pool, smtp.url), Notifier(notifier_pool, smtp.url)
    await asleep.deliveries.step()
    await until(lambda: smtp.waits_at("rcpt"))
    other.clock.ahead = 2 * MINUTE
    await other.work()
    before = await told_states(notifier_pool, due.data)

    hold.set()
    await asleep.deliveries.finish(5)
    assert len(smtp.received) == 1  # its lease was gone, so it did not begin
    assert await told_states(notifier_pool, due.data) == before
    assert await attempts(notifier_pool, due.data) == ["aborted", "sent"]


async def test_t06_who_wakes_after_the_dot_cannot_overwrite_what_another_recorded(
    notifier_pool: Pool, smtp: Scripted
) -> None:
    due = await queued(notifier_pool)
    hold = asyncio.Event()
    smtp.decide = lambda stage, _: hold if stage == "dot" and len(smtp.received) == 1 else None
    asleep, other = Notifier(notifier_pool, smtp.url), Notifier(notifier_pool, smtp.url)
    await asleep.deliveries.step()
    await until(lambda: smtp.waits_at("dot"))
    other.clock.ahead = 2 * MINUTE
    await other.work()
    hold.set()
    await asleep.deliveries.finish(5)
    assert len(smtp.received) == 2
    assert await attempts(notifier_pool, due.data) == ["unknown", "sent"]
    assert [state for _, state, _ in await told_states(notifier_pool, due.data)] == ["queued", "queued", "sent"]


async def test_t06_who_wakes_while_another_sends_leaves_the_end_to_the_other(
    notifier_pool: Pool, smtp: Scripted
) -> None:
    due = await queued(notifier_pool)
    first, second = asyncio.Event(), asyncio.Event()
    smtp.answer("dot", first, second)
    asleep, other = Notifier(notifier_pool, smtp.url), Notifier(notifier_pool, smtp.url)
    await asleep.deliveries.step()
    await until(lambda: len(smtp.received) == 1)
    other.clock.ahead = 2 * MINUTE
    await other.deliveries.step()
    await until(lambda: len(smtp.received) == 2)
    first.set()
    await asleep.deliveries.finish(5)
    assert await state(notifier_pool, due.data) == ("queued", "unknown")
    second.set()
    await other.deliveries.finish(5)
    assert await state(notifier_pool, due.data) == ("sent", None)
    assert await attempts(notifier_pool, due.data) == ["unknown", "sent"]


async def test_a_lease_is_held_on_to_while_a_send_is_slow(notifier_pool: Pool, smtp: Scripted) -> None:
    due = await queued(notifier_pool)
    hold = asyncio.Event()
    smtp.answer("dot", hold)
    lease = timedelta(seconds=0.6)
    slow = Notifier(notifier_pool, smtp.url, send_lease=lease, timeouts=Timeouts(connect=9, command=9, data=9, dot=9))
    other = Notifier(notifier_pool, smtp.url, send_lease=lease)
    stop = asyncio.Event()
    running = asyncio.create_task(slow.deliveries.run(stop))
    await until(lambda: smtp.waits_at("dot"))
    first = await notifier_pool.fetchval("SELECT next_attempt_at FROM deliveries")

    async def extended_thrice() -> bool:
        assert await other.work() == 0
        at = await notifier_pool.fetchval("SELECT next_attempt_at FROM deliveries")
        return bool(at > first + 2 * lease)

    await until(extended_thrice)
    hold.set()
    stop.set()
    await running
    assert await attempts(notifier_pool, due.data) == ["sent"]


async def test_two_claims_at_once_take_different_deliveries(notifier_pool: Pool) -> None:
    await receive(notifier_pool, [nudge_due() for _ in range(6)])
    async with notifier_pool.acquire() as one, notifier_pool.acquire() as two, one.transaction(), two.transaction():
        now = await db.now(one)
        taken = [await store.due(conn, "email", now=now, limit=3) for conn in (one, two, one)]
        assert [len(some) for some in taken] == [3, 3, 3]
        ids = [{delivery.id for delivery in some} for some in taken]
        assert not ids[0] & ids[1] and ids[0] == ids[2]


async def test_two_notifiers_at_once_send_each_nudge_once(notifier_pool: Pool, smtp: Scripted) -> None:
    batch = [nudge_due() for _ in range(300)]
    await receive(notifier_pool, batch)
    notifiers = [Notifier(notifier_pool, smtp.url) for _ in range(2)]
    stop = asyncio.Event()
    running = [asyncio.create_task(notifier.deliveries.run(stop)) for notifier in notifiers]

    async def all_sent() -> bool:
        return Counter(await states_only(notifier_pool)) == {"sent": 300}

    await until(all_sent, seconds=60)
    stop.set()
    await asyncio.gather(*running)
    assert len(smtp.received) == 300
    assert len({mail.message["Message-ID"] for mail in smtp.received}) == 300
    assert await notifier_pool.fetchval("SELECT count(*) FROM attempts") == 300


async def states_only(pool: Pool) -> list[str]:
    return [state for state, _ in (await states(pool)).values()]


@pytest.mark.parametrize("seed", range(5))
async def test_a_stop_at_any_moment_is_followed_by_no_send(notifier_pool: Pool, smtp: Scripted, seed: int) -> None:
    """Stops race with the stages of their own mail; what had not begun when the stop was answered never does."""
    dice = random.Random(seed)
    batch = {f"p{n}@school.example": nudge_due(recipient=recipient(address=f"p{n}@school.example")) for n in range(60)}
    await receive(notifier_pool, list(batch.values()))
    moments = {address: dice.choice(["before", "rcpt", "rcpt", "data", "dot", "never"]) for address in batch}
    begun_at_the_stop: dict[str, int] = {}
    stopping: list[asyncio.Task[None]] = []

    async def stop(address: str) -> None:
        data = batch[address].data
        person, connection = data.recipient.id, data.follow_ups[0].connection
        async with notifier_pool.acquire() as conn:
            async with conn.transaction():
                if dice.random() < 0.5:
                    await stops.stop_person(conn, person=person)
                else:
                    await stops.stop_connection(conn, person=person, connection=connection)
            # The stop has been answered. What is on record as begun by now is all that may ever arrive.
            begun_at_the_stop[address] = await conn.fetchval(
                "SELECT count(*) FROM attempts WHERE nudge_id = $1 AND phase = 'data'", data.nudge
            )

    class Shortly(asyncio.Event):
        async def wait(self) -> Literal[True]:
            await asyncio.sleep(dice.uniform(0, 0.01))
            return True

    def decide(stage: str, address: str) -> asyncio.Event | None:
        if moments.get(address) == stage:
            moments[address] = "stopped"
            stopping.append(asyncio.create_task(stop(address)))
        return Shortly() if stage in {"mail", "rcpt", "data", "dot"} else None

    smtp.decide = decide
    for address in [address for address, moment in moments.items() if moment == "before"]:
        await stop(address)
    notifiers = [Notifier(notifier_pool, smtp.url) for _ in range(2)]
    halt = asyncio.Event()
    running = [asyncio.create_task(notifier.deliveries.run(halt)) for notifier in notifiers]

    async def all_ended() -> bool:
        return "queued" not in await states_only(notifier_pool)

    await until(all_ended, seconds=60)
    halt.set()
    await asyncio.gather(*running, *stopping)
    arrived, begun = Counter(mail.recipient for mail in smtp.received), Counter(smtp.begun)
    for address, due in batch.items():
        may = begun_at_the_stop.get(address, 1)
        assert begun[address] == arrived[address] == may, f"seed {seed}, {address}, stopped at {moments[address]}"
        assert await state(notifier_pool, due.data) == (("sent", None) if may else ("skipped", "stopped"))
    assert {0, 1} == set(begun_at_the_stop.values())


async def test_a_follow_up_done_while_its_nudge_is_under_way_is_left_out(notifier_pool: Pool, smtp: Scripted) -> None:
    first, second = due_follow_up(notes="first"), due_follow_up(notes="second")
    due = await queued(notifier_pool, follow_ups=(first, second))
    hold = asyncio.Event()
    smtp.answer("rcpt", hold)
    notifier = Notifier(notifier_pool, smtp.url)
    await notifier.deliveries.step()
    await until(lambda: smtp.waits_at("rcpt"))
    await notifier_pool.execute(
        "INSERT INTO acts (follow_up, person, act, at) VALUES ($1, $2, 'done', now())", first.id, uuid4()
    )
    hold.set()
    await notifier.deliveries.finish(5)
    await notifier.work()
    [mail] = smtp.received
    assert "second" in mail.part("plain") and "first" not in mail.part("plain")
    assert await attempts(notifier_pool, due.data) == ["dropped", "sent"]


async def test_quiet_hours_are_waited_out_without_an_attempt(notifier_pool: Pool, smtp: Scripted) -> None:
    due = nudge_due()
    opens = due.data.due_at - MINUTE
    due = await queued(notifier_pool, quiet=(Window(opens_at=opens, closes_at=opens + 8 * HOUR),))
    notifier = Notifier(notifier_pool, smtp.url)
    await notifier.work()
    notifier.clock.ahead = 7.9 * HOUR
    await notifier.work()
    assert smtp.connections == 0 and await attempts(notifier_pool, due.data) == []
    notifier.clock.ahead = 8 * HOUR
    await notifier.work()
    assert await state(notifier_pool, due.data) == ("sent", None)


async def test_one_person_gets_no_more_than_the_daily_cap(notifier_pool: Pool, smtp: Scripted) -> None:
    person = recipient()
    day = timedelta(days=1)
    batch = [nudge_due(recipient=person) for _ in range(9)]
    batch = [nudge_due(recipient=person, too_late_after=due.data.due_at + 2 * day) for due in batch]
    await receive(notifier_pool, [*batch, nudge_due()])
    notifiers = [Notifier(notifier_pool, smtp.url, daily_cap=3) for _ in range(2)]
    await asyncio.gather(*(notifier.work() for notifier in notifiers))
    for notifier in notifiers:
        notifier.clock.ahead = 2 * MINUTE
        await notifier.work()
    assert Counter(await states_only(notifier_pool)) == {"sent": 4, "queued": 6}
    for notifier in notifiers:
        notifier.clock.ahead = day + 3 * MINUTE
        await notifier.work()
    assert Counter(await states_only(notifier_pool)) == {"sent": 7, "queued": 3}


async def test_what_is_too_late_ends_though_its_channel_is_stopped(notifier_pool: Pool, smtp: Scripted) -> None:
    due = await queued(notifier_pool)
    smtp.always("mail", "530 5.7.0 authenticate first")
    notifier = Notifier(notifier_pool, smtp.url)
    await notifier.work()
    untried = await queued(notifier_pool)
    assert await notifier.work() == 0
    notifier.clock.ahead = 25 * HOUR
    await notifier.work()
    assert await state(notifier_pool, due.data) == ("failed", "login")
    assert await state(notifier_pool, untried.data) == ("skipped", "expired")


@pytest.mark.parametrize(("stage", "end"), [("rcpt", ("skipped", "expired")), ("dot", ("failed", "unknown"))])
async def test_what_somebody_died_over_ends_when_it_is_too_late_though_its_channel_is_stopped(
    notifier_pool: Pool, smtp: Scripted, stage: str, end: tuple[str, str]
) -> None:
    due = await queued(notifier_pool)
    smtp.answer(stage, HANG)
    first, second = Notifier(notifier_pool, smtp.url), Notifier(notifier_pool, smtp.url)
    await first.deliveries.step()
    await until(lambda: smtp.waits_at(stage))
    await first.die()
    async with notifier_pool.acquire() as conn:
        await store_channels.stop(conn, "email", "login", await db.now(conn))
    second.clock.ahead = 25 * HOUR
    await second.work()
    assert await state(notifier_pool, due.data) == end
    assert None not in await attempts(notifier_pool, due.data)


async def test_it_sleeps_until_the_next_attempt_and_is_woken_by_what_is_new(
    notifier_pool: Pool, smtp: Scripted
) -> None:
    notifier = Notifier(notifier_pool, smtp.url)
    assert await notifier.deliveries.idle() == 30
    await queued(notifier_pool)
    smtp.answer("rcpt", "450 4.2.0 later")
    await notifier.work()
    assert 25 < await notifier.deliveries.idle() <= 30
    notifier.clock.ahead = 0.8 * MINUTE
    assert 10 < await notifier.deliveries.idle() <= 20
    notifier.clock.ahead = 2 * MINUTE
    assert await notifier.deliveries.idle() == pytest.approx(0.1)
    assert smtp.connections == 1
