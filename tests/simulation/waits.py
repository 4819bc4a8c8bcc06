"""How long what was due had to wait, and for what: no connection may starve behind others."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.scheduler.follow_up import FollowUp
from tests.simulation.record import Record
from tests.simulation.wall import DAY, Wall
from tests.simulation.world import AFTER_THE_OUTAGE, BEGINS, UP

# As README promises: who has rolled so often goes first.
FIRST_AFTER: Final = 3
SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, order=True)
class Wait:
    """How long something was due before it was nudged, and why."""

    length: timedelta
    educator: int
    why: str

    def __str__(self) -> str:
        return f"{said(self.length)} (educator {self.educator}): {self.why}"


@dataclass(slots=True)
class _Pending:
    since: datetime
    why: Counter[str] = field(default_factory=Counter)
    full: int = 0  # nudges that had no room


@dataclass(slots=True)
class Waits:
    """The longest waits of one educator, and who starved."""

    longest: Wait | None = None
    latest: Wait | None = None  # past the moment it was due at in the end
    latest_otherwise: timedelta = timedelta()  # the same, when nothing was down
    starved: list[str] = field(default_factory=list)
    caught_up: Counter[str] = field(default_factory=Counter)  # what became of what fell due in the outage


def waits(record: Record) -> Waits:
    """Return how long this educator's connections waited from when something was due for them to their nudge.

    What the owner's word or wishes, a touch or the meeting moved waits for its new moment, not since the old one.
    """
    found = Waits()
    before: dict[UUID, FollowUp] = {}
    pending: dict[UUID, _Pending] = {}
    crowd = 0  # the most connections that were due at once
    limit = min(max(person.daily_limit, 1) for _, person in record.people)
    for at, fired in _rounds(record, before, pending):
        for of_connection in fired.values():
            for was, after in of_connection:
                if was.due_at < UP <= at:
                    found.caught_up[after.reason or ("put off" if after.state == "waiting" else after.state)] += 1
        crowd = max(crowd, len(fired))
        for connection, ends in fired.items():
            since = min(was.due_at for was, _ in ends)
            mine = pending.setdefault(connection, _Pending(since))
            if nudged := [was for was, after in ends if after.state == "nudged"]:
                _longest(found, record, at, mine, nudged)
                del pending[connection]
            elif still := [(was, after) for was, after in ends if after.state == "waiting"]:
                for was, after in still[:1]:
                    mine.why[_why(was, after)] += 1
                    mine.full += after.rolled > was.rolled
            else:
                del pending[connection]
            if mine.full == FIRST_AFTER + math.ceil(crowd / limit) + 1:
                found.starved.append(f"{connection} found {mine.full} nudges full; at most {crowd} were due at once")
    return found


def said(length: timedelta) -> str:
    """Return this stretch in words."""
    seconds = length.total_seconds()
    for unit, long in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * long:
            return f"{seconds / long:.1f} {unit}"
    return f"{seconds:.1f} seconds"


def _longest(found: Waits, record: Record, at: datetime, mine: _Pending, nudged: list[FollowUp]) -> None:
    due_at = min(one.due_at for one in nudged)
    if UP <= at <= AFTER_THE_OUTAGE:
        held_up = "everything was down" if due_at < UP else "held back with the backlog"
    else:
        held_up = "the timers' round"
        found.latest_otherwise = max(found.latest_otherwise, at - due_at)
    late = Wait(at - due_at, record.number, held_up)
    found.latest = max(late, found.latest or late)
    if found.longest is None or at - mine.since > found.longest.length:
        why = [f"{why} {times}x" for why, times in mine.why.most_common()]
        if mine.since < UP <= at:
            why.append("everything was down")
        person = next(person for since, person in reversed(record.people) if since <= at)
        wanted = _wanted_days(Wall(person), mine.since, at)
        why.append(f"{wanted} wanted days, {person.daily_limit} connections a nudge")
        found.longest = Wait(at - mine.since, record.number, ", ".join(why))


def _why(was: FollowUp, after: FollowUp) -> str:
    if after.rolled > was.rolled:
        return "the nudge was full"
    return "quiet hours or an unwanted day" if was.on_outcome is None else "the step before it was undecided"


def _wanted_days(wall: Wall, since: datetime, at: datetime) -> int:
    first, last = wall.shows(since.timestamp())[0], wall.shows(at.timestamp())[0]
    return sum(wall.why_not(first + n * DAY) is None for n in range(1, (last - first).days + 1))


def _rounds(
    record: Record, before: dict[UUID, FollowUp], pending: dict[UUID, _Pending]
) -> Iterator[tuple[datetime, dict[UUID, list[tuple[FollowUp, FollowUp]]]]]:
    """Yield each moment at which the timers fired, with what became of what, by connection.

    Whose follow-up something else has moved since is pending no more.
    """
    fired_at = BEGINS
    fired: dict[UUID, list[tuple[FollowUp, FollowUp]]] = {}
    for at, cause, after in record.changes:
        if fired and at != fired_at:
            yield fired_at, fired
            fired = {}
        if cause == "fired":
            fired_at = at
            fired.setdefault(after.connection_id, []).append((before[after.id], after))
        elif after.revision > 1:
            pending.pop(after.connection_id, None)
        before[after.id] = after
    if fired:
        yield fired_at, fired
