"""What the notifier is told: queued once, in whatever order it comes."""

from datetime import datetime, timedelta
from uuid import uuid4

from services.notifier.handlers import ROUTES
from shared import stops
from shared.db import Pool
from shared.events import (
    AddressSuppressed,
    ErasedData,
    NudgeDue,
    PersonErased,
    SuppressedData,
)
from shared.receive import receiver
from tests.factories import acted, at, contact, due_follow_up, nudge_due, recipient, restored
from tests.notifier.sending import receive, state, states, told, told_states

NOW = at("2026-11-11 15:30")


def erased(due: NudgeDue) -> PersonErased:
    return PersonErased(time=NOW, subject="x", data=ErasedData(person=due.data.recipient.id, at=NOW))


def suppressed(address: str, *, at: datetime = NOW) -> AddressSuppressed:
    return AddressSuppressed(
        time=at, subject="x", data=SuppressedData(address=address, channel="email", reason="unsubscribed", at=at)
    )


async def test_c12_a_nudge_that_comes_twice_is_one_delivery(notifier_pool: Pool) -> None:
    due = nudge_due()
    receive_bodies = receiver(notifier_pool, ROUTES, service="notifier")
    for _ in range(3):
        await receive_bodies([due.to_json(), due.to_json()])
    # Also under another event id, as a republished one from a restored outbox would come.
    await receive(notifier_pool, [nudge_due(**dict(due.data))])

    assert await state(notifier_pool, due.data) == ("queued", None)
    assert await told_states(notifier_pool, due.data) == [(1, "queued", None)]


async def test_a_batch_of_nudges_is_queued_as_a_whole(notifier_pool: Pool) -> None:
    batch = [nudge_due() for _ in range(300)]
    await receive(notifier_pool, batch)
    assert await notifier_pool.fetchval("SELECT count(*) FROM deliveries WHERE state = 'queued'") == 300
    assert {one.nudge for one in await told(notifier_pool)} == {due.data.nudge for due in batch}


async def test_a_done_follow_up_ends_its_nudge_before_or_after_it_comes(notifier_pool: Pool) -> None:
    before, after = nudge_due(), nudge_due()
    await receive(notifier_pool, [acted("done", follow_up=before.data.follow_ups[0].id)])
    await receive(notifier_pool, [before, after])
    await receive(
        notifier_pool,
        [acted("done", follow_up=after.data.follow_ups[0].id, person=after.data.recipient.id)],
    )

    for due in (before, after):
        assert await state(notifier_pool, due.data) == ("skipped", "done")
    assert await told_states(notifier_pool, before.data) == [(2, "skipped", "done")]
    assert await told_states(notifier_pool, after.data) == [(1, "queued", None), (2, "skipped", "done")]


async def test_a_nudge_of_which_something_remains_stays(notifier_pool: Pool) -> None:
    due = nudge_due(follow_ups=(due_follow_up(), due_follow_up()))
    await receive(notifier_pool, [due])
    await receive(notifier_pool, [acted("done", follow_up=due.data.follow_ups[0].id, person=due.data.recipient.id)])
    assert await state(notifier_pool, due.data) == ("queued", None)


async def test_done_is_final_and_the_later_of_two_snoozes_holds(notifier_pool: Pool) -> None:
    done, snoozed, person = uuid4(), uuid4(), uuid4()
    hour = timedelta(hours=1)
    await receive(
        notifier_pool,
        [
            acted("later", follow_up=done, person=person, at=NOW + 2 * hour),
            acted("done", follow_up=done, person=person, at=NOW),
            acted("later", follow_up=snoozed, person=person, at=NOW + hour),
            acted("later", follow_up=snoozed, person=person, at=NOW),
        ],
    )
    await receive(notifier_pool, [acted("later", follow_up=done, person=person, at=NOW + 9 * hour)])
    rows = await notifier_pool.fetch("SELECT follow_up, act, at FROM acts")
    assert {row["follow_up"]: row["act"] for row in rows} == {done: "done", snoozed: "later"}
    assert {row["at"] for row in rows if row["follow_up"] == snoozed} == {NOW + hour}


