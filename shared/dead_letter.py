"""Dead letters: events that could not be applied, kept with the reason, tried again, in the end left to a person."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from shared.db import Connection
from shared.outbox import MENTIONS
from shared.retry import backoff

State = Literal["retrying", "dead"]

# The pause before the second attempt, the third and so on. One attempt more than pauses, then it is dead.
RETRY_DELAYS: Final = tuple(timedelta(seconds=seconds) for seconds in (1, 10, 60, 600))
ATTEMPTS: Final = len(RETRY_DELAYS) + 1
# An attempt that is never reported counts, since the process may have died of it; the next follows after so long.
LEASE: Final = timedelta(minutes=2)
COLUMNS: Final = "id, type, state, reason, attempts, next_attempt_at, first_failed_at, last_failed_at, detail, document"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    id: UUID
    type: str | None
    state: State
    reason: str
    attempts: int
    next_attempt_at: datetime | None
    first_failed_at: datetime
    last_failed_at: datetime
    detail: str | None
    document: bytes


async def keep(
    conn: Connection,
    id: UUID,
    document: bytes,
    *,
    type: str | None,
    reason: str,
    detail: str | None = None,
    state: State,
) -> None:
    """Keep a document that failed for the first time; one that is kept already stays as it is."""
    await conn.execute(
        """
        INSERT INTO dead_letter (id, type, document, state, reason, detail, attempts, next_attempt_at)
        VALUES ($1, $2, $3, $4, $5, $6, 1, clock_timestamp() + $7::interval)
            ON CONFLICT DO NOTHING
        """,
        id,
        type and _storable(type, 200),
        document,
        state,
        _storable(reason, 1000),
        detail and _storable(detail, 20_000),
        backoff(1, RETRY_DELAYS) if state == "retrying" else None,
    )


async def kept(conn: Connection, ids: Collection[UUID]) -> set[UUID]:
    """Return those of these events that are kept."""
    rows = await conn.fetch("SELECT id FROM dead_letter WHERE id = ANY ($1::uuid[])", list(ids))
    return {row["id"] for row in rows}


async def lease(conn: Connection, *, limit: int) -> list[DeadLetter]:
    """Put an attempt on record for up to `limit` letters that are due, and return them.

    One whose last attempt was never reported is dead.
    """
    await conn.execute(
        """
        UPDATE dead_letter
           SET state = 'dead', next_attempt_at = NULL,
               reason = 'the service died while it applied this event; before: ' || reason
         WHERE state = 'retrying' AND next_attempt_at <= clock_timestamp() AND attempts >= $1
        """,
        ATTEMPTS,
    )
    rows = await conn.fetch(
        f"""
        WITH due AS (
            SELECT id AS due_id
              FROM dead_letter
             WHERE state = 'retrying' AND next_attempt_at <= clock_timestamp()
             ORDER BY next_attempt_at, id
             LIMIT $2
               FOR UPDATE SKIP LOCKED
        )
        UPDATE dead_letter
           SET attempts = attempts + 1, next_attempt_at = clock_timestamp() + $1::interval
          FROM due
         WHERE id = due_id
        RETURNING {COLUMNS}
        """,  # noqa: S608 - a constant
        LEASE,
        limit,
    )
    return [DeadLetter(**row) for row in rows]


async def failed(conn: Connection, letter: DeadLetter, *, reason: str, detail: str | None, state: State) -> None:
    """Put the outcome of a leased attempt on record: tried again after a pause, or dead."""
    await conn.execute(
        """
        UPDATE dead_letter
           SET state = $2, reason = $3, detail = $4, next_attempt_at = clock_timestamp() + $5::interval,
               last_failed_at = clock_timestamp()
         WHERE id = $1
        """,
        letter.id,
        state,
        _storable(reason, 1000),
        detail and _storable(detail, 20_000),
        backoff(letter.attempts, RETRY_DELAYS) if state == "retrying" else None,
    )


async def list_(conn: Connection, *, limit: int = 1000) -> list[DeadLetter]:
    """Return what is kept, the newest failure first."""
    rows = await conn.fetch(
        f"SELECT {COLUMNS} FROM dead_letter ORDER BY last_failed_at DESC, id LIMIT $1",  # noqa: S608 - a constant
        limit,
    )
    return [DeadLetter(**row) for row in rows]


async def show(conn: Connection, id: UUID) -> DeadLetter | None:
    """Return one letter, or None when there is none of this id."""
    row = await conn.fetchrow(f"SELECT {COLUMNS} FROM dead_letter WHERE id = $1", id)  # noqa: S608 - a constant
    return DeadLetter(**row) if row else None


async def replay(conn: Connection, ids: Collection[UUID] | None = None) -> int:
    """Let these letters (None: every dead one) start over; return how many will.

    The service they belong to takes them up within seconds, or when it next starts, through the handlers it has then.
    """
    status: str = await conn.execute(
        """
        UPDATE dead_letter
           SET state = 'retrying', attempts = 0, next_attempt_at = clock_timestamp()
         WHERE CASE WHEN $1::uuid[] IS NULL THEN state = 'dead' ELSE id = ANY ($1) END
        """,
        None if ids is None else list(ids),
    )
    return int(status.split()[-1])


async def drop(conn: Connection, ids: Collection[UUID]) -> int:
    """Forget these letters; return how many there were."""
    status: str = await conn.execute("DELETE FROM dead_letter WHERE id = ANY ($1::uuid[])", list(ids))
    return int(status.split()[-1])


async def forget(conn: Connection, words: Sequence[str]) -> int:
    """Forget the letters in which one of these words stands (ids, addresses, in any case); return how many."""
    status: str = await conn.execute(f"DELETE FROM dead_letter WHERE {MENTIONS}", list(words))  # noqa: S608 - ours
    return int(status.split()[-1])


async def counts(conn: Connection) -> dict[State, int]:
    """Return how many are retrying and how many are dead."""
    rows = await conn.fetch("SELECT state, count(*) FROM dead_letter GROUP BY state")
    found: dict[State, int] = {"retrying": 0, "dead": 0}
    found.update({row["state"]: row["count"] for row in rows})
    return found


def _storable(text: str, limit: int) -> str:
    """Return text that PostgreSQL takes: without NUL and lone surrogates, its middle cut out beyond the limit."""
    text = text.replace("\0", "\\0").encode(errors="backslashreplace").decode()
    return text if len(text) <= limit else f"{text[: limit // 2]} ... {text[-limit // 2 :]}"
