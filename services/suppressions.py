"""`afterhello suppression`: addresses that are not written to, and why.

They are the notifier's; of people who were erased intake keeps keyed hashes alone, so the word needs both.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Annotated

import typer

from services.intake import erasing, store_erasing
from services.notifier import commands, store_standing
from services.notifier.commands import AsJson, OnChannel
from shared import db, embedded
from shared.command import Refused, connection, database_errors_in_words, read_settings, show, show_json
from shared.db import Connection
from shared.signing import Fingerprints

suppression = typer.Typer(no_args_is_help=True, help="Addresses that are not written to, and why.")
suppression.command("add")(commands.add)


@suppression.command("list")
def list_(json: AsJson = False) -> None:
    """Show every address that is not written to, the newest first. Of who was erased only a fingerprint is known."""
    rows = asyncio.run(_list())
    show(rows, as_json=json, empty="no address is suppressed")


@suppression.command()
def remove(
    address: Annotated[str, typer.Argument(help="As `suppression list` shows it; of who was erased, the address.")],
    channel: OnChannel = "email",
    json: AsJson = False,
) -> None:
    """Let an address be written to again, for instance because its owner asked for it."""
    was_erased = asyncio.run(_take(address.strip()))
    try:
        commands.remove(address, channel, json)
    except Refused:
        if not was_erased:
            raise
        if json:
            show_json({"address": address.strip().lower(), "channel": channel, "removed": True})
        else:
            print("removed")


async def _list() -> list[dict[str, object]]:
    async with connection("notifier") as conn:
        rows = [asdict(one) for one in await store_standing.suppressions(conn)]
    async with _intake() as found:
        prints = await store_erasing.fingerprints(found) if found else []
    rows += [
        {"address": f"erased:{fingerprint[:12]}", "channel": channel, "reason": "erased", "at": at}
        for fingerprint, channel, at in prints
    ]
    return sorted(rows, key=lambda row: str(row["at"]), reverse=True)


async def _take(address: str) -> bool:
    prints = Fingerprints(read_settings().secret_key, purpose=erasing.PURPOSE).every(address.lower())
    async with _intake() as conn:
        return bool(conn and await store_erasing.take_fingerprints(conn, prints))


@asynccontextmanager
async def _intake() -> AsyncIterator[Connection | None]:
    """A connection to intake's schema; None for a role that may not look into it, such as the notifier's own."""
    with database_errors_in_words():
        async with embedded.database(read_settings()) as dsn, db.connect(dsn, schema="intake") as conn:
            yield conn if await db.may_use(conn, "intake") else None
