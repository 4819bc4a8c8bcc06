"""Texts through Twilio: X01 to X07 are rows of the matrix of delivery faults."""

from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from services.notifier import store_channels
from services.notifier.text_message import parts
from shared import db
from shared.db import Pool
from shared.events import Window
from tests.factories import contact, due_follow_up, gathering, recipient
from tests.notifier.sending import LINKS, MINUTE, attempts, receive, state, told, told_states
from tests.notifier.texting import PHONE, REPORTS_TO, queued, text_due, texter
from tests.servers.twilio import CUT_AFTER_ACCEPT, LOST, LOST_AFTER_ACCEPT, NUMBER, Answer, TwilioServer
from tests.servers.waiting import until

HOUR = timedelta(hours=1)


async def channel_trouble(pool: Pool, ahead: timedelta = timedelta()) -> dict[str, str]:
    async with pool.acquire() as conn:
        troubles = await store_channels.troubles(conn, now=await db.now(conn) + ahead)
    return {one.name: one.reason for one in troubles}


async def test_a_text_is_one_part_with_a_link_and_no_notes(notifier_pool: Pool, twilio: TwilioServer) -> None:
    due = await queued(notifier_pool)
    notifier = texter(notifier_pool, twilio.url)
    for _ in range(2):
        await notifier.work()
    await notifier.close()

    [text] = twilio.texts()
    assert text.startswith("Afterhello: ") and "Erin" in text and LINKS.short(due.data.nudge) in text
    assert "robotics" not in text and "rubric" not in text and parts(text) == 1
    assert text.endswith("Reply STOP to stop, HELP for help.")
    assert (twilio.messages[0]["to"], twilio.messages[0]["from"]) == (PHONE, NUMBER)
    assert twilio.callbacks == {twilio.messages[0]["sid"]: f"{REPORTS_TO}?nudge={due.data.nudge}"}
    assert await told_states(notifier_pool, due.data) == [(1, "queued", None), (2, "sent", None)]
    assert await notifier_pool.fetchval("SELECT provider_id FROM deliveries") == twilio.messages[0]["sid"]


async def test_only_the_first_text_to_a_number_is_introduced(notifier_pool: Pool, twilio: TwilioServer) -> None:
    ada = recipient(address=PHONE)
    notifier = texter(notifier_pool, twilio.url)
    for _ in range(2):
        await queued(notifier_pool, recipient=ada)
        await notifier.work()
    await queued(notifier_pool, recipient=ada.model_copy(update={"address": "+15085550124"}))
    await notifier.work()
    await notifier.close()
    assert ["STOP" in text for text in twilio.texts()] == [True, False, True]


async def test_a_messaging_service_may_be_the_sender(notifier_pool: Pool, twilio: TwilioServer) -> None:
    await queued(notifier_pool)
    notifier = texter(notifier_pool, twilio.url.replace(NUMBER, "MG00aB"))
    await notifier.work()
    await notifier.close()
    assert (twilio.messages[0]["from"], twilio.messages[0]["messaging_service_sid"]) == (None, "MG00aB")


async def test_texts_have_a_daily_cap_of_their_own(notifier_pool: Pool, twilio: TwilioServer) -> None:
    ada = recipient(address=PHONE)
    batch = [text_due(recipient=ada) for _ in range(5)]
    await receive(notifier_pool, batch)
    notifier = texter(notifier_pool, twilio.url, sms_daily_cap=3)
    for _ in range(2):
        await notifier.work()
        notifier.clock.ahead += 2 * MINUTE
    await notifier.close()
    assert len(twilio.messages) == 3
    states = [await state(notifier_pool, due.data) for due in batch]
    assert states.count(("sent", None)) == 3
    assert states.count(("skipped", "daily-cap")) == 2  # too late by the time they may go


async def test_in_quiet_hours_no_text_goes_out(notifier_pool: Pool, twilio: TwilioServer) -> None:
    due = text_due()
    now = due.data.due_at
    window = Window(opens_at=now - HOUR, closes_at=now + HOUR)
    due = due.model_copy(update={"data": due.data.model_copy(update={"quiet": (window,)})})
    await receive(notifier_pool, [due])
    notifier = texter(notifier_pool, twilio.url)
    await notifier.work()
    assert twilio.messages == []
    notifier.clock.ahead = HOUR + MINUTE
    await notifier.work()
    await notifier.close()
    assert len(twilio.messages) == 1


