"""When a nudge that was handed over must not go out: the notifier compares, and nothing else; pure."""

from collections.abc import Iterable
from datetime import datetime

from services.scheduler.follow_up import FollowUp
from services.scheduler.wall_clock import Clock
from shared.events import Window


def closed(carried: Iterable[tuple[FollowUp, Clock]], start: datetime, end: datetime) -> tuple[Window, ...]:
    """Return when, between two instants, a nudge with these follow-ups must not go out: merged, in order.

    Each by its own clock: in quiet hours, and where it is counted on the calendar on unwanted days, holidays and in
    breaks too. What passes by seconds to hours goes on any day, what heeds no hours at any time; but the nudge goes as
    a whole, and what forbids one of them forbids it.
    """
    asked = {(id(clock), one.is_elapsed): clock for one, clock in carried if one.heeds_quiet}
    found: list[Window] = []
    for window in sorted(
        (
            window
            for (_, on_any_day), clock in asked.items()
            for window in clock.closed(start, end, on_any_day=on_any_day)
        ),
        key=lambda window: window.opens_at,
    ):
        if found and window.opens_at <= found[-1].closes_at:
            closes_at = max(found[-1].closes_at, window.closes_at)
            found[-1] = Window(opens_at=found[-1].opens_at, closes_at=closes_at)
        else:
            found.append(window)
    return tuple(found)
