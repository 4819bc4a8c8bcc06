"""Every query about API tokens: who may use the API, and whose data it opens."""

from dataclasses import dataclass
from uuid import UUID

from services.intake.consent import Origin
from shared.db import Connection
from shared.events import new_id
from shared.signing import fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A bearer token: all rights (`owner` is None), or the data of one owner alone."""

    id: UUID
    name: str
    owner: str | None
    confirm: bool = False  # it brings addresses of others: each is confirmed before the first nudge
    note: str | None = None  # in which words people were asked

    @property
    def origin(self) -> Origin:
        """How what it logs is known where consent is kept."""
        return Origin(name=f"token {self.name}", confirms=self.confirm, vouched=self.owner, note=self.note)


async def find_token(conn: Connection, text: str) -> Token | None:
    """Return the live token with this text."""
    row = await conn.fetchrow(
        "SELECT id, name, owner, confirm, note FROM api_tokens WHERE fingerprint = $1 AND revoked_at IS NULL",
        fingerprint(text),
    )
    return Token(**row) if row else None


async def add_token(
    conn: Connection,
    *,
    name: str,
    text: str,
    owner: str | None = None,
    confirm: bool = False,
    note: str | None = None,
) -> Token:
    """Add a token; raises `asyncpg.UniqueViolationError` when a live one has this name."""
    row = await conn.fetchrow(
        """
        INSERT INTO api_tokens (id, name, fingerprint, owner, confirm, note)
        VALUES ($1, $2, $3, lower($4), $5, $6)
        RETURNING id, name, owner, confirm, note
        """,
        new_id(),
        name,
        fingerprint(text),
        owner,
        confirm,
        note,
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
