"""Touches: real contacts of an owner with the person they met."""

from collections.abc import Sequence
from datetime import datetime

from services.scheduler import standing, store
from shared.db import Connection
from shared.events import ConnectionTouched


async def keep_touches(conn: Connection, events: Sequence[ConnectionTouched], now: datetime) -> None:
    """Remember when each connection was last touched, and how."""
    del now
    touches = [event.data for event in events]
    forgotten = await standing.erased(conn, {one.person for one in touches})
    touches = [one for one in touches if one.person not in forgotten]
    await store.lock_people(conn, {one.person for one in touches})
    await standing.keep_touches(conn, touches)
