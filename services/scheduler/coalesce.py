"""Coalescing: what is due for a person becomes one nudge per channel, or ends with a reason; pure."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.scheduler import follow_up as kept
from services.scheduler.branch import StepBefore, is_taken
from services.scheduler.clocks import clock_of
from services.scheduler.follow_up import FollowUp
from services.scheduler.limit import over
from services.scheduler.prompt import CONFIRM, Prompt
from services.scheduler.wall_clock import Clock
from services.scheduler.windows import closed
from shared.events import (
    Channel,
    Contact,
    DueFollowUp,
    Meeting,
    MissedFollowUp,
    NudgeData,
    Person,
    Recipient,
    Sender,
    new_id,
)

MISSED_A_NUDGE: Final = 100  # the newest; nobody reads a longer list, and a message has bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What else firing goes by."""

    meetings: Mapping[UUID, Meeting]
    steps_before: Mapping[UUID, StepBefore] = field(default_factory=dict)  # of branches
    touched_at: Mapping[UUID, datetime] = field(default_factory=dict)  # connections, last
    sent_for: Mapping[str, datetime] = field(default_factory=dict)  # channels: the send time of the latest nudge
    owners: Mapping[UUID, "Owner"] = field(default_factory=dict)  # of a contact's: on whose behalf, with their hours


@dataclass(frozen=True, slots=True)
class Owner:
    """Somebody on whose behalf a contact is written to: on their days, and not in their quiet hours."""

    person: Person
    clock: Clock


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
    expired and named in the next nudge; older than another due one of its connection is superseded; what is left waits
    for the end of quiet hours when it is those now, for the next send time when this one has had its nudge, or when it
    was found so late that it is a day that is not wanted, and for the next wanted day when the nudge is full.

    What is due of an owner who has not confirmed their address is set aside, but for the question whether they do.

    A contact is told of nothing that was missed: that is for each owner's own next nudge.
    """
    clocks = {one.id: _clock(one, person, clock, known) for one in due}
    held = [one for one in due if one.playbook != CONFIRM and not _owner(one, person, known).confirmed]
    changed: dict[UUID, FollowUp] = {one.id: kept.aside(one) for one in held}
    due = _left(due, changed)
    changed |= _branched(due, known.steps_before, clocks, now)
    expired = [kept.ended(one, "expired") for one in _left(due, changed) if one.due_at + too_late_after < now]
    changed |= {one.id: one for one in expired}
    older = _older(_left(due, changed))
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
        nudge = _nudge(person, clocks, channel, carried, missed, known, too_late_after=too_late_after)
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


def _older(due: Sequence[FollowUp]) -> list[FollowUp]:
    """Return those that another of the same connection, due later, makes needless; equals go out side by side."""
    newest: dict[UUID, datetime] = {}
    for one in due:
        newest[one.connection_id] = max(one.due_at, newest.get(one.connection_id, one.due_at))
    return [one for one in due if one.due_at < newest[one.connection_id]]


def _heirs(due: Sequence[FollowUp], ended: Sequence[FollowUp]) -> list[FollowUp]:
    """Return these, each having rolled as often as those of its connection that end: it is the connection that waits.

    If its next step began anew, a connection could find one nudge full after another, and never come first.
    """
    rolled: dict[UUID, int] = {}
    for one in ended:
        rolled[one.connection_id] = max(one.rolled, rolled.get(one.connection_id, 0))
    return [
        one._replace(rolled=rolled[one.connection_id]) if rolled.get(one.connection_id, 0) > one.rolled else one
        for one in due
    ]


def _nudge(
    person: Person,
    clocks: Mapping[UUID, Clock],
    channel: Channel,
    carried: Sequence[FollowUp],
    missed: Sequence[FollowUp],
    known: Known,
    *,
    too_late_after: timedelta,
) -> NudgeData:
    carried = sorted(carried, key=_in_order)
    due_at = carried[0].due_at
    until = carried[-1].due_at + too_late_after
    meetings = known.meetings
    return NudgeData(
        nudge=new_id(),
        to="contact" if known.owners else "owner",
        recipient=Recipient(
            id=person.id,
            name=person.name,
            address=kept.address(person, channel) or "",
            locale=person.locale,
            time_zone=person.time_zone,
        ),
        channel=channel,
        due_at=due_at,
        too_late_after=until,
        quiet=closed([(one, clocks[one.id]) for one in carried], due_at, until),
        follow_ups=tuple(_carried(one, meetings[one.meeting_id], known.owners.get(one.person_id)) for one in carried),
        missed=tuple(
            MissedFollowUp(
                id=one.id,
                playbook=one.playbook,
                due_at=one.due_at,
                connection=one.connection_id,
                contact=_contact(meetings[one.meeting_id]),
            )
            for one in sorted(missed, key=_in_order)[-MISSED_A_NUDGE:]
        ),
    )


def _in_order(one: FollowUp) -> tuple[datetime, int, int, UUID]:
    return one.due_at, one.step, one.occurrence, one.id


def _carried(one: FollowUp, meeting: Meeting, owner: Owner | None) -> DueFollowUp:
    sender = owner and Sender(id=owner.person.id, name=owner.person.name, email=owner.person.email)
    return DueFollowUp(
        id=one.id,
        playbook=one.playbook,
        step=one.step,
        occurrence=one.occurrence,
        due_at=one.due_at,
        meeting=meeting.id,
        connection=meeting.connection,
        logged_at=meeting.logged_at,
        met_at=meeting.met_at,
        goal_at=meeting.goal_at,
        contact=_contact(meeting),
        event=meeting.event,
        notes=meeting.notes,
        topics=meeting.topics,
        promise=meeting.promise,
        document=meeting.document,
        form_url=meeting.form_url if isinstance(meeting, Prompt) else None,
        owner=sender,
        calendar=one.wants_entry,
    )


def _contact(meeting: Meeting) -> Contact | None:
    return None if isinstance(meeting, Prompt) else meeting.contact
