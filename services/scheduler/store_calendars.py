"""Every query about imported calendars, and whose breaks they are."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from shared import db, outbox, wake
from shared.db import Connection
from shared.events import Break, BreaksChanged, BreaksData, Person, new_id

CHANGES: Final = 7304  # an advisory lock


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    id: UUID
    source: str
    words: Sequence[str]


async def with_breaks(conn: Connection, people: Mapping[UUID, Person]) -> dict[UUID, Person]:
    """Return these people with the breaks of their calendars, and of everybody's, beside their own."""
    rows = await conn.fetch(
        "SELECT person_id, breaks FROM calendars WHERE person_id IS NULL OR person_id = ANY ($1::uuid[])", list(people)
    )
    if not rows:
        return dict(people)
    found: dict[UUID | None, tuple[Break, ...]] = {}
    for row in rows:
        ours = tuple(Break.model_validate(one) for one in row["breaks"])
        found[row["person_id"]] = found.get(row["person_id"], ()) + ours
    everybodys = found.get(None, ())
    return {
        id: person.model_copy(update={"breaks": _in_order({*person.breaks, *everybodys, *found.get(id, ())})})
        for id, person in people.items()
    }


def _in_order(breaks: set[Break]) -> tuple[Break, ...]:
    return tuple(sorted(breaks, key=lambda off: (off.first, off.last)))


async def person_with(conn: Connection, email: str) -> UUID | None:
    """Return the person with this address."""
    id: UUID | None = await conn.fetchval("SELECT id FROM recipients WHERE email = lower($1)", email)
    return id


async def person(conn: Connection, email: str) -> Person | None:
    """Return the person with this address as we know them, with their imported breaks."""
    facts = await conn.fetchval("SELECT facts FROM recipients WHERE email = lower($1)", email)
    if facts is None:
        return None
    known = Person.model_validate(facts)
    return (await with_breaks(conn, {known.id: known}))[known.id]


async def keep(
    conn: Connection,
    source: str,
    breaks: Collection[Break],
    *,
    person: UUID | None,
    only: Sequence[str],
    now: datetime,
    next_read_at: datetime | None,
    problem: str | None = None,
) -> None:
    """Keep the breaks of this source, in place of what it had before, and what is wrong with it."""
    await conn.execute(
        """
        INSERT INTO calendars AS c (id, person_id, source, words, breaks, read_at, next_read_at, problem)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            ON CONFLICT (person_id, source) DO UPDATE
           SET words = excluded.words, breaks = excluded.breaks, read_at = excluded.read_at,
               next_read_at = excluded.next_read_at, problem = excluded.problem
        """,
        new_id(),
        person,
        source,
        list(only),
        [one.model_dump(mode="json") for one in breaks],
        now,
        next_read_at,
        problem,
    )
    await changed(conn, person)


async def changed(conn: Connection, person: UUID | None) -> None:
    """Let what waits of this person, or of everybody, be moved to where it belongs now, and tell of the breaks."""
    # One after the other: the later change has the higher number, and sees what the earlier one wrote.
    await conn.execute("SELECT pg_advisory_xact_lock($1, 0)", CHANGES)
    await conn.execute("INSERT INTO calendar_changes DEFAULT VALUES")
    await _tell(conn, [person])
    await wake.notify(conn, "scheduler", "clocks")


async def tell_all(conn: Connection) -> None:
    """Tell intake of every imported break; what it knows already changes nothing."""
    await conn.execute("SELECT pg_advisory_xact_lock($1, 0)", CHANGES)
    rows = await conn.fetch("SELECT DISTINCT person_id FROM calendars")
    await _tell(conn, [row["person_id"] for row in rows])


async def _tell(conn: Connection, people: Sequence[UUID | None]) -> None:
    revision = await last_change(conn)
    now = await db.now(conn)
    told = []
    for person in people:
        rows = await conn.fetch("SELECT breaks FROM calendars WHERE person_id IS NOT DISTINCT FROM $1", person)
        breaks = _in_order({Break.model_validate(one) for row in rows for one in row["breaks"]})
        data = BreaksData(person=person, revision=revision, breaks=breaks)
        told.append(BreaksChanged(time=now, subject=str(person or "everybody"), data=data))
    await outbox.add(conn, told)


async def last_change(conn: Connection) -> int:
    """Return the number of the last change of breaks."""
    number: int = await conn.fetchval("SELECT coalesce(max(id), 0) FROM calendar_changes")
    return number


async def all_(conn: Connection) -> list[dict[str, object]]:
    """Return every calendar, with whose it is."""
    rows = await conn.fetch(
        """
        SELECT c.source, r.email AS person, c.words, jsonb_array_length(c.breaks) AS breaks, c.read_at, c.problem
          FROM calendars c LEFT JOIN recipients r ON r.id = c.person_id
         ORDER BY r.email NULLS FIRST, c.source
        """
    )
    return [dict(row) for row in rows]


async def remove(conn: Connection, source: str, *, person: UUID | None) -> bool:
    """Forget this calendar; return whether there was one."""
    status: str = await conn.execute(
        "DELETE FROM calendars WHERE source = $1 AND person_id IS NOT DISTINCT FROM $2", source, person
    )
    if status != "DELETE 0":
        await changed(conn, person)
    return status != "DELETE 0"


async def lease(conn: Connection, *, now: datetime, until: datetime) -> Imported | None:
    """Return a calendar whose time to be read has come, which nobody else reads until then."""
    row = await conn.fetchrow(
        """
        UPDATE calendars
           SET next_read_at = $2
         WHERE id = (SELECT id FROM calendars
                      WHERE next_read_at <= $1 ORDER BY next_read_at LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING id, source, words
        """,
        now,
        until,
    )
    return Imported(**row) if row else None


async def read(
    conn: Connection,
    id: UUID,
    breaks: Collection[Break],
    *,
    now: datetime,
    next_read_at: datetime,
    problem: str | None = None,
) -> bool:
    """Keep what was read, and what is wrong with it; return whether it is other than before."""
    dumped = [one.model_dump(mode="json") for one in breaks]
    before = await conn.fetchrow("SELECT breaks, person_id FROM calendars WHERE id = $1 FOR UPDATE", id)
    await conn.execute(
        "UPDATE calendars SET breaks = $2, read_at = $3, next_read_at = $4, problem = $5 WHERE id = $1",
        id,
        dumped,
        now,
        next_read_at,
        problem,
    )
    if before is not None and before["breaks"] != dumped:
        await changed(conn, before["person_id"])
        return True
    return False


async def failed(conn: Connection, id: UUID, problem: str) -> None:
    """Keep why it could not be read; what was read before stays."""
    await conn.execute("UPDATE calendars SET problem = $2 WHERE id = $1", id, problem[:200])
