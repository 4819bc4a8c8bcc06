"""What did not arrive is told to its owner by the next mail that does."""

from datetime import timedelta
from typing import Any

from services.notifier.pruning import prune
from shared.db import Pool
from shared.events import NudgeDue, Sender
from tests.factories import contact, due_follow_up, nudge_due, recipient, reported
from tests.notifier.sending import MINUTE, Clock, Notifier, receive, state
from tests.servers.smtp import Mailbox, Scripted

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


async def test_of_what_no_words_are_kept_any_more_nothing_is_said(notifier_pool: Pool, mailbox: Mailbox) -> None:
    ada = recipient()
    lost = await sent(
        notifier_pool, mailbox, recipient=ada, follow_ups=(due_follow_up(contact=contact(name="Zebulon Quist")),)
    )
    await receive(notifier_pool, [reported("bounced", nudge=lost.data.nudge, code="5.2.2")])
    await notifier_pool.execute("UPDATE deliveries SET ended_at = ended_at - interval '1 day'")
    assert await prune(notifier_pool, keep=HOUR) == 1
    await sent(notifier_pool, mailbox, recipient=ada)
    assert "reach" not in words(mailbox)
