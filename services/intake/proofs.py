"""Every query about proofs that count once. Whoever takes one up holds it for a while; to be used is its end."""

from datetime import timedelta
from typing import Final, Literal

from shared.db import Connection, Pool
from shared.signing import fingerprint

KEPT_FOR: Final = timedelta(days=90)  # no vendor sends the same again after that
HELD_FOR: Final = timedelta(seconds=30)  # longer than a letter takes; should we die, the vendor's next try is later


async def hold(conn: Connection, vendor: str, token: str) -> Literal["held", "used", "busy"]:
    """Take up a proof; `used` before, or `busy` in other hands, which may die yet."""
    held = await conn.fetchval(
        """
        INSERT INTO proofs AS p (vendor, fingerprint, held_until)
        VALUES ($1, $2, clock_timestamp() + $3::interval)
            ON CONFLICT (vendor, fingerprint) DO UPDATE SET held_until = excluded.held_until
         WHERE p.used_at IS NULL AND p.held_until < clock_timestamp()
        RETURNING true
        """,
        vendor,
        fingerprint(token),
        HELD_FOR,
    )
    if held:
        return "held"
    used = await conn.fetchval(
        "SELECT used_at IS NOT NULL FROM proofs WHERE vendor = $1 AND fingerprint = $2", vendor, fingerprint(token)
    )
    return "used" if used else "busy"


async def use(conn: Connection, vendor: str, token: str) -> None:
    """Let a proof that is held count no more."""
    await conn.execute(
        """
        UPDATE proofs SET used_at = clock_timestamp(), held_until = NULL
         WHERE vendor = $1 AND fingerprint = $2 AND used_at IS NULL
        """,
        vendor,
        fingerprint(token),
    )


async def let_go(conn: Connection, vendor: str, token: str) -> None:
    """Let whoever comes next take it up: nothing came of it here."""
    await conn.execute(
        "DELETE FROM proofs WHERE vendor = $1 AND fingerprint = $2 AND used_at IS NULL", vendor, fingerprint(token)
    )


async def once(conn: Connection, vendor: str, token: str) -> bool:
    """Say whether this is the first time, in the transaction in which it takes effect."""
    first = await conn.fetchval(
        """
        INSERT INTO proofs (vendor, fingerprint, used_at) VALUES ($1, $2, clock_timestamp())
            ON CONFLICT (vendor, fingerprint) DO NOTHING
        RETURNING true
        """,
        vendor,
        fingerprint(token),
    )
    return bool(first)


async def forget_old(pool: Pool, *, limit: int = 5000) -> int:
    """Delete what was used long ago, but for tokens that prove what they came with; return how many."""
    async with pool.acquire() as conn:
        status: str = await conn.execute(
            """
            DELETE FROM proofs
             WHERE (vendor, fingerprint) IN (SELECT vendor, fingerprint
                                               FROM proofs
                                              WHERE used_at < clock_timestamp() - $1::interval AND vendor <> 'mailgun'
                                              ORDER BY used_at
                                              LIMIT $2
                                                FOR UPDATE SKIP LOCKED)
            """,
            KEPT_FOR,
            limit,
        )
    return int(status.removeprefix("DELETE "))
