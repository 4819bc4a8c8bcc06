"""What the scheduler and the notifier tell us, kept as the timeline."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.intake import leaving, short_codes, store_around, store_erasing, timeline
from shared.bus import Route, on
from shared.db import Connection
from shared.events import AddressRestored, AddressSuppressed, BreaksChanged, DeliveryChanged, FollowUpChanged
from shared.links import Links


async def keep_follow_ups(conn: Connection, events: Sequence[FollowUpChanged], now: datetime) -> None:
    """Show each follow-up as it is now; what was told before, or is older, changes nothing."""
    del now
    gone = await store_erasing.erased(conn, {event.data.follow_up.person for event in events})
    told = [event.data for event in events if event.data.follow_up.person not in gone]
    await timeline.keep_follow_ups(conn, told)


async def keep_nudges(conn: Connection, events: Sequence[DeliveryChanged], now: datetime) -> None:
    """Show each nudge as it is now, also one whose follow-ups we have not heard of yet."""
    del now
    gone = await store_erasing.erased(conn, {event.data.person for event in events})
    await timeline.keep_nudges(conn, [event.data for event in events if event.data.person not in gone])


async def keep_suppressed(conn: Connection, events: Sequence[AddressSuppressed], now: datetime) -> None:
    """Show whose address must not be written to, our own unsubscribes among them."""
    del now
    gone = await store_erasing.erased(conn, {event.data.person for event in events if event.data.person})
    await timeline.keep_suppressed(conn, [event.data for event in events if event.data.person not in gone])


async def keep_restored(conn: Connection, events: Sequence[AddressRestored], now: datetime) -> None:
    """Show whose address may be written to again; what they said before, to hear nothing at all, holds no longer."""
    del now
    await leaving.lift(conn, [event.data for event in events])
    await timeline.keep_restored(conn, [event.data for event in events])


async def keep_breaks(conn: Connection, events: Sequence[BreaksChanged], now: datetime) -> None:
    """Know the breaks that were imported: what we say is going to follow falls outside of them."""
    del now
    await store_around.keep_breaks(conn, [event.data for event in events])


ROUTES = (
    on(FollowUpChanged, keep_follow_ups),
    on(DeliveryChanged, keep_nudges),
    on(AddressSuppressed, keep_suppressed),
    on(AddressRestored, keep_restored),
    on(BreaksChanged, keep_breaks),
)


def routes(links: Links) -> tuple[Route[Any], ...]:
    """Return the routes of a service that also answers short links."""

    async def keep_nudges_and_codes(conn: Connection, events: Sequence[DeliveryChanged], now: datetime) -> None:
        await keep_nudges(conn, events, now)
        texted = {event.data.nudge for event in events if event.data.channel != "email"}
        await short_codes.keep(conn, {nudge: links.short_codes(nudge) for nudge in texted})

    return tuple(on(DeliveryChanged, keep_nudges_and_codes) if one.event is DeliveryChanged else one for one in ROUTES)
