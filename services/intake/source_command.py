"""What the commands about sources have in common: their options, the database, a source by its name."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any, TypeVar

import typer

from services.intake import assumed, fields, readers, sources, store_erasing, typed
from services.intake.providers import eventbrite
from services.intake.sources import Source
from services.intake.taking import Taker
from shared import command, db
from shared.command import Refused
from shared.db import Connection
from shared.settings import Settings
from shared.signing import BadToken, Box

T = TypeVar("T")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="What you call it.")]
Secret = Annotated[str | None, typer.Option(help="The secret that the tool gave you; without it one is made.")]
Plan = Annotated[str | None, typer.Option(help="The plan of its meetings, unless a submission names one.")]
Zone = Annotated[str | None, typer.Option(help="The time zone of people who name none: America/New_York.")]
Owner = Annotated[str | None, typer.Option(help="Whose meetings they are, if the form does not ask.")]
Confirm = Annotated[
    bool | None,
    typer.Option(
        "--confirm/--no-confirm",
        help="Whether owners confirm their address before their first nudge, since others hand it in. Rosters: yes.",
    ),
]
Note = Annotated[
    str | None, typer.Option(metavar="WORDS", help="In which words people agree here: kept with their consent.")
]
Mapped = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="FIELD=QUESTION", help="Which question is which field; again for each."),
]
Fixed = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="What holds for every submission; again for each."),
]


def run(config: Settings, work: Callable[[Connection], Awaitable[T]]) -> T:
    """Do the work on one connection."""

    async def connected() -> T:
        async with command.connection("intake", config) as conn:
            return await work(conn)

    return asyncio.run(connected())


@asynccontextmanager
async def taker(
    config: Settings, plans: Collection[str], *, eventbrite_api: str = eventbrite.API
) -> AsyncIterator[Taker]:
    """What takes submissions, with no intake running; `eventbrite_api` is another in tests alone."""
    defaults = assumed.of_settings(config)
    async with command.pool("intake", config) as pool:
        async with pool.acquire() as conn:
            if not config.secret_key and await store_erasing.has_fingerprints(conn):
                raise Refused(
                    "SECRET_KEY is not set: without it nobody who was erased is recognised; set it as for intake"
                )
        yield Taker(
            pool=pool,
            plans=plans,
            defaults=defaults,
            public_url=config.public_url or "",
            eventbrite_api=eventbrite_api,
        )


async def find(conn: Connection, name: str) -> Source:
    """Return the source of this name."""
    if found := await sources.find_source(conn, name):
        return found
    raise Refused(f"NAME: there is no source {name[:60]!r}; `afterhello source list` lists them")


async def secret_of(conn: Connection, config: Settings, source: Source) -> str:
    """Return what to fetch with what this source only points to; empty where it sends everything, or has none."""
    if source.provider not in readers.POINTING or not (sealed := await sources.sealed_secret(conn, source.id)):
        return ""
    if not config.secret_key:
        raise Refused("SECRET_KEY is not set: set it in the environment, as for the service")
    try:
        return Box(config.secret_key).open(sealed)
    except BadToken:
        raise Refused("SECRET_KEY: it is not the one that the secret of this source was kept with") from None


def plans(context: typer.Context, config: Settings) -> Collection[str]:
    """The names of the plans there are: those are the scheduler's, so `services.cli` brings them along."""
    names: Collection[str] = context.obj(config.plans_dir)
    return names


def said(plan: str | None, zone: str | None, owner: str | None, names: Collection[str]) -> dict[str, str | None]:
    """Return what was typed about the source as a whole, checked."""
    return {
        "plan": None if plan is None else typed.plan("--plan", plan, names),
        "zone": None if zone is None else typed.checked("--zone", fields.zone, zone),
        "owner": None if owner is None else typed.checked("--owner", fields.email, owner),
    }


def by_hand(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row with instants as people write them."""
    return {k: f"{v:%Y-%m-%d %H:%M} UTC" if isinstance(v, datetime) else v for k, v in row.items()}


async def clock(taker: Taker) -> datetime:
    """Return the database's clock."""
    async with taker.pool.acquire() as conn:
        return await db.now(conn)
