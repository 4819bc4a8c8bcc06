"""One educator's school year on a virtual clock."""

import heapq
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count

from services.scheduler.plan import Plans
from shared.events import NudgeData
from tests.simulation import happenings
from tests.simulation.book import Book
from tests.simulation.record import Record
from tests.simulation.world import BEGINS, DOWN, ENDS, RELEASED, UP, educator

HOUR = timedelta(hours=1)
Happening = Callable[[datetime], None]  # when it is heard of


class Year:
    """Lets things happen, tells the scheduler's book of them a moment later, and fires what is due."""

    def __init__(self, plans: Plans, number: int, seed: str) -> None:
        self.chance = random.Random(f"{seed}/{number}")
        self.record = Record(number)
        self.book = Book(plans, educator(number, self.chance), self.record, BEGINS)
        self._now = BEGINS
        self._to_come: list[tuple[datetime, int, Happening]] = []
        self._order = count()
        self._lag = self._some_lag()

    def at(self, said_at: datetime, happening: Happening) -> None:
        """Let the scheduler hear of this, once it is up: events are a moment on the way, and overtake one another."""
        heard_at = said_at + timedelta(seconds=min(self.chance.expovariate(1.0), 20))
        if DOWN <= heard_at < UP:
            heard_at = UP + timedelta(seconds=self.chance.uniform(0, 90))
        if heard_at < ENDS:
            heapq.heappush(self._to_come, (heard_at, next(self._order), happening))

    def live(self) -> Record:
        """Return what happened in the year."""
        happenings.prepare(self)
        while True:
            due_at = self.book.due_at()
            fires_at = self._fires_at(due_at) if due_at is not None else ENDS
            if self._to_come and self._to_come[0][0] <= fires_at:
                self._now, _, happening = heapq.heappop(self._to_come)
                if not self.book.is_erased:
                    happening(self._now)
            elif fires_at < ENDS:
                self._now = fires_at
                self._lag = self._some_lag()
                for nudge in self.book.fire(fires_at):
                    self._answer(nudge, fires_at)
            else:
                return self.record

    def _answer(self, nudge: NudgeData, now: datetime) -> None:
        for one in nudge.follow_ups:
            happenings.answer(self, one, now)

    def _fires_at(self, due_at: datetime) -> datetime:
        """Return when the timers get round to what is due since then."""
        at = max(due_at, self._now) + self._lag
        if DOWN <= at < UP:
            at = UP + 60 * self._lag
        if UP <= at < RELEASED and due_at < at - HOUR:
            at = RELEASED + 60 * self._lag
        return at

    def _some_lag(self) -> timedelta:
        return timedelta(seconds=self.chance.uniform(0.01, 2))
