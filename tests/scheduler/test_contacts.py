"""Steps to the contact: with their consent alone, one nudge whoever met them, ended by their word and the owner's."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.scheduler.addressee import contact_id
from services.scheduler.handlers import routes
from services.scheduler.plan import Plans
from services.scheduler.planner import Planner
from shared.db import Pool
from shared.events import (
    AddressSuppressed,
    Contact,
    ErasedData,
    Event,
    Meeting,
    MeetingChanged,
    MeetingData,
    MeetingLogged,
    NudgeData,
    Person,
    PersonErased,
    SuppressedData,
)
from shared.receive import receiver
from tests.factories import acted, contact, meeting_logged, person, restored
from tests.scheduler.drive import ANY_TIME, DAY, assert_told, fire, make_due, nudges, rows

PLAN = """
[[steps]]
after = "1 day"
playbook = "say-hello"
[[steps]]
after = "2 days"
playbook = "share-resource"
to = "contact"
[[steps]]
every = "1 month"
times = 2
playbook = "check-in"
to = "contact"
"""
ERIN = contact(consent=True)


@dataclass(frozen=True, slots=True)
class Scheduler:
    pool: Pool
    plans: Plans

    async def receive(self, *given: Event) -> None:
        await receiver(self.pool, routes(self.plans), service="scheduler")([event.to_json() for event in given])
        assert [dict(row) for row in await self.pool.fetch("SELECT reason, detail FROM dead_letter")] == []

    async def states(self, meeting: UUID | None = None) -> list[str]:
        return [
            f"{row['addressee']} {row['reason'] or row['state']}"
            for row in await rows(self.pool)
            if meeting in {None, row["meeting_id"]}
        ]

    async def due(self, *, addressee: str = "contact", ago: timedelta = timedelta(minutes=1)) -> datetime:
        """Let the first step to the contact (or the owner) of each meeting be due, and nothing else."""
        await make_due(self.pool, now() + 400 * DAY)
        at = now() - ago
        ids = [row["id"] for row in await rows(self.pool) if row["addressee"] == addressee and row["occurrence"] == 1]
        ids = [row["id"] for row in await rows(self.pool) if row["id"] in ids and row["step"] < 3]
        await make_due(self.pool, at, *ids)
        return at


@pytest.fixture
def scheduler(scheduler_pool: Pool, tmp_path: Path) -> Scheduler:
    (tmp_path / "both.toml").write_text(PLAN)
    return Scheduler(scheduler_pool, Plans.read(tmp_path))


def now() -> datetime:
    return datetime.now(UTC)


def logged(owner: Person, **given: Any) -> MeetingLogged:
    fields = {"plan": "both", "logged_at": now(), "met_at": now(), "contact": ERIN}
    return meeting_logged(owner=owner, **fields | given)


def changed(event: MeetingLogged | MeetingChanged, **given: Any) -> MeetingChanged:
    before = event.data.meeting
    after: Meeting = before.model_copy(update={"revision": before.revision + 1} | given)
    return MeetingChanged(time=now(), subject=str(after.id), data=MeetingData(meeting=after, owner=event.data.owner))


def suppressed(address: str) -> AddressSuppressed:
    data = SuppressedData(address=address, channel="email", reason="unsubscribed", at=now())
    return AddressSuppressed(time=now(), subject="x", data=data)


WAITING = ["owner waiting", "contact waiting", "contact waiting", "contact waiting"]
NO_CONSENT = ["owner waiting", "contact no-consent", "contact no-consent", "contact no-consent"]


@pytest.mark.parametrize(
    ("met", "states"),
    [
        (ERIN, WAITING),
        (contact(consent=False), NO_CONSENT),
        (contact(consent=True, email=None, phone="+15085550123"), NO_CONSENT),
    ],
)
async def test_a_contact_is_written_to_with_consent_and_an_address_alone(
    scheduler: Scheduler, met: Contact, states: list[str]
) -> None:
    event = logged(person(), contact=met)

    await scheduler.receive(event)

    assert await scheduler.states() == states
    preview = Planner(scheduler.plans).preview(event.data.meeting, event.data.owner, now())
    by_step = sorted(preview, key=lambda one: (one.step, one.occurrence))
    assert [f"{one.to} {one.reason or one.state}" for one in by_step] == states
    await assert_told(scheduler.pool)


async def test_who_did_not_agree_is_not_the_newest_of_what_is_late(scheduler: Scheduler) -> None:
    await scheduler.receive(logged(person(), met_at=now() - 10 * DAY, contact=contact()))

    assert (await scheduler.states())[:2] == ["owner waiting", "contact no-consent"]


async def test_what_goes_to_the_contact_says_on_whose_behalf(scheduler: Scheduler) -> None:
    owner = person(**ANY_TIME, locale="es")
    event = logged(owner)
    await scheduler.receive(event)
    at = await scheduler.due()

    assert await fire(scheduler.pool) == 1

    (nudge,) = await nudges(scheduler.pool)
    to = nudge.recipient
    assert (nudge.to, nudge.channel, nudge.due_at, nudge.missed) == ("contact", "email", at, ())
    assert (to.id, to.address, to.name, to.locale, to.time_zone) == (
        *(contact_id("erin@district.example"), ERIN.email, ERIN.name, "es", owner.time_zone),
    )
    (carried,) = nudge.follow_ups
    assert carried.owner is not None
    assert (carried.owner.id, carried.owner.name, carried.owner.email) == (owner.id, "Ada", owner.email)
    assert carried.playbook == "share-resource"
    assert await scheduler.states() == ["owner waiting", "contact nudged", "contact waiting", "contact waiting"]
    await assert_told(scheduler.pool)


async def test_the_owner_and_the_contact_each_have_their_own_nudge(scheduler: Scheduler) -> None:
    owner = person(**ANY_TIME)
    await scheduler.receive(logged(owner))
    await make_due(scheduler.pool, now() + 400 * DAY)
    await make_due(
        scheduler.pool, now() - timedelta(minutes=1), *[row["id"] for row in (await rows(scheduler.pool))[:2]]
    )

    await fire(scheduler.pool)

    assert {(nudge.to, nudge.recipient.address) for nudge in await nudges(scheduler.pool)} == {
        ("owner", owner.email),
        ("contact", ERIN.email),
    }


async def test_a_contact_whom_several_owners_met_gets_one_nudge_for_a_send_time(scheduler: Scheduler) -> None:
    owners = [person(email=f"{n}@school.example", name=f"Owner {n}", **ANY_TIME) for n in range(3)]
    spelled = [contact(consent=True, email=email) for email in ("erin@district.example", "Erin@District.example")]
    await scheduler.receive(*[logged(owner, contact=spelled[n % 2]) for n, owner in enumerate(owners)])
    await scheduler.due()

    await fire(scheduler.pool)

    (nudge,) = await nudges(scheduler.pool)
    assert {one.owner.id for one in nudge.follow_ups if one.owner} == {owner.id for owner in owners}
    assert await fire(scheduler.pool) == 0


async def test_a_send_time_that_has_had_its_nudge_is_over_for_a_contact_too(scheduler: Scheduler) -> None:
    first, second = person(**ANY_TIME), person(email="bo@school.example", **ANY_TIME)
    await scheduler.receive(logged(first))
    at = await scheduler.due()
    await fire(scheduler.pool)
    await scheduler.receive(event := logged(second))
    of_second = [row["id"] for row in await rows(scheduler.pool) if row["meeting_id"] == event.data.meeting.id]
    await make_due(scheduler.pool, at, *of_second[1:2])

    await fire(scheduler.pool)

    assert len(await nudges(scheduler.pool)) == 1
    assert all(row["due_at"] > now() for row in await rows(scheduler.pool) if row["id"] in of_second)


async def test_an_owner_whom_somebody_else_holds_does_not_split_the_nudge(scheduler: Scheduler) -> None:
    owners = [person(email=f"{n}@school.example", **ANY_TIME) for n in range(2)]
    await scheduler.receive(*[logged(owner) for owner in owners])
    await scheduler.due()

    async with scheduler.pool.acquire() as conn, conn.transaction():
        await conn.execute("SELECT FROM recipients WHERE id = $1 FOR UPDATE", owners[0].id)
        assert await fire(scheduler.pool) == 0
    await fire(scheduler.pool)

    (nudge,) = await nudges(scheduler.pool)
    assert len(nudge.follow_ups) == 2


async def test_each_owners_hours_and_days_hold_for_what_goes_out_on_their_behalf(scheduler: Scheduler) -> None:
    asleep = person(email="asleep@school.example", **ANY_TIME | {"quiet_to": time(23, 59, 59)})
    awake = person(**ANY_TIME)
    await scheduler.receive(logged(asleep), logged(awake))
    await scheduler.due()

    await fire(scheduler.pool)

    (nudge,) = await nudges(scheduler.pool)
    assert [one.owner.id for one in nudge.follow_ups if one.owner] == [awake.id]


async def test_what_came_too_late_for_a_contact_is_named_to_its_owner(scheduler: Scheduler) -> None:
    await scheduler.receive(logged(person(**ANY_TIME)))
    await scheduler.due(ago=2 * DAY)
    await fire(scheduler.pool)
    assert (await scheduler.states())[1] == "contact expired"
    assert await nudges(scheduler.pool) == []

    await scheduler.due(addressee="owner")
    await fire(scheduler.pool)

    (nudge,) = await nudges(scheduler.pool)
    assert nudge.to == "owner"
    assert [one.playbook for one in nudge.missed] == ["share-resource"]


@pytest.mark.parametrize("how", ["connection", "person", "another channel", "meeting", "cancelled", "done"])
async def test_what_waits_for_a_contact_ends_by_its_owners_word(scheduler: Scheduler, how: str) -> None:
    owner = person(**ANY_TIME)
    event = logged(owner)
    await scheduler.receive(event)
    connection = event.data.meeting.connection
    waits = [row["id"] for row in await rows(scheduler.pool) if row["addressee"] == "contact"]
    words: dict[str, Sequence[Event]] = {
        "connection": [acted("stop", person=owner.id, connection=connection)],
        "person": [acted("stop", person=owner.id)],
        "another channel": [acted("stop", person=owner.id, channel="sms")],
        "meeting": [changed(event, state="stopped")],
        "cancelled": [changed(event, state="cancelled")],
        "done": [acted("done", person=owner.id, connection=connection, follow_up=id) for id in waits],
    }

    await scheduler.receive(*words[how])

    end = how if how in {"cancelled", "done"} else "stopped"
    assert (await scheduler.states())[1:] == [f"contact {end}"] * 3
    await scheduler.receive(logged(owner))
    await assert_told(scheduler.pool)


async def test_a_paused_meeting_does_not_write_to_the_contact(scheduler: Scheduler) -> None:
    event = logged(person(**ANY_TIME))
    await scheduler.receive(event, changed(event, state="paused"))
    await scheduler.due()

    assert await fire(scheduler.pool) == 0


async def test_consent_may_be_withdrawn_and_given_again(scheduler: Scheduler) -> None:
    event = logged(person())
    await scheduler.receive(event)

    withdrawn = changed(event, contact=contact(consent=False))
    await scheduler.receive(withdrawn)
    assert await scheduler.states() == NO_CONSENT

    await scheduler.receive(changed(withdrawn, contact=ERIN))
    assert await scheduler.states() == WAITING
    await assert_told(scheduler.pool)


async def test_consent_that_comes_late_brings_back_nothing_that_is_past(scheduler: Scheduler) -> None:
    event = logged(person(), contact=contact(consent=False))
    await scheduler.receive(event)
    await scheduler.pool.execute(
        "UPDATE follow_ups SET on_day = on_day - 9, due_at = due_at - interval '9 days' WHERE step = 2"
    )

    await scheduler.receive(changed(event, contact=ERIN))

    assert await scheduler.states() == ["owner waiting", "contact no-consent", "contact waiting", "contact waiting"]


async def test_another_address_is_another_contact(scheduler: Scheduler) -> None:
    event = logged(person(**ANY_TIME))
    await scheduler.receive(event)

    await scheduler.receive(changed(event, contact=contact(consent=True, email="erin@home.example")))
    await scheduler.due()
    await fire(scheduler.pool)

    (nudge,) = await nudges(scheduler.pool)
    assert (nudge.recipient.address, nudge.recipient.id) == ("erin@home.example", contact_id("erin@home.example"))


async def test_a_contact_who_unsubscribes_ends_what_waits_for_them_whoever_met_them(scheduler: Scheduler) -> None:
    ada, bo = person(), person(email="bo@school.example")
    await scheduler.receive(
        logged(ada), logged(bo), other := logged(ada, contact=contact(name="Fay", consent=True, email="fay@x.example"))
    )

    # As intake tells it: of somebody who is no person of ours, by the id in their link.
    gone = contact_id("erin@district.example")
    await scheduler.receive(acted("stop", person=gone, channel="email"), suppressed("Erin@district.example"))

    found = await scheduler.states()
    assert found.count("contact stopped") == 6
    assert await scheduler.states(other.data.meeting.id) == WAITING
    await scheduler.receive(event := logged(ada))
    assert await scheduler.states(event.data.meeting.id) == [
        state.replace("no-consent", "suppressed") for state in NO_CONSENT
    ]
    await assert_told(scheduler.pool)


async def test_an_address_that_is_refused_is_no_contacts_any_more_and_may_be_restored(scheduler: Scheduler) -> None:
    await scheduler.receive(logged(person()))

    await scheduler.receive(suppressed("erin@district.example"))
    assert await scheduler.states() == [state.replace("no-consent", "suppressed") for state in NO_CONSENT]

    await scheduler.receive(restored("erin@district.example"))
    assert await scheduler.states() == WAITING


async def test_a_contact_whom_an_address_was_changed_to_that_left_us_is_not_written_to(scheduler: Scheduler) -> None:
    event = logged(person(), contact=contact(consent=True, email="old@district.example"))
    await scheduler.receive(suppressed("erin@district.example"), event)

    await scheduler.receive(changed(event, contact=ERIN))

    assert await scheduler.states() == [state.replace("no-consent", "suppressed") for state in NO_CONSENT]


async def test_an_unsubscribed_owner_is_no_unsubscribed_contact(scheduler: Scheduler) -> None:
    await scheduler.receive(logged(person()))

    await scheduler.receive(acted("stop", person=uuid4(), channel="email"))

    assert await scheduler.states() == WAITING


async def test_nothing_of_a_contact_is_left_when_their_owner_is_erased(scheduler: Scheduler) -> None:
    owner = person(**ANY_TIME)
    await scheduler.receive(logged(owner))
    await scheduler.due()
    await fire(scheduler.pool)
    await scheduler.pool.execute("DELETE FROM outbox")

    await scheduler.receive(PersonErased(time=now(), subject=str(owner.id), data=ErasedData(person=owner.id, at=now())))

    for table in (
        "follow_ups",
        "meetings",
        "recipients",
        "set_aside",
        "send_times",
        "stops",
        "touches",
        "suppressions",
    ):
        kept = str([tuple(row) for row in await scheduler.pool.fetch(f"SELECT * FROM {table}")])
        assert "erin" not in kept.lower(), table
        assert str(owner.id) not in kept, table


async def test_a_nudge_to_contacts_has_room_for_as_many_as_a_persons(scheduler: Scheduler) -> None:
    owners = [person(email=f"{n}@school.example", **ANY_TIME) for n in range(7)]
    await scheduler.receive(*[logged(owner) for owner in owners])
    await scheduler.due()

    await fire(scheduler.pool)

    sent: list[NudgeData] = await nudges(scheduler.pool)
    assert [len(nudge.follow_ups) for nudge in sent] == [5]
