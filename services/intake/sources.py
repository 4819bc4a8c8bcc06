"""Every query about sources: who may hand in meetings, and how they prove it."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.intake.consent import Origin
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
    confirm: bool = False  # its owners' addresses come from others: each is confirmed before the first nudge
    note: str | None = None  # in which words people were asked

    @property
    def origin(self) -> Origin:
        """How its submissions are known where consent is kept."""
        vouched = self.owner or self.fixed.get("owner.email")
        return Origin(
            name=self.name, confirms=self.confirm, vouched=vouched.lower() if vouched else None, note=self.note
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """The source a path led to, its live keys as they are stored, and the database's clock."""

    source: Source
    sealed: Sequence[str]
    now: datetime


COLUMNS = "id, name, provider, mapping, fixed, plan, zone, owner, created_at, disabled_at, confirm, note"


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
         WHERE disabled_at IS NULL
           AND id = (SELECT source FROM source_paths
                      WHERE fingerprint = $1 AND (ends_at IS NULL OR ends_at > clock_timestamp()))
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
    path: str | None,
    secret: str,
    mapping: Mapping[str, str],
    fixed: Mapping[str, str],
    plan: str | None = None,
    zone: str | None = None,
    owner: str | None = None,
    confirm: bool = False,
    note: str | None = None,
) -> Source:
    """Add a source, with a path if it has one; raises `asyncpg.UniqueViolationError` when the name is taken."""
    async with conn.transaction():
        row = await conn.fetchrow(
            f"""
            INSERT INTO sources (id, name, provider, mapping, fixed, plan, zone, owner, confirm, note)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            RETURNING {COLUMNS}
            """,  # noqa: S608
            new_id(), name, provider, dict(mapping), dict(fixed), plan, zone, owner, confirm, note,
        )  # fmt: skip
        assert row is not None
        if path is not None:
            await _add_path(conn, row["id"], path)
        await _add_key(conn, row["id"], box.seal(secret))
    return Source(**row)


async def _add_key(conn: Connection, source: UUID, sealed: str) -> None:
    await conn.execute("INSERT INTO source_keys (id, source, sealed) VALUES ($1, $2, $3)", new_id(), source, sealed)


async def _add_path(conn: Connection, source: UUID, path: str) -> None:
    await conn.execute("INSERT INTO source_paths (fingerprint, source) VALUES ($1, $2)", fingerprint(path), source)


async def find_source(conn: Connection, name: str) -> Source | None:
    """Return the source of this name, whatever its case."""
    row = await conn.fetchrow(f"SELECT {COLUMNS} FROM sources WHERE lower(name) = lower($1)", name)  # noqa: S608
    return Source(**row) if row else None


async def set_up(
    conn: Connection,
    source: UUID,
    *,
    mapping: Mapping[str, str],
    fixed: Mapping[str, str],
    plan: str | None,
    zone: str | None,
    owner: str | None,
    confirm: bool,
    note: str | None,
) -> Source:
    """Let all this hold for what the source submits from now on; what was logged stays as it is."""
    row = await conn.fetchrow(
        f"""
        UPDATE sources SET mapping = $2, fixed = $3, plan = $4, zone = $5, owner = $6, confirm = $7, note = $8
         WHERE id = $1
        RETURNING {COLUMNS}
        """,  # noqa: S608
        source, dict(mapping), dict(fixed), plan, zone, owner, confirm, note,
    )  # fmt: skip
    assert row is not None
    return Source(**row)


async def sealed_secret(conn: Connection, source: UUID) -> str | None:
    """Return the newest live secret of this source as it is stored."""
    sealed: str | None = await conn.fetchval(
        """
        SELECT sealed FROM source_keys
         WHERE source = $1 AND (ends_at IS NULL OR ends_at > clock_timestamp())
         ORDER BY created_at DESC, id
         LIMIT 1
        """,
        source,
    )
    return sealed


async def set_disabled(conn: Connection, source: UUID, *, disabled: bool) -> None:
    """Take nothing from this source any more, or take it again; its URL and secret stay."""
    await conn.execute(
        "UPDATE sources SET disabled_at = CASE WHEN $2 THEN coalesce(disabled_at, clock_timestamp()) END WHERE id = $1",
        source,
        disabled,
    )


async def rotate(
    conn: Connection, box: Box, source: UUID, *, secret: str | None, path: str | None, overlap: timedelta
) -> datetime:
    """Let this secret, this path or both count from now on, and those before it until the time returned."""
    async with conn.transaction():
        until: datetime = await conn.fetchval("SELECT clock_timestamp() + $1::interval", overlap)
        if secret is not None:
            await _end(conn, "source_keys", source, until)
            await _add_key(conn, source, box.seal(secret))
        if path is not None:
            await _end(conn, "source_paths", source, until)
            await _add_path(conn, source, path)
    return until


async def _end(conn: Connection, table: str, source: UUID, until: datetime) -> None:
    """One that ends sooner anyway is not brought back."""
    await conn.execute(
        f"""
        UPDATE {table} SET ends_at = $2
         WHERE source = $1 AND (ends_at IS NULL OR ends_at > $2)
        """,  # noqa: S608 - one of two names of tables
        source,
        until,
    )
