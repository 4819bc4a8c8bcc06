"""`afterhello person`: how people want to be written to."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import typer

from services.intake import fields, store_people, typed, wishes, wishing
from services.intake.body import Invalid
from shared import command
from shared.command import Refused, show_json
from shared.db import Connection
from shared.events import Person
from shared.settings import Settings

T = TypeVar("T")

person = typer.Typer(no_args_is_help=True, help="How people want to be written to.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reached = Annotated[str, typer.Argument(metavar="EMAIL", help="Their e-mail address, or telephone number.")]


@person.command("show")
def show_(reached: Reached, as_json: Json = False) -> None:
    """Show a person's wishes: when, where and how they want to be written to."""
    config = command.read_settings()
    text = _reached(reached, config)

    async def work(conn: Connection) -> Person | None:
        return await store_people.find(conn, text, owner=None)

    _print(_there(_run(config, work), reached), as_json=as_json)


@person.command("set", epilog=f"KEY is one of {', '.join(wishes.FIELDS)}.")
def set_(
    reached: Reached,
    pairs: Annotated[list[str], typer.Argument(metavar="KEY=VALUE...", help="What they wish; KEY= alone forgets it.")],
    as_json: Json = False,
) -> None:
    """Change a person's wishes, and show them all. What waits for them moves to where it belongs then.

    \b
    Examples:
      afterhello person set ada@school.example time_zone=America/New_York send_at=15:30
      afterhello person set ada@school.example days=mon,wed,fri quiet_from=20:00 quiet_to=07:30
      afterhello person set ada@school.example holidays=US-MA breaks=2026-12-21..2027-01-02,2027-02-15
      afterhello person set ada@school.example paused_until=2027-01-04
      afterhello person set ada@school.example paused_until=
    """
    config = command.read_settings()
    document = {name: _value(name, text) for name, text in typed.pairs("KEY=VALUE", "VALUE", pairs).items()}
    text = _reached(reached, config)

    async def work(conn: Connection) -> Person | None:
        async with conn.transaction():
            return await wishing.wish(conn, text, document, owner=None, default_zone=config.time_zone)

    try:
        found = _run(config, work)
    except Invalid as invalid:
        raise Refused(str(invalid)) from None
    _print(_there(found, reached), as_json=as_json)


def _value(name: str, text: str) -> Any:
    """The text as the API has it."""
    if not text:
        return None
    if name in {"days", "breaks"}:
        return [part.strip().lower() for part in text.split(",")]
    if name == "daily_limit":
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text
    return text


def _reached(text: str, config: Settings) -> str:
    if "@" in text:
        return typed.checked("EMAIL", fields.email, text)
    return typed.checked("EMAIL", lambda number: fields.phone(number, config.phone_region), text)


def _there(found: Person | None, reached: str) -> Person:
    if found is None:
        raise Refused(f"EMAIL: nobody here is reached at {reached[:80]!r}; people appear when they log a meeting")
    return found


def _print(found: Person, *, as_json: bool) -> None:
    shown = wishes.shown(found)
    if as_json:
        show_json({"email": found.email, "phone": found.phone, **shown})
        return
    for name, value in {"email": found.email, "phone": found.phone, **shown}.items():
        print(f"{name.replace('_', ' '):<14} {_in_words(value)}")


def _in_words(value: Any) -> str:
    if isinstance(value, list):
        parts = [f"{one['first']}..{one['last']}" if isinstance(one, dict) else str(one) for one in value]
        return ", ".join(parts) or "-"
    return "-" if value is None else str(value)


def _run(config: Settings, work: Callable[[Connection], Awaitable[T]]) -> T:
    async def connected() -> T:
        async with command.connection("intake", config) as conn:
            return await work(conn)

    return asyncio.run(connected())
