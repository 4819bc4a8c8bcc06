"""`afterhello suppression`: addresses that are not written to, and why.

They are the notifier's; of people who were erased intake keeps keyed hashes alone, so the word needs both.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer

from services.intake import erasing, fields, store_erasing, typed
from services.notifier import commands, store_standing
from services.notifier.commands import AsJson, OnChannel
from shared import apprise_url, db, embedded
from shared.command import Refused, connection, database_errors_in_words, read_settings, show, show_json
from shared.db import Connection
from shared.events import Channel
from shared.signing import Fingerprints

PHONE: Final = re.compile(r"[+(]?\d[\d\s().+-]{3,}")

suppression = typer.Typer(no_args_is_help=True, help="Addresses that are not written to, and why.")


@suppression.command()
def add(
    address: Annotated[str, typer.Argument(help="An email address, or a telephone number such as +15085550123.")],
    channel: OnChannel = "email",
    reason: Annotated[str, typer.Option("--reason", help="Shown to people who ask why.")] = "by hand",
    json: AsJson = False,
) -> None:
    """Let nothing be sent to an address any more; what waits for it is skipped."""
    commands.add(_spelled(address, commands.channel_named(channel)), channel, _reason(reason), json)


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
    known = commands.channel_named(channel)
    with suppress(Refused):  # whatever is listed may be removed
        address = _spelled(address, known)
    was_erased = asyncio.run(_take(address.strip()))
    try:
        commands.remove(address, known, json)
    except Refused:
        if not was_erased:
            raise
        if json:
            show_json({"address": address.strip().lower(), "channel": channel, "removed": True})
        else:
            print("removed")


def _spelled(address: str, channel: Channel) -> str:
    """The address as people are kept with it: spelled in another way, it would keep nothing from anybody."""
    if channel == "email":
        if "@" not in address and PHONE.fullmatch(address.strip()):
            raise Refused("ADDRESS: must be an e-mail address; for a telephone number say --channel sms")
        return typed.checked("ADDRESS", fields.email, address)
    if channel == "sms":
        region = read_settings().phone_region
        return typed.checked("ADDRESS", lambda text: fields.phone(text, region), address)
    return typed.checked("ADDRESS", _of_a_service, address.strip())


def _of_a_service(address: str) -> str:
    if wrong := apprise_url.wrong(address, [urlsplit(address).hostname or ""]):
        raise ValueError(wrong)
    return address


def _reason(text: str) -> str:
    return typed.checked("--reason", fields.person_or_place, text)


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
