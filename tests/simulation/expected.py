"""When a plan's steps should be due, reckoned a second time: days on a calendar, minutes on a wall."""

from collections.abc import Iterator
from datetime import date, datetime
from uuid import UUID

from services.scheduler.follow_up import FollowUp
from services.scheduler.plan import Plans
from services.scheduler.plan_file import Plan, Step
from services.scheduler.prompt import Prompt
from shared.events import Meeting
from tests.simulation.record import Record
from tests.simulation.wall import DAY, Wall, months_later


def misplaced(record: Record, plans: Plans) -> Iterator[str]:
    """Yield what is wrong with the first planning of each connection's first meeting."""
    first: dict[UUID, tuple[datetime, Meeting]] = {}
    for heard_at, meeting in record.meetings:
        first.setdefault(meeting.connection, (heard_at, meeting))
    new: dict[UUID, list[FollowUp]] = {}
    for change in record.changes:
        if change.after.revision == 1:
            new.setdefault(change.after.meeting_id, []).append(change.after)
    stopped_at = min((stop.heard_at for stop in record.stops if stop.connection is None), default=None)
    walls = [(since, Wall(person)) for since, person in record.people]
    for heard_at, meeting in first.values():
        if stopped_at is not None and heard_at >= stopped_at:
            continue
        if any(since <= heard_at < until for since, until in record.suppressed):
            continue
        wall = next(wall for since, wall in reversed(walls) if since <= heard_at)
        if isinstance(meeting, Prompt):  # at the host's next send time
            logged_at = meeting.logged_at.timestamp()
            wanted = {(1, 1): (wall.send(wall.shows(logged_at)[0], not_before=logged_at), "waiting")}
        else:
            wanted = _wanted(meeting, plans.get(meeting.plan), wall)
        planned = {(one.step, one.occurrence): _seen(one) for one in new.get(meeting.id, ())}
        if planned != wanted:
            wrong = sorted(set(planned.items()) ^ set(wanted.items()))
            yield f"{meeting.plan} of {meeting.met_at}, logged {meeting.logged_at}: {wrong}"


Seen = tuple[int, str]  # the instant, and whether it waits or is past


def _seen(one: FollowUp) -> Seen:
    return int(one.due_at.timestamp()), one.reason or one.state


def _wanted(meeting: Meeting, plan: Plan, wall: Wall) -> dict[tuple[int, int], Seen]:
    logged_at = meeting.logged_at.timestamp()
    met_on = wall.shows(meeting.met_at.timestamp())[0]
    goal_on = wall.shows(meeting.goal_at.timestamp())[0] if meeting.goal_at else None
    sends = _sends(plan, met_on, goal_on, wall)
    past = sorted((at, key) for key, at in sends.items() if at < logged_at)
    seen: dict[tuple[int, int], Seen] = {
        key: (at, "past" if at < logged_at else "waiting") for key, at in sends.items()
    }
    if past:  # the newest of them goes at the next send time
        soon = wall.send(wall.shows(logged_at)[0], not_before=logged_at)
        seen[past[-1][1]] = (soon, "waiting")
    return seen


def _sends(plan: Plan, met_on: date, goal_on: date | None, wall: Wall) -> dict[tuple[int, int], int]:
    key = plan.name, met_on, goal_on
    if key not in wall.plans:
        sends = wall.plans[key] = {}
        for step in plan.steps:
            minute = step.at.hour * 60 + step.at.minute if step.at else None
            if step.rule != "before":
                for occurrence in range(1, step.times + 1):
                    sends[step.number, occurrence] = wall.send(_counted(step, occurrence, met_on, wall), minute)
            elif goal_on is not None:
                sends[step.number, 1] = wall.send(_counted(step, -1, goal_on, wall), minute)
    return wall.plans[key]


def _counted(step: Step, times: int, day: date, wall: Wall) -> date:
    count = step.by.count * times
    match step.by.unit:
        case "day":
            return day + count * DAY
        case "week":
            return day + 7 * count * DAY
        case "month":
            return months_later(day, count)
        case "year":
            return months_later(day, 12 * count)
        case "school day":
            days = wall.days(day + DAY) if count > 0 else wall.days(day - DAY, -1)
            for _ in range(abs(count)):
                day = next(days)
            return day
        case unit:
            raise NotImplementedError(unit)  # no shipped plan but `demo`, which heeds no hours
