"""The rules of a school year, read anew: what a record must not show. Nothing here decides anything of the product."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.scheduler.follow_up import FollowUp
from shared.events import DueFollowUp, NudgeData, Person
from tests.simulation.record import Cause, Change, Record
from tests.simulation.wall import Wall
from tests.simulation.world import AFTER_THE_OUTAGE, DOWN, ENDS, TOO_LATE_AFTER, UP

REASONS: Final = {
    *("past", "superseded", "no-consent", "suppressed", "erased", "no-show", "cancelled", "rescheduled"),
}
MAY_BECOME: Final[dict[str, set[str]]] = {
    "waiting": {"waiting", "nudged", "done", "stopped", "skipped", "expired"},
    "nudged": {"done", "waiting", "stopped", "skipped"},  # put off, and by then its connection had ended
    "stopped": {"done"},
    "skipped": set(),
    "done": set(),
    "expired": set(),
}
PROMPT: Final = timedelta(seconds=5)  # what the timers take when nothing holds them up


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that was broken, by whose follow-ups, and how."""

    rule: str
    educator: int
    what: str

    def __str__(self) -> str:
        return f"{self.rule}: educator {self.educator}, {self.what}"


def broken(record: Record) -> list[Violation]:
    """Return every rule that this record breaks."""
    check = _Check(record)
    found = [*check.lives(), *check.nudges(), *check.side_by_side(), *check.catch_up()]
    return [Violation(rule, record.number, what) for rule, what in found]


Found = Iterator[tuple[str, str]]


