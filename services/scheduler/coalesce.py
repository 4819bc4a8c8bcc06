"""Coalescing: what is due for a person becomes one nudge per channel, or ends with a reason; pure."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from services.scheduler import follow_up as kept
from services.scheduler.branch import StepBefore, is_taken
from services.scheduler.clocks import clock_of
from services.scheduler.follow_up import FollowUp
from services.scheduler.limit import over
from services.scheduler.nudge import Owner, nudge_with
from services.scheduler.prompt import CONFIRM
from services.scheduler.wall_clock import Clock
from shared.events import Channel, Meeting, NudgeData, Person


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What else firing goes by."""

    meetings: Mapping[UUID, Meeting]
    steps_before: Mapping[UUID, StepBefore] = field(default_factory=dict)  # of branches
    touched_at: Mapping[UUID, datetime] = field(default_factory=dict)  # connections, last
    sent_for: Mapping[str, datetime] = field(default_factory=dict)  # channels: the send time of the latest nudge
    owners: Mapping[UUID, Owner] = field(default_factory=dict)  # of a contact's: on whose behalf, with their hours


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """What became of everything that was due for one person."""

    person: UUID
    changed: Sequence[FollowUp]  # each with its new state, or its new moment
    told: Sequence[FollowUp]  # expired ones that a nudge now names
    nudges: Sequence[NudgeData]
    sent_for: Mapping[str, datetime]  # channels: the send time that has had its nudge


def fire(
    person: Person,
    clock: Clock,
    due: Sequence[FollowUp],
    untold: Sequence[FollowUp],
    known: Known,
    *,
    now: datetime,
    too_late_after: timedelta,
) -> Fired:
    """End all that is due for a person: at most one nudge a channel and send time, the newest of each connection in it.

    A branch that is not taken is superseded, one that cannot be decided yet waits for the next send time. Too late is
    expired and named in the next nudge; what another one of its connection makes needless is superseded; the rest waits
    for the end of quiet hours when it is those now, for the next send time when this one has had its nudge, or when it
    was found so late that it is a day that is not wanted, and for the next wanted day when the nudge is full.

    What is due of an owner who has not confirmed their address is set aside, but for the question whether they do. Who
    has confirmed it before they were asked is not asked.

    A contact is told of nothing that was missed: that is for each owner's own next nudge.
    """
    clocks = {one.id: _clock(one, person, clock, known) for one in due}
    held = [one for one in due if one.playbook != CONFIRM and not _owner(one, person, known).confirmed]
    changed: dict[UUID, FollowUp] = {one.id: kept.aside(one) for one in held}
    changed |= {one.id: kept.ended(one, "done") for one in due if one.playbook == CONFIRM and person.confirmed}
    due = _left(due, changed)
    changed |= _branched(due, known.steps_before, clocks, now)
    expired = [kept.ended(one, "expired") for one in _left(due, changed) if one.due_at + too_late_after < now]
    changed |= {one.id: one for one in expired}
    older = _older(_left(due, changed), clocks, known.meetings)
    changed |= {one.id: kept.ended(one, "skipped", "superseded") for one in older}
    due = _heirs(due, [*expired, *older])
    for one in _left(due, changed):
        channel = one.channel_for(person)
        its_clock = clocks[one.id]
        if kept.address(person, channel) is None:
            changed[one.id] = kept.ended(one, "skipped", "suppressed")
        elif not one.is_elapsed and not its_clock.wants(now):
            changed[one.id] = kept.put_soon(one, its_clock, now)
        elif one.heeds_quiet and its_clock.is_quiet(now):
            changed[one.id] = kept.held(one, now, its_clock)
        elif not one.is_elapsed and channel in known.sent_for and one.due_at <= known.sent_for[channel]:
            changed[one.id] = kept.put_soon(one, its_clock, now)

    by_channel: dict[Channel, list[FollowUp]] = defaultdict(list)
    for one in _left(due, changed):
        by_channel[one.channel_for(person)].append(one)
    nudges: list[NudgeData] = []
    sent_for: dict[str, datetime] = {}
    to_tell = [] if known.owners else [*untold, *expired]
    for channel, candidates in sorted(by_channel.items()):
        full = over(candidates, person.daily_limit, known.meetings, known.touched_at)
        changed |= {one.id: kept.rolled(one, clocks[one.id], now) for one in candidates if one.connection_id in full}
        carried = _left(candidates, changed)
        missed = to_tell if not nudges else []  # said once, whatever the channel
        nudge = nudge_with(
            carried, missed, person, channel, clocks, known.meetings, known.owners, too_late_after=too_late_after
        )
        changed |= {one.id: kept.nudged(one, nudge.nudge) for one in carried}
        nudges.append(nudge)
        if send_times := [one.due_at for one in carried if not one.is_elapsed]:
            sent_for[channel] = max(send_times)
    return Fired(
        person=person.id,
        changed=list(changed.values()),
        told=to_tell if nudges else [],
        nudges=nudges,
        sent_for=sent_for,
    )


