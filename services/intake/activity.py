"""Every query about what sources handed in: how much was taken, what was not and why, and when they fell silent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.intake.sources import COLUMNS, Source
from services.intake.store import Received
from shared.db import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """How much a source has handed in, when last, and why the latest rejected one was rejected.

    What is refused with 401 is not counted: nobody has proven to be the source, so anybody could write here.
    """

    accepted: int
    rejected: int
    last_at: datetime | None
    last_reason: str | None
    now: datetime

    def silent_days(self) -> int | None:
        """Return for how many whole days nothing came, of a source that had handed something in before."""
        return (self.now - self.last_at).days if self.last_at else None


async def list_sources(conn: Connection) -> list[tuple[Source, Activity]]:
    """Return every source with what it handed in, by name."""
    rows = await conn.fetch(
        f"""
        SELECT {COLUMNS}, accepted, rejected, last_at, clock_timestamp() AS now,
               (SELECT reason FROM submissions
                 WHERE source = s.id AND state = 'rejected' ORDER BY received_at DESC LIMIT 1) AS reason
          FROM sources s
          CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE state = 'accepted') AS accepted,
                                     count(*) FILTER (WHERE state = 'rejected') AS rejected,
                                     max(received_at) AS last_at
                                FROM submissions WHERE source = s.id) n
         ORDER BY lower(name)
        """  # noqa: S608 - names of columns, ours
    )
    return [
        (
            Source(**{name: row[name] for name in COLUMNS.split(", ")}),
            Activity(
                accepted=row["accepted"],
                rejected=row["rejected"],
                last_at=row["last_at"],
                last_reason=row["reason"] and in_words(row["reason"]),
                now=row["now"],
            ),
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A submission that was rejected, and why, in words."""

    at: datetime
    reason: str


async def last_rejections(conn: Connection, source: UUID, *, limit: int) -> list[Rejection]:
    """Return the latest rejected submissions of this source, the latest first."""
    rows = await conn.fetch(
        """
        SELECT received_at AS at, reason FROM submissions
         WHERE source = $1 AND state = 'rejected'
         ORDER BY received_at DESC
         LIMIT $2
        """,
        source,
        limit,
    )
    return [Rejection(at=row["at"], reason=in_words(row["reason"])) for row in rows]


async def rejected(conn: Connection, source: UUID) -> list[UUID]:
    """Return the rejected submissions of this source in the order in which they came."""
    rows = await conn.fetch(
        "SELECT id FROM submissions WHERE source = $1 AND state = 'rejected' ORDER BY received_at, id", source
    )
    return [row["id"] for row in rows]


async def find_rejected(conn: Connection, submission: UUID) -> Received | None:
    """Return a rejected submission as it was received; None when it is not rejected any more."""
    row = await conn.fetchrow(
        """
        SELECT source, key, headers, body, received_at AS at FROM submissions
         WHERE id = $1 AND source IS NOT NULL AND state = 'rejected'
        """,
        submission,
    )
    return Received(**row) if row else None


async def drop_rejected(conn: Connection, submission: UUID) -> None:
    """Forget a rejected submission that was logged under another key: its own, which could not be read before."""
    await conn.execute("DELETE FROM submissions WHERE id = $1 AND state = 'rejected'", submission)


async def accepted_keys(conn: Connection, source: UUID, keys: Sequence[str]) -> set[str]:
    """Return those of these keys that submissions of this source were accepted under."""
    rows = await conn.fetch(
        "SELECT key FROM submissions WHERE source = $1 AND state = 'accepted' AND key = ANY ($2::text[])",
        source,
        list(keys),
    )
    return {row["key"] for row in rows}


def in_words(reason: Mapping[str, Any]) -> str:
    """Return why a submission was rejected."""
    errors = "; ".join(f"{error['field']} {error['problem']}" for error in reason.get("errors", ()))
    return errors or str(reason.get("title"))
