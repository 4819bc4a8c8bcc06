"""Plans: meeting, plan and recipient become follow-ups."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Final, Literal, NamedTuple
from uuid import UUID, uuid5

import structlog

from services.scheduler import addressee, plan_file, wall_time
from services.scheduler.clocks import clock_of
from services.scheduler.follow_up import Outcome
from services.scheduler.plan_file import Plan, PlanError, Step
from services.scheduler.plan_words import Playbook, meant
from services.scheduler.wall_clock import Clock
from services.scheduler.wall_time import Moment, Target
from shared.events import Addressee, Channel, Meeting, Person

log = structlog.get_logger()

NAME: Final = r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}"
SHIPPED: Final = Path(__file__).parent / "plans"
# A form takes a moment to reach us: what a plan wants "10 seconds" after the meeting is not late for that.
ON_THE_WAY: Final = timedelta(minutes=1)
LOOKS_EVERY_SECONDS: Final = 1.0

Planned = Literal["waiting", "skipped"]


class PlannedFollowUp(NamedTuple):
    """A follow-up as its plan has it."""

    step: int
    occurrence: int
    playbook: Playbook
    channel: Channel | None  # None: the recipient's own
    heeds_quiet: bool
    target: Target  # the rule, which moves with the recipient's zone and wishes
    moment: Moment
    every: str | None = None
    on_outcome: Outcome | None = None
    is_for_goal: bool = False
    to: Addressee = "owner"
    calendar: bool = False
    state: Planned = "waiting"
    reason: str | None = None

    def id(self, meeting: UUID) -> UUID:
        """Return its id, which is the same however often a meeting is planned, by whom, and in a preview."""
        return uuid5(meeting, f"{self.step}.{self.occurrence}")


class Plans:
    """The plans there are: the shipped ones, and the operator's own, which take precedence.

    A file that is changed, added or taken away counts within a second or two, for what is planned from then on.
    """

    def __init__(self, plans: Mapping[str, Plan], folder: Path | None = None) -> None:
        self._plans = dict(plans)
        self._gone: dict[str, Plan] = {}  # files that were taken away: their meetings still go by them
        self._folder = folder
        self._files = _files(folder)
        self._look_at = monotonic() + LOOKS_EVERY_SECONDS

    @classmethod
    def read(cls, plans_dir: Path | None) -> "Plans":
        """Return the plans of all files; raises `PlanError` with every mistake in any of them."""
        if plans_dir is not None and not plans_dir.is_dir():
            raise PlanError([f"PLANS_DIR: {plans_dir} is no directory"])
        plans, mistakes = {}, []
        for folder in (SHIPPED, plans_dir):
            for path in sorted(folder.glob("*.toml")) if folder else ():
                try:
                    plan = read_named(path)
                except PlanError as error:
                    mistakes += error.mistakes
                else:
                    plans[plan.name] = plan
        if mistakes:
            raise PlanError(mistakes)
        return cls(plans, plans_dir)

    @property
    def names(self) -> Collection[str]:
        """The names of all plans, in order."""
        self._look_again()
        return sorted(self._plans)

    async def step(self) -> int:
        """Look whether a file has changed, also while nothing is planned: what held last is what holds."""
        self._look_again()
        return 0

    def get(self, name: str) -> Plan:
        """Return the plan of this name; raises `PlanError` when there is none."""
        self._look_again()
        plan = self._plans.get(name) or self._gone.get(name)
        if plan is None:
            names = sorted(self._plans)
            raise PlanError([f"there is no plan {name[:60]!r}{meant(name, names)}; there are {', '.join(names)}"])
        return plan

    def _look_again(self) -> None:
        if self._folder is None or monotonic() < self._look_at:
            return
        self._look_at = monotonic() + LOOKS_EVERY_SECONDS
        files = _files(self._folder)
        if files == self._files:
            return
        self._files = files
        try:
            plans = Plans.read(self._folder)._plans
        except PlanError as error:  # what was right before goes on
            log.error("plans.not_read", mistakes=error.mistakes[:10], do="afterhello plan check")
            return
        self._gone |= self._plans
        self._plans = plans
        log.info("plans.read", plans=sorted(plans))


def read_named(path: Path) -> Plan:
    """Return the plan in this file, whose name is that of the plan; raises `PlanError` with every mistake in both."""
    mistakes: list[str] = []
    if not re.fullmatch(NAME, path.stem):
        mistakes.append(f"{path}: a plan's name is letters, digits, - and _, not {path.stem[:60]!r}")
    try:
        plan = plan_file.read(path)
    except PlanError as error:
        raise PlanError([*mistakes, *error.mistakes]) from None
    if mistakes:
        raise PlanError(mistakes)
    return plan


def _files(folder: Path | None) -> list[tuple[str, int, int]]:
    """Return the plan files of a folder as far as that tells whether one has changed."""
    if folder is None:
        return []
    try:
        return sorted((path.name, (at := path.stat()).st_mtime_ns, at.st_size) for path in folder.glob("*.toml"))
    except OSError:  # one went away while we looked: again the next time
        return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """What has happened since a meeting that its stay-in-touch steps count from."""

    touched_at: datetime | None = None  # the connection, last
    ended: Collection[tuple[int, int]] | None = None  # steps with their occurrences; None: nothing was planned yet


NOTHING: Final = Since()


def follow_ups(
    meeting: Meeting, plan: Plan, recipient: Person | Clock, *, now: datetime, since: Since = NOTHING
) -> list[PlannedFollowUp]:
    """Return the follow-ups of a meeting that was logged (or moved) now, in the order they fall due.

    Those already past are skipped, but for the newest, which goes at the next send time. A step that counts back
    from a goal waits for the goal to be known. One to a contact who did not agree to it is skipped.
    """
    clock = recipient if isinstance(recipient, Clock) else clock_of(recipient)
    planned = schedule(plan, clock, met_at=meeting.met_at, goal_at=meeting.goal_at, since=since)
    if addressee.agreed(meeting.contact) is None:
        planned = [
            one._replace(state="skipped", reason="no-consent") if one.to == "contact" else one for one in planned
        ]
    late = [follow_up for follow_up in planned if follow_up.state == "waiting" and _is_late(follow_up, now)]
    if not late:
        return planned
    # A plan that does not wait for the morning does not wait for the send time either.
    target = Target(not_before=now) if plan.ignore_quiet_hours else wall_time.next_send_time(now, clock)
    moment = wall_time.place(target, clock, heeds_quiet=not plan.ignore_quiet_hours)
    caught_up = late[-1]._replace(target=target, moment=moment)
    skipped = [follow_up._replace(state="skipped", reason="past") for follow_up in late[:-1]]
    in_time = [follow_up for follow_up in planned if follow_up not in late]
    return _in_order([*skipped, caught_up, *in_time])


def schedule(
    plan: Plan, clock: Clock, *, met_at: datetime, goal_at: datetime | None = None, since: Since = NOTHING
) -> list[PlannedFollowUp]:
    """Return every follow-up of a plan in the order they fall due, whether or not they are past."""
    return _in_order(
        [
            _planned(plan, step, occurrence, target, clock)
            for step in plan.steps
            for occurrence, target in _targets(step, clock, met_at=met_at, goal_at=goal_at, since=since)
        ]
    )


def _targets(
    step: Step, clock: Clock, *, met_at: datetime, goal_at: datetime | None, since: Since
) -> Sequence[tuple[int, Target]]:
    match step.rule:
        case "after":
            return [(1, wall_time.after(met_at, step.by, clock, at=step.at))]
        case "every":
            numbers = range(1, step.times + 1)
            targets = {n: wall_time.after(met_at, step.by, clock, times=n, at=step.at) for n in numbers}
            if since.touched_at is not None and since.touched_at > met_at:
                left = [n for n in numbers if _is_left(step.number, n, targets[n], clock, since)]
                for k, n in enumerate(left, 1):
                    targets[n] = wall_time.after(since.touched_at, step.by, clock, times=k, at=step.at)
            return list(targets.items())
        case "before":
            return [(1, wall_time.before(goal_at, step.by, clock, at=step.at))] if goal_at else []


def _is_left(step: int, occurrence: int, target: Target, clock: Clock, since: Since) -> bool:
    """Whether this occurrence was still to come when the connection was touched."""
    if since.ended is not None:
        return (step, occurrence) not in since.ended
    return since.touched_at is None or wall_time.place(target, clock).due_at > since.touched_at


def _planned(plan: Plan, step: Step, occurrence: int, target: Target, clock: Clock) -> PlannedFollowUp:
    return PlannedFollowUp(
        step=step.number,
        occurrence=occurrence,
        playbook=step.playbook,
        channel=step.channel,
        heeds_quiet=not plan.ignore_quiet_hours,
        every=str(step.by) if step.rule == "every" else None,
        on_outcome=step.on,
        is_for_goal=step.rule == "before",
        to=step.to,
        calendar=step.calendar,
        target=target,
        moment=wall_time.place(target, clock, heeds_quiet=not plan.ignore_quiet_hours),
    )


def _is_late(follow_up: PlannedFollowUp, now: datetime) -> bool:
    grace = ON_THE_WAY if follow_up.target.day is None else timedelta()
    return follow_up.moment.due_at < now - grace


def _in_order(planned: Sequence[PlannedFollowUp]) -> list[PlannedFollowUp]:
    return sorted(planned, key=lambda one: (one.moment.due_at, one.step, one.occurrence))
