"""Every query about sources and API tokens: who may hand in meetings, and how they prove it."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from shared.db import Connection
from shared.events import new_id
from shared.signing import Box, fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A configured source, without its path, which is known to the sender alone."""

    id: UUID
    name: str
    provider: str
    mapping: Mapping[str, str]
    fixed: Mapping[str, str]
    plan: str | None
    zone: str | None
    owner: str | None
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """The source a path led to, its live keys as they are stored, and the database's clock."""

    source: Source
    sealed: Sequence[str]
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A bearer token: all rights (`owner` is None), or the data of one owner alone."""

    id: UUID
    name: str
    owner: str | None


COLUMNS = "id, name, provider, mapping, fixed, plan, zone, owner, created_at, disabled_at"


def new_path() -> str:
    """Return a path of 192 random bits."""
    return secrets.token_urlsafe(24)


async def reach(conn: Connection, path: str) -> Reached | None:
    """Return the source that listens on this path, unless it is disabled."""
    row = await conn.fetchrow(
        f"""
        SELECT {COLUMNS}, clock_timestamp() AS now,
               ARRAY (SELECT sealed FROM source_keys k
                       WHERE k.source = s.id AND (ends_at IS NULL OR ends_at > clock_timestamp())
                       ORDER BY k.created_at DESC, k.id) AS sealed
          FROM sources s
         WHERE path_fingerprint = $1 AND disabled_at IS NULL
        """,  # noqa: S608 - names of columns, ours
        fingerprint(path),
    )
    if row is None:
        return None
    fields = dict(row)
    return Reached(now=fields.pop("now"), sealed=fields.pop("sealed"), source=Source(**fields))


async def add_source(
    conn: Connection,
    box: Box,
    *,
    provider: str,
    name: str,
    path: str,
    secret: str,
    mapping: Mapping[str, str],
    fixed: Mapping[str, str],
    plan: str | None = None,
    zone: str | None = None,
    owner: str | None = None,
) -> Source:
    """Add a source with its first secret; raises `asyncpg.UniqueViolationError` when the name is taken."""
    async with conn.transaction():
        row = await conn.fetchrow(
            f"""
            INSERT INTO sources (id, name, provider, path_fingerprint, mapping, fixed, plan, zone, owner)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            RETURNING {COLUMNS}
            """,  # noqa: S608
            new_id(), name, provider, fingerprint(path), dict(mapping), dict(fixed), plan, zone, owner,
        )  # fmt: skip
        assert row is not None
        await _add_key(conn, row["id"], box.seal(secret))
    return Source(**row)


async def _add_key(conn: Connection, source: UUID, sealed: str) -> None:
    await conn.execute("INSERT INTO source_keys (id, source, sealed) VALUES ($1, $2, $3)", new_id(), source, sealed)


async def find_source(conn: Connection, name: str) -> Source | None:
    """Return the source of this name, whatever its case."""
    row = await conn.fetchrow(f"SELECT {COLUMNS} FROM sources WHERE lower(name) = lower($1)", name)  # noqa: S608
    return Source(**row) if row else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """How much a source has handed in, and when last: silence is a sign."""

    accepted: int
    rejected: int
    last_at: datetime | None


async def list_sources(conn: Connection) -> list[tuple[Source, Activity]]:
    """Return every source with what it handed in, by name."""
    rows = await conn.fetch(
        f"""
        SELECT {COLUMNS}, count(n.*) FILTER (WHERE n.state = 'accepted') AS accepted,
               count(n.*) FILTER (WHERE n.state = 'rejected') AS rejected, max(n.received_at) AS last_at
          FROM sources s
          LEFT JOIN LATERAL (SELECT state, received_at FROM submissions WHERE source = s.id) n ON true
         GROUP BY s.id
         ORDER BY lower(name)
        """  # noqa: S608
    )
    return [
        (
            Source(**{name: row[name] for name in COLUMNS.split(", ")}),
            Activity(accepted=row["accepted"], rejected=row["rejected"], last_at=row["last_at"]),
        )
        for row in rows
    ]


async def find_token(conn: Connection, text: str) -> Token | None:
    """Return the live token with this text."""
    row = await conn.fetchrow(
        "SELECT id, name, owner FROM api_tokens WHERE fingerprint = $1 AND revoked_at IS NULL", fingerprint(text)
    )
    return Token(**row) if row else None


async def add_token(conn: Connection, *, name: str, text: str, owner: str | None = None) -> Token:
    """Add a token; raises `asyncpg.UniqueViolationError` when a live one has this name."""
    row = await conn.fetchrow(
        """
        INSERT INTO api_tokens (id, name, fingerprint, owner)
        VALUES ($1, $2, $3, lower($4))
        RETURNING id, name, owner
        """,
        new_id(),
        name,
        fingerprint(text),
        owner,
    )
    assert row is not None
    return Token(**row)


async def list_tokens(conn: Connection) -> list[dict[str, object]]:
    """Return every token that was ever added, by name: its owner, when it was made, and since when it is revoked."""
    rows = await conn.fetch(
        "SELECT name, owner, created_at, revoked_at FROM api_tokens ORDER BY revoked_at NULLS FIRST, lower(name)"
    )
    return [dict(row) for row in rows]


async def revoke_token(conn: Connection, name: str) -> bool:
    """Revoke the live token of this name; say whether there was one."""
    status = await conn.execute(
        "UPDATE api_tokens SET revoked_at = clock_timestamp() WHERE lower(name) = lower($1) AND revoked_at IS NULL",
        name,
    )
    return status == "UPDATE 1"


async def set_disabled(conn: Connection, source: UUID, *, disabled: bool) -> None:
    """Take nothing from this source any more, or take it again; its URL and secret stay."""
    await conn.execute(
        "UPDATE sources SET disabled_at = CASE WHEN $2 THEN coalesce(disabled_at, clock_timestamp()) END WHERE id = $1",
        source,
        disabled,
    )


async def rotate_secret(conn: Connection, box: Box, source: UUID, *, secret: str, overlap: timedelta) -> None:
    """Let this secret count from now on, and those before it for so long still."""
    async with conn.transaction():
        await conn.execute(
            """
            UPDATE source_keys SET ends_at = clock_timestamp() + $2::interval
             WHERE source = $1 AND (ends_at IS NULL OR ends_at > clock_timestamp() + $2::interval)
            """,
            source,
            overlap,
        )
        await _add_key(conn, source, box.seal(secret))


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
    return [Rejection(at=row["at"], reason=_in_words(row["reason"])) for row in rows]


def _in_words(reason: Mapping[str, Any]) -> str:
    errors = "; ".join(f"{error['field']} {error['problem']}" for error in reason.get("errors", ()))
    return errors or str(reason.get("title"))
