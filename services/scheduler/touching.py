"""Touches: real contacts of an owner with the person they met. Each restarts the connection's stay-in-touch clock."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.scheduler import keeping, life, standing, store
from services.scheduler.clocks import clock_of
from services.scheduler.follow_up import FollowUp
from shared.db import Connection
from shared.events import ConnectionTouched, TouchData


async def keep_touches(conn: Connection, events: Sequence[ConnectionTouched], now: datetime) -> None:
    """Count what is left of each connection's stay-in-touch steps anew from its last touch."""
    await touch(conn, [event.data for event in events], now)


async def touch(conn: Connection, touches: Sequence[TouchData], now: datetime) -> None:
    """Keep these touches, and move what counts from them. One that is older than the last changes nothing."""
    forgotten = await standing.erased(conn, {one.person for one in touches})
    touches = [one for one in touches if one.person not in forgotten]
    if not touches:
        return
    people = await store.lock_people(conn, {one.person for one in touches})
    connections = {one.connection for one in touches}
    touched_before = await standing.touched_at(conn, connections)
    await standing.keep_touches(conn, touches)
    touched = {
        connection: at
        for connection, at in (await standing.touched_at(conn, connections)).items()
        if connection not in touched_before or at > touched_before[connection]
    }
    waiting = [one for one in await store.open_of(conn, touched) if one.state == "waiting" and one.person_id in people]
    meetings = await store.meetings(conn, {one.meeting_id for one in waiting})
    after: dict[UUID, FollowUp] = {}
    for connection, at in touched.items():
        theirs = [one for one in waiting if one.connection_id == connection]
        for one in theirs[:1]:
            clock = clock_of(people[one.person_id])
            after |= {other.id: other for other in life.touched(theirs, meetings, at, clock)}
    await keeping.keep(conn, life.changed({one.id: one for one in waiting}, after), now)
