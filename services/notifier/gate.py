"""Why this must not go out now, or what of it may."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, Protocol
from uuid import UUID

from shared.events import DueFollowUp, NudgeData

SkipReason = Literal["stopped", "done", "later", "suppressed", "erased", "expired", "daily-cap"]

DAY: Final = timedelta(days=1)
UNDER_WAY: Final = timedelta(minutes=1)  # look again when what is on its way has arrived or not


class Stop(Protocol):
    """A row of the schema `stops`."""

    @property
    def kind(self) -> str: ...
    @property
    def id(self) -> UUID: ...
    @property
    def channel(self) -> str: ...
    @property
    def at(self) -> datetime: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What somebody did about a follow-up."""

    act: str  # done or later
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of a nudge's person, address and follow-ups at this moment."""

    stops: Sequence[Stop] = ()
    acts: Mapping[UUID, Act]
    suppressed: bool = False
    erased: bool = False
    gone: Collection[UUID] = ()  # owners who were erased
    sent: Sequence[datetime] = ()  # when messages left for this person, newest first, of the last day
    under_way: int = 0  # further messages to them that are being sent just now
    sent_here: Sequence[datetime] = ()  # of those that left, the ones on this nudge's channel
    under_way_here: int = 0


@dataclass(frozen=True, slots=True)
class Go:
    """It may go out, with these follow-ups."""

    follow_ups: tuple[DueFollowUp, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now: again then."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Skip:
    """Never."""

    reason: SkipReason


Verdict = Go | Wait | Skip


def gate(
    nudge: NudgeData, standing: Standing, *, now: datetime, daily_cap: int, channel_cap: int | None = None
) -> Verdict:
    """Return whether the nudge may go out now, with which follow-ups, and if not, why or until when."""
    if standing.erased:
        return Skip("erased")
    remaining = []
    reasons: set[SkipReason] = set()
    for follow_up in nudge.follow_ups:
        reason = _why_not(follow_up, nudge, standing)
        if reason is None:
            remaining.append(follow_up)
        else:
            reasons.add(reason)
    if not remaining:
        return Skip(next(reason for reason in ("stopped", "erased", "done", "later") if reason in reasons))
    if standing.suppressed:
        return Skip("suppressed")
    if now > nudge.too_late_after:
        return Skip("expired")
    for window in nudge.quiet:
        if window.opens_at <= now < window.closes_at:
            return Wait(window.closes_at) if window.closes_at <= nudge.too_late_after else Skip("expired")
    caps = [(standing.sent, standing.under_way, daily_cap)]
    if channel_cap is not None:
        caps.append((standing.sent_here, standing.under_way_here, channel_cap))
    for sent, under_way, cap in caps:
        if (until := _over_the_cap_until(sent, under_way, now, cap)) is not None:
            return Wait(until) if until <= nudge.too_late_after else Skip("daily-cap")
    return Go(tuple(remaining))


def _why_not(follow_up: DueFollowUp, nudge: NudgeData, standing: Standing) -> SkipReason | None:
    for stop in standing.stops:
        if stop.kind == "person" and stop.id == nudge.recipient.id and stop.channel in {"", nudge.channel}:
            return "stopped"
        # What goes to a contact goes for its owner, who wants nothing more whatever the channel.
        if stop.kind == "person" and follow_up.owner and stop.id == follow_up.owner.id:
            return "stopped"
        if stop.kind == "meeting" and stop.id == follow_up.meeting:
            return "stopped"
        # A meeting logged after the stop begins anew with this person.
        if stop.kind == "connection" and stop.id == follow_up.connection and follow_up.logged_at <= stop.at:
            return "stopped"
    if follow_up.owner and follow_up.owner.id in standing.gone:
        return "erased"
    act = standing.acts.get(follow_up.id)
    if act is None:
        return None
    if act.act == "done":
        return "done"
    # A snoozed follow-up comes again under the same id, due after the moment it was snoozed at.
    return "later" if follow_up.due_at <= act.at else None


def _over_the_cap_until(sent: Sequence[datetime], under_way: int, now: datetime, cap: int) -> datetime | None:
    """The last safety net: whatever goes wrong elsewhere, nobody gets more than this in a day."""
    if len(sent) + under_way < cap:
        return None
    return sent[cap - 1] + DAY if len(sent) >= cap else now + UNDER_WAY