@pytest.mark.parametrize("wait", [None, 90])
async def test_x01_too_many_requests_are_waited_out_by_the_whole_channel(
    notifier_pool: Pool, twilio: TwilioServer, wait: int | None
) -> None:
    due = await queued(notifier_pool)
    twilio.answer("send", Answer(status=429, code=20429, headers={"Retry-After": str(wait)} if wait else {}))
    notifier = texter(notifier_pool, twilio.url)
    await notifier.work()
    assert await channel_trouble(notifier_pool) == {"sms": "rate"}

    other = await queued(notifier_pool)
    notifier.clock.ahead = timedelta(seconds=(wait or 5) - 2)
    await notifier.work()
    assert twilio.messages == [] and twilio.requests == ["send"]
    notifier.clock.ahead = timedelta(seconds=(wait or 5) * 1.1 + 2)
    await notifier.work()
    await notifier.close()

    assert [await state(notifier_pool, one.data) for one in (due, other)] == [("sent", None)] * 2
    assert await attempts(notifier_pool, due.data) == ["held", "sent"]
    assert await notifier_pool.fetchval("SELECT max(refusals) FROM deliveries") == 0  # nobody's fault


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_x02_errors_of_the_provider_are_tried_again_until_it_is_too_late(
    notifier_pool: Pool, twilio: TwilioServer, status: int
) -> None:
    due = await queued(notifier_pool)
    twilio.answer("send", *[Answer(status=status)] * 3)
    notifier = texter(notifier_pool, twilio.url)
    for _ in range(4):
        await notifier.work()
        notifier.clock.ahead += HOUR
    assert await attempts(notifier_pool, due.data) == ["deferred"] * 3 + ["sent"]
    assert len(twilio.messages) == 1

    never = await queued(notifier_pool)
    twilio.always("send", Answer(status=status))
    for _ in range(30):
        await notifier.work()
        notifier.clock.ahead += HOUR
    await notifier.close()
    assert await state(notifier_pool, never.data) == ("failed", "provider")
    assert len(twilio.messages) == 1


async def test_x02_an_error_after_which_the_text_was_made_is_not_repeated(
    notifier_pool: Pool, twilio: TwilioServer
) -> None:
    due = await queued(notifier_pool)
    twilio.answer("send", Answer(status=502, accepts=True))
    notifier = texter(notifier_pool, twilio.url)
    for _ in range(2):
        await notifier.work()
        notifier.clock.ahead += HOUR
    await notifier.close()
    assert len(twilio.messages) == 1 and await attempts(notifier_pool, due.data) == ["deferred", "found"]


@pytest.mark.parametrize("fault", [LOST_AFTER_ACCEPT, CUT_AFTER_ACCEPT], ids=["silent", "cut"])
async def test_x03_a_text_taken_without_an_answer_is_found_and_not_sent_again(
    notifier_pool: Pool, twilio: TwilioServer, fault: Answer
) -> None:
    due = await queued(notifier_pool)
    twilio.answer("send", fault)
    notifier = texter(notifier_pool, twilio.url)
    await notifier.work()
    assert await state(notifier_pool, due.data) == ("queued", "unknown")

    notifier.clock.ahead = 2 * MINUTE
    await notifier.work()
    await notifier.close()
    assert await attempts(notifier_pool, due.data) == ["unknown", "found"]
    assert await told_states(notifier_pool, due.data) == [
        (1, "queued", None),
        (2, "queued", "unknown"),
        (3, "sent", None),
    ]
    assert len(twilio.messages) == 1
    assert await notifier_pool.fetchval("SELECT provider_id FROM deliveries") == twilio.messages[0]["sid"]


async def test_x03_a_text_that_the_provider_never_had_is_sent_once_more(
    notifier_pool: Pool, twilio: TwilioServer
) -> None:
    due = await queued(notifier_pool)
    earlier = await queued(notifier_pool)  # another text to the same number is not it
    twilio.answer("send", LOST)
    notifier = texter(notifier_pool, twilio.url)
    await notifier.work()
    notifier.clock.ahead = 2 * MINUTE
    await notifier.work()
    await notifier.close()
    assert len(twilio.messages) == 2
    assert [await state(notifier_pool, one.data) for one in (due, earlier)] == [("sent", None)] * 2
    assert len({text for text in twilio.texts() if LINKS.short(due.data.nudge) in text}) == 1


async def test_x03_while_the_provider_cannot_be_asked_nothing_is_repeated(
    notifier_pool: Pool, twilio: TwilioServer
) -> None:
    due = await queued(notifier_pool)
    twilio.answer("send", LOST_AFTER_ACCEPT)
    twilio.answer("list", Answer(status=503), LOST, Answer(status=429, headers={"Retry-After": "60"}))
    notifier = texter(notifier_pool, twilio.url)
    for _ in range(5):
        await notifier.work()
        notifier.clock.ahead += 10 * MINUTE
    await notifier.close()
    assert twilio.requests == ["send", *["list"] * 4] and len(twilio.messages) == 1
    assert await attempts(notifier_pool, due.data) == ["unknown", "held", "held", "held", "found"]
    assert await state(notifier_pool, due.data) == ("sent", None)


