"""What expired here, unsent, is named by the next nudge that leaves; once."""

from datetime import timedelta

from services.notifier.handlers import ROUTES
from shared import stops
from shared.db import Pool
from shared.events import Contact, NudgeDue, Recipient, Window
from shared.receive import receiver
from tests.factories import acted, due_follow_up, nudge_due, recipient
from tests.notifier.sending import Notifier, receive, state
from tests.servers.smtp import Scripted

HOUR = timedelta(hours=1)


def about(name: str, to: Recipient, **given: object) -> NudgeDue:
    return nudge_due(recipient=to, follow_ups=(due_follow_up(contact=Contact(name=name)),), **given)


def weekend(name: str, to: Recipient) -> NudgeDue:
    """A nudge that cannot go out before it is too late."""
    due = about(name, to).data
    shut = Window(opens_at=due.due_at - HOUR, closes_at=due.too_late_after + HOUR)
    return about(name, to, quiet=(shut,))


async def texts(pool: Pool, smtp: Scripted, *given: NudgeDue) -> list[str]:
    """Return what the mails said that these nudges made."""
    before = len(smtp.received)
    await receive(pool, list(given))
    notifier = Notifier(pool, smtp.url)
    await notifier.work()
    await notifier.close()
    return [mail.part("plain") for mail in smtp.received[before:]]


async def test_what_expired_behind_a_closed_window_is_named_by_the_next_nudge_once(
    notifier_pool: Pool, smtp: Scripted
) -> None:
    ada, bo = recipient(), recipient()
    lost = weekend("Erin", ada)
    assert await texts(notifier_pool, smtp, lost) == []
    assert await state(notifier_pool, lost.data) == ("skipped", "expired")

    (of_bo,) = await texts(notifier_pool, smtp, about("Sam", bo))
    assert "Erin" not in of_bo
    (first,) = await texts(notifier_pool, smtp, about("Sam", ada))
    assert "Erin" in first
    (second,) = await texts(notifier_pool, smtp, about("Kim", ada))
    assert "Erin" not in second


async def test_what_was_done_or_stopped_meanwhile_is_not_named(notifier_pool: Pool, smtp: Scripted) -> None:
    ada = recipient()
    lost = [weekend(name, ada) for name in ("Erin", "Kim", "Lou")]
    await texts(notifier_pool, smtp, *lost)
    done, stopped, _ = (due.data.follow_ups[0] for due in lost)
    act = acted("done", person=ada.id, follow_up=done.id, connection=done.connection, at=done.due_at)
    await receiver(notifier_pool, ROUTES, service="notifier")([act.to_json()])
    async with notifier_pool.acquire() as conn:
        await stops.stop_connection(conn, person=ada.id, connection=stopped.connection)
    (text,) = await texts(notifier_pool, smtp, about("Sam", ada))
    assert "Lou" in text
    assert "Erin" not in text and "Kim" not in text
