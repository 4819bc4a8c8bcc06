"""Planning anew: what a plan, or a person's word, makes of the follow-ups of a meeting; pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from services.scheduler import follow_up as kept
from services.scheduler.follow_up import FollowUp
from services.scheduler.plan import PlannedFollowUp
from services.scheduler.wall_time import Clock
from shared.events import ActedData, Channel, FollowUpState, Meeting, Person

# Skipped for what the meeting was at the time: when the meeting changes, so may these.
REVIVED: Final = ("past", "rescheduled", "cancelled", "no-show")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Somebody's word that something is to end: a connection, or everything on a channel ("" is every channel)."""

    kind: Literal["connection", "person"]
    id: UUID
    channel: str
    at: datetime
    is_over: bool = False  # they want to hear from us again: it ended what it ended, and bars nothing new


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What stands against writing: stops, and suppressed addresses with their channels."""

    stops: Sequence[Stop] = ()
    suppressed: Collection[tuple[str, str]] = ()

    def why_not(self, meeting: Meeting, person: Person, channel: Channel) -> tuple[FollowUpState, str | None] | None:
        """Return how a follow-up of this meeting ends on this channel before it began, or None if it may wait."""
        match meeting.state:
            case "stopped":
                return "stopped", None
            case "cancelled":
                return "skipped", meeting.state_reason or "cancelled"
        for stop in self.stops:
            ours = stop.id == (meeting.connection if stop.kind == "connection" else person.id)
            if ours and stop.channel in {"", channel} and meeting.logged_at <= stop.at:
                return "stopped", None
        stopped_all = any(
            stop.kind == "person" and stop.id == person.id and stop.channel in {"", channel} and not stop.is_over
            for stop in self.stops
        )
        address = kept.address(person, channel)
        if stopped_all or address is None or (address.lower(), channel) in self.suppressed:
            return "skipped", "suppressed"
        return None


def matters(meeting: Meeting) -> tuple[object, ...]:
    """Return the facts that a plan goes by; the others are only words in a nudge."""
    return meeting.met_at, meeting.goal_at, meeting.plan, meeting.state, meeting.connection


def barred(follow_up: FollowUp, meeting: Meeting, person: Person, standing: Standing) -> FollowUp:
    """Return it ended, when it waits and something stands against that; else as it is."""
    if follow_up.state != "waiting":
        return follow_up
    end = standing.why_not(meeting, person, follow_up.channel_for(person))
    return replace(kept.ended(follow_up, *end), revision=follow_up.revision) if end else follow_up


def wishes(person: Person) -> tuple[object, ...]:
    """Return the facts that decide when a person is written to."""
    return (
        person.time_zone,
        person.send_at,
        person.days,
        person.quiet_from,
        person.quiet_to,
        person.holidays,
        person.breaks,
    )


def stops_it(stop: Stop, follow_up: FollowUp, person: Person, logged_at: datetime) -> bool:
    """Whether this stop ends this follow-up, which waits, or is skipped since its address is suppressed.

    Who unsubscribes stops what waits and has their address suppressed; in whatever order we hear of the two, what
    waited was stopped, and only what is planned later is suppressed.
    """
    if logged_at > stop.at:
        return False
    if stop.kind == "connection":
        return follow_up.state == "waiting" and follow_up.connection_id == stop.id
    ours = follow_up.person_id == stop.id and stop.channel in {"", follow_up.channel_for(person)}
    return ours and (follow_up.state == "waiting" or follow_up.due_at > stop.at)


def planned_anew(
    meeting: Meeting,
    person: Person,
    clock: Clock,
    planned: Sequence[PlannedFollowUp],
    known: Sequence[FollowUp],
    standing: Standing,
    early: Mapping[UUID, ActedData],
) -> list[FollowUp]:
    """Return the follow-ups that are new or other than before.

    What was nudged or has ended is left alone, and so is what the person put off themselves.
    """
    before = {one.id: one for one in known}
    now = {one.id(meeting.id): one for one in planned}
    changed = []
    for id, one in now.items():
        found = before.get(id)
        fresh = barred(_row(id, one, meeting, person), meeting, person, standing)
        if id in early:
            fresh = kept.acted(fresh, early[id], clock)
        if found is None:
            changed.append(replace(fresh, revision=1))
        elif _may_change(found, fresh):
            fresh = replace(fresh, revision=found.revision, acted_at=found.acted_at, nudge_id=found.nudge_id)
            if fresh != found:
                changed.append(replace(fresh, revision=found.revision + 1))
    gone = [one for one in known if one.state == "waiting" and one.id not in now]
    return changed + [kept.ended(one, "skipped", "rescheduled") for one in gone]


def _may_change(found: FollowUp, fresh: FollowUp) -> bool:
    if found.state == "waiting":
        return found.acted_at is None or fresh.state != "waiting"
    return found.state == "skipped" and found.reason in REVIVED


def _row(id: UUID, planned: PlannedFollowUp, meeting: Meeting, person: Person) -> FollowUp:
    return FollowUp(
        id=id,
        meeting_id=meeting.id,
        person_id=person.id,
        connection_id=meeting.connection,
        revision=1,
        step=planned.step,
        occurrence=planned.occurrence,
        playbook=planned.playbook,
        channel=planned.channel,
        heeds_quiet=planned.heeds_quiet,
        state=planned.state,
        reason=planned.reason,
        on_day=planned.target.day,
        at=planned.target.at,
        not_before=planned.target.not_before,
        local_time=planned.moment.local,
        zone=planned.moment.zone,
        due_at=planned.moment.due_at,
    )
