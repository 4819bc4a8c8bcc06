"""What a meeting is going to have, told before it has it: the scheduler's own decisions, lent to intake; pure."""

from collections.abc import Collection, Sequence
from datetime import datetime

from services.scheduler import life, planning
from services.scheduler.clocks import clock_of
from services.scheduler.plan import Plans, Since, follow_ups
from services.scheduler.planning import Standing
from shared.events import FollowUp, Meeting, Person


class Planner:
    """The plans there are, and what one makes of a meeting."""

    def __init__(self, plans: Plans) -> None:
        self._plans = plans

    @property
    def names(self) -> Collection[str]:
        """The names of all plans, in order."""
        return self._plans.names

    async def step(self) -> int:
        """Look whether a plan file has changed."""
        return await self._plans.step()

    def preview(
        self,
        meeting: Meeting,
        owner: Person,
        now: datetime,
        *,
        others: Sequence[Meeting] = (),
        touched_at: datetime | None = None,
        ended: Collection[tuple[int, int]] | None = None,
        suppressed: Collection[tuple[str, str]] = (),
    ) -> list[FollowUp]:
        """Return the follow-ups this meeting is going to have, with the ids they will have.

        `others` are the connection's other meetings, which may take over; `touched_at` is when it was last touched;
        `ended` are the steps, with their occurrences, that wait no more; `suppressed` are addresses, in small letters,
        with the channels on which they must not be written to.
        """
        since = Since(touched_at=touched_at, ended=ended)
        planned = follow_ups(meeting, self._plans.get(meeting.plan), owner, now=now, since=since)
        against = Standing(suppressed=suppressed)
        rows = planning.planned_anew(meeting, owner, clock_of(owner), planned, (), against, {})
        after = {one.id: one for one in rows}
        if others:
            meetings = {one.id: one for one in (meeting, *others)}
            after |= {one.id: one for one in life.continued(rows, meetings, owner, against, now=now)}
        return [one.fact().model_copy(update={"revision": 1}) for one in after.values()]
