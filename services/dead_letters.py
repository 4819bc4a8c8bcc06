"""`afterhello dead-letter`: the events that a service could not apply, in every schema that may be read."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import typer

from shared import db, embedded
from shared import dead_letter as letters
from shared.command import Refused, database_errors_in_words, read_settings, show_json
from shared.command import show as show_rows
from shared.db import Connection

dead_letter = typer.Typer(
    help="Events that could not be applied: look at them, mend the cause, replay them, or drop them.",
    no_args_is_help=True,
)


class Service(StrEnum):
    """The services that keep dead letters."""

    intake = "intake"
    scheduler = "scheduler"
    notifier = "notifier"


Ids = Annotated[list[UUID], typer.Argument(metavar="ID...", help="Ids, as `dead-letter list` prints them.")]
Only = Annotated[Service | None, typer.Option("--service", help="Only those of this service; default: of all.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dead_letter.command("list")
def list_(service: Only = None, json: Json = False) -> None:
    """List what could not be applied, with its reason. State `retrying` is tried again by itself, `dead` is not.

    \b
    Examples:
      afterhello dead-letter list
      afterhello dead-letter list --service notifier --json
    """
    found = asyncio.run(_everywhere(service, letters.list_))
    hidden = {"detail", "document"}
    if not json:  # a line has room for little more than the id; `show` tells the rest
        hidden |= {"type", "attempts", "next_attempt_at", "first_failed_at"}
    rows = [
        {"service": name} | {key: value for key, value in asdict(letter).items() if key not in hidden}
        for name, kept in found.items()
        for letter in kept
    ]
    show_rows(rows, as_json=json, empty="No dead letters: every event was applied.")


@dead_letter.command()
def show(id: UUID, service: Only = None, json: Json = False) -> None:
    """Show one dead letter wholly: its reason, where the program failed, and the event itself."""
    found = asyncio.run(_everywhere(service, lambda conn: letters.show(conn, id)))
    rows: list[dict[str, Any]] = [
        {"service": name} | asdict(letter) | {"document": letter.document.decode("utf-8", "replace")}
        for name, letter in found.items()
        if letter is not None
    ]
    if not rows:
        raise _none_such([id])
    if json:
        show_json(rows)
        return
    for row in rows:
        for key, value in row.items():
            print(f"{key.replace('_', ' ') + ':':<16} {'' if value is None else value}")


@dead_letter.command()
def replay(
    ids: Annotated[list[UUID] | None, typer.Argument(metavar="[ID...]", help="Ids; or give --all.")] = None,
    all: Annotated[bool, typer.Option("--all", help="Every dead one.")] = False,
    service: Only = None,
    json: Json = False,
) -> None:
    """Let the service try again, from the first attempt. It takes the letters up within seconds, or when it starts.

    \b
    Examples:
      afterhello dead-letter replay 0199b1c2-...
      afterhello dead-letter replay --all --service scheduler
    """
    if bool(ids) == all:
        raise Refused("name the ids to replay, or --all, and not both (`afterhello dead-letter list` prints them)")
    _report("replayed", asyncio.run(_everywhere(service, lambda conn: letters.replay(conn, ids or None))), ids, json)


@dead_letter.command()
def drop(ids: Ids, service: Only = None, json: Json = False) -> None:
    """Forget these letters for good: what the events say will not happen."""
    _report("dropped", asyncio.run(_everywhere(service, lambda conn: letters.drop(conn, ids))), ids, json)


def _report(done: str, found: dict[str, int], ids: list[UUID] | None, json: bool) -> None:
    if ids and not sum(found.values()):
        raise _none_such(ids)
    if json:
        show_json([{"service": name, done: count} for name, count in found.items()])
    else:
        print(f"{done}: {', '.join(f'{count} of the {name}' for name, count in found.items() if count) or 'none'}")


def _none_such(ids: list[UUID]) -> Refused:
    return Refused(f"there is no dead letter {' or '.join(map(str, ids))} (`afterhello dead-letter list`)")


async def _everywhere(service: Service | None, ask: Callable[[Connection], Awaitable[Any]]) -> dict[str, Any]:
    """Return each service's answer, of the schemas that this role may read."""
    found: dict[str, Any] = {}
    with database_errors_in_words():
        async with embedded.database(read_settings()) as dsn:
            async for name, conn in _connections(dsn, [service.value] if service else [each.value for each in Service]):
                found[name] = await ask(conn)
    return found


async def _connections(dsn: str, names: list[str]) -> AsyncIterator[tuple[str, Connection]]:
    for name in names:
        async with db.connect(dsn, schema=name) as conn:
            if len(names) > 1 and not await db.may_use(conn, name):
                continue  # a service's own role sees its own schema
            await db.check_schema(conn, name)
            yield name, conn
