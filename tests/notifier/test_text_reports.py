"""What becomes of texts after they were taken: X05, and the codes that come late."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from services.notifier import store_channels
from services.notifier.asking import Asking
from shared import db
from shared.db import Pool
from shared.events import DeliveryReported, NudgeDue, ReportData
from tests.factories import recipient
from tests.notifier.sending import MINUTE, Clock, receive, state, told, told_states
from tests.notifier.texting import PHONE, by, queued, texter
from tests.servers.twilio import LOST, Answer, TwilioServer
from tests.servers.waiting import until

HOUR = timedelta(hours=1)
SUPPRESSED = "afterhello.address.suppressed.v1"


def reported(
    twilio: TwilioServer, what: str, code: str | None = None, *, n: int = -1, **given: Any
) -> DeliveryReported:
    """Return the event of what Twilio said of a text."""
    at = datetime.now(UTC)
    data = ReportData.model_validate(
        {"what": what, "channel": "sms", "provider_id": twilio.messages[n]["sid"], "code": code, "at": at} | given
    )
    return DeliveryReported(time=at, subject=str(data.provider_id), data=data)


async def sent(pool: Pool, twilio: TwilioServer, **given: Any) -> NudgeDue:
    due = await queued(pool, **given)
    notifier = texter(pool, twilio.url)
    await notifier.work()
    await notifier.close()
    assert (await state(pool, due.data))[0] == "sent"
    return due


async def trouble(pool: Pool) -> dict[str, tuple[str, str]]:
    async with pool.acquire() as conn:
        found = await store_channels.troubles(conn, now=await db.now(conn))
    return {one.name: (one.state, one.reason) for one in found}


async def test_x05_a_report_says_that_it_arrived_once_however_often_it_comes(
    notifier_pool: Pool, twilio: TwilioServer
) -> None:
    due = await sent(notifier_pool, twilio)
    for _ in range(2):
        await receive(notifier_pool, [reported(twilio, "delivered", nudge=due.data.nudge)])
        await receive(notifier_pool, [reported(twilio, "delivered")])
    assert [one[1] for one in await told_states(notifier_pool, due.data)] == ["queued", "sent", "delivered"]


async def test_x05_a_report_that_comes_before_our_answer_is_kept_for_it(
    notifier_pool: Pool, twilio: TwilioServer
) -> None:
    due = await queued(notifier_pool)
    twilio.answer("send", Answer(accepts=True, silent=True))
    notifier = texter(notifier_pool, twilio.url)
    await notifier.deliveries.step()
    await until(lambda: len(twilio.messages) == 1)
    await receive(notifier_pool, [reported(twilio, "delivered", nudge=due.data.nudge)])
    assert (await state(notifier_pool, due.data))[0] == "queued"
    await notifier.deliveries.finish(20)  # the request has timed out meanwhile
    await notifier.work()
    notifier.clock.ahead = 2 * MINUTE
    await notifier.work()
    await notifier.close()
    assert (await state(notifier_pool, due.data))[0] == "delivered" and len(twilio.messages) == 1


@pytest.mark.parametrize("order", sorted(set(permutations(["delivered", "failed", "delivered"]))), ids="-".join)
async def test_x05_in_any_order_the_same_comes_of_it(
    notifier_pool: Pool, twilio: TwilioServer, order: tuple[str, ...]
) -> None:
    due = await sent(notifier_pool, twilio)
    for what in order:
        await receive(notifier_pool, [reported(twilio, what, "30004" if what == "failed" else None)])
    assert await state(notifier_pool, due.data) == ("bounced", "blocked")


@pytest.mark.parametrize(
    ("status", "code", "ends"),
    [
        ("delivered", None, ("delivered", None)),
        ("undelivered", 30006, ("bounced", "not-textable")),
        ("failed", 30005, ("bounced", "unknown-handset")),
        ("sending", None, ("sent", None)),
    ],
)
async def test_x05_without_a_report_the_provider_is_asked_after_ten_minutes(
    notifier_pool: Pool, twilio: TwilioServer, status: str, code: int | None, ends: tuple[str, str | None]
) -> None:
    due = await sent(notifier_pool, twilio)
    twilio.becomes(status, code)
    clock, channel = Clock(), by(twilio.url)
    asking = Asking(notifier_pool, {"sms": channel}, clock=clock)
    clock.ahead = 9 * MINUTE
    assert await asking.step() == 0 and "fetch" not in twilio.requests
    clock.ahead = 11 * MINUTE
    assert await asking.step() == 1 and await asking.step() == 0
    await channel.close()
    assert await state(notifier_pool, due.data) == ends


async def test_x05_what_stays_silent_is_asked_about_a_few_times_and_then_no_more(
    notifier_pool: Pool, twilio: TwilioServer
) -> None:
    due = await sent(notifier_pool, twilio)
    clock, channel = Clock(), by(twilio.url)
    asking = Asking(notifier_pool, {"sms": channel}, clock=clock)
    twilio.answer("fetch", Answer(status=503), LOST)
    for _ in range(24 * 7):
        clock.ahead += HOUR
        await asking.step()
    await channel.close()
    assert 3 <= twilio.requests.count("fetch") <= 6
    assert await state(notifier_pool, due.data) == ("sent", None)


async def test_a_handset_that_is_off_is_tried_three_times_in_twelve_hours(
    notifier_pool: Pool, twilio: TwilioServer
) -> None:
    due = await sent(notifier_pool, twilio)
    notifier = texter(notifier_pool, twilio.url)
    for hours in (6, 12):
        twilio.becomes("undelivered", 30003)
        report = reported(twilio, "failed", "30003", nudge=due.data.nudge)
        await receive(notifier_pool, [report])
        await receive(notifier_pool, [report])  # twice, as reports come
        assert await state(notifier_pool, due.data) == ("queued", "unreachable-handset")
        # The report came by the database's clock, which no test moves: the second one six hours ago.
        await notifier_pool.execute("UPDATE deliveries SET next_attempt_at = next_attempt_at + $1", (hours - 6) * HOUR)
        notifier.clock.ahead = (hours - 1) * HOUR
        await notifier.work()
        assert (await state(notifier_pool, due.data))[0] == "queued"
        notifier.clock.ahead = (hours + 0.1) * HOUR
        await notifier.work()
        assert (await state(notifier_pool, due.data))[0] == "sent"
    await receive(notifier_pool, [reported(twilio, "failed", "30003")])
    await notifier.close()

    assert len(twilio.messages) == 3 and await state(notifier_pool, due.data) == ("bounced", "unreachable-handset")
    assert await told(notifier_pool, SUPPRESSED) == []


async def test_a_late_report_of_the_first_try_does_not_end_the_second(
    notifier_pool: Pool, twilio: TwilioServer
) -> None:
    due = await sent(notifier_pool, twilio)
    twilio.becomes("undelivered", 30003)
    first = reported(twilio, "failed", "30003", nudge=due.data.nudge)
    await receive(notifier_pool, [first])
    notifier = texter(notifier_pool, twilio.url)
    notifier.clock.ahead = 7 * HOUR
    await notifier.work()
    await notifier.close()
    await receive(notifier_pool, [first])
    assert await state(notifier_pool, due.data) == ("sent", None)
    await receive(notifier_pool, [reported(twilio, "delivered", nudge=due.data.nudge)])
    assert await state(notifier_pool, due.data) == ("delivered", None)


@pytest.mark.parametrize("code", ["21610", "30006", "30004"])
async def test_a_number_that_is_gone_is_suppressed_by_the_report(
    notifier_pool: Pool, twilio: TwilioServer, code: str
) -> None:
    due = await sent(notifier_pool, twilio)
    await receive(notifier_pool, [reported(twilio, "failed", code)])
    assert (await state(notifier_pool, due.data))[0] == "bounced"
    assert [one.address for one in await told(notifier_pool, SUPPRESSED)] == [PHONE]


async def test_an_unknown_handset_is_given_up_the_second_time(notifier_pool: Pool, twilio: TwilioServer) -> None:
    ada = recipient(address=PHONE)
    for times in (0, 1):
        await sent(notifier_pool, twilio, recipient=ada)
        await receive(notifier_pool, [reported(twilio, "failed", "30005")])
        assert len(await told(notifier_pool, SUPPRESSED)) == times


@pytest.mark.parametrize(
    ("code", "expected"),
    [("30007", {"sms": ("paused", "filtered")}), ("30034", {"sms": ("stopped", "unregistered")}), ("30008", {})],
)
async def test_what_is_wrong_with_us_is_no_fault_of_the_number(
    notifier_pool: Pool, twilio: TwilioServer, code: str, expected: dict[str, tuple[str, str]]
) -> None:
    await sent(notifier_pool, twilio)
    await receive(notifier_pool, [reported(twilio, "failed", code)])
    assert await trouble(notifier_pool) == expected
    assert await told(notifier_pool, SUPPRESSED) == []
