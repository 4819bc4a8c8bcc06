"""`afterhello person`: how people want to be written to."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import typer

from services.intake import fields, store_consents, store_people, typed, wishes, wishing
from services.intake.body import Invalid
from services.intake.consent import Consent
from services.intake.reaching import served
from shared import command
from shared.command import Refused, show_json
from shared.db import Connection
from shared.events import Person
from shared.settings import Settings

T = TypeVar("T")
Known = tuple[Person | None, list[Consent]]

person = typer.Typer(no_args_is_help=True, help="How people want to be written to.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reached = Annotated[str, typer.Argument(metavar="EMAIL", help="Their e-mail address, or telephone number.")]


@person.command("show")
def show_(reached: Reached, as_json: Json = False) -> None:
    """Show a person's wishes: when, where and how they want to be written to; and what they agreed to, how."""
    config = command.read_settings()
    text = address(reached, config)

    async def work(conn: Connection) -> Known:
        return await _known(conn, await store_people.find(conn, text, owner=None))

    _print(_run(config, work), reached, as_json=as_json)


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
    text = address(reached, config)

    async def work(conn: Connection) -> Known:
        async with conn.transaction():
            found = await wishing.wish(
                conn, text, document, owner=None, default_zone=config.time_zone, served=served(config)
            )
            return await _known(conn, found)

    try:
        known = _run(config, work)
    except Invalid as invalid:
        raise Refused(str(invalid)) from None
    _print(known, reached, as_json=as_json)


def _value(name: str, text: str) -> Any:
    """The text as the API has it."""
    if not text:
        return None
    if name in {"days", "breaks"}:
        return [part.strip().lower() for part in text.split(",")]
    if name == "daily_limit":
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text
    return text


def address(text: str, config: Settings) -> str:
    """Return an address or number as it was typed, checked."""
    if "@" in text:
        return typed.checked("EMAIL", fields.email, text)
    return typed.checked("EMAIL", lambda number: fields.phone(number, config.phone_region), text)


async def _known(conn: Connection, found: Person | None) -> Known:
    consents = await store_consents.of_person(conn, found.id) if found else []
    return found, [one for one in consents if one.connection is None]


def _print(known: Known, reached: str, *, as_json: bool) -> None:
    """Print their wishes and, as far as that was recorded, what they agreed to."""
    found, consents = known
    if found is None:
        raise Refused(f"EMAIL: nobody here is reached at {reached[:80]!r}; people appear when they log a meeting")
    shown = {"email": found.email, "phone": found.phone, **wishes.shown(found)}
    if consents or not found.confirmed:
        shown["confirmed"] = found.confirmed
    if as_json:
        names = ("channel", "address", "at", "source", "wording", "confirmed_at")
        told = [{name: getattr(one, name) for name in names} for one in consents]
        show_json({**shown, "consents": told} if told else shown)
        return
    for name, value in shown.items():
        print(f"{name.replace('_', ' '):<14} {_in_words(value)}")
    for one in consents:
        words = f": “{one.wording}”" if one.wording else ""
        end = "" if one.confirmed_at else "; not confirmed"
        print(f"{'consent':<14} {one.channel} {one.address}, {one.at:%Y-%m-%d %H:%M} UTC by {one.source}{words}{end}")


def _in_words(value: Any) -> str:
    if isinstance(value, list):
        parts = [f"{one['first']}..{one['last']}" if isinstance(one, dict) else str(one) for one in value]
        return ", ".join(parts) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no: nothing but the question goes to them until they say so"
    return "-" if value is None else str(value)


def _run(config: Settings, work: Callable[[Connection], Awaitable[T]]) -> T:
    async def connected() -> T:
        async with command.connection("intake", config) as conn:
            return await work(conn)

    return asyncio.run(connected())
