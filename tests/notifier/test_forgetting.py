"""Nothing is kept of whom, or of what, somebody asked not to be kept."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from services.notifier.store_standing import Suppression, suppress
from shared import dead_letter, outbox, stops
from shared.db import Pool
from shared.events import (
    AddressSuppressed,
    DueFollowUp,
    ErasedData,
    ForgottenData,
    MeetingsForgotten,
    MissedFollowUp,
    NudgeData,
    PersonErased,
    Sender,
    SuppressedData,
    new_id,
)
from tests.factories import acted, contact, due_follow_up, nudge_due, recipient
from tests.notifier.sending import receive, state, told_states

NOW = datetime.now(UTC)
CANARY = "canary-7f1c"


def erased(person: UUID, *addresses: str) -> PersonErased:
    return PersonErased(time=NOW, subject=str(person), data=ErasedData(person=person, at=NOW, addresses=addresses))


def forgotten(person: UUID, *of: DueFollowUp, addresses: tuple[str, ...] = ()) -> MeetingsForgotten:
    data = ForgottenData(
        person=person,
        meetings=tuple(one.meeting for one in of),
        follow_ups=tuple(one.id for one in of),
        addresses=addresses,
        at=NOW,
    )
    return MeetingsForgotten(time=NOW, subject=str(person), data=data)


def about(name: str, **given: Any) -> DueFollowUp:
    """A follow-up with a canary wherever somebody may write."""
    words = {"contact": contact(name=f"{name} {CANARY}"), "notes": CANARY, "promise": CANARY, "topics": (CANARY,)}
    return due_follow_up(**words | given)


async def everything(pool: Pool) -> str:
    """All that the schema holds, as text."""
    tables = [
        row["relname"]
        for row in await pool.fetch(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'notifier'::regnamespace"
        )
    ]
    rows = []
    for table in tables:
        what = "encode(document, 'escape')" if table in {"outbox", "dead_letter"} else "t::text"
        rows.append(await pool.fetchval(f"SELECT coalesce(string_agg({what}, ' '), '') FROM {table} t"))
    return " ".join(rows).lower()


async def test_of_an_erased_person_nothing_is_left_but_that_they_were_erased(notifier_pool: Pool) -> None:
    ada = recipient(name=CANARY, address="Ada.Canary@school.example")
    waits, other = nudge_due(recipient=ada, follow_ups=(about("Erin"),)), nudge_due()
    await receive(notifier_pool, [waits, other, acted("later", person=ada.id, follow_up=uuid4())])
    async with notifier_pool.acquire() as conn:
        await suppress(conn, [Suppression(address=ada.address, channel="email", reason="bounced", at=NOW)])
        data = SuppressedData(address=ada.address, channel="email", reason="bounced", at=NOW, person=ada.id)
        await outbox.add(conn, [AddressSuppressed(time=NOW, subject=str(ada.id), data=data)])
        for number, text in enumerate((str(ada.id), ada.address.upper(), "bo@school.example")):
            await dead_letter.keep(
                conn, UUID(int=number), b"\xff\0" + text.encode(), type=None, reason="x", state="dead"
            )
    assert CANARY in await everything(notifier_pool)

    for _ in range(2):
        await receive(notifier_pool, [erased(ada.id, ada.address)])

    left = await everything(notifier_pool)
    assert CANARY not in left and "ada.canary" not in left
    assert "bo@school.example" in left and await state(notifier_pool, other.data) == ("queued", None)
    assert await told_states(notifier_pool, waits.data) == [(1, "queued", None), (2, "skipped", "erased")]


async def test_a_forgotten_meeting_leaves_every_nudge_and_the_others_stay(notifier_pool: Pool) -> None:
    ada, gone, stays = recipient(), about("Gone"), about("Stays", notes="kept", promise=None, topics=())
    both = nudge_due(recipient=ada, follow_ups=(gone, stays))
    missed = MissedFollowUp(
        id=gone.id, playbook="ask", due_at=NOW, connection=gone.connection, contact=contact(name="Gone")
    )
    to_them = nudge_due(to="contact", follow_ups=(gone.model_copy(update={"owner": Sender(id=ada.id)}),))
    tells = nudge_due(recipient=ada, follow_ups=(about("Third", meeting=new_id()),), missed=(missed,))
    await receive(notifier_pool, [both, tells, to_them])

    await receive(notifier_pool, [forgotten(ada.id, gone)])

    facts = {
        row["nudge_id"]: NudgeData.model_validate_json(row["facts"])
        for row in await notifier_pool.fetch("SELECT nudge_id, facts::text AS facts FROM deliveries")
    }
    bare, kept = facts[both.data.nudge].follow_ups
    assert (bare.id, bare.meeting, bare.connection) == (gone.id, gone.meeting, gone.connection)
    assert bare.contact and bare.contact.name == "forgotten"
    assert (bare.notes, bare.promise, bare.topics, bare.event.name) == (None, None, (), None)
    assert kept == stays
    assert facts[tells.data.nudge].missed == ()
    assert facts[to_them.data.nudge].follow_ups[0].notes is None


async def test_a_nudge_about_a_forgotten_meeting_that_comes_late_has_no_words(notifier_pool: Pool) -> None:
    ada, gone = recipient(), about("Gone", event={"name": CANARY})
    async with notifier_pool.acquire() as conn, conn.transaction():
        await stops.stop_meeting(conn, person=ada.id, meeting=gone.meeting)
    await receive(notifier_pool, [forgotten(ada.id, gone)])

    late = nudge_due(recipient=ada, follow_ups=(gone,))
    await receive(notifier_pool, [late])

    assert CANARY not in await everything(notifier_pool)
    assert await state(notifier_pool, late.data) == ("skipped", "stopped")


async def test_what_went_to_a_contact_who_is_forgotten_goes_too(notifier_pool: Pool) -> None:
    erin = recipient(name=CANARY, address="erin-canary@district.example")
    waits, other = nudge_due(to="contact", recipient=erin), nudge_due()
    await receive(notifier_pool, [waits, other])

    await receive(notifier_pool, [forgotten(new_id(), addresses=("Erin-Canary@district.example",))])

    left = await everything(notifier_pool)
    assert CANARY not in left and "erin-canary" not in left
    assert await told_states(notifier_pool, waits.data) == [(1, "queued", None), (2, "skipped", "erased")]
    assert await state(notifier_pool, other.data) == ("queued", None)


async def test_what_went_to_contacts_on_behalf_of_who_is_erased_goes_or_loses_them(notifier_pool: Pool) -> None:
    ada = Sender(id=new_id(), name=CANARY, email="ada.canary@school.example")
    bo = Sender(id=new_id(), name="Bo", email="bo@school.example")
    hers = about("Erin", owner=ada)
    alone = nudge_due(to="contact", recipient=recipient(address="erin@district.example"), follow_ups=(hers,))
    both = nudge_due(
        to="contact",
        recipient=recipient(address="erin@district.example"),
        follow_ups=(about("Erin", owner=ada), due_follow_up(owner=bo)),
    )
    await receive(notifier_pool, [alone, both])

    await receive(notifier_pool, [erased(ada.id, str(ada.email))])

    left = await everything(notifier_pool)
    assert CANARY not in left and "ada.canary" not in left and "bo@school.example" in left


async def test_the_address_is_taken_out_of_what_others_wrote(notifier_pool: Pool) -> None:
    gone = f"{CANARY}+a@school.example"
    others = due_follow_up(notes=f"met {gone.upper()}, not x{gone}", promise=f'ask "{gone}".')
    await receive(notifier_pool, [nudge_due(recipient=recipient(), follow_ups=(others,))])

    await receive(notifier_pool, [erased(new_id(), gone)])

    facts = NudgeData.model_validate_json(await notifier_pool.fetchval("SELECT facts::text FROM deliveries"))
    assert facts.follow_ups[0].notes == f"met [erased], not x{gone}"
    assert facts.follow_ups[0].promise == 'ask "[erased]".'
