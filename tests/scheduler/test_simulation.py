"""A school year, simulated: a small one keeps every rule, and each rule is seen to be broken when it is."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, time, timedelta
from uuid import UUID, uuid4

import pytest

from services.scheduler.plan import Plans
from services.scheduler.plan_file import Plan
from tests.simulation.expected import misplaced
from tests.simulation.record import Change, Record, Stopped
from tests.simulation.rules import broken
from tests.simulation.run import simulate
from tests.simulation.waits import waits
from tests.simulation.wall import Wall
from tests.simulation.world import BEGINS, ENDS, PLACES, RELEASED, TOO_LATE_AFTER, UP
from tests.simulation.year import Year

SEED = "13"
PLANS = Plans.read(None)


@pytest.fixture(scope="module")
def record() -> Record:
    return year()


def year() -> Record:
    """Return a year of somebody of New York who was to be nudged on the day after the outage, at 15:30, on weekdays."""
    for number in range(0, 40 * len(PLACES), len(PLACES)):
        record = Year(PLANS, number, SEED).live()
        wishes = [person for _, person in record.people]
        usual = wishes[0].send_at == time(15, 30) and wishes[0].quiet_from == time(21) and len(wishes[0].days) == 5
        if usual and len(wishes) == 1 and wishes[0].breaks and any(at > UP for at, _ in record.nudges):
            return record
    raise AssertionError("nobody is as the tests need them; another seed will have somebody")


def test_a_small_school_year_keeps_every_rule() -> None:
    report = simulate(100, seed=SEED)
    assert report.violations == [], str(report)
    assert sum(report.ends.values()) == report.follow_ups
    # It is no year in which nothing happens.
    assert set(report.ends) == {
        *("waiting for a date after the year", "waiting, their meeting being paused", "nudged", "done", "stopped"),
        *("expired", "skipped: past", "skipped: superseded", "skipped: suppressed", "skipped: cancelled"),
        "skipped: no-show",
    }
    assert {"expired", "nudged", "put off"} <= set(report.caught_up)
    assert max(report.carried) == 10
    assert "wanted days" in report.longest[0].why
    assert report.latest[0].why in {"everything was down", "held back with the backlog"}
    assert report.latest[0].length <= TOO_LATE_AFTER
    assert report.latest_otherwise < timedelta(seconds=5)
    assert "No rule was broken." in str(report)


def test_the_same_seed_is_the_same_year_in_however_many_processes() -> None:
    alone, together, other = simulate(24, seed=SEED), simulate(24, seed=SEED, processes=2), simulate(24, seed="8")
    assert str(alone) == str(together)
    assert str(alone) != str(other)


def later(record: Record, by: timedelta) -> None:
    at, nudge = record.nudges[-1]
    record.nudges[-1] = (at + by, nudge)


def at_night(record: Record) -> None:
    later(record, timedelta(hours=9))


def on_a_saturday(record: Record) -> None:
    at, _ = record.nudges[-1]
    later(record, timedelta(days=5 - at.weekday()))


def in_the_summer_break(record: Record) -> None:
    at, nudge = record.nudges[-1]
    record.nudges[-1] = (at.replace(year=2027, month=7, day=20), nudge)  # a Tuesday


def on_thanksgiving(record: Record) -> None:
    at, nudge = record.nudges[-1]
    record.people = [
        (since, person.model_copy(update={"breaks": (), "holidays": "US-MA"})) for since, person in record.people
    ]
    record.nudges[-1] = (at.replace(year=2026, month=11, day=26), nudge)


def twice_for_a_send_time(record: Record) -> None:
    at, nudge = record.nudges[-1]
    record.nudges.append((at, nudge.model_copy(update={"nudge": uuid4()})))


def above_the_limit(record: Record) -> None:
    at, nudge = record.nudges[-1]
    more = tuple(nudge.follow_ups[0].model_copy(update={"connection": uuid4()}) for _ in range(10))
    record.nudges[-1] = (at, nudge.model_copy(update={"follow_ups": (*nudge.follow_ups, *more)}))


def after_a_stop(record: Record) -> None:
    at, nudge = record.nudges[-1]
    record.stops.append(Stopped(at - timedelta(hours=1), at - timedelta(minutes=59), nudge.follow_ups[0].connection))


def after_a_stop_of_everything(record: Record) -> None:
    record.stops.append(Stopped(BEGINS, BEGINS, None))


def too_late(record: Record) -> None:
    later(record, TOO_LATE_AFTER)


def while_down(record: Record) -> None:
    record.nudges = [(UP - timedelta(hours=1), nudge) for _, nudge in record.nudges]


def twice_after_the_outage(record: Record) -> None:
    nudge = next(nudge for at, nudge in record.nudges if at > UP)
    late = [
        one.model_copy(update={"due_at": UP - timedelta(hours=n + 1)}) for n, one in enumerate(nudge.follow_ups[:1] * 2)
    ]
    record.nudges += [(RELEASED, nudge.model_copy(update={"follow_ups": (one,), "nudge": uuid4()})) for one in late]


def while_suppressed(record: Record) -> None:
    at, nudge = record.nudges[-1]
    record.nudges[-1] = (at, nudge.model_copy(update={"channel": "email"}))
    record.suppressed.append((at - timedelta(hours=1), at + timedelta(hours=1)))


def after_an_erasure(record: Record) -> None:
    record.erased_at = record.nudges[-1][0] - timedelta(hours=1)


def an_older_step_beside_a_newer_one(record: Record) -> None:
    n, (at, nudge), rolled = next(
        (n, (at, nudge), one)
        for n, (at, nudge) in enumerate(record.nudges)
        for one in nudge.follow_ups
        if one.id not in record.put_off
        and [0, *(change.after.rolled for change in of(record, one.id) if change.at < at)][-1]
    )
    newer = rolled.model_copy(update={"id": uuid4(), "step": rolled.step + 1})
    record.nudges[n] = (at, nudge.model_copy(update={"follow_ups": (*nudge.follow_ups, newer)}))


def of(record: Record, id: UUID) -> list[Change]:
    return [change for change in record.changes if change.after.id == id]


def without_a_reason(record: Record) -> None:
    last = record.changes[-1]
    record.changes.append(last._replace(after=last.after._replace(revision=last.after.revision + 1, state="skipped")))


def twice_ended(record: Record) -> None:
    last = {change.after.id: change for change in record.changes}
    ended = next(change for change in last.values() if change.after.state == "nudged")
    again = ended.after._replace(state="expired", revision=ended.after.revision + 1)
    record.changes.append(ended._replace(after=again))


def a_lost_change(record: Record) -> None:
    record.changes.remove(next(change for change in record.changes if change.after.revision == 2))


def forgotten(record: Record) -> None:
    nudged = next(change for change in record.changes if change.after.state == "nudged")
    record.changes = [
        change for change in record.changes if change.after.id != nudged.after.id or change.after.revision == 1
    ]


def left_until_later(record: Record) -> None:
    n, nudged = next(
        (n, change)
        for n, change in enumerate(record.changes)
        if change.cause == "fired" and change.at > RELEASED + timedelta(hours=1)
    )
    record.changes[n] = nudged._replace(at=nudged.at + timedelta(minutes=10))


@pytest.mark.parametrize(
    ("break_it", "rule"),
    [
        (at_night, "no quiet hours"),
        (on_a_saturday, "wanted days"),
        (in_the_summer_break, "wanted days"),
        (on_thanksgiving, "wanted days"),
        (twice_for_a_send_time, "one nudge a send time"),
        (above_the_limit, "daily limit"),
        (after_a_stop, "none after stop"),
        (after_a_stop_of_everything, "none after stop"),
        (too_late, "not too late"),
        (while_down, "the outage"),
        (twice_after_the_outage, "one nudge after the outage"),
        (while_suppressed, "not where it must not go"),
        (after_an_erasure, "nothing of who is forgotten"),
        (an_older_step_beside_a_newer_one, "newest of each connection"),
        (without_a_reason, "says why"),
        (twice_ended, "ends once"),
        (a_lost_change, "ends once"),
        (forgotten, "is not forgotten"),
        (left_until_later, "in time"),
    ],
)
def test_a_broken_rule_is_seen(break_it: Callable[[Record], None], rule: str) -> None:
    record = year()
    assert broken(record) == []
    break_it(record)
    assert rule in {violation.rule for violation in broken(record)}


def test_who_finds_every_nudge_full_is_seen_to_starve(record: Record) -> None:
    first = next(change for change in record.changes if change.cause == "fired" and change.after.state == "nudged")
    starving = Record(record.number, people=record.people)
    starving.add(BEGINS, "meeting", first.after._replace(revision=1, state="waiting", rolled=0))
    for n in range(1, 6):  # alone, with a limit of at least one: it should have gone with the first
        starving.add(BEGINS + n * timedelta(days=1), "fired", first.after._replace(state="waiting", rolled=n))
    assert waits(record).starved == []
    assert len(waits(starving).starved) == 1


def test_a_step_on_another_day_than_its_plan_has_is_seen(record: Record) -> None:
    assert list(misplaced(record, PLANS)) == []
    n, first = next((n, change) for n, change in enumerate(record.changes) if change.after.playbook == "say-hello")
    moved = replace(record, changes=list(record.changes))
    moved.changes[n] = first._replace(after=first.after._replace(due_at=first.after.due_at + timedelta(days=1)))
    assert len(list(misplaced(moved, PLANS))) == 1
    other: Plan = PLANS.get("meetup")
    assert list(misplaced(record, Plans({name: replace(other, name=name) for name in PLANS.names})))


@pytest.mark.parametrize(
    ("zone", "day", "minute", "instant"),
    [
        ("America/New_York", "2026-11-01", 90, "2026-11-01T05:30:00+00:00"),  # the first of the two
        ("America/New_York", "2027-03-14", 150, "2027-03-14T07:30:00+00:00"),  # in the gap: as before it
        ("Africa/Cairo", "2027-04-30", 0, "2027-04-29T22:00:00+00:00"),  # a day without a midnight
        ("Australia/Lord_Howe", "2026-10-04", 130, "2026-10-03T15:40:00+00:00"),
        ("Asia/Kathmandu", "2026-10-04", 930, "2026-10-04T09:45:00+00:00"),
    ],
)
def test_the_checkers_wall_knows_gaps_and_folds(zone: str, day: str, minute: int, instant: str) -> None:
    _, person = Year(PLANS, 0, SEED).record.people[0]
    anybody = person.model_copy(
        update={
            "time_zone": zone,
            "quiet_from": time(0),
            "quiet_to": time(0),
            "breaks": (),
            "holidays": None,
            "days": ("mon", "tue", "wed", "thu", "fri", "sat", "sun"),
        }
    )
    at = Wall(anybody).send(datetime.fromisoformat(day).date(), minute)
    assert datetime.fromtimestamp(at, ENDS.tzinfo).isoformat() == instant


def test_everybody_has_thirty_meetings_at_conferences() -> None:
    for number in range(12):
        record = Year(PLANS, number, SEED).live()
        met = Counter(meeting.plan for _, meeting in record.meetings if meeting.revision == 1)
        assert (
            24 <= met["conference"] <= 34
        )  # those of the last, imported late, may come after the year; some meet again