async def test_x03_what_stays_unknown_fails_as_that_when_it_is_too_late(
    notifier_pool: Pool, twilio: TwilioServer
) -> None:
    due = await queued(notifier_pool)
    twilio.answer("send", LOST_AFTER_ACCEPT)
    twilio.always("list", Answer(status=503))
    notifier = texter(notifier_pool, twilio.url)
    for _ in range(30):
        await notifier.work()
        notifier.clock.ahead += HOUR
    await notifier.close()
    assert await state(notifier_pool, due.data) == ("failed", "unknown") and len(twilio.messages) == 1


async def test_x03_denied_twice_it_is_given_up(notifier_pool: Pool, twilio: TwilioServer) -> None:
    due = await queued(notifier_pool)
    twilio.answer("send", LOST, LOST)
    notifier = texter(notifier_pool, twilio.url)
    for _ in range(4):
        await notifier.work()
        notifier.clock.ahead += HOUR
    await notifier.close()
    assert twilio.requests.count("send") == 2 and await state(notifier_pool, due.data) == ("failed", "unknown")


async def test_x03_an_account_that_keeps_no_texts_is_asked_by_number_and_time(
    notifier_pool: Pool, twilio: TwilioServer
) -> None:
    due = await queued(notifier_pool)
    twilio.keeps_bodies = False
    twilio.answer("send", LOST_AFTER_ACCEPT)
    notifier = texter(notifier_pool, twilio.url)
    for _ in range(2):
        await notifier.work()
        notifier.clock.ahead += HOUR
    await notifier.close()
    assert await attempts(notifier_pool, due.data) == ["unknown", "found"] and len(twilio.messages) == 1


async def test_x03_killed_during_the_request_the_next_one_asks_first(notifier_pool: Pool, twilio: TwilioServer) -> None:
    due = await queued(notifier_pool)
    twilio.answer("send", LOST_AFTER_ACCEPT)
    first, second = texter(notifier_pool, twilio.url), texter(notifier_pool, twilio.url)
    await first.deliveries.step()
    await until(lambda: len(twilio.messages) == 1)
    await first.die()
    second.clock.ahead = 2 * MINUTE
    await second.work()
    for notifier in (first, second):
        await notifier.close()
    assert await attempts(notifier_pool, due.data) == ["unknown", "found"] and len(twilio.messages) == 1


@pytest.mark.parametrize(
    ("code", "reason", "ends"),
    [
        (21610, "opted-out", ("skipped", "suppressed")),
        (21211, "bad-number", ("failed", "bad-number")),
        (21614, "not-textable", ("failed", "not-textable")),
        (21635, "not-textable", ("failed", "not-textable")),
    ],
)
async def test_x04_a_number_that_can_never_be_texted_is_suppressed(
    notifier_pool: Pool, twilio: TwilioServer, code: int, reason: str, ends: tuple[str, str]
) -> None:
    ada = recipient(address=PHONE)
    due = await queued(notifier_pool, recipient=ada)
    twilio.answer("send", Answer(status=400, code=code))
    notifier = texter(notifier_pool, twilio.url)
    await notifier.work()
    later = await queued(notifier_pool, recipient=ada)
    await notifier.work()
    await notifier.close()

    assert await state(notifier_pool, due.data) == ends
    assert await state(notifier_pool, later.data) == ("skipped", "suppressed")
    assert twilio.requests == ["send"] and await channel_trouble(notifier_pool) == {}
    [suppressed] = await told(notifier_pool, "afterhello.address.suppressed.v1")
    assert (suppressed.address, suppressed.channel, suppressed.reason) == (PHONE, "sms", reason)
    assert suppressed.person == ada.id


@pytest.mark.parametrize("code", [21617, None, 99999])
async def test_x04_a_refusal_that_says_nothing_of_the_number_suppresses_nobody(
    notifier_pool: Pool, twilio: TwilioServer, code: int | None
) -> None:
    due = await queued(notifier_pool)
    twilio.answer("send", Answer(status=400, code=code))
    notifier = texter(notifier_pool, twilio.url)
    await notifier.work()
    await notifier.close()
    assert (await state(notifier_pool, due.data))[0] == "failed"
    assert await told(notifier_pool, "afterhello.address.suppressed.v1") == []


