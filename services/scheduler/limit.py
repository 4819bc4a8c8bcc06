"""The daily limit: how many connections one nudge carries, and which; pure.

The newest promise first, then whoever was longest without a touch. The rest roll to the next wanted day. Whoever has
rolled three times goes before all others, the most often rolled first, so that however many promises are made every
day nobody waits for ever.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from services.scheduler.follow_up import FollowUp
from shared.events import Meeting

ROLLED_ENOUGH: Final = 3


def over(
    carried: Sequence[FollowUp],
    daily_limit: int,
    meetings: Mapping[UUID, Meeting],
    touched_at: Mapping[UUID, datetime],
) -> set[UUID]:
    """Return the connections for which a nudge with these follow-ups has no room; it has some for at least one."""
    rank: dict[UUID, tuple[float, ...]] = {}
    for one in carried:
        own = _rank(one, meetings[one.meeting_id], touched_at)
        rank[one.connection_id] = min(own, rank.get(one.connection_id, own))
    ordered = sorted(rank, key=lambda connection: (rank[connection], connection))
    return set(ordered[max(daily_limit, 1) :])


def _rank(one: FollowUp, meeting: Meeting, touched_at: Mapping[UUID, datetime]) -> tuple[float, ...]:
    if one.rolled >= ROLLED_ENOUGH:
        return 0, -one.rolled, meeting.met_at.timestamp()
    if meeting.promise and meeting.promise_kept_at is None:
        return 1, 0, -meeting.logged_at.timestamp()
    return 2, 0, touched_at.get(one.connection_id, meeting.met_at).timestamp()
