"""What the scheduler and the notifier tell intake, in any order and more than once."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

import pytest

from services.intake import timeline
from services.intake.handlers import ROUTES
from shared import receive
from shared.db import Pool
from shared.events import AddressSuppressed, Event, SuppressedData, new_id
from tests.intake.rows import Logged, delivery_changed, follow_up_changed, logged

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


def minutes(n: int) -> datetime:
    return NOON + timedelta(minutes=n)


async def tell(pool: Pool, events: Sequence[Event]) -> None:
    """Hand them over one message each, as the bus does."""
    take = receive.receiver(pool, ROUTES, service="intake")
    for event in events:
        await take([event.to_json()])
    assert await pool.fetch("SELECT reason, detail FROM dead_letter") == []


async def first_follow_up(pool: Pool, meeting: UUID) -> dict[str, object]:
    async with pool.acquire() as conn:
        found = await timeline.follow_ups(conn, [meeting])
    return found[meeting][0]


async def lines(pool: Pool, meeting: UUID) -> list[tuple[object, object]]:
    async with pool.acquire() as conn:
        return [(line["what"], line["detail"]) for line in await timeline.timeline(conn, meeting)]


def story(what: Logged) -> list[Event]:
    """Planned, nudged, sent, done: as four events."""
    return [
        follow_up_changed(what, revision=1, state="waiting", at=minutes(0)),
        follow_up_changed(what, revision=2, state="nudged", nudge=what.nudge, at=minutes(1)),
        delivery_changed(what, revision=2, state="sent", at=minutes(2)),
        follow_up_changed(what, revision=3, state="done", nudge=what.nudge, at=minutes(3)),
    ]


async def test_every_order_of_events_ends_in_the_same_state_and_story(intake_pool: Pool) -> None:
    seen = []
    for n, order in enumerate(itertools.permutations(range(4))):
        what = await logged(intake_pool, email=f"ada{n}@school.example", ago=timedelta(days=400))
        events = story(what)

        await tell(intake_pool, [events[i] for i in order])

        follow_up = await first_follow_up(intake_pool, what.meeting)
        nudge = follow_up["nudge"]
        assert isinstance(nudge, dict)
        seen.append((follow_up["state"], nudge["state"], nudge["at"], await lines(intake_pool, what.meeting)))

    story_told = [("logged", None), ("nudged", "say-hello"), ("sent", "say-hello by email")]
    assert seen == [("done", "sent", minutes(2), story_told)] * 24


async def test_events_told_again_under_new_ids_change_nothing(intake_pool: Pool) -> None:
    what = await logged(intake_pool)
    await tell(intake_pool, story(what))
    before = await first_follow_up(intake_pool, what.meeting), await lines(intake_pool, what.meeting)

    await tell(intake_pool, [event.model_copy(update={"id": new_id()}) for event in story(what)])

    assert (await first_follow_up(intake_pool, what.meeting), await lines(intake_pool, what.meeting)) == before


async def test_a_batch_may_hold_several_revisions_of_one_follow_up(intake_pool: Pool) -> None:
    what = await logged(intake_pool)
    events = [
        follow_up_changed(what, revision=3, state="skipped", reason="superseded", at=minutes(3)),
        follow_up_changed(what, revision=1, state="waiting", at=minutes(1)),
        follow_up_changed(what, revision=2, state="nudged", nudge=what.nudge, at=minutes(2)),
    ]

    await receive.receiver(intake_pool, ROUTES, service="intake")([event.to_json() for event in events])

    follow_up = await first_follow_up(intake_pool, what.meeting)
    assert (follow_up["state"], follow_up["reason"], follow_up["nudge"]) == ("skipped", "superseded", None)


async def test_a_follow_up_shows_in_the_shape_of_the_contract(intake_pool: Pool) -> None:
    what = await logged(intake_pool)

    await tell(intake_pool, [follow_up_changed(what)])

    assert await first_follow_up(intake_pool, what.meeting) == {
        "id": what.follow_up,
        "step": 1,
        "occurrence": 1,
        "playbook": "say-hello",
        "state": "waiting",
        "reason": None,
        "local": datetime.fromisoformat("2026-10-22T15:30"),
        "zone": "America/New_York",
        "due_at": datetime(2026, 10, 22, 19, 30, tzinfo=UTC),
        "nudge": None,
    }


async def test_a_nudge_the_notifier_has_not_spoken_of_is_queued(intake_pool: Pool) -> None:
    what = await logged(intake_pool)

    await tell(intake_pool, [follow_up_changed(what, state="nudged", nudge=what.nudge)])

    nudge = (await first_follow_up(intake_pool, what.meeting))["nudge"]
    assert nudge == {"id": what.nudge, "state": "queued", "reason": None, "at": None}


async def test_a_nudge_that_was_delivered_stays_so_when_its_sending_is_told_late(intake_pool: Pool) -> None:
    what = await logged(intake_pool, ago=timedelta(days=400))

    await tell(
        intake_pool,
        [
            follow_up_changed(what, state="nudged", nudge=what.nudge, at=minutes(1)),
            delivery_changed(what, revision=3, state="delivered", at=minutes(3)),
            delivery_changed(what, revision=2, state="sent", at=minutes(2)),
            delivery_changed(what, revision=1, state="queued", at=minutes(1)),
        ],
    )

    nudge = (await first_follow_up(intake_pool, what.meeting))["nudge"]
    assert nudge == {"id": what.nudge, "state": "delivered", "reason": None, "at": minutes(3)}
    assert [line for line, _ in await lines(intake_pool, what.meeting)] == ["logged", "nudged", "sent", "delivered"]


async def test_a_nudge_that_is_sent_is_no_longer_queued(intake_pool: Pool) -> None:
    what = await logged(intake_pool)

    await tell(
        intake_pool,
        [
            follow_up_changed(what, state="nudged", nudge=what.nudge),
            delivery_changed(what, revision=1, state="queued"),
            delivery_changed(what, revision=2, state="sent", at=minutes(2)),
        ],
    )

    nudge = (await first_follow_up(intake_pool, what.meeting))["nudge"]
    assert nudge == {"id": what.nudge, "state": "sent", "reason": None, "at": minutes(2)}


async def test_a_meeting_just_logged_has_no_follow_ups_and_one_line(intake_pool: Pool) -> None:
    what = await logged(intake_pool)

    async with intake_pool.acquire() as conn:
        assert await timeline.follow_ups(conn, [what.meeting]) == {what.meeting: []}
    assert await lines(intake_pool, what.meeting) == [("logged", None)]


async def test_a_nudge_for_two_meetings_is_in_both_timelines_under_its_own_playbooks(intake_pool: Pool) -> None:
    one = await logged(intake_pool)
    two = await logged(intake_pool, person=one.person, contact="Sam")
    both = (one.follow_up, two.follow_up, uuid5(two.meeting, "2.1"))

    await tell(
        intake_pool,
        [
            delivery_changed(one, state="failed", reason="550 5.1.1", follow_ups=both, at=minutes(9)),
            follow_up_changed(one, state="nudged", nudge=one.nudge, at=minutes(8)),
            follow_up_changed(two, state="nudged", nudge=one.nudge, at=minutes(8)),
            follow_up_changed(
                two, id=both[2], step=2, state="nudged", playbook="keep-promise", nudge=one.nudge, at=minutes(8)
            ),
        ],
    )

    assert ("failed", "say-hello by email: 550 5.1.1") in await lines(intake_pool, one.meeting)
    assert ("nudged", "keep-promise, say-hello") in await lines(intake_pool, two.meeting)
    assert ("failed", "keep-promise, say-hello by email: 550 5.1.1") in await lines(intake_pool, two.meeting)


@pytest.mark.parametrize("person_is_known", [True, False])
async def test_an_address_that_must_not_be_written_to_shows_in_its_owners_timelines(
    intake_pool: Pool, person_is_known: bool
) -> None:
    what = await logged(intake_pool)
    at = datetime.now(UTC)
    data = SuppressedData(
        address="Ada@School.example",
        channel="email",
        reason="hard bounce",
        at=at,
        person=what.person if person_is_known else None,
    )

    await tell(intake_pool, [AddressSuppressed(time=at, subject="x", data=data) for _ in range(2)])

    assert await lines(intake_pool, what.meeting) == [("logged", None), ("suppressed", "email: hard bounce")]
