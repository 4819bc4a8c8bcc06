"""`afterhello channel` and `afterhello suppression`: what must not be sent, and why."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated, TypeVar, get_args

import typer

from services.notifier import store_channels, store_standing
from services.notifier.channels import CHANNELS
from services.notifier.store_standing import Suppression
from shared import db, outbox, wake
from shared.command import Refused, connection, read_settings, show, show_json
from shared.db import Connection
from shared.events import AddressRestored, AddressSuppressed, RestoredData, SuppressedData
from shared.events import Channel as ChannelName

T = TypeVar("T")

channel = typer.Typer(no_args_is_help=True, help="The ways messages go out: are they open, and if not, why?")
suppression = typer.Typer(no_args_is_help=True, help="Addresses that are not written to, and why.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OnChannel = Annotated[str, typer.Option("--channel", help="email, sms or apprise.")]


@channel.command("list")
def list_channels(json: AsJson = False) -> None:
    """Show each channel: open, paused until when, or stopped, and why."""
    names = [name for name in CHANNELS if name in read_settings().channels]

    async def work(conn: Connection) -> list[dict[str, object]]:
        troubles = {one.name: one for one in await store_channels.troubles(conn, now=await db.now(conn))}
        return [_channel_row(name, troubles.get(name)) for name in names]

    show(_do(work), as_json=json, empty="there are no channels")


@channel.command()
def resume(
    name: Annotated[str, typer.Argument(help="The channel's name, as `afterhello channel list` shows it.")],
    json: AsJson = False,
) -> None:
    """Open a channel that was paused or stopped: what waits goes out at once.

    \b
    A channel stops by itself when its server refuses our login; mend SMTP_URL or SMS_URL first.
    """
    if name not in CHANNELS:
        raise Refused(f"there is no channel {name!r} (`afterhello channel list` shows them)")

    async def work(conn: Connection) -> bool:
        async with conn.transaction():
            resumed = await store_channels.resume(conn, name)
            await wake.notify(conn, "notifier", "due")
            return resumed

    resumed = _do(work)
    if json:
        show_json({"name": name, "resumed": resumed})
    else:
        print(f"{name} is open again" if resumed else f"{name} was open already")


@suppression.command("list")
def list_suppressions(json: AsJson = False) -> None:
    """Show every address that is not written to, the newest first."""
    rows = [asdict(one) for one in _do(store_standing.suppressions)]
    show(rows, as_json=json, empty="no address is suppressed")


@suppression.command()
def add(
    address: Annotated[str, typer.Argument(help="An email address, or a telephone number such as +15085550123.")],
    channel: OnChannel = "email",
    reason: Annotated[str, typer.Option("--reason", help="Shown to people who ask why.")] = "by hand",
    json: AsJson = False,
) -> None:
    """Let nothing be sent to an address any more; what waits for it is skipped."""
    known = channel_named(channel)

    async def work(conn: Connection) -> list[Suppression]:
        async with conn.transaction():
            now = await db.now(conn)
            added = await store_standing.suppress(
                conn, [Suppression(address=address.strip(), channel=known, reason=reason, at=now)]
            )
            # Told to ourselves too: that ends what waits for the address.
            data = SuppressedData(address=address.strip(), channel=known, reason=reason, at=now)
            await outbox.add(conn, [AddressSuppressed(time=now, subject=known, data=data)] if added else [])
            return added

    added = _do(work)
    if json:
        show_json({"address": address.strip().lower(), "channel": known, "added": bool(added)})
    else:
        print("suppressed" if added else "was suppressed already")


@suppression.command()
def remove(
    address: Annotated[str, typer.Argument(help="As `afterhello suppression list` shows it.")],
    channel: OnChannel = "email",
    json: AsJson = False,
) -> None:
    """Let an address be written to again, for instance because its owner asked for it."""
    known = channel_named(channel)

    async def work(conn: Connection) -> bool:
        async with conn.transaction():
            if not await store_standing.unsuppress(conn, address.strip(), known):
                return False
            now = await db.now(conn)
            data = RestoredData(address=address.strip(), channel=known, at=now)
            await outbox.add(conn, [AddressRestored(time=now, subject=known, data=data)])
            return True

    removed = _do(work)
    if not removed:
        raise Refused(f"{address.strip()} is not suppressed on {known}")
    if json:
        show_json({"address": address.strip().lower(), "channel": known, "removed": True})
    else:
        print("removed")


def _channel_row(name: str, trouble: store_channels.Trouble | None) -> dict[str, object]:
    return {
        "name": name,
        "state": trouble.state if trouble else "open",
        "reason": trouble and trouble.reason,
        "paused_until": trouble and trouble.paused_until,
        "since": trouble and trouble.since,
    }


def channel_named(channel: str) -> ChannelName:
    """Return the channel of this name; raises `Refused` when there is none."""
    for name in get_args(ChannelName):
        if name == channel:
            known: ChannelName = name
            return known
    raise Refused(f"there is no channel {channel!r}: it is {', '.join(get_args(ChannelName))}")


def _do(work: Callable[[Connection], Awaitable[T]]) -> T:
    async def in_connection() -> T:
        async with connection("notifier") as conn:
            return await work(conn)

    return asyncio.run(in_connection())