async def test_a_stop_ends_what_waits_of_the_connection_alone(notifier_pool: Pool) -> None:
    person = recipient()
    stopped, other = nudge_due(recipient=person), nudge_due(recipient=person)
    connection = stopped.data.follow_ups[0].connection
    await receive(notifier_pool, [stopped, other])
    async with notifier_pool.acquire() as conn, conn.transaction():
        await stops.stop_connection(conn, person=person.id, connection=connection)
    await receive(notifier_pool, [acted("stop", person=person.id, connection=connection)])

    assert await state(notifier_pool, stopped.data) == ("skipped", "stopped")
    assert await state(notifier_pool, other.data) == ("queued", None)


async def test_a_suppressed_address_ends_what_waits_and_what_comes_however_it_is_spelt(notifier_pool: Pool) -> None:
    waits = nudge_due(recipient=recipient(address="Ada@School.example"))
    comes = nudge_due(recipient=recipient(address="ADA@school.example"))
    other = nudge_due(recipient=recipient(address="bo@school.example"))
    await receive(notifier_pool, [waits, other])
    for _ in range(2):
        await receive(notifier_pool, [suppressed("ada@SCHOOL.example")])
    await receive(notifier_pool, [comes])

    assert await state(notifier_pool, waits.data) == ("skipped", "suppressed")
    assert await state(notifier_pool, comes.data) == ("skipped", "suppressed")
    assert await state(notifier_pool, other.data) == ("queued", None)


async def test_an_erased_person_is_forgotten_and_stays_so(notifier_pool: Pool) -> None:
    secret = "a name that nobody else has"
    waits = nudge_due(follow_ups=(due_follow_up(contact=contact(name=secret)),))
    await receive(notifier_pool, [waits, acted("done", follow_up=uuid4(), person=waits.data.recipient.id)])
    await receive(notifier_pool, [erased(waits)])
    late = nudge_due(recipient=waits.data.recipient)
    await receive(notifier_pool, [late])

    assert await states(notifier_pool) == {}
    assert await notifier_pool.fetchval("SELECT count(*) FROM acts") == 0
    assert await told_states(notifier_pool, waits.data) == [(1, "queued", None), (2, "skipped", "erased")]
    assert await told_states(notifier_pool, late.data) == [(1, "skipped", "erased")]
    assert not [row for row in await notifier_pool.fetch("SELECT document FROM outbox") if secret.encode() in row[0]]


async def test_words_that_postgresql_cannot_keep_are_queued_without_them(notifier_pool: Pool) -> None:
    due = nudge_due(
        recipient=recipient(name="A\0da"),
        follow_ups=(due_follow_up(notes="a\0b \\u0000 c", contact=contact(name="Er\0in")),),
    )
    await receive(notifier_pool, [due])
    facts = await notifier_pool.fetchval("SELECT facts FROM deliveries")
    assert facts["recipient"]["name"] == "Ada"
    assert facts["follow_ups"][0]["notes"] == "ab \\u0000 c"


async def test_a_restored_address_is_written_to_again_and_an_older_suppression_changes_nothing(
    notifier_pool: Pool,
) -> None:
    await receive(notifier_pool, [suppressed("ada@school.example")])
    await receive(notifier_pool, [restored("Ada@School.example", at=NOW + timedelta(hours=1))])
    await receive(notifier_pool, [suppressed("ada@school.example")])
    due = nudge_due()
    await receive(notifier_pool, [due])
    assert await state(notifier_pool, due.data) == ("queued", None)

    await receive(notifier_pool, [suppressed("ada@school.example", at=NOW + timedelta(hours=3))])
    assert await state(notifier_pool, due.data) == ("skipped", "suppressed")
