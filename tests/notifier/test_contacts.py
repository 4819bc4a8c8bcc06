"""Nudges to contacts: ended by the contact's word and by that of those on whose behalf they go out."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared import stops
from shared.db import Pool
from shared.events import DueFollowUp, ErasedData, Event, NudgeDue, PersonErased, Sender
from tests.factories import acted, due_follow_up, nudge_due, recipient
from tests.notifier.sending import Notifier, receive, state, told_states
from tests.servers.smtp import Scripted
from tests.servers.waiting import until

ADA, BO = UUID(int=0xADA), UUID(int=0xB0)


def on_behalf_of(owner: UUID, **given: Any) -> DueFollowUp:
    sender = Sender(id=owner, name="Ada", email="ada@school.example")
    return due_follow_up(**{"owner": sender, "playbook": "share-resource", "notes": f"notes of {owner.hex}"} | given)


def to_erin(*follow_ups: DueFollowUp) -> NudgeDue:
    erin = recipient(id=uuid4(), name="Erin", address="erin@district.example")
    return nudge_due(to="contact", recipient=erin, follow_ups=follow_ups or (on_behalf_of(ADA),))


def erased(person: UUID) -> PersonErased:
    at = datetime.now(UTC)
    return PersonErased(time=at, subject="x", data=ErasedData(person=person, at=at))


async def stop(pool: Pool, kind: str, due: NudgeDue) -> None:
    first = due.data.follow_ups[0]
    async with pool.acquire() as conn, conn.transaction():
        match kind:
            case "owner":
                await stops.stop_person(conn, person=ADA)
            case "owner, on another channel":
                await stops.stop_person(conn, person=ADA, channel="sms")
            case "contact":
                await stops.stop_person(conn, person=due.data.recipient.id, channel="email")
            case "connection":
                await stops.stop_connection(conn, person=ADA, connection=first.connection)
            case "meeting":
                await stops.stop_meeting(conn, person=ADA, meeting=first.meeting)


KINDS = ("owner", "owner, on another channel", "contact", "connection", "meeting")


@pytest.mark.parametrize("kind", KINDS)
async def test_nothing_goes_to_a_contact_after_a_stop_of_either(
    notifier_pool: Pool, intake_pool: Pool, smtp: Scripted, kind: str
) -> None:
    due = to_erin()
    await receive(notifier_pool, [due])
    await stop(intake_pool, kind, due)

    await Notifier(notifier_pool, smtp.url).work()

    assert (smtp.received, await state(notifier_pool, due.data)) == ([], ("skipped", "stopped"))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_stop_of_either_that_is_answered_before_the_send_begins_ends_it(
    notifier_pool: Pool, intake_pool: Pool, smtp: Scripted, kind: str
) -> None:
    due = to_erin()
    await receive(notifier_pool, [due])
    go_on = asyncio.Event()
    smtp.answer("rcpt", go_on)
    notifier = Notifier(notifier_pool, smtp.url)
    await notifier.deliveries.step()
    await until(lambda: smtp.waits_at("rcpt"))

    await stop(intake_pool, kind, due)
    go_on.set()
    await notifier.deliveries.finish(5)

    assert smtp.received == []


async def test_a_stop_of_an_owner_waits_for_a_send_on_their_behalf_that_is_being_begun(
    notifier_pool: Pool, intake_pool: Pool
) -> None:
    async def stopping() -> None:
        async with intake_pool.acquire() as conn, conn.transaction():
            await stops.stop_person(conn, person=ADA)

    async with notifier_pool.acquire() as conn, conn.transaction():
        assert await stops.standing(conn, person=uuid4(), on_behalf_of=[BO, ADA], connections=[]) == []
        task = asyncio.create_task(stopping())
        done, _ = await asyncio.wait([task], timeout=0.1)
        assert not done
    await asyncio.wait_for(task, 5)
    async with notifier_pool.acquire() as conn, conn.transaction():
        [found] = await stops.standing(conn, person=uuid4(), on_behalf_of=[BO, ADA], connections=[])
        assert (found.kind, found.id) == ("person", ADA)


async def test_one_owners_stop_leaves_what_goes_out_on_anothers_behalf(
    notifier_pool: Pool, intake_pool: Pool, smtp: Scripted
) -> None:
    due = to_erin(on_behalf_of(ADA), on_behalf_of(BO))
    await receive(notifier_pool, [due])
    await stop(intake_pool, "owner", due)

    await Notifier(notifier_pool, smtp.url).work()

    assert await state(notifier_pool, due.data) == ("sent", None)
    assert len(smtp.received) == 1


async def test_what_an_owner_does_ends_what_waits_for_the_contact_at_once(notifier_pool: Pool) -> None:
    due = to_erin()
    await receive(notifier_pool, [due])

    await receive(notifier_pool, [acted("done", person=ADA, follow_up=due.data.follow_ups[0].id)])

    assert await state(notifier_pool, due.data) == ("skipped", "done")


@pytest.mark.parametrize("before", [True, False])
async def test_nothing_is_kept_of_an_erased_owner_in_what_goes_to_contacts(
    notifier_pool: Pool, smtp: Scripted, before: bool
) -> None:
    alone, shared = to_erin(), to_erin(on_behalf_of(ADA), on_behalf_of(BO))
    batches: list[list[Event]] = [[alone, shared], [erased(ADA)]]
    for batch in batches if before else batches[::-1]:
        await receive(notifier_pool, batch)

    kept = str([tuple(row) for row in await notifier_pool.fetch("SELECT * FROM deliveries")])
    assert f"notes of {ADA.hex}" not in kept
    assert str(ADA) not in kept
    assert f"notes of {BO.hex}" in kept
    assert (await told_states(notifier_pool, alone.data))[-1][1:] == ("skipped", "erased")

    await Notifier(notifier_pool, smtp.url).work()
    assert await state(notifier_pool, shared.data) == ("sent", None)
    await receive(notifier_pool, [erased(BO)])
    assert await notifier_pool.fetchval("SELECT count(*) FROM deliveries") == 0


async def test_a_contact_has_the_cap_of_everybody_whoever_met_them(notifier_pool: Pool, smtp: Scripted) -> None:
    due = [to_erin(on_behalf_of(owner)) for owner in (ADA, BO, uuid4())]
    same = [nudge_due(**dict(one.data) | {"recipient": due[0].data.recipient}) for one in due]
    await receive(notifier_pool, same)

    await Notifier(notifier_pool, smtp.url, daily_cap=2).work()

    assert len(smtp.received) == 2
