"""Every query about what is around a meeting, and decides what follows: breaks, stops, touches, other meetings."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import get_args
from uuid import UUID

import orjson

from services.intake.meeting import Planner
from shared import stops
from shared.db import Connection
from shared.events import Break, BreaksData, Channel, Contact, FollowUp, Meeting, Person


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What is known around meetings of one owner."""

    owner: Person  # with the breaks that were imported for them
    others: dict[UUID, list[Meeting]] = field(default_factory=dict)  # of each connection, with no more than decides
    touched_at: dict[UUID, datetime] = field(default_factory=dict)  # connections, last
    suppressed: Collection[tuple[str, str]] = ()  # addresses, in small letters, with their channels

    def preview(
        self, planner: Planner, meeting: Meeting, *, now: datetime, ended: Collection[tuple[int, int]] | None = None
    ) -> list[FollowUp]:
        """Return what is going to follow of a meeting that is logged, or changed, now."""
        return planner.preview(
            meeting,
            self.owner,
            now,
            others=[one for one in self.others.get(meeting.connection, ()) if one.id != meeting.id],
            touched_at=self.touched_at.get(meeting.connection),
            ended=ended,
            suppressed=self.suppressed,
        )


async def around(conn: Connection, meetings: Sequence[Meeting], owner: Person) -> Around:
    """Return what is around these meetings of this owner."""
    connections = [meeting.connection for meeting in meetings]
    rows = await conn.fetch(
        """
        SELECT id, connection, state, state_reason, plan, logged_at, met_at
          FROM meetings
         WHERE connection = ANY ($1::uuid[])
        """,
        connections,
    )
    others: dict[UUID, list[Meeting]] = {}
    for row in rows:
        others.setdefault(row["connection"], []).append(Meeting(revision=0, contact=Contact(name=""), **row))
    touched = await conn.fetch(
        "SELECT id, last_touch_at FROM connections WHERE id = ANY ($1::uuid[]) AND last_touch_at IS NOT NULL",
        connections,
    )
    return Around(
        owner=await _with_breaks(conn, owner),
        others=others,
        touched_at={row["id"]: row["last_touch_at"] for row in touched},
        suppressed=await _suppressed(conn, meetings, owner),
    )


async def keep_breaks(conn: Connection, told: Sequence[BreaksData]) -> None:
    """Keep what was imported for each person, or for everybody, where we have nothing as new; nobody unknown."""
    newest = {one.person: one for one in sorted(told, key=lambda one: one.revision)}
    await conn.execute(
        """
        INSERT INTO breaks AS b (person, revision, breaks)
        SELECT given.person, given.revision, given.breaks::jsonb
          FROM unnest($1::uuid[], $2::bigint[], $3::text[]) AS given (person, revision, breaks)
          LEFT JOIN people p ON p.id = given.person
         WHERE given.person IS NULL OR p.id IS NOT NULL
            ON CONFLICT (person) DO UPDATE SET revision = excluded.revision, breaks = excluded.breaks
         WHERE b.revision < excluded.revision
        """,
        list(newest),
        [one.revision for one in newest.values()],
        [orjson.dumps(one.model_dump(mode="json")["breaks"]).decode() for one in newest.values()],
    )


async def _with_breaks(conn: Connection, owner: Person) -> Person:
    rows = await conn.fetch("SELECT breaks FROM breaks WHERE person IS NULL OR person = $1", owner.id)
    imported = {Break.model_validate(off) for row in rows for off in row["breaks"]}
    if not imported:
        return owner
    breaks = sorted({*owner.breaks, *imported}, key=lambda off: (off.first, off.last))
    return owner.model_copy(update={"breaks": tuple(breaks)})


async def _suppressed(conn: Connection, meetings: Sequence[Meeting], owner: Person) -> set[tuple[str, str]]:
    """Return which addresses concerned must not be written to: so we were told, or their owner stopped everything."""
    own = {(address.lower(), channel) for channel in get_args(Channel) if (address := owner.address_on(channel))}
    contacts = {(one.contact.email.lower(), "email") for one in meetings if one.contact.email}
    rows = await conn.fetch(
        "SELECT address, channel FROM suppressed WHERE address = ANY ($1::text[]) AND restored_at IS NULL",
        list({address for address, _ in own | contacts}),
    )
    found = {(row["address"], row["channel"]) for row in rows}
    for stop in await stops.known(conn, people=[owner.id], connections=[]):
        found |= contacts | {(address, channel) for address, channel in own if stop.channel in {"", channel}}
    return found
