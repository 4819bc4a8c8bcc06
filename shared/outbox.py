"""The outbox: events leave in the order they were caused, once the transaction that caused them has been committed."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final
from uuid import UUID

import structlog

from shared import events
from shared.bus import Bus, Message, NotAllSafe
from shared.db import Connection, Pool
from shared.events import Event

log = structlog.get_logger()

EVENTS_A_MESSAGE: Final = 100
BYTES_A_MESSAGE: Final = 256 * 1024

# Whether a document has one of the words in $1, whatever bytes there are beside it.
MENTIONS: Final = """
    EXISTS (SELECT FROM unnest($1::text[]) AS word
             WHERE word <> '' AND strpos(lower(encode(document, 'escape')),
                                         encode(convert_to(lower(word), 'UTF8'), 'escape')) > 0)
"""


async def add(conn: Connection, events: Sequence[Event]) -> None:
    """Let these events leave once the transaction under way has been committed."""
    if not events:
        return
    await conn.execute(
        """
        INSERT INTO outbox (event_id, type, document)
        SELECT event_id, type, document
          FROM unnest($1::uuid[], $2::text[], $3::bytea[]) WITH ORDINALITY AS added (event_id, type, document, n)
         ORDER BY n
        """,
        [event.id for event in events],
        [event.type for event in events],
        [event.to_json() for event in events],
    )
    await conn.execute("SELECT pg_notify(current_schema() || '.outbox', '')")


async def relay(pool: Pool, bus: Bus, *, limit: int = 500) -> int:
    """Publish what waits, oldest first, and return how many events left.

    Raises `TryAgain` when some did not: they stay, and are published again. The rows are held while the bus is
    asked; a crash in between publishes them twice, which the inbox absorbs.
    """
    began = time.monotonic()
    async with pool.acquire(timeout=5) as conn, conn.transaction():
        waiting = await _take(conn, limit=limit)
        if not waiting:
            return 0
        packed = _pack(waiting)
        unsafe: NotAllSafe | None = None
        try:
            await bus.publish([message for message, _ in packed])
        except NotAllSafe as error:
            unsafe = error
            # One event that nobody can take must not keep its neighbours from leaving.
            packed = [(message, rows) for message, rows in packed if message.id not in error.messages]
        left = [row for _, rows in packed for row in rows]
        await conn.execute("DELETE FROM outbox WHERE id = ANY ($1::bigint[])", left)
    log.info(
        "outbox.relayed",
        events=len(left),
        messages=len(packed),
        kept=len(waiting) - len(left),
        first=str(waiting[0].event_id),
        ms=round((time.monotonic() - began) * 1000),
    )
    if unsafe is not None:
        raise unsafe
    return len(left)


async def forget(conn: Connection, words: Sequence[str], *, but: Sequence[type[Event]] = ()) -> int:
    """Let no event with one of these words, in any case, leave any more, but those of these kinds; return how many."""
    status: str = await conn.execute(
        f"DELETE FROM outbox WHERE type <> ALL ($2::text[]) AND {MENTIONS}",  # noqa: S608 - ours
        list(words),
        [kind.type for kind in but],
    )
    return int(status.split()[-1])


async def waiting(conn: Connection) -> tuple[int, float]:
    """Return how many events wait to leave, and for how many seconds the oldest has."""
    row = await conn.fetchrow(
        """
        SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(added_at)), 0)::float8 AS seconds
          FROM outbox
        """
    )
    return (row["count"], max(0.0, row["seconds"])) if row else (0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    id: int
    event_id: UUID
    type: str
    document: bytes


async def _take(conn: Connection, *, limit: int) -> list[_Waiting]:
    rows = await conn.fetch(
        "SELECT id, event_id, type, document FROM outbox ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED", limit
    )
    return [_Waiting(**row) for row in rows]


def _pack(waiting: Sequence[_Waiting]) -> list[tuple[Message, list[int]]]:
    """Put neighbours of one type into one message, as far as its bounds allow; a document beyond them goes alone."""
    packed = []
    for routing_key, neighbours in groupby(waiting, key=lambda row: row.type):
        chunk: list[_Waiting] = []
        size = 2  # the brackets
        for row in neighbours:
            if chunk and (len(chunk) == EVENTS_A_MESSAGE or size + len(row.document) + 1 > BYTES_A_MESSAGE):
                packed.append(_message(routing_key, chunk))
                chunk, size = [], 2
            chunk.append(row)
            size += len(row.document) + 1
        packed.append(_message(routing_key, chunk))
    return packed


def _message(routing_key: str, rows: Sequence[_Waiting]) -> tuple[Message, list[int]]:
    content_type, body = events.batch([row.document for row in rows])
    message = Message(routing_key=routing_key, content_type=content_type, body=body, id=str(rows[0].event_id))
    return message, [row.id for row in rows]
