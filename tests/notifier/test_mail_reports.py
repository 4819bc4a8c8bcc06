"""What becomes of mails after they were taken: M14, and that nobody is left without what did not reach them."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from shared.db import Pool
from shared.events import NudgeDue, Report, Sender
from tests.factories import contact, due_follow_up, nudge_due, recipient, reported, restored
from tests.notifier.sending import MINUTE, Clock, Notifier, receive, state, told, told_states
from tests.servers.smtp import CUT, Mailbox, Scripted
from tests.servers.waiting import until

SUPPRESSED = "afterhello.address.suppressed.v1"
HOUR = timedelta(hours=1)


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


def words(mailbox: Mailbox, n: int = -1) -> str:
    return " ".join(mailbox.received[n].part("plain").split())


async def test_what_did_not_arrive_is_named_in_the_owners_next_nudge_once(
    notifier_pool: Pool, mailbox: Mailbox
) -> None:
    ada = recipient()
    lost = await sent(
        notifier_pool, mailbox, recipient=ada, follow_ups=(due_follow_up(contact=contact(name="Zebulon Quist")),)
    )
    await receive(notifier_pool, [reported("bounced", nudge=lost.data.nudge, code="5.2.2")])

    await sent(notifier_pool, mailbox, recipient=ada)
    assert "Zebulon Quist" in words(mailbox)
    assert "Zebulon Quist" in mailbox.received[-1].part("html")
    await sent(notifier_pool, mailbox, recipient=ada)
    assert "Zebulon" not in words(mailbox)


async def test_when_that_nudge_is_lost_too_the_one_after_it_names_both(notifier_pool: Pool, mailbox: Mailbox) -> None:
    ada = recipient()
    for name in ("Zebulon Quist", "Yolanda Pryce"):
        due = await sent(notifier_pool, mailbox, recipient=ada, follow_ups=(due_follow_up(contact=contact(name=name)),))
        await receive(notifier_pool, [reported("bounced", nudge=due.data.nudge, code="5.2.2")])
    await sent(notifier_pool, mailbox, recipient=ada)
    assert "Zebulon Quist" in words(mailbox)
    assert "Yolanda Pryce" in words(mailbox)


async def test_a_nudge_that_is_tried_again_names_it_again(
    notifier_pool: Pool, mailbox: Mailbox, smtp: Scripted
) -> None:
    ada = recipient()
    lost = await sent(
        notifier_pool, mailbox, recipient=ada, follow_ups=(due_follow_up(contact=contact(name="Zebulon Quist")),)
    )
    await receive(notifier_pool, [reported("bounced", nudge=lost.data.nudge, code="5.2.2")])
    clock = Clock()
    smtp.answer("dot", "451 4.3.0 later")
    await receive(notifier_pool, [nudge_due(recipient=ada)])
    notifier = Notifier(notifier_pool, smtp.url, clock=clock)
    await notifier.work()
    clock.ahead = 10 * MINUTE
    await notifier.work()
    await notifier.close()
    assert [b"Zebulon" in one.raw for one in smtp.received] == [True, True]


async def test_what_an_owners_contact_did_not_get_is_told_to_the_owner(notifier_pool: Pool, mailbox: Mailbox) -> None:
    ada = recipient()
    one = due_follow_up(owner=Sender(id=ada.id, name="Ada", email=ada.address))
    erin = recipient(name="Erin Gardner", address="erin@district.example")
    lost = await sent(notifier_pool, mailbox, to="contact", recipient=erin, follow_ups=(one,))
    await receive(notifier_pool, [reported("bounced", nudge=lost.data.nudge, code="5.1.1")])
    await sent(notifier_pool, mailbox, recipient=ada, follow_ups=(due_follow_up(contact=contact(name="Bo")),))
    assert "erin@district.example" in words(mailbox)
    assert "Erin Gardner" in words(mailbox)


async def test_nobody_is_told_of_what_somebody_else_did_not_get(notifier_pool: Pool, mailbox: Mailbox) -> None:
    lost = await sent(
        notifier_pool,
        mailbox,
        recipient=recipient(),
        follow_ups=(due_follow_up(contact=contact(name="Zebulon Quist")),),
    )
    await receive(notifier_pool, [reported("bounced", nudge=lost.data.nudge, code="5.2.2")])
    await sent(notifier_pool, mailbox, recipient=recipient(address="bo@school.example"))
    assert "Zebulon" not in words(mailbox)
