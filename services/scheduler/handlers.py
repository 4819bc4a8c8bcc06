"""What happened elsewhere, applied to the follow-ups.

Every handler first locks the people concerned, then reads, decides in pure functions, and writes what is other than
before, with one `follow_up.changed` for each. Order is not promised: revisions and the times of acts decide.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from services.scheduler import keeping
from services.scheduler.acting import apply_acts, restore_addresses, skip_suppressed
from services.scheduler.asking import ask_hosts
from services.scheduler.forgetting import forget_meetings, forget_people
from services.scheduler.meetings import plan_meetings
from services.scheduler.plan import Plans
from services.scheduler.touching import keep_touches
from shared.bus import Route, on
from shared.db import Connection
from shared.events import (
    AddressRestored,
    AddressSuppressed,
    ConnectionTouched,
    FollowUpActed,
    MeetingChanged,
    MeetingLogged,
    MeetingsForgotten,
    PersonChanged,
    PersonErased,
    PromptWanted,
)


def routes(plans: Plans) -> tuple[Route[Any], ...]:
    """Return which handler takes which event."""
    return (
        on(PersonErased, forget_people),
        on(MeetingsForgotten, forget_meetings),
        on(MeetingLogged, partial(plan_meetings, plans)),
        on(MeetingChanged, partial(plan_meetings, plans)),
        on(PersonChanged, move_people),
        on(FollowUpActed, apply_acts),
        on(AddressSuppressed, skip_suppressed),
        on(AddressRestored, restore_addresses),
        on(ConnectionTouched, keep_touches),
        on(PromptWanted, ask_hosts),
    )


async def move_people(conn: Connection, events: Sequence[PersonChanged], now: datetime) -> None:
    """Move what waits of a person to where it belongs on their new clock: zone, send time, days, quiet hours, pause."""
    people, before = await keeping.lock(conn, [event.data.person for event in events])
    await keeping.keep(conn, await keeping.moved(conn, people, before, now), now)