def _owner(one: FollowUp, person: Person, known: Known) -> Person:
    return known.owners[one.person_id].person if known.owners else person


def _clock(one: FollowUp, person: Person, clock: Clock, known: Known) -> Clock:
    """A contact's follow-up goes by its owner's clock, a person's by their own, as the channel wants it."""
    if known.owners:
        return known.owners[one.person_id].clock
    channel = one.channel_for(person)
    return clock if channel == person.channel else clock_of(person, channel)


def _left(due: Sequence[FollowUp], changed: Collection[UUID]) -> list[FollowUp]:
    return [one for one in due if one.id not in changed]


def _branched(
    due: Sequence[FollowUp], steps_before: Mapping[UUID, StepBefore], clocks: Mapping[UUID, Clock], now: datetime
) -> dict[UUID, FollowUp]:
    """Return those that wait for something to turn out which has not, or not yet."""
    found = {}
    for one in due:
        if one.on_outcome is not None and one.id in steps_before:
            taken = is_taken(one.on_outcome, steps_before[one.id])
            if taken is None:
                found[one.id] = kept.put_to_another_day(one, clocks[one.id], now)
            elif not taken:
                found[one.id] = kept.ended(one, "skipped", "superseded")
    return found


def _older(due: Sequence[FollowUp], clocks: Mapping[UUID, Clock], meetings: Mapping[UUID, Meeting]) -> list[FollowUp]:
    """Return those that another of the same connection, due later, makes needless.

    Steps that their plan has at the same send time go out side by side. But one that only waits until then, since a
    nudge was full, a pause lasted or it was found too late, would have gone before: the newer step makes it needless.
    """
    turn = {one.id: (one.due_at, meetings[one.meeting_id].met_at, one.step, one.occurrence) for one in due}
    newest: dict[UUID, FollowUp] = {}
    for one in sorted(due, key=lambda one: turn[one.id]):
        newest[one.connection_id] = one
    return [
        one
        for one in due
        for last in [newest[one.connection_id]]
        if one.due_at < last.due_at
        or (turn[one.id] < turn[last.id] and _gives_way(one, clocks[one.id], meetings[one.meeting_id]))
    ]


def _gives_way(one: FollowUp, clock: Clock, meeting: Meeting) -> bool:
    """Whether it waits for another moment than its plan's; what the owner put off themselves waits for its own."""
    if one.on_day is None or one.acted_at is not None:
        return False
    is_put = one.not_before is not None and one.not_before != meeting.met_at  # which "0 days" has
    return is_put or (clock.paused_until is not None and one.on_day < clock.paused_until)


def _heirs(due: Sequence[FollowUp], ended: Sequence[FollowUp]) -> list[FollowUp]:
    """Return these, each having rolled as often as those of its connection that end: it is the connection that waits.

    If its next step began anew, a connection could find one nudge full after another, and never come first.
    """
    rolled: dict[UUID, int] = {}
    for one in ended:
        rolled[one.connection_id] = max(one.rolled, rolled.get(one.connection_id, 0))
    return [
        one.but(rolled=rolled[one.connection_id]) if rolled.get(one.connection_id, 0) > one.rolled else one
        for one in due
    ]
