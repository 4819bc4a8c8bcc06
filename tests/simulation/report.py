"""What the educators' years come to: added up while they are lived, printed at the end."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

from shared.events import FollowUpState
from tests.simulation.record import Record
from tests.simulation.rules import Violation
from tests.simulation.waits import Wait, Waits
from tests.simulation.world import BEGINS, CONFERENCES, DOWN, ENDS, MET_A_HEAD, PLACES, RELEASED, UP

SHOWN = 20  # violations


@dataclass(slots=True)
class Report:
    """Numbers of any number of educators."""

    educators: int = 0
    meetings: int = 0
    follow_ups: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    nudges: int = 0
    carried: Counter[int] = field(default_factory=Counter)  # nudges by how many connections they carry
    refused: int = 0
    caught_up: Counter[str] = field(default_factory=Counter)
    longest: list[Wait] = field(default_factory=list)
    latest: list[Wait] = field(default_factory=list)
    latest_otherwise: timedelta = timedelta()
    violations: list[Violation] = field(default_factory=list)

    def add(self, record: Record, waited: Waits, violations: list[Violation]) -> None:
        """Count one educator's year."""
        self.educators += 1
        self.meetings += len({meeting.id for _, meeting in record.meetings})
        last = {change.after.id: change.after for change in record.changes}
        self.follow_ups += len(last)
        self.ends += Counter(_end(one.state, one.reason, is_paused=one.is_paused) for one in last.values())
        self.nudges += len(record.nudges)
        self.carried += Counter(len({one.connection for one in nudge.follow_ups}) for _, nudge in record.nudges)
        self.refused += sum(
            stop.said_at <= at < stop.heard_at
            and any(stop.connection in {None, one.connection} for one in nudge.follow_ups)
            for stop in record.stops
            for at, nudge in record.nudges
        )
        self.caught_up += waited.caught_up
        self.longest = _worst([*self.longest, *([waited.longest] if waited.longest else [])])
        self.latest = _worst([*self.latest, *([waited.latest] if waited.latest else [])])
        self.latest_otherwise = max(self.latest_otherwise, waited.latest_otherwise)
        self.violations += violations

    def merge(self, other: "Report") -> None:
        """Add what another has counted."""
        self.educators += other.educators
        self.meetings += other.meetings
        self.follow_ups += other.follow_ups
        self.ends += other.ends
        self.nudges += other.nudges
        self.carried += other.carried
        self.refused += other.refused
        self.caught_up += other.caught_up
        self.longest = _worst([*self.longest, *other.longest])
        self.latest = _worst([*self.latest, *other.latest])
        self.latest_otherwise = max(self.latest_otherwise, other.latest_otherwise)
        self.violations += other.violations

    def __str__(self) -> str:
        return "\n".join([*self._happened(), "", *self._waited(), "", *self._broken()])

    def _happened(self) -> list[str]:
        return [
            f"{self.educators:,} educators in {len(PLACES)} zones, {BEGINS:%-d %B %Y} to {ENDS:%-d %B %Y}",
            f"  {self.meetings:,} meetings; conferences on {', '.join(f'{day:%-d %B}' for day in CONFERENCES)}, "
            f"{MET_A_HEAD} meetings a head; nothing ran from {DOWN:%-d %B %H:%M} to {UP:%-d %B %H:%M} UTC,",
            f"  and the backlog was released at {RELEASED:%H:%M}",
            "",
            f"{self.follow_ups:,} follow-ups",
            *(f"  {count:>10,}  {end}" for end, count in self.ends.most_common()),
            "",
            f"{self.nudges:,} nudges, with up to {max(self.carried, default=0)} connections",
            f"  {self.refused:>10,}  between a stop and our hearing of it: the notifier refuses them",
            "",
            "What fell due while everything was down",
            *(f"  {count:>10,}  {end}" for end, count in self.caught_up.most_common()),
        ]

    def _waited(self) -> list[str]:
        return [
            "The longest that a connection waited from when something was due to its nudge",
            *(f"  {wait}" for wait in self.longest),
            "The latest after the moment it was due at in the end",
            *(f"  {wait}" for wait in self.latest),
            f"  {self.latest_otherwise.total_seconds():.1f} seconds at most, when nothing was down",
        ]

    def _broken(self) -> list[str]:
        if not self.violations:
            return ["No rule was broken."]
        by_rule = Counter(one.rule for one in self.violations)
        return [
            f"{len(self.violations):,} times a rule was broken",
            *(f"  {count:>10,}  {rule}" for rule, count in by_rule.most_common()),
            *(f"  {one}" for one in self.violations[:SHOWN]),
        ]


def _worst(waits: list[Wait]) -> list[Wait]:
    return sorted(waits, reverse=True)[:3]


def _end(state: FollowUpState, reason: str | None, *, is_paused: bool) -> str:
    match state:
        case "waiting":
            return "waiting, their meeting being paused" if is_paused else "waiting for a date after the year"
        case "skipped":
            return f"skipped: {reason}"
        case _:
            return state