@dataclass(slots=True)
class _Check:
    record: Record
    walls: list[tuple[datetime, Person, Wall]] = field(init=False)
    lives_of: dict[UUID, list[Change]] = field(init=False)

    def __post_init__(self) -> None:
        self.walls = [(since, person, Wall(person)) for since, person in self.record.people]
        self.lives_of = defaultdict(list)
        for change in self.record.changes:
            self.lives_of[change.after.id].append(change)

    def then(self, at: datetime) -> tuple[Person, Wall]:
        """Return the person as we knew them at this moment."""
        return next((person, wall) for since, person, wall in reversed(self.walls) if since <= at)

    def lives(self) -> Found:
        """Every follow-up ends in one way, with a reason, or waits for a moment after the year."""
        carried = Counter(one.id for _, nudge in self.record.nudges for one in nudge.follow_ups)
        for key, life in self.lives_of.items():
            id = life[0].after.id
            before: FollowUp | None = None
            since = life[0].at
            for change in life:
                after = change.after
                if after.revision != (before.revision + 1 if before else 1):
                    yield "ends once", f"{id} went from revision {before and before.revision} to {after.revision}"
                if before is not None and not _may(before, after, change.cause):
                    yield "ends once", f"{id} was {_end(before)} and became {_end(after)} by {change.cause}"
                if (after.state == "skipped") != (after.reason in REASONS):
                    yield "says why", f"{id} became {after.state} with the reason {after.reason}"
                if before is not None and _is_overdue(before, since, change.at):
                    yield "in time", f"{id} was due at {before.due_at} and left until {change.at}"
                before, since = after, change.at
            assert before is not None
            is_gone = self.record.erased_at is not None
            if before.state == "waiting" and not before.is_paused and before.due_at < ENDS and not is_gone:
                yield "is not forgotten", f"{id} still waits for {before.due_at}"
            if carried[key] != sum(change.after.state == "nudged" for change in life):
                yield "ends once", f"{id} was carried by {carried[key]} nudges"

    def nudges(self) -> Found:
        """None in quiet hours, on unwanted days, twice for a send time, above the limit, after a stop, or too late."""
        had: dict[tuple[str, datetime], UUID] = {}
        logged_at = {meeting.id: meeting.logged_at for _, meeting in self.record.meetings}
        for at, nudge in self.record.nudges:
            person, wall = self.then(at)
            day, minute = wall.shows(at.timestamp())
            on_a_day = [one for one in nudge.follow_ups if not self.was_put_off_by_hours(one.id, at)]
            if wall.is_quiet(minute):
                yield "no quiet hours", f"nudged at {day} {_clock(minute)}"
            if on_a_day and (why := wall.why_not(day)):
                yield "wanted days", f"nudged on {day}, {why}"
            limit = max(person.daily_limit, 1)
            if len(connections := {one.connection for one in nudge.follow_ups}) > limit:
                yield "daily limit", f"{len(connections)} connections in one nudge, not {limit}"
            for due_at in {one.due_at for one in on_a_day}:
                if had.setdefault((nudge.channel, due_at), nudge.nudge) != nudge.nudge:
                    yield "one nudge a send time", f"a second one for {due_at} on {nudge.channel}"
            if self.record.erased_at is not None and at >= self.record.erased_at:
                yield "nothing of who is forgotten", f"nudged at {at}"
            if nudge.channel == "email" and any(since <= at < until for since, until in self.record.suppressed):
                yield "not where it must not go", f"nudged at {at}, while the address was suppressed"
            for one in nudge.follow_ups:
                if at - one.due_at > TOO_LATE_AFTER:
                    yield "not too late", f"{one.id} was nudged {at - one.due_at} late"
                if self.is_stopped(one, logged_at[one.meeting], at):
                    yield "none after stop", f"{one.id} was nudged at {at}"

    def side_by_side(self) -> Found:
        """No two steps of a connection in a nudge of which the older only rolled until the newer was due."""
        for at, nudge in self.record.nudges:
            if len({one.connection for one in nudge.follow_ups}) == len(nudge.follow_ups):
                continue
            last = {one.connection: one for one in sorted(nudge.follow_ups, key=lambda one: (one.met_at, one.step))}
            for one in nudge.follow_ups:
                rolled = [0, *(change.after.rolled for change in self.lives_of[one.id] if change.at < at)][-1]
                if one is not last[one.connection] and rolled and one.id not in self.record.put_off:
                    yield "newest of each connection", f"{one.id} of {one.connection} had rolled {rolled}x"

    def was_put_off_by_hours(self, id: UUID, at: datetime) -> bool:
        """Whether its owner wanted it in some hours, whatever day that is."""
        put_off = [by_hours for heard_at, by_hours in self.record.put_off.get(id, ()) if heard_at <= at]
        return bool(put_off) and put_off[-1]

    def is_stopped(self, one: DueFollowUp, logged_at: datetime, at: datetime) -> bool:
        """Whether a stop of this had been heard of, which nothing has lifted."""
        return any(
            stop.heard_at <= at
            and (stop.connection is None or (stop.connection == one.connection))
            and (stop.connection is None or logged_at <= stop.said_at)
            for stop in self.record.stops
        )

    def catch_up(self) -> Found:
        """After the outage: one nudge for all that was due in it, the newest of each connection."""
        late: list[NudgeData] = []
        for at, nudge in self.record.nudges:
            if at < UP:
                if at >= DOWN:
                    yield "the outage", f"nudged at {at}, while everything was down"
                continue
            if any(one.due_at < UP for one in nudge.follow_ups):
                late.append(nudge)
        if len(late) > 1:
            yield "one nudge after the outage", f"{len(late)} of them"
        for nudge in late:
            newest: dict[UUID, datetime] = {}
            for one in nudge.follow_ups:
                if newest.setdefault(one.connection, one.due_at) != one.due_at:
                    yield "one nudge after the outage", f"two steps of one connection, {one.connection}"


def _may(before: FollowUp, after: FollowUp, cause: Cause) -> bool:
    if before.state == "nudged" and after.state in {"waiting", "stopped", "skipped"}:
        return cause == "act"
    if before.state == "skipped" and cause == "meeting":  # it was moved, revived, or given back
        return before.reason in {"past", "rescheduled", "cancelled", "no-show", "superseded"}
    if before.state == "skipped" and before.reason == "suppressed":
        return (cause == "stop" and after.state == "stopped") or (
            cause in {"restored", "meeting"} and _end(after) in {"waiting", "superseded"}
        )
    if cause == "suppressed":
        return before.state == "waiting" and after.reason == "suppressed"
    if cause == "restored":  # another meeting took over meanwhile
        return _end(after) in {"superseded", "waiting"}
    return after.state in MAY_BECOME[before.state]


def _is_overdue(before: FollowUp, since: datetime, at: datetime) -> bool:
    """Whether it was due, and nobody looked; what was put into the past, as other wishes may do, is due since then."""
    if before.state != "waiting" or before.is_paused or at - max(before.due_at, since) <= PROMPT:
        return False
    return before.due_at >= AFTER_THE_OUTAGE or not DOWN - PROMPT <= at <= AFTER_THE_OUTAGE


def _end(one: FollowUp) -> str:
    return one.reason or one.state


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
