"""What becomes of follow-ups by each thing that happens: the decisions of the handlers, without their queries; pure.

A handler reads what one of these needs, and keeps what is other than before. `make simulate` drives the same functions
through a school year.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from uuid import UUID

from services.scheduler import addressee, continuing, planning
from services.scheduler import follow_up as kept
from services.scheduler.clocks import clock_of
from services.scheduler.follow_up import FollowUp
from services.scheduler.plan import PlannedFollowUp, Since, follow_ups
from services.scheduler.plan_file import Plan
from services.scheduler.planning import Standing, Stop
from services.scheduler.wall_clock import Clock
from shared.events import ActedData, Meeting, Person

_facts = attrgetter(*(name for name in FollowUp._fields if name != "revision"))


def changed(before: Mapping[UUID, FollowUp], after: Mapping[UUID, FollowUp]) -> list[FollowUp]:
    """Return what is new or other than before, one revision on, however many steps led to it."""
    found = []
    for id, one in after.items():
        was = before.get(id)
        if was is None:
            revision = 1
        elif was is one or _facts(was) == _facts(one):
            continue
        else:
            revision = was.revision + 1
        found.append(one if one.revision == revision else one.but(revision=revision))
    return found


def planned(
    meeting: Meeting, plan: Plan, clock: Clock, had: Sequence[FollowUp], *, now: datetime, touched_at: datetime | None
) -> list[PlannedFollowUp]:
    """Return what the plan has for a meeting that was logged, or changed, at this moment, and had these so far."""
    ended = [(one.step, one.occurrence) for one in had if one.state != "waiting"] if had else None
    return follow_ups(meeting, plan, clock, now=now, since=Since(touched_at=touched_at, ended=ended))


def stood(
    ours: Iterable[FollowUp], meeting: Meeting, known: Meeting | None, person: Person, *, now: datetime
) -> list[FollowUp]:
    """Return the follow-ups of a meeting as its state and its contact's consent have them; what waits goes on when it
    is resumed."""
    ours = list(ours)
    if any(one.addressee == "contact" for one in ours):
        clock = clock_of(person)
        ours = [addressee.addressed(one, meeting, clock, now) for one in ours]
    stood = [planning.stood(one, meeting) for one in ours]
    if known is not None and known.state == "paused" and meeting.state == "active":
        waiting = [one for one in stood if one.state == "waiting"]
        ended = [one for one in stood if one.state != "waiting"]
        stood = [*ended, *planning.resumed(waiting, clock_of(person), now=now)]
    return stood


def continued(
    follow_ups: Sequence[FollowUp],
    meetings: Mapping[UUID, Meeting],
    person: Person,
    against: Standing,
    *,
    now: datetime,
) -> list[FollowUp]:
    """Return those of one connection's follow-ups that another of its meetings takes over, or gives back."""
    taken = continuing.continued(follow_ups, meetings.values(), clock_of(person), now=now)
    return [planning.barred(one, meetings[one.meeting_id], person, against) for one in taken]


def touched(
    waiting: Sequence[FollowUp], meetings: Mapping[UUID, Meeting], touched_at: datetime, clock: Clock
) -> list[FollowUp]:
    """Return what waits of one connection, and counts from a touch of it, counted from this one."""
    theirs = [one for one in waiting if meetings[one.meeting_id].met_at < touched_at]
    return planning.recounted(theirs, touched_at, clock)


def acted(
    one: FollowUp, acts: Iterable[ActedData], meeting: Meeting, person: Person, against: Standing
) -> FollowUp | None:
    """Return what a person's acts, in their order, make of a follow-up; None when they change nothing."""
    clock = clock_of(person)
    after = one
    for act in acts:
        after = kept.acted(after, act, clock)
    # A stop may have arrived before the later that it came after.
    return None if after is one else planning.barred(after, meeting, person, against)


def stopped(
    might: Iterable[FollowUp], stops: Collection[Stop], meetings: Mapping[UUID, Meeting], people: Mapping[UUID, Person]
) -> list[FollowUp]:
    """Return those of these follow-ups that one of the stops ends.

    What was logged after a stop of everything, but heard of before it, ends as if it had been heard of in order.
    """
    stand = [stop for stop in stops if not stop.is_over]
    found = []
    for one in might:
        person, logged_at = people[one.person_id], meetings[one.meeting_id].logged_at
        if any(planning.stops_it(stop, one, person, logged_at) for stop in stops):
            found.append(kept.ended(one, "stopped"))
        elif one.state == "waiting" and any(planning.is_of_all(stop, one, person) for stop in stand):
            found.append(kept.ended(one, "skipped", "suppressed"))
    return found


def confirmed(
    waiting: Iterable[FollowUp], meetings: Mapping[UUID, Meeting], person: Person, *, now: datetime
) -> list[FollowUp]:
    """Return what waits of a person who has just confirmed their address: of what was set aside the newest goes first.

    What their paused meetings hold stays held.
    """
    clock = clock_of(person)
    stood = [planning.stood(kept.moved(one, clock), meetings[one.meeting_id]) for one in waiting]
    held = [one for one in stood if one.is_paused]
    return [*held, *planning.resumed([one for one in stood if not one.is_paused], clock, now=now)]


def moved(waiting: Iterable[FollowUp], before: Person, person: Person, *, now: datetime) -> list[FollowUp]:
    """Return what waits of a person whose wishes have changed, where it belongs now.

    What fell due in a pause that they ended earlier than they had said does not all come at once.
    """
    clock = clock_of(person)
    if before.paused_until is not None and before.paused_until != person.paused_until:
        return planning.resumed([kept.moved(one, clock) for one in waiting], clock, now=now)
    return [kept.moved_on(one, clock, now) for one in waiting]
