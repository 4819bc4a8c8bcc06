"""What the scheduler keeps of one person, in memory; what is decided is decided by the functions its handlers call."""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import count
from uuid import UUID

from asyncpg.pgproto import pgproto as driver

from services.scheduler import coalesce, life, planning
from services.scheduler import follow_up as kept
from services.scheduler import prompt as prompts
from services.scheduler.branch import StepBefore, step_before
from services.scheduler.clocks import clock_of
from services.scheduler.coalesce import Known
from services.scheduler.follow_up import FollowUp
from services.scheduler.plan import Plans
from services.scheduler.planning import Standing, Stop
from shared.events import ActedData, Meeting, NudgeData, Person, PromptData, TouchData
from tests.simulation.record import Cause, Record, Stopped
from tests.simulation.world import ENDS, TOO_LATE_AFTER


class Book:
    """One person, their meetings, follow-ups, touches and stops."""

    def __init__(self, plans: Plans, person: Person, record: Record, now: datetime) -> None:
        self._plans = plans
        self.record = record
        self.person = person
        self._clock = clock_of(person)
        self.meetings: dict[UUID, Meeting] = {}
        self._meetings_of: dict[UUID, dict[UUID, Meeting]] = defaultdict(dict)  # connections
        self._follow_ups: dict[UUID, FollowUp] = {}
        self._of_meeting: dict[UUID, list[UUID]] = defaultdict(list)
        self._due: list[tuple[datetime, int, UUID]] = []  # a heap; what has moved or ended since is passed over
        self._order = count()
        self._untold: dict[UUID, FollowUp] = {}
        self._touches: dict[UUID, dict[str, datetime]] = defaultdict(dict)
        self._touched_at: dict[UUID, datetime] = {}
        self._stops: dict[tuple[str, UUID], Stop] = {}
        self._sent_for: dict[str, datetime] = {}
        self._suppressed: set[tuple[str, str]] = set()
        self.is_erased = False
        record.people.append((now, person))

    def due_at(self) -> datetime | None:
        """Return when there is next something to fire."""
        while self._due:
            due_at, _, id = self._due[0]
            one = self._follow_ups[id]
            if one.state == "waiting" and not one.is_paused and one.due_at == due_at:
                return due_at
            heapq.heappop(self._due)
        return None

    def plan(self, meeting: Meeting, now: datetime, *, as_of: datetime) -> None:
        """As `meetings.plan_meetings` does."""
        known = self.meetings.get(meeting.id)
        if known is not None and known.revision >= meeting.revision:
            return
        self.meetings[meeting.id] = meeting
        self._meetings_of[meeting.connection][meeting.id] = meeting
        self.record.meetings.append((now, meeting))
        before = {one.id: one for one in self._of(meeting.id)}
        after = dict(before)
        if planning.needs_planning(known, meeting):
            planned = life.planned(
                meeting,
                self._plans.get(meeting.plan),
                self._clock,
                list(before.values()),
                now=as_of,
                touched_at=self._touched_at.get(meeting.connection),
            )
            had = list(before.values())
            for one in planning.planned_anew(meeting, self.person, self._clock, planned, had, self._against, {}):
                after[one.id] = one
        for one in life.stood(list(after.values()), meeting, known, self.person, now=now):
            after[one.id] = one
        if len(self._meetings_of[meeting.connection]) > 1:
            for one in self._open_of(meeting.connection):
                before.setdefault(one.id, one)
                after.setdefault(one.id, one)
            ours, met = list(after.values()), self._meetings_of[meeting.connection]
            for one in life.continued(ours, met, self.person, self._against, now=now):
                after[one.id] = one
        self._keep(life.changed(before, after), now, "meeting")

    def ask(self, wanted: PromptData, now: datetime, *, as_of: datetime) -> None:
        """As `asking.ask_hosts` does."""
        if self.is_erased or wanted.prompt in self.meetings:
            return
        what = prompts.prompt(wanted, at=as_of)
        self.meetings[what.id] = self._meetings_of[what.connection][what.id] = what
        self.record.meetings.append((now, what))
        one = prompts.planned(what, self.person)
        self._keep(planning.planned_anew(what, self.person, self._clock, [one], [], self._against, {}), now, "meeting")

    def suppress(self, now: datetime) -> None:
        """As `acting.skip_suppressed` does, for their mail address."""
        self._suppressed = {(str(self.person.email), "email")}
        self.record.suppressed.append((now, ENDS))
        theirs = (one for one in self.waiting() if one.channel_for(self.person) == "email")
        self._keep([kept.ended(one, "skipped", "suppressed") for one in theirs], now, "suppressed")

    def restore(self, now: datetime) -> None:
        """As `acting.restore_addresses` does."""
        self._suppressed = set()
        self.record.suppressed[-1] = (self.record.suppressed[-1][0], now)
        before = {o.id: o for o in self._follow_ups.values() if o.reason == "suppressed" and o.due_at > now}
        after = dict(before)
        for one in before.values():
            meeting = self.meetings[one.meeting_id]
            waits = kept.moved_on(one.but(state="waiting", reason=None), self._clock, now)
            waits = planning.barred(planning.stood(waits, meeting), meeting, self.person, self._against)
            if waits.state == "waiting":
                after[one.id] = waits
        for connection in {one.connection_id for one in before.values()}:
            if len(met := self._meetings_of[connection]) > 1:
                for one in self._open_of(connection):
                    before.setdefault(one.id, one)
                    after.setdefault(one.id, one)
                ours = [one for one in after.values() if one.connection_id == connection]
                for one in life.continued(ours, met, self.person, self._against, now=now):
                    after[one.id] = one
        self._keep(life.changed(before, after), now, "restored")

    def erase(self, now: datetime) -> None:
        """As `handlers.forget_people` does: nothing is left, and nothing taken in that comes late."""
        self.is_erased, self.record.erased_at = True, now
        self._due.clear()

    def waiting(self) -> list[FollowUp]:
        return [one for one in self._follow_ups.values() if one.state == "waiting"]

    def change_person(self, person: Person, now: datetime) -> None:
        """As `handlers.move_people` does."""
        before, self.person, self._clock = self.person, person, clock_of(person)
        self.record.people.append((now, person))
        if planning.wishes(before) == planning.wishes(person):
            return
        waiting = {one.id: one for one in self.waiting()}
        after = {one.id: one for one in life.moved(waiting.values(), before, person, now=now)}
        self._keep(life.changed(waiting, after), now, "person")

    def touch(self, touch: TouchData, now: datetime) -> None:
        """As `touching.touch` does."""
        ways = self._touches[touch.connection]
        ways[touch.how] = max(touch.at, ways.get(touch.how, touch.at))
        before = self._touched_at.get(touch.connection)
        if before is not None and touch.at <= before:
            return
        self._touched_at[touch.connection] = touch.at
        waiting = {one.id: one for one in self._open_of(touch.connection) if one.state == "waiting"}
        recounted = life.touched(list(waiting.values()), self.meetings, touch.at, self._clock)
        self._keep(life.changed(waiting, {one.id: one for one in recounted}), now, "touch")

    def act(self, act: ActedData, now: datetime) -> None:
        """As `acting.apply_acts` does."""
        if act.act == "stop":
            self._stop(act, now)
            return
        assert act.follow_up is not None and act.connection is not None
        one = self._follow_ups[act.follow_up]
        after = life.acted(one, [act], self.meetings[one.meeting_id], self.person, self._against)
        if after is not None:
            if act.act == "later":
                by_hours = act.span is not None and act.span.endswith("hours")
                self.record.put_off.setdefault(one.id, []).append((now, by_hours))
            self._keep([after], now, "act")
        if act.act == "done":
            self.touch(TouchData(person=act.person, connection=act.connection, at=act.at, how="done"), now)

    def fire(self, now: datetime) -> Sequence[NudgeData]:
        """As `timers.Timers` does; return the nudges."""
        due: dict[UUID, FollowUp] = {}
        while self._due and self._due[0][0] <= now:
            due_at, _, id = heapq.heappop(self._due)
            one = self._follow_ups[id]
            if one.state == "waiting" and not one.is_paused and one.due_at == due_at:
                due[id] = one
        fired = coalesce.fire(
            self.person,
            self._clock,
            list(due.values()),
            list(self._untold.values()),
            Known(
                meetings=self.meetings,
                steps_before={id: self._step_before(one) for id, one in due.items() if one.on_outcome is not None},
                touched_at=self._touched_at,
                sent_for=self._sent_for,
            ),
            now=now,
            too_late_after=TOO_LATE_AFTER,
        )
        self._keep(fired.changed, now, "fired")
        for one in fired.told:
            self._untold.pop(one.id, None)
        for channel, at in fired.sent_for.items():
            self._sent_for[channel] = max(at, self._sent_for.get(channel, at))
        self.record.nudges += [(now, nudge) for nudge in fired.nudges]
        return fired.nudges

    @property
    def _against(self) -> Standing:
        return Standing(stops=list(self._stops.values()), suppressed=self._suppressed)

    def _stop(self, act: ActedData, now: datetime) -> None:
        kind = "person" if act.connection is None else "connection"
        stop = Stop(kind=kind, id=act.connection or act.person, channel="", at=act.at)  # type: ignore[arg-type]
        earlier = self._stops.get((kind, stop.id))
        if earlier is None or earlier.at < stop.at:
            self._stops[kind, stop.id] = stop
        self.record.stops.append(Stopped(act.at, now, act.connection))
        might = self._follow_ups.values() if act.connection is None else self._open_of(act.connection)
        waiting = [one for one in might if one.state == "waiting" or one.reason == "suppressed"]
        self._keep(life.stopped(waiting, [stop], self.meetings, {self.person.id: self.person}), now, "stop")
        for id in [o.id for o in self._untold.values() if act.connection in {None, o.connection_id}]:
            del self._untold[id]

    def _step_before(self, one: FollowUp) -> StepBefore:
        before = [other for other in self._of(one.meeting_id) if other.step == one.step - 1]
        return step_before(
            [other.state for other in before],
            min((other.due_at for other in before), default=None),
            met_at=self.meetings[one.meeting_id].met_at,
            replied_at=self._touches[one.connection_id].get("replied"),
            touched_at=self._touched_at.get(one.connection_id),
        )

    def _of(self, meeting: UUID) -> list[FollowUp]:
        return [self._follow_ups[id] for id in self._of_meeting[meeting]]

    def _open_of(self, connection: UUID) -> list[FollowUp]:
        return [
            one
            for meeting in self._meetings_of[connection]
            for one in self._of(meeting)
            if one.state == "waiting" or one.overtaken_by is not None
        ]

    def _keep(self, changed: Iterable[FollowUp], now: datetime, cause: Cause) -> None:
        for each in changed:
            one = each
            if one.revision == 1:
                # As the driver reads it from a row: of a class of its own, which hashes faster.
                one = one.but(id=driver.UUID(one.id.bytes))
                self._of_meeting[one.meeting_id].append(one.id)
            self._follow_ups[one.id] = one
            if one.state == "waiting":
                heapq.heappush(self._due, (one.due_at, next(self._order), one.id))
            elif one.is_to_be_told:
                self._untold[one.id] = one
            self.record.add(now, cause, one)
