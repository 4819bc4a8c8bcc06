"""`afterhello calendar`: school breaks out of iCalendar files and feeds."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar
from uuid import UUID

import typer

from services.scheduler import ical, store_calendars
from services.scheduler.calendars import READ_EVERY, problem
from services.scheduler.ical import Found, NotACalendar
from shared import db
from shared.command import Failed, Refused, connection, show, show_json, typed_as_text
from shared.db import Connection
from shared.fetching import LARGEST, Forbidden, allowed, fetch
from shared.retry import TryAgain

T = TypeVar("T")

calendar = typer.Typer(no_args_is_help=True, help="School breaks out of iCalendar files and feeds.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Whose = Annotated[str | None, typer.Option("--person", help="Whose breaks they are, by email; without it everybody's.")]


@calendar.command("import")
def import_(
    source: Annotated[str, typer.Argument(help="A file, or an https:// or webcal:// address, read again every day.")],
    person: Whose = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Events with this in their name alone, such as 'No school'.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Take the whole-day events of a calendar as breaks: nothing is sent on them, and what waits moves at once."""
    is_url = "://" in source or source.startswith("webcal:")

    words = [typed_as_text(word) for word in only or ()]

    async def work(conn: Connection) -> Found:
        now = await db.now(conn)
        whose = await _person(conn, person)
        text = await _fetched(source) if is_url else _file(source)
        try:
            found = ical.read(text, today=now.date(), only=words)
        except NotACalendar as error:
            raise Refused(f"{typed_as_text(source)}: {error}") from None
        async with conn.transaction():
            await store_calendars.keep(
                conn,
                allowed(source) if is_url else typed_as_text(Path(source).name),
                found.breaks,
                person=whose,
                only=words,
                now=now,
                next_read_at=now + READ_EVERY if is_url else None,
                problem=problem(found.left_out),
            )
        return found

    found = _do(work)
    count = len(found.breaks)
    if as_json:
        show_json({"source": typed_as_text(source), "person": person, "breaks": count, "left_out": found.left_out})
    else:
        print(f"{count} break{'' if count == 1 else 's'} for {person or 'everybody'}; what waits moves out of them")
    for one in found.left_out:
        print(f"afterhello: {typed_as_text(source)}: left out: {one}", file=sys.stderr)


@calendar.command("list")
def list_(as_json: Json = False) -> None:
    """Show every calendar, whose it is, and when it was read."""
    show(_do(store_calendars.all_), as_json=as_json, empty="There are no calendars.")


@calendar.command()
def remove(
    source: Annotated[str, typer.Argument(help="As `afterhello calendar list` shows it.")], person: Whose = None
) -> None:
    """Forget a calendar; what waits moves back."""

    async def work(conn: Connection) -> bool:
        whose = await _person(conn, person)
        async with conn.transaction():
            return await store_calendars.remove(conn, typed_as_text(source), person=whose)

    if not _do(work):
        raise Refused(f"there is no calendar {source!r} of {person or 'everybody'} (`afterhello calendar list`)")
    print("removed")


def _do(work: Callable[[Connection], Awaitable[T]]) -> T:
    async def run() -> T:
        async with connection("scheduler") as conn:
            return await work(conn)

    return asyncio.run(run())


async def _person(conn: Connection, email: str | None) -> UUID | None:
    if email is None:
        return None
    email = typed_as_text(email).strip()
    found = await store_calendars.person_with(conn, email)
    if found is None:
        raise Refused(f"--person: nobody with the address {email} has logged a meeting")
    return found


async def _fetched(url: str) -> bytes:
    try:
        return await fetch(url)
    except Forbidden as error:
        raise Refused(f"{url}: {error}") from None
    except TryAgain as error:
        raise Failed(f"{url}: {error}") from None


def _file(name: str) -> bytes:
    try:
        if Path(name).exists() and not Path(name).is_file():
            raise Refused(f"{name}: cannot be read: is no file")
        with Path(name).open("rb") as file:
            text = file.read(LARGEST + 1)
    except OSError as error:
        raise Refused(f"{name}: cannot be read: {(error.strerror or 'unknown').lower()}") from None
    if len(text) > LARGEST:
        raise Refused(f"{name}: is larger than 1 MiB")
    return text
