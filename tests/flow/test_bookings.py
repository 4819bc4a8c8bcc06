"""From a booking tool to what the scheduler plans: cancelled, missed, moved and revived, in whatever order it hears."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from shared import events
from shared.db import Pool
from shared.events import Event, MeetingLogged
from tests.intake.booking_tools import Payload, absent, cal, invitee, uri
from tests.intake.serving import Intake, Sender, serving
from tests.scheduler import drive

END = (datetime.now(UTC) + timedelta(days=20)).replace(hour=18, minute=30, second=0, microsecond=0)
LATER = END + timedelta(days=7)
ZOOM = Path(__file__).parents[1] / "intake" / "payloads" / "zoom" / "meeting.ended.json"
# An order of what intake tells, as it may arrive.
ORDERS: dict[str, Callable[[list[Event]], list[Event]]] = {
    "as told": lambda told: told,
    "backwards": lambda told: told[::-1],
    "twice": lambda told: [*told, *told],
}

CREATED = cal("BOOKING_CREATED", end=END)
CANCELLED = cal("BOOKING_CANCELLED", at="2026-10-03T08:00:00Z", end=END)
MOVED = cal("BOOKING_RESCHEDULED", "second", at="2026-10-02T08:00:00Z", end=LATER, rescheduleUid="first")
ABSENT = absent(erin=True, at="2026-10-21T19:00:00Z")
PRESENT = absent(erin=False, at="2026-10-21T20:00:00Z")
BOOKED = invitee("invitee.created", "old", at="2026-10-01T12:00:00Z", end=END)
LEFT = invitee("invitee.canceled", "old", at="2026-10-02T12:00:01Z", rescheduled=True, new_invitee=uri("new"))
CAME = invitee("invitee.created", "new", at="2026-10-02T12:00:02Z", end=LATER, old_invitee=uri("old"))


@pytest.fixture
async def intake(intake_pool: Pool, keys: tuple[SecretStr, ...]) -> AsyncIterator[Intake]:
    async with serving(intake_pool, keys) as served:
        yield served


async def tell(sender: Sender, *payloads: Payload) -> None:
    for payload in payloads:
        answer = await sender.send(payload)
        assert answer.status in {200, 202}, await answer.text()


async def told(intake: Intake) -> list[Event]:
    """Return the events that wait in intake's outbox, oldest first."""
    return [events.read(json.dumps(event).encode()) for event in await intake.events()]


async def planned(scheduler_pool: Pool, given: Sequence[Event]) -> list[str]:
    """Let the scheduler hear of these one by one, and return what became of each step."""
    for event in given:
        await drive.receive(scheduler_pool, event)
    await drive.assert_told(scheduler_pool)
    return await drive.states(scheduler_pool)


CASES: dict[str, tuple[str, Sequence[Payload], str]] = {
    "cancelled": ("calcom", (CREATED, CANCELLED), "cancelled"),
    "cancelled before": ("calcom", (CANCELLED, CREATED), "cancelled"),
    "absent": ("calcom", (CREATED, ABSENT), "no-show"),
    "absent before": ("calcom", (ABSENT, CREATED), "no-show"),
    "not absent after all": ("calcom", (CREATED, ABSENT, PRESENT), "waiting"),
    "not absent after all, told first": ("calcom", (CREATED, PRESENT, ABSENT), "waiting"),
    "moved": ("calcom", (CREATED, MOVED), "waiting"),
    "moved before": ("calcom", (MOVED, CREATED), "waiting"),
    "moved by Calendly": ("calendly", (BOOKED, LEFT, CAME), "waiting"),
    "moved by Calendly, told backwards": ("calendly", (CAME, LEFT, BOOKED), "waiting"),
    "moved by Calendly, the cancellation first": ("calendly", (LEFT, BOOKED, CAME), "waiting"),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("case", CASES)
async def test_what_waits_ends_moves_and_revives_with_the_booking(
    intake: Intake, scheduler_pool: Pool, case: str, order: str
) -> None:
    tool, payloads, state = CASES[case]
    await tell(await intake.source(tool, zone="America/New_York"), *payloads)

    states = await planned(scheduler_pool, ORDERS[order](await told(intake)))

    assert states and set(states) == {state}
    has_moved = MOVED in payloads or CAME in payloads
    rows = await drive.rows(scheduler_pool)
    assert len({row["meeting_id"] for row in rows}) == 1
    assert all(row["due_at"] > (LATER if has_moved else END) for row in rows)
    assert rows[0]["due_at"] < (LATER if has_moved else END) + timedelta(days=6)


async def test_a_booking_that_is_off_already_sends_nothing_when_its_time_comes(
    intake: Intake, scheduler_pool: Pool
) -> None:
    await tell(await intake.source("calcom"), CANCELLED, CREATED)
    [event] = await told(intake)
    assert isinstance(event, MeetingLogged) and event.data.meeting.state == "cancelled"

    await planned(scheduler_pool, [event])
    await drive.make_due(scheduler_pool, datetime.now(UTC))
    await drive.fire(scheduler_pool)

    assert await drive.nudges(scheduler_pool) == []


@pytest.mark.parametrize("order", ORDERS)
async def test_the_host_of_a_call_is_asked_once_whom_they_met(intake: Intake, scheduler_pool: Pool, order: str) -> None:
    sender = await intake.source("zoom", owner="ada@school.example")
    body = json.loads(ZOOM.read_text())
    for minutes in (90, 30, 30):  # the host left, came back, and Zoom repeats itself
        end = datetime.now(UTC) - timedelta(minutes=minutes)
        body["payload"]["object"]["end_time"] = end.isoformat(timespec="minutes")
        await tell(sender, body)

    states = await planned(scheduler_pool, ORDERS[order](await told(intake)))

    assert states == ["waiting"]
    await drive.make_due(scheduler_pool, datetime.now(UTC))
    await drive.fire(scheduler_pool)
    [nudge] = await drive.nudges(scheduler_pool)
    assert nudge.recipient.address == "ada@school.example"
    [one] = nudge.follow_ups
    assert (one.playbook, one.contact, one.event.name) == ("who-did-you-meet", None, "SIG Mathematics")
    assert one.form_url and one.form_url.startswith("https://hello.school.example/log?event.name=SIG+Mathematics")
