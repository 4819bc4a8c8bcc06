"""`afterhello token`: who may use the API."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, TypeVar

import asyncpg
import typer

from services.intake import fields, tokens, typed
from shared import command
from shared.command import Refused, show, show_json
from shared.db import Connection

T = TypeVar("T")

token = typer.Typer(no_args_is_help=True, help="Who may use the API.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Who or what uses it, such as “registration site”.")]


@token.command()
def add(
    name: Name,
    owner: Annotated[str | None, typer.Option(help="Whose data alone it may see and change: an address.")] = None,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Owners confirm their address before their first nudge: others give it.")
    ] = False,
    note: Annotated[
        str | None, typer.Option(metavar="WORDS", help="In which words people agree to be written to.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a token and print it, this once. Without --owner it has all rights.

    \b
    Examples:
      afterhello token add "registration site"
      afterhello token add "Ada's script" --owner ada@school.example --json
    A request carries it as a header: Authorization: Bearer TOKEN
    """
    name = typed.name(name)
    owner = None if owner is None else typed.checked("--owner", fields.email, owner)
    text = f"ah_{secrets.token_urlsafe(32)}"

    async def work(conn: Connection) -> None:
        try:
            await tokens.add_token(conn, name=name, text=text, owner=owner, confirm=confirm, note=note)
        except asyncpg.UniqueViolationError:
            raise Refused(f"NAME: there is a token {name!r} already; revoke it, or take another name") from None

    _run(work)
    if as_json:
        show_json({"name": name, "token": text})
    else:
        rights = f"the data of {owner} alone" if owner else "everything"
        print(f"{text}\n\nIt is shown this once, and opens {rights}. Send it as a header: Authorization: Bearer TOKEN")


@token.command("list")
def list_(as_json: Json = False) -> None:
    """List the tokens, revoked ones too; none is shown itself."""
    rows = _run(tokens.list_tokens)
    if not as_json:
        rows = [
            {k: f"{v:%Y-%m-%d %H:%M} UTC" if isinstance(v, datetime) else v for k, v in row.items()} for row in rows
        ]
    show(rows, as_json=as_json, empty='There are no tokens. Make one: afterhello token add "my script"')


@token.command()
def revoke(name: Name, as_json: Json = False) -> None:
    """Let a token open nothing any more, from this moment on."""
    if not _run(lambda conn: tokens.revoke_token(conn, name)):
        raise Refused(f"NAME: there is no token {name[:60]!r} to revoke; `afterhello token list` lists them")
    show_json({"name": name, "revoked": True}) if as_json else print(f"{name}: revoked")


def _run(work: Callable[[Connection], Awaitable[T]]) -> T:
    async def connected() -> T:
        async with command.connection("intake") as conn:
            return await work(conn)

    return asyncio.run(connected())
