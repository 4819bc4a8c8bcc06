"""Forgetting: nothing is kept of whom, or of what, somebody asked not to be kept."""

from collections.abc import Sequence
from datetime import datetime

from services.scheduler import standing, store, store_forgetting
from shared import dead_letter, outbox
from shared.db import Connection
from shared.events import MeetingsForgotten, PersonErased


async def forget_people(conn: Connection, events: Sequence[PersonErased], now: datetime) -> None:
    """Delete everything of these people, and take nothing in that comes late."""
    del now
    erased = [event.data for event in events]
    people = {one.person for one in erased}
    addresses = {address for one in erased for address in one.addresses}
    await store.lock_people(conn, people)
    await outbox.forget(conn, list(addresses))  # what is left there has ids alone
    await dead_letter.forget(conn, [*map(str, people), *addresses])
    await standing.forget(conn, erased)
    await store_forgetting.forget_addresses(conn, addresses)


async def forget_meetings(conn: Connection, events: Sequence[MeetingsForgotten], now: datetime) -> None:
    """Keep nothing by a contact's address who asked for it; what was said about the meetings is overwritten already.

    Intake tells of that as of any change (`meeting.changed`, with nothing in it), so that revisions decide.
    """
    del now
    addresses = {address for event in events for address in event.data.addresses}
    if addresses:
        await dead_letter.forget(conn, list(addresses))
        await store_forgetting.forget_addresses(conn, addresses)
