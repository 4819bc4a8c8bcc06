"""`afterhello person`: how people want to be written to; and all that is kept of them, to take along or to erase.

Exporting and erasing concern all three services, so they are here; the rest of the word is intake's.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

import orjson
import typer

from services.intake import erasing, exporting, person_commands, store_people
from services.intake.erasing import Ambiguous, Erased
from services.notifier import exporting as of_notifier
from services.scheduler import exporting as of_scheduler
from shared import db, embedded
from shared.command import Failed, Refused, database_errors_in_words, read_settings, show_json
from shared.db import Connection
from shared.settings import Settings
from shared.signing import Fingerprints
from shared.web import Pages

person = person_commands.person

WAIT_SECONDS: Final = 10.0  # for the others to take the erasure
LOOK_AGAIN_SECONDS: Final = 0.2
SERVICES: Final = ("intake", "scheduler", "notifier")
TITLES: Final = {
    "intake": "What was logged, and what happened to it",
    "scheduler": "What is planned",
    "notifier": "What was sent",
}

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reached = Annotated[
    str, typer.Argument(metavar="EMAIL|PHONE", help="Their e-mail address, or a telephone number such as +15085550123.")
]


@person.command("export")
def export(
    reached: Reached,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write a page for them to read, instead of JSON; - prints it."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print everything that all three services keep about somebody, as JSON.

    That includes what others noted about them as a contact, without saying who those are.

    \b
    Examples:
      afterhello person export ada@school.example > ada.json
      afterhello person export ada@school.example --html ada.html
    """
    config = read_settings()
    address = person_commands.address(reached, config)
    found = asyncio.run(_export(config, address))
    if found is None:
        raise Refused(f"EMAIL: nothing is kept about {address[:80]!r}")
    if html is None or as_json:
        show_json(found)
    if html is not None:
        _write(html, _page(found))


@person.command("erase")
def erase(
    reached: Reached,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether you mean it.")] = False,
    as_json: Json = False,
) -> None:
    """Erase somebody everywhere: who they are, what they logged, what was sent, and what others noted about them.

    \b
    It cannot be undone. What stays is that they were erased (an id) and a keyed hash of their address: should an old
    form bring it back, nothing is sent, until they ask for it with START, or you with `afterhello suppression remove`.
    Sources that were theirs alone are disabled. Exit status 1 when a service has not taken it: it does when it runs.
    """
    config = read_settings("secret_key")
    address = person_commands.address(reached, config)
    if not yes and not as_json:
        typer.confirm(f"Erase everything about {address}, for good?", abort=True)
    erased, missing = asyncio.run(_erase(config, address))
    if as_json:
        show_json({**erasing.shown(erased), "complete": not missing, "missing": missing})
    else:
        print(
            f"erased: meetings of theirs {erased.meetings}, connections of others with them {erased.connections}, "
            f"further submissions that mentioned them {erased.mentions}"
        )
        for source in erased.sources:
            print(f"source {source!r} was theirs alone: it is disabled")
    if missing:
        raise Failed(
            f"erased in intake, and nothing more is sent; still to take it, when they run: {', '.join(missing)} "
            "(`afterhello doctor` says what is wrong)"
        )
    if not as_json:
        print("complete: no service keeps anything about them")


async def _export(config: Settings, address: str) -> dict[str, Any] | None:
    async with AsyncExitStack() as stack:
        conns = await _connections(stack, config)
        intake = conns["intake"]
        known = await store_people.find(intake, address, owner=None)
        met = await exporting.as_contact(intake, address)
        ours = (await exporting.everything(intake, known) if known else {}) | {"as_contact": met}
        addresses = sorted({one.lower() for one in (address, known and known.email, known and known.phone) if one})
        id = known.id if known else UUID(int=0)
        planned = await of_scheduler.everything(conns["scheduler"], id, addresses)
        sent = await of_notifier.everything(conns["notifier"], id, addresses)
        if known is None and not met and not any([*planned.values(), *sent.values()]):
            return None
        at = await db.now(intake)
    return {"address": address, "at": at, "intake": ours, "scheduler": planned, "notifier": sent}


async def _erase(config: Settings, address: str) -> tuple[Erased, list[str]]:
    """Erase them; return what was erased, and which services have not taken it within a while."""
    fingerprints = Fingerprints(config.secret_key, purpose=erasing.PURPOSE)
    async with AsyncExitStack() as stack:
        conns = await _connections(stack, config)
        try:
            async with conns["intake"].transaction():
                erased = await erasing.erase(conns["intake"], address, owner=None, fingerprints=fingerprints)
        except Ambiguous:
            raise Refused("EMAIL: several people share this number; name an e-mail address") from None
        if erased is None:
            raise Refused(f"EMAIL: nothing is kept about {address[:80]!r}")
        if erased.person is None:
            return erased, []
        waiting: dict[str, Callable[[Connection, UUID], Awaitable[bool]]] = {
            "scheduler": of_scheduler.is_erased,
            "notifier": of_notifier.is_erased,
        }
        until = time.monotonic() + WAIT_SECONDS
        while waiting and time.monotonic() < until:
            arrived = [name for name, has in waiting.items() if await has(conns[name], erased.person)]
            waiting = {name: has for name, has in waiting.items() if name not in arrived}
            if waiting:
                await asyncio.sleep(LOOK_AGAIN_SECONDS)
        return erased, list(waiting)


async def _connections(stack: AsyncExitStack, config: Settings) -> dict[str, Connection]:
    """A connection to each service's own schema."""
    with database_errors_in_words():
        dsn = await stack.enter_async_context(embedded.database(config))
        found = {}
        for service in SERVICES:
            found[service] = await stack.enter_async_context(db.connect(dsn, schema=service))
            await db.check_schema(found[service], service)
    return found


def _page(found: dict[str, Any]) -> str:
    """What was found as a page that needs nothing else."""
    plain = orjson.loads(orjson.dumps(found, default=str, option=orjson.OPT_UTC_Z))
    page = Pages(Path(__file__).parent / "templates").render(
        "export.html",
        reached=plain["address"],
        at=f"{_instant(found['at']):%Y-%m-%d %H:%M} UTC",
        services={service: plain[service] for service in SERVICES},
        titles=TITLES,
    )
    return page.text or ""


def _write(path: Path, page: str) -> None:
    """Write the page to a file that its owner alone may read."""
    if str(path) == "-":
        print(page)
        return
    try:
        path.touch(mode=0o600)
        if path.is_file():  # one that was there already
            path.chmod(0o600)
        path.write_text(page, encoding="utf-8")
        print(f"written to {path}; whoever has that file can read all of it", file=sys.stderr)
    except OSError as error:
        raise Refused(f"--html {path}: cannot be written: {(error.strerror or '').lower()}") from None


def _instant(value: Any) -> datetime:
    assert isinstance(value, datetime)
    return value
