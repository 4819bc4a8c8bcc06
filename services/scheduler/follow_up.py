"""A follow-up as it is kept, and what may become of it; pure.

Every change is a new value with the next revision. What has ended stays as it is, and so does what an older act, which
was overtaken by a newer one, would change.
"""

from datetime import date, datetime, time
from operator import attrgetter
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

from services.scheduler import wall_time
from services.scheduler.offset import NoSuchTime, offset
from services.scheduler.wall_clock import Clock
from services.scheduler.wall_time import Target
from shared import events
from shared.events import ActedData, Addressee, Channel, FollowUpState, Person

Outcome = Literal["replied", "done", "silent"]

_place = attrgetter("on_day", "at", "not_before", "local_time", "zone", "due_at", "rolled")

OPEN: Final = ("waiting", "nudged")
DOABLE: Final = (*OPEN, "stopped")  # who did it and then stopped has done it, in whatever order we hear of the two


class FollowUp(NamedTuple):
    """A row of `follow_ups`; a tuple, since each is copied a dozen times in its life, and a tuple is copied fast."""

    id: UUID
    meeting_id: UUID
    person_id: UUID
    connection_id: UUID
    revision: int
    step: int
    occurrence: int
    playbook: str
    channel: Channel | None
    heeds_quiet: bool
    state: FollowUpState
    reason: str | None
    on_day: date | None
    at: time | None
    not_before: datetime | None
    local_time: datetime
    zone: str
    due_at: datetime
    acted_at: datetime | None = None
    nudge_id: UUID | None = None
    is_to_be_told: bool = False
    every: str | None = None  # of a stay-in-touch step: counted from the last touch
    on_outcome: Outcome | None = None  # only if the step before turned out so
    is_for_goal: bool = False  # counted back from the meeting's goal
    overtaken_by: UUID | None = None  # the newer meeting of the connection whose plan took over
    rolled: int = 0  # how often its nudge was full
    is_paused: bool = False  # waits, and does not come due
    addressee: Addressee = "owner"
    contact_id: UUID | None = None  # of one to the contact: who gets it; None while nobody agreed to
    wants_entry: bool = False  # brings an entry for the calendar

    def but(self, **changes: Any) -> "FollowUp":
        """Return it with these fields changed: `_replace`, in a third of the time."""
        values: list[Any] = list(self)
        for name, value in changes.items():
            values[_POSITIONS[name]] = value
        return FollowUp._make(values)

    @property
    def recipient_id(self) -> UUID:
        """Who gets it."""
        return self.contact_id or self.person_id

    @property
    def is_elapsed(self) -> bool:
        """Whether it is due at an instant, whatever a calendar says."""
        return self.on_day is None

    def channel_for(self, person: Person) -> Channel:
        """Return the channel it goes by: its own where that reaches the person, else the person's."""
        return self.channel if self.channel and address(person, self.channel) else person.channel

    def fact(self) -> events.FollowUp:
        """Return it as other services see it."""
        return events.FollowUp(
            id=self.id,
            revision=self.revision,
            meeting=self.meeting_id,
            connection=self.connection_id,
            person=self.person_id,
            step=self.step,
            occurrence=self.occurrence,
            playbook=self.playbook,
            state=self.state,
            reason=self.reason,
            local=self.local_time,
            zone=self.zone,
            due_at=self.due_at,
            nudge=self.nudge_id,
            to=self.addressee,
        )


_POSITIONS: Final = {name: position for position, name in enumerate(FollowUp._fields)}


def address(person: Person, channel: Channel) -> str | None:
    """Return where this channel writes to the person; None when they never said."""
    return person.address_on(channel)


def ended(follow_up: FollowUp, state: FollowUpState, reason: str | None = None) -> FollowUp:
    """Return it in this last state; an expired one is named in the next nudge."""
    return follow_up.but(
        revision=follow_up.revision + 1,
        state=state,
        reason=reason,
        is_to_be_told=state == "expired",
        overtaken_by=None,
        is_paused=False,
    )


def aside(follow_up: FollowUp) -> FollowUp:
    """Return it waiting without coming due, until its owner has confirmed their address."""
    return follow_up.but(revision=follow_up.revision + 1, is_paused=True)


