"""Meeting somebody again: the newer meeting's plan goes on for the connection, the older one's ends; pure.

The rule, for each follow-up of an older meeting that waits:

- The next meeting of the same connection takes over from the moment they meet: what is due before that still goes
  out (a call is booked for next month, and tomorrow's hello is sent all the same), what is due from then on is
  `skipped: superseded`. "Next" goes by when they met, whatever was logged first.
- A meeting that was cancelled, or to which nobody came, takes nothing over. If it had, what is still to come waits
  again, where its rule means it.
- What the owner put off themselves stays: they asked for it. So does what counts back from the older meeting's goal:
  the goal is still there.

So a connection has one plan going on at a time, and never two stay-in-touch series.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from services.scheduler import follow_up as kept
from services.scheduler.follow_up import FollowUp
from services.scheduler.wall_clock import Clock
from shared.events import Meeting


def continued(
    follow_ups: Sequence[FollowUp], meetings: Collection[Meeting], clock: Clock, *, now: datetime
) -> list[FollowUp]:
    """Return those of one connection's follow-ups that another of its meetings takes over, or gives back."""
    ordered = sorted(meetings, key=_in_order)
    next_of: dict[UUID, Meeting] = {}
    following: Meeting | None = None
    for meeting in reversed(ordered):
        if following is not None:
            next_of[meeting.id] = following
        if meeting.state != "cancelled":
            following = meeting
    states = {meeting.id: meeting for meeting in meetings}
    changed = []
    for one in follow_ups:
        after = _as_it_goes_on(one, states[one.meeting_id], next_of.get(one.meeting_id), clock, now=now)
        if after is not one:
            changed.append(after)
    return changed


def _as_it_goes_on(one: FollowUp, own: Meeting, following: Meeting | None, clock: Clock, *, now: datetime) -> FollowUp:
    given_back = one
    if one.overtaken_by is not None and one.state == "skipped" and own.state in {"active", "paused"}:
        waits = one.but(state="waiting", reason=None, overtaken_by=None, is_paused=own.state == "paused")
        given_back = kept.moved(waits, clock).but(revision=one.revision + 1)
        if given_back.due_at <= now:
            return one
    if given_back.state != "waiting" or given_back.acted_at is not None or given_back.is_for_goal:
        return given_back
    if following is None or given_back.due_at < following.met_at:
        return given_back
    if one.overtaken_by == following.id:
        return one
    return kept.ended(given_back, "skipped", "superseded").but(overtaken_by=following.id)


def _in_order(meeting: Meeting) -> tuple[datetime, datetime, UUID]:
    return meeting.met_at, meeting.logged_at, meeting.id
