"""What becomes of mails after they were taken: M14, in any order, by whatever name."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from pydantic import SecretStr

from services.notifier.channels.email import open_email
from services.notifier.channels.mail_bytes import mailbox as mailbox_of
from shared import settings
from shared.db import Pool
from shared.events import NudgeDue, Report
from tests.factories import nudge_due, recipient, reported, restored
from tests.notifier.sending import Clock, Notifier, receive, state, told, told_states
from tests.servers.smtp import CUT, Mailbox, Scripted
from tests.servers.waiting import until

SUPPRESSED = "afterhello.address.suppressed.v1"
HOUR = timedelta(hours=1)
NOW = datetime(2026, 11, 24, 20, 30, tzinfo=UTC)


async def sent(pool: Pool, mailbox: Mailbox, **given: Any) -> NudgeDue:
    """Let a nudge go out."""
    due = nudge_due(**given)
    await receive(pool, [due])
    notifier = Notifier(pool, mailbox.url)
    await notifier.work()
    await notifier.close()
    assert (await state(pool, due.data))[0] == "sent"
    return due


async def suppressed(pool: Pool) -> list[tuple[str, str]]:
    return [(one.address, one.reason) for one in await told(pool, SUPPRESSED)]


@pytest.mark.parametrize(
    ("what", "code", "becomes", "gives_up"),
    [
        ("bounced", "5.1.1", ("bounced", "bad-address"), True),
        ("bounced", "5.1.10", ("bounced", "bad-address"), True),
        ("bounced", "5.0.0", ("bounced", "bad-address"), True),
        ("bounced", None, ("bounced", "bad-address"), True),
        ("bounced", "5.1.8", ("bounced", "policy"), False),
        ("bounced", "5.2.1", ("bounced", "mailbox-disabled"), False),
        ("bounced", "5.2.2", ("bounced", "mailbox-full"), False),
        ("bounced", "5.3.4", ("bounced", "too-big"), False),
        ("bounced", "5.4.4", ("bounced", "no-route"), False),
        ("bounced", "5.6.7", ("bounced", "content"), False),
        ("bounced", "5.7.1", ("bounced", "policy"), False),
        ("bounced", "5.7.26", ("bounced", "policy"), False),
        ("bounced", "4.4.7", ("bounced", "no-route"), False),
        ("bounced", "4.1.1", ("bounced", "undelivered"), False),
        ("failed", None, ("bounced", "refused"), False),
        ("failed", "5.1.1", ("bounced", "undelivered"), False),
        ("delayed", "4.2.2", ("sent", None), False),
        ("delivered", None, ("delivered", None), False),
        ("complained", None, ("delivered", None), True),
        ("unsubscribed", None, ("sent", None), True),
    ],
)
async def test_m14_a_report_moves_the_delivery_and_gives_up_the_address_for_nothing_less(
    notifier_pool: Pool,
    mailbox: Mailbox,
    what: Report,
    code: str | None,
    becomes: tuple[str, str | None],
    gives_up: bool,
) -> None:
    due = await sent(notifier_pool, mailbox)

    for _ in range(3):
        await receive(notifier_pool, [reported(what, nudge=due.data.nudge, code=code)])

    assert await state(notifier_pool, due.data) == becomes
    assert len(await suppressed(notifier_pool)) == gives_up
    moves = (await told_states(notifier_pool, due.data))[2:]
    assert moves == ([(3, *becomes)] if becomes[0] != "sent" else [])
    said = await notifier_pool.fetchval("SELECT report FROM deliveries")
    assert said.split() == [what, *([code] if code else [])]


async def test_m14_a_disabled_mailbox_is_given_up_the_second_time_within_a_week(
    notifier_pool: Pool, mailbox: Mailbox
) -> None:
    ada = recipient()
    for n in (1, 2):
        due = await sent(notifier_pool, mailbox, recipient=ada)
        await receive(notifier_pool, [reported("bounced", nudge=due.data.nudge, code="5.2.1")])
        assert len(await suppressed(notifier_pool)) == n - 1


@pytest.mark.parametrize("order", list(permutations(("delivered", "bounced", "delayed", "complained"))), ids=str)
async def test_m14_in_any_order_the_same_comes_of_it(
    notifier_pool: Pool, mailbox: Mailbox, order: tuple[Report, ...]
) -> None:
    due = await sent(notifier_pool, mailbox)
    for what in order:
        await receive(
            notifier_pool, [reported(what, nudge=due.data.nudge, code="5.1.1" if what == "bounced" else None)]
        )
    assert await state(notifier_pool, due.data) == ("bounced", "bad-address")
    assert len(await suppressed(notifier_pool)) == 1


async def test_a_report_that_comes_while_the_mail_is_handed_over_is_kept_for_it(
    notifier_pool: Pool, smtp: Scripted
) -> None:
    late = asyncio.Event()
    smtp.answer("dot", late)
    due = nudge_due()
    await receive(notifier_pool, [due])
    notifier = Notifier(notifier_pool, smtp.url)
    await notifier.deliveries.step()
    await until(lambda: smtp.waits_at("dot"))
    await receive(notifier_pool, [reported("delivered", nudge=due.data.nudge)])
    assert (await state(notifier_pool, due.data))[0] == "queued"
    late.set()
    await notifier.deliveries.finish(20)
    await notifier.close()
    assert [one[1] for one in await told_states(notifier_pool, due.data)] == ["queued", "sent", "delivered"]
    assert await notifier_pool.fetchval("SELECT count(*) FROM reports") == 0


async def test_a_report_about_a_mail_of_which_nobody_knew_saves_it_from_going_twice(
    notifier_pool: Pool, smtp: Scripted
) -> None:
    smtp.answer("dot", CUT)
    due = nudge_due()
    await receive(notifier_pool, [due])
    clock = Clock()
    notifier = Notifier(notifier_pool, smtp.url, clock=clock)
    await notifier.work()
    assert await state(notifier_pool, due.data) == ("queued", "unknown")
    await receive(notifier_pool, [reported("delivered", nudge=due.data.nudge)])
    clock.ahead = 2 * HOUR
    assert await notifier.work() == 0
    await notifier.close()
    assert await state(notifier_pool, due.data) == ("delivered", None)


async def test_a_report_of_an_address_alone_is_about_what_went_there_last(
    notifier_pool: Pool, mailbox: Mailbox
) -> None:
    ada = recipient()
    first = await sent(notifier_pool, mailbox, recipient=ada)
    last = await sent(notifier_pool, mailbox, recipient=ada)
    await receive(notifier_pool, [reported("bounced", address="ADA@school.example", code="5.2.2")])
    assert [(await state(notifier_pool, one.data))[0] for one in (first, last)] == ["sent", "bounced"]


async def test_a_complaint_about_a_mail_of_long_ago_still_gives_up_the_address(
    notifier_pool: Pool, mailbox: Mailbox
) -> None:
    due = await sent(notifier_pool, mailbox)
    await receive(
        notifier_pool, [reported("complained", address="ada@school.example", at=datetime.now(UTC) + timedelta(days=30))]
    )
    assert (await state(notifier_pool, due.data))[0] == "sent"
    assert await suppressed(notifier_pool) == [("ada@school.example", "complaint")]


@pytest.mark.parametrize(
    "given",
    [{"address": "bo@school.example"}, {"nudge": nudge_due().data.nudge}, {}],
    ids=["address", "nudge", "nothing"],
)
async def test_a_report_about_nothing_of_ours_changes_nothing(
    notifier_pool: Pool, mailbox: Mailbox, given: dict[str, Any]
) -> None:
    due = await sent(notifier_pool, mailbox)
    await receive(notifier_pool, [reported("bounced", code="5.1.1", **given)])
    assert await state(notifier_pool, due.data) == ("sent", None)
    assert await suppressed(notifier_pool) == []


async def test_a_report_from_before_an_address_was_restored_does_not_give_it_up_again(
    notifier_pool: Pool, mailbox: Mailbox
) -> None:
    due = await sent(notifier_pool, mailbox)
    now = datetime.now(UTC)
    await receive(notifier_pool, [restored("ada@school.example", at=now)])
    await receive(notifier_pool, [reported("bounced", nudge=due.data.nudge, code="5.1.1", at=now - HOUR)])
    assert await suppressed(notifier_pool) == []


async def test_what_waits_for_an_address_that_is_gone_goes_out_no_more(notifier_pool: Pool, mailbox: Mailbox) -> None:
    ada = recipient()
    due = await sent(notifier_pool, mailbox, recipient=ada)
    await receive(notifier_pool, [reported("bounced", nudge=due.data.nudge, code="5.1.1")])
    later = nudge_due(recipient=ada)
    await receive(notifier_pool, [later])
    assert await state(notifier_pool, later.data) == ("skipped", "suppressed")


@pytest.mark.parametrize(("host", "has_it"), [("smtp.postmarkapp.com", True), ("mail.school.example", False)])
def test_a_vendor_that_names_mails_by_ids_of_its_own_is_told_ours(
    keys: tuple[SecretStr, ...], host: str, has_it: bool
) -> None:
    config = settings.read(
        secret_key=keys, smtp_url=f"smtp://{host}", mail_from="hello@school.example", public_url="https://hello.example"
    )
    nudge = nudge_due().data
    raw = open_email(config).content(nudge, mailbox_of("ada@school.example"), f"<{nudge.nudge}@x.example>", now=NOW)
    assert (f"X-PM-Metadata-nudge: {nudge.nudge}".encode() in raw) == has_it