async def test_a_country_that_is_not_switched_on_is_tried_again_by_the_hour(
    notifier_pool: Pool, twilio: TwilioServer
) -> None:
    due = await queued(notifier_pool)
    twilio.answer("send", Answer(status=403, code=21408), Answer(status=400, code=21612))
    notifier = texter(notifier_pool, twilio.url)
    await notifier.work()
    assert await channel_trouble(notifier_pool) == {}
    notifier.clock.ahead = timedelta(minutes=50)
    await notifier.work()
    assert twilio.requests == ["send"]
    for hours in (2, 4):
        notifier.clock.ahead = hours * HOUR
        await notifier.work()
    await notifier.close()
    assert await state(notifier_pool, due.data) == ("sent", None)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(status=401, code=20003), "login"),
        (Answer(status=403), "login"),
        (Answer(status=400, code=21606), "sender"),
        (Answer(status=400, code=30034), "unregistered"),
    ],
    ids=["401", "403", "sender", "unregistered"],
)
async def test_x06_a_refused_login_stops_the_channel_and_keeps_what_waits(
    notifier_pool: Pool, twilio: TwilioServer, answer: Answer, reason: str
) -> None:
    due = await queued(notifier_pool)
    twilio.answer("send", answer)
    notifier = texter(notifier_pool, twilio.url)
    with capture_logs() as logs:
        await notifier.work()
    other = await queued(notifier_pool)
    notifier.clock.ahead = HOUR
    await notifier.work()
    assert await channel_trouble(notifier_pool, 5 * HOUR) == {"sms": reason}
    assert twilio.requests == ["send"]
    assert {"event": "channel.stopped", "log_level": "error", "channel": "sms", "reason": reason} in logs

    async with notifier_pool.acquire() as conn:
        await store_channels.resume(conn, "sms")
    await notifier.work()
    await notifier.close()
    assert [await state(notifier_pool, one.data) for one in (due, other)] == [("sent", None)] * 2


async def test_x07_a_name_that_does_not_resolve_pauses_the_channel_and_counts_for_nobody(
    notifier_pool: Pool, twilio: TwilioServer
) -> None:
    due = await queued(notifier_pool)
    lost = texter(notifier_pool, twilio.url.replace(twilio.base, "http://nowhere.invalid"))
    await lost.work()
    await lost.close()
    assert await channel_trouble(notifier_pool) == {"sms": "unreachable"}
    assert await attempts(notifier_pool, due.data) == ["held"]
    assert await notifier_pool.fetchval("SELECT refusals + unknowns FROM deliveries") == 0

    notifier = texter(notifier_pool, twilio.url)
    await notifier.work()
    assert twilio.requests == []
    notifier.clock.ahead = MINUTE
    await notifier.work()
    await notifier.close()
    assert await state(notifier_pool, due.data) == ("sent", None)


async def test_a_server_that_is_not_there_is_waited_for(notifier_pool: Pool, twilio: TwilioServer) -> None:
    due = await queued(notifier_pool)
    notifier = texter(notifier_pool, twilio.url.replace(twilio.base, "http://127.0.0.1:9"))
    await notifier.work()
    await notifier.close()
    assert await state(notifier_pool, due.data) == ("queued", "unreachable")
    assert await attempts(notifier_pool, due.data) == ["held"]


async def test_what_is_typed_makes_no_link_of_its_own(notifier_pool: Pool, twilio: TwilioServer) -> None:
    typed = "http://evil.example/ \u202e\n{{7*7}}"
    follow_up = due_follow_up(contact=contact(name=typed), event=gathering(name="{link}"))
    await queued(notifier_pool, follow_ups=(follow_up,))
    notifier = texter(notifier_pool, twilio.url)
    await notifier.work()
    await notifier.close()
    [text] = twilio.texts()
    assert text.count("://") == 1 and "evil.example" not in text and "\n" not in text and "\u202e" not in text
    assert "{{7*7}}" in text


async def test_nothing_that_is_logged_names_the_number_the_token_or_the_text(
    notifier_pool: Pool, twilio: TwilioServer
) -> None:
    await queued(notifier_pool)
    twilio.answer("send", Answer(status=400, code=21211), LOST_AFTER_ACCEPT)
    notifier = texter(notifier_pool, twilio.url)
    with capture_logs() as logs:
        for _ in range(3):
            await queued(notifier_pool, recipient=recipient(address="+15085550199"))
            await notifier.work()
            notifier.clock.ahead += HOUR
    await notifier.close()
    for canary in ("5085550", "a token", "a%20token", "Erin", "AC0123"):
        assert canary not in str(logs)


async def test_a_text_far_down_the_list_is_found_and_no_other_server_is_asked(
    notifier_pool: Pool, twilio: TwilioServer
) -> None:
    due = await queued(notifier_pool)
    twilio.answer("send", LOST_AFTER_ACCEPT)
    notifier = texter(notifier_pool, twilio.url)
    await notifier.work()
    [ours] = twilio.messages
    twilio.messages += [ours | {"sid": f"SM{n}", "body": "of somebody else's program"} for n in range(45)]
    notifier.clock.ahead = 2 * MINUTE
    await notifier.work()
    await notifier.close()
    assert await attempts(notifier_pool, due.data) == ["unknown", "found"]
    assert twilio.requests == ["send", "list", "list", "list"]
    assert await notifier_pool.fetchval("SELECT provider_id FROM deliveries") == ours["sid"]