def nudged(follow_up: FollowUp, nudge: UUID) -> FollowUp:
    """Return it handed over with this nudge."""
    return follow_up.but(revision=follow_up.revision + 1, state="nudged", reason=None, nudge_id=nudge, rolled=0)


def rolled(follow_up: FollowUp, clock: Clock, now: datetime) -> FollowUp:
    """Return it waiting for the next wanted day: its nudge is full."""
    return put_to_another_day(follow_up, clock, now, rolled=follow_up.rolled + 1)


def moved(follow_up: FollowUp, clock: Clock) -> FollowUp:
    """Return it at the moment its rule means on this clock; the same value when that is where it is."""
    target = Target(day=follow_up.on_day, at=follow_up.at, not_before=follow_up.not_before)
    return put(follow_up, target, clock)


def moved_on(follow_up: FollowUp, clock: Clock, now: datetime) -> FollowUp:
    """Return it where `moved` has it; at the next send time when on this clock its day is over.

    Who wants their nudges in the morning instead has not missed those of this afternoon.
    """
    there = moved(follow_up, clock)
    is_over = there.due_at <= now < follow_up.due_at and not there.is_elapsed
    return put_soon(follow_up, clock, now) if is_over else there


def held(follow_up: FollowUp, now: datetime, clock: Clock) -> FollowUp:
    """Return it at the end of the quiet hours that it is now."""
    end = wall_time.moment(clock.held(now), clock.zone)
    return follow_up.but(revision=follow_up.revision + 1, local_time=end.local, zone=end.zone, due_at=end.due_at)


def put(follow_up: FollowUp, target: Target, clock: Clock, *, rolled: int | None = None) -> FollowUp:
    """Return it waiting for this target, having rolled so often; the same value when nothing would change."""
    moment = wall_time.place(target, clock, heeds_quiet=follow_up.heeds_quiet)
    rolled = follow_up.rolled if rolled is None else rolled
    there = (target.day, target.at, target.not_before, moment.local, moment.zone, moment.due_at, rolled)
    if follow_up.state == "waiting" and _place(follow_up) == there:
        return follow_up
    return follow_up.but(
        revision=follow_up.revision + 1,
        state="waiting",
        reason=None,
        on_day=target.day,
        at=target.at,
        not_before=target.not_before,
        local_time=moment.local,
        zone=moment.zone,
        due_at=moment.due_at,
        rolled=rolled,
    )


def put_soon(follow_up: FollowUp, clock: Clock, now: datetime) -> FollowUp:
    """Return it waiting for the next send time; what heeds no hours, for now."""
    if not follow_up.heeds_quiet:
        return put(follow_up, Target(not_before=now), clock)
    return put(follow_up, wall_time.next_send_time(now, clock, at=follow_up.at), clock)


def put_to_another_day(follow_up: FollowUp, clock: Clock, now: datetime, *, rolled: int | None = None) -> FollowUp:
    """Return it waiting for the first send time of a day after this one."""
    return put(follow_up, wall_time.next_days_send_time(now, clock, at=follow_up.at), clock, rolled=rolled)


def acted(follow_up: FollowUp, act: ActedData, clock: Clock) -> FollowUp:
    """Return what the person's done or later makes of it; the same value when it has ended, or they acted since.

    Raises `NoSuchTime` when a later names no time.
    """
    if follow_up.acted_at is not None and act.at < follow_up.acted_at:
        return follow_up
    if follow_up.state not in (DOABLE if act.act == "done" else OPEN):
        return follow_up
    match act.act:
        case "done":
            return ended(follow_up, "done").but(acted_at=act.at)
        case "later":
            put_off = put(follow_up, _later(act, clock), clock)
            return put_off.but(revision=follow_up.revision + 1, acted_at=act.at)
        case "stop":
            return follow_up  # of the connection, or of everything: what waits is found by the stop itself


def _later(act: ActedData, clock: Clock) -> Target:
    if act.span is not None:
        return wall_time.after(act.at, offset(act.span), clock)
    if act.until is None:
        raise NoSuchTime("later needs `until` or a span")
    return wall_time.next_send_time(act.at, clock, day=act.until)
