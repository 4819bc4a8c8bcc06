"""A pause that ends, as said or earlier: what it held goes on in its order, the newest of each connection alone."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from services.scheduler import life
from services.scheduler.clocks import clock_of
from services.scheduler.coalesce import Fired, Known, fire
from services.scheduler.follow_up import FollowUp
from services.scheduler.planning import resumed
from shared.events import Meeting, Person
from tests.factories import at, meeting, person
from tests.scheduler.test_limit import due

DAY = timedelta(days=1)
ERIN, SAM = meeting(promise=None), meeting(promise=None)
KNOWN = Known(meetings={what.id: what for what in (ERIN, SAM)})


def wednesday(week: int, hour: str = "15:30") -> datetime:
    day = date(2026, 10, 21) + week * 7 * DAY
    return at(f"{day} {hour}", "America/New_York").astimezone(UTC)


def step(what: Meeting, number: int, week: int, **given: Any) -> FollowUp:
    when = wednesday(week)
    return due(what, when, step=number, on_day=when.date(), **given)


def held(ours: Sequence[FollowUp], owner: Person, until: date, *, now: datetime) -> tuple[Person, list[FollowUp]]:
    """Return the person paused, and what waits of theirs."""
    paused = owner.model_copy(update={"paused_until": until, "revision": owner.revision + 1})
    return paused, life.moved(ours, owner, paused, now=now)


def fired(owner: Person, ours: Sequence[FollowUp], now: datetime) -> Fired:
    today = [one for one in ours if one.state == "waiting" and one.due_at <= now]
    return fire(owner, clock_of(owner), today, [], KNOWN, now=now, too_late_after=DAY)


def ends(ours: Sequence[FollowUp]) -> list[str]:
    return [one.reason or one.state for one in ours]


OURS = [step(ERIN, 1, 0), step(ERIN, 2, 1), step(SAM, 1, 1), step(ERIN, 3, 5)]


def test_a_pause_that_ends_as_said_lets_the_newest_of_each_connection_go() -> None:
    paused, waiting = held(OURS, person(), wednesday(3).date(), now=wednesday(0, "09:00"))
    assert [one.due_at for one in waiting] == [wednesday(3)] * 3 + [wednesday(5)]
    result = fired(paused, waiting, wednesday(3))
    (nudge,) = result.nudges
    assert {one.id for one in nudge.follow_ups} == {OURS[1].id, OURS[2].id}
    assert {one.id: one.reason for one in result.changed}[OURS[0].id] == "superseded"


def test_a_pause_that_is_given_up_lets_the_newest_go_at_the_next_send_time_and_the_rest_as_planned() -> None:
    paused, waiting = held(OURS, person(), wednesday(3).date(), now=wednesday(0, "09:00"))
    again = paused.model_copy(update={"paused_until": None, "revision": 9})
    now = wednesday(1, "18:00")  # after that day's send time
    moved = life.moved(waiting, paused, again, now=now)
    assert ends(moved) == ["superseded", "waiting", "waiting", "waiting"]
    thursday = wednesday(1) + DAY
    assert [one.due_at for one in moved[1:]] == [thursday, thursday, wednesday(5)]
    (nudge,) = fired(again, moved, thursday).nudges
    assert {one.id for one in nudge.follow_ups} == {OURS[1].id, OURS[2].id}


def test_a_pause_that_is_given_up_before_anything_fell_due_changes_nothing() -> None:
    owner, now = person(), wednesday(0, "09:00")
    paused, waiting = held(OURS, owner, wednesday(3).date(), now=now)
    moved = life.moved(waiting, paused, owner, now=now + timedelta(hours=1))
    assert [(one.due_at, one.state) for one in moved] == [(one.due_at, "waiting") for one in OURS]


def test_a_pause_that_is_brought_forward_moves_what_it_holds_forward() -> None:
    paused, waiting = held(OURS, person(), wednesday(4).date(), now=wednesday(0, "09:00"))
    sooner = paused.model_copy(update={"paused_until": wednesday(2).date(), "revision": 9})
    moved = life.moved(waiting, paused, sooner, now=wednesday(1, "18:00"))
    assert ends(moved) == ["waiting"] * 4
    assert [one.due_at for one in moved] == [wednesday(2)] * 3 + [wednesday(5)]
    result = fired(sooner, moved, wednesday(2))
    assert {one.id for nudge in result.nudges for one in nudge.follow_ups} == {OURS[1].id, OURS[2].id}


def test_a_pause_that_is_brought_forward_into_the_past_is_over() -> None:
    paused, waiting = held(OURS, person(), wednesday(4).date(), now=wednesday(0, "09:00"))
    over = paused.model_copy(update={"paused_until": wednesday(1).date(), "revision": 9})
    moved = life.moved(waiting, paused, over, now=wednesday(2, "09:00"))
    assert ends(moved) == ["superseded", "waiting", "waiting", "waiting"]
    assert [one.due_at for one in moved[1:]] == [wednesday(2), wednesday(2), wednesday(5)]


def test_what_a_meeting_held_while_it_was_paused_comes_at_the_next_send_time_before_what_is_to_come() -> None:
    ours = [step(ERIN, 1, 0), step(ERIN, 2, 1), step(ERIN, 3, 2)]
    moved = resumed(ours, clock_of(person()), now=wednesday(1, "18:00"))
    assert ends(moved) == ["superseded", "waiting", "waiting"]
    assert [one.due_at for one in moved[1:]] == [wednesday(1) + DAY, wednesday(2)]


def test_what_was_held_until_a_step_of_its_own_connection_is_due_gives_way_to_that() -> None:
    ours = [step(ERIN, 1, 0), step(ERIN, 2, 1)]
    moved = resumed(ours, clock_of(person()), now=wednesday(1, "09:00"))
    assert [one.due_at for one in moved] == [wednesday(1)] * 2
    result = fired(person(), moved, wednesday(1))
    assert {one.id: one.reason or one.state for one in result.changed} == {
        ours[0].id: "superseded",
        ours[1].id: "nudged",
    }


def test_what_the_owner_put_off_goes_out_beside_a_newer_step() -> None:
    put_off = step(ERIN, 1, 1, acted_at=wednesday(0), not_before=wednesday(0))
    result = fired(person(), [put_off, step(ERIN, 2, 1)], wednesday(1))
    assert {one.state for one in result.changed} == {"nudged"}


def test_what_a_plan_has_on_the_same_day_goes_out_side_by_side() -> None:
    same_day = step(ERIN, 1, 1, not_before=ERIN.met_at)  # "0 days"
    result = fired(person(), [same_day, step(ERIN, 2, 1)], wednesday(1))
    assert {one.state for one in result.changed} == {"nudged"}
