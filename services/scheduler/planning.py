"""Planning anew: what a plan, or a person's word, makes of the follow-ups of a meeting; pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, assert_never
from uuid import UUID

from services.scheduler import addressee, wall_time
from services.scheduler import follow_up as kept
from services.scheduler.follow_up import FollowUp
from services.scheduler.offset import offset
from services.scheduler.plan import PlannedFollowUp
from services.scheduler.wall_clock import Clock
from shared.events import ActedData, Addressee, Channel, FollowUpState, Meeting, Person

# Skipped for what the meeting was at the time: when the meeting changes, so may these.
REVIVED: Final = ("past", "rescheduled", "cancelled", "no-show", "no-consent")


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

    def why_not(
        self, meeting: Meeting, person: Person, channel: Channel, to: Addressee = "owner"
    ) -> tuple[FollowUpState, str | None] | None:
        """Return how a follow-up of this meeting ends on this channel before it began, or None if it may wait.

        What goes to a contact goes for its owner: the owner's stop of everything on whatever channel ends it too.
        """
        match meeting.state:
            case "stopped":
                return "stopped", None
            case "cancelled":
                return "skipped", meeting.state_reason or "cancelled"
        for stop in self.stops:
            ours = stop.id == (meeting.connection if stop.kind == "connection" else person.id)
            if ours and (stop.channel in {"", channel} or to == "contact") and meeting.logged_at <= stop.at:
                return "stopped", None
        stopped_all = any(
            stop.kind == "person"
            and stop.id == person.id
            and (stop.channel in {"", channel} or to == "contact")
            and not stop.is_over
            for stop in self.stops
        )
        address = kept.address(person, channel)
        if to == "contact":
            address = addressee.agreed(meeting.contact)
            if address is None:
                return "skipped", "no-consent"
        if stopped_all or address is None or (address.lower(), channel) in self.suppressed:
            return "skipped", "suppressed"
        return None


def needs_planning(before: Meeting | None, after: Meeting) -> bool:
    """Whether what a plan goes by is other than before. The other facts are words in a nudge, or end or hold it."""
    if before is None or (before.state == "cancelled" and after.state != "cancelled"):
        return True
    return _plan_facts(before) != _plan_facts(after)


def _plan_facts(meeting: Meeting) -> tuple[object, ...]:
    return meeting.met_at, meeting.goal_at, meeting.plan, meeting.connection


def stood(one: FollowUp, meeting: Meeting) -> FollowUp:
    """Return what waits as the state of its meeting has it: held while that is paused, ended with it."""
    if one.state != "waiting":
        return one
    match meeting.state:
        case "active":
            return one.but(is_paused=False) if one.is_paused else one
        case "paused":
            return one if one.is_paused else one.but(is_paused=True)
        case "stopped":
            return kept.ended(one, "stopped")
        case "cancelled":
            return kept.ended(one, "skipped", meeting.state_reason or "cancelled")
        case _:
            assert_never(meeting.state)


def resumed(waiting: Sequence[FollowUp], clock: Clock, *, now: datetime) -> list[FollowUp]:
    """Return these as they go on after a pause: of what fell due meanwhile the newest of each connection goes at the
    next send time, older ones are superseded; nothing else moves."""
    newest: dict[UUID, FollowUp] = {}
    for one in sorted((one for one in waiting if one.due_at <= now), key=_in_order):
        newest[one.connection_id] = one
    return [
        one
        if one.due_at > now
        else kept.put_soon(one, clock, now)
        if newest[one.connection_id].id == one.id
        else kept.ended(one, "skipped", "superseded")
        for one in waiting
    ]


def _in_order(one: FollowUp) -> tuple[datetime, int, int]:
    return one.due_at, one.step, one.occurrence


def recounted(waiting: Sequence[FollowUp], touched_at: datetime, clock: Clock) -> list[FollowUp]:
    """Return the stay-in-touch follow-ups among these counted again from a touch; one put off since stays."""
    series: dict[tuple[UUID, int], list[FollowUp]] = {}
    for one in sorted(waiting, key=lambda one: one.occurrence):
        if one.every is not None and (one.acted_at is None or one.acted_at < touched_at):
            series.setdefault((one.meeting_id, one.step), []).append(one)
    return [
        kept.put(one, wall_time.after(touched_at, offset(one.every or ""), clock, times=k, at=one.at), clock)
        for of_step in series.values()
        for k, one in enumerate(of_step, 1)
    ]


def barred(follow_up: FollowUp, meeting: Meeting, person: Person, standing: Standing) -> FollowUp:
    """Return it ended, when it waits and something stands against that; else as it is."""
    if follow_up.state != "waiting":
        return follow_up
    end = standing.why_not(meeting, person, addressee.channel_of(follow_up, person), follow_up.addressee)
    return kept.ended(follow_up, *end).but(revision=follow_up.revision) if end else follow_up


def wishes(person: Person) -> tuple[object, ...]:
    """Return the facts that decide when a person is written to, and whether."""
    return (
        person.confirmed,
        person.time_zone,
        person.send_at,
        person.days,
        person.quiet_from,
        person.quiet_to,
        person.holidays,
        person.breaks,
        person.paused_until,
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
    return is_of_all(stop, follow_up, person) and (follow_up.state == "waiting" or follow_up.due_at > stop.at)


def is_of_all(stop: Stop, follow_up: FollowUp, person: Person) -> bool:
    """Whether this is a stop of everything on the channel of this follow-up, by who gets it or on whose behalf."""
    if stop.kind != "person":
        return False
    if follow_up.addressee == "contact":
        return stop.id in {follow_up.person_id, follow_up.contact_id}
    return follow_up.person_id == stop.id and stop.channel in {"", follow_up.channel_for(person)}


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

    What was nudged or has ended is left alone, and so is what the person put off themselves. What a newer meeting took
    over stays with that, and has its new place should it ever be given back.
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
            changed.append(fresh if fresh.revision == 1 else fresh.but(revision=1))
        elif _may_change(found, fresh):
            fresh = fresh.but(revision=found.revision, acted_at=found.acted_at, nudge_id=found.nudge_id)
            if found.overtaken_by is not None and fresh.state == "waiting":
                fresh = fresh.but(
                    state=found.state, reason=found.reason, overtaken_by=found.overtaken_by, is_paused=False
                )
            if fresh != found:
                changed.append(fresh.but(revision=found.revision + 1))
    gone = [
        one
        for one in known
        if (one.state == "waiting" or (one.state == "skipped" and one.overtaken_by is not None)) and one.id not in now
    ]
    return changed + [kept.ended(one, "skipped", "rescheduled") for one in gone]


def _may_change(found: FollowUp, fresh: FollowUp) -> bool:
    if found.state == "waiting":
        return found.acted_at is None or fresh.state != "waiting"
    if found.state == "skipped" and found.overtaken_by is not None:
        return fresh.state == "waiting" or fresh.reason == "past"
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
        every=planned.every,
        on_outcome=planned.on_outcome,
        is_for_goal=planned.is_for_goal,
        wants_entry=planned.calendar,
        addressee=planned.to,
        contact_id=addressee.id_of(meeting.contact) if planned.to == "contact" else None,
        is_paused=meeting.state == "paused" and planned.state == "waiting",
        state=planned.state,
        reason=planned.reason,
        on_day=planned.target.day,
        at=planned.target.at,
        not_before=planned.target.not_before,
        local_time=planned.moment.local,
        zone=planned.moment.zone,
        due_at=planned.moment.due_at,
    )
