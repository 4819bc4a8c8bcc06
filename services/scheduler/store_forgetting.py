"""Every query that deletes what is kept by an address."""

from collections.abc import Collection

from services.scheduler.standing import SUPPRESSIONS
from shared.db import Connection


async def forget_addresses(conn: Connection, addresses: Collection[str]) -> None:
    """Delete that these addresses must not, or may again, be written to.

    Intake keeps a keyed hash of them, and has them suppressed anew when somebody brings them back.
    """
    await conn.execute("SELECT pg_advisory_xact_lock($1, 0)", SUPPRESSIONS)
    for table in ("suppressions", "restored"):
        await conn.execute(
            f"DELETE FROM {table} WHERE address = ANY ($1::text[])",  # noqa: S608 - one of two tables
            [address.lower() for address in addresses],
        )
