"""`afterhello source`: the forms and tools that submit meetings."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import asyncpg
import typer

from services.intake import fields, mapping, pasting, rehearsal, sources, typed
from services.intake.answers import Unreadable
from services.intake.meeting import Defaults
from services.intake.providers import PROVIDERS
from services.intake.sources import Source
from shared import command, settings
from shared.command import Refused, show, show_json
from shared.db import Connection
from shared.settings import Settings
from shared.signing import Box

T = TypeVar("T")

source = typer.Typer(no_args_is_help=True, help="The forms and tools that submit meetings.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="What you call it.")]
Secret = Annotated[str | None, typer.Option(help="The secret that the tool gave you; without it one is made.")]


@source.command(epilog=f"FIELD is one of {', '.join(mapping.FIELDS)}.")
def add(
    context: typer.Context,
    provider: Annotated[str, typer.Argument(metavar="PROVIDER", help=f"The tool: {', '.join(PROVIDERS)}.")],
    name: Name,
    secret: Secret = None,
    plan: Annotated[str | None, typer.Option(help="The plan of its meetings, unless a submission names one.")] = None,
    zone: Annotated[str | None, typer.Option(help="The time zone of people who name none: America/New_York.")] = None,
    owner: Annotated[str | None, typer.Option(help="Whose meetings they are, if the form does not ask.")] = None,
    mapped: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FIELD=QUESTION", help="Which question is which field; again for each."),
    ] = None,
    fixed: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="What holds for every submission; again for each."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Add a source and print the URL to paste into the tool. It is shown this once.

    \b
    QUESTION is the question's id, ref or key in the tool, or its title. Questions whose titles say what they ask
    ("Your email", "Who did you meet?", "Where?") need no --map; `source test` shows what goes where.

    \b
    Examples:
      afterhello source add typeform "MassCUE sign-up" --plan conference --zone America/New_York
      afterhello source add typeform "Club" --map contact.name="Who was it?" --set event.name="Robotics club"
      afterhello source add standard "Our own code" --json
    """
    config = command.read_settings("secret_key", "public_url")
    tool, name = typed.provider(provider), typed.name(name)
    questions, values = typed.pairs("--map", "QUESTION", mapped), typed.pairs("--set", "VALUE", fixed)
    plans = _plans(context, config)
    typed.fields_of(questions, values, plans)
    plan = None if plan is None else typed.plan("--plan", plan, plans)
    zone = None if zone is None else typed.checked("--zone", fields.zone, zone)
    owner = None if owner is None else typed.checked("--owner", fields.email, owner)
    path, secret = sources.new_path(), typed.secret(tool, secret)

    async def work(conn: Connection) -> None:
        try:
            await sources.add_source(
                conn,
                Box(config.secret_key),
                provider=provider,
                name=name,
                path=path,
                secret=secret,
                mapping=questions,
                fixed=values,
                plan=plan,
                zone=zone,
                owner=owner,
            )
        except asyncpg.UniqueViolationError:
            raise Refused(f"NAME: there is a source {name!r} already; `afterhello source list` lists them") from None

    _run(config, work)
    new: dict[str, Any] = {
        "name": name,
        "provider": provider,
        "url": f"{config.public_url}/hooks/{path}",
        "secret": secret or None,
    }
    show_json(new) if as_json else print(pasting.in_words(**new))


@source.command("list")
def list_(as_json: Json = False) -> None:
    """List the sources: when each last handed something in, how much was taken, and why the last one was not."""

    async def work(conn: Connection) -> list[dict[str, Any]]:
        rows = []
        for one, activity in await sources.list_sources(conn):
            last = await sources.last_rejections(conn, one.id, limit=1)
            rows.append(
                {
                    "name": one.name,
                    "provider": one.provider,
                    "plan": one.plan,
                    "created_at": one.created_at,
                    "disabled_at": one.disabled_at,
                    "last_at": activity.last_at,
                    "accepted": activity.accepted,
                    "rejected": activity.rejected,
                    "last_reason": last[0].reason if last else None,
                }
            )
        return rows

    rows = _run(command.read_settings(), work)
    rows = rows if as_json else [_by_hand(row) for row in rows]
    show(rows, as_json=as_json, empty='There are no sources. Add one: afterhello source add typeform "Sign-up"')


@source.command("show")
def show_(name: Name, as_json: Json = False) -> None:
    """Show how a source is set up and its latest rejections. Its URL and secret are not known here any more."""

    async def work(conn: Connection) -> dict[str, Any]:
        one = await _find(conn, name)
        rejections = await sources.last_rejections(conn, one.id, limit=5)
        return {
            "name": one.name,
            "provider": one.provider,
            "plan": one.plan,
            "zone": one.zone,
            "owner": one.owner,
            "map": dict(one.mapping),
            "set": dict(one.fixed),
            "created_at": one.created_at,
            "disabled_at": one.disabled_at,
            "rejections": [{"at": one.at, "reason": one.reason} for one in rejections],
        }

    found = _run(command.read_settings(), work)
    if as_json:
        show_json(found)
        return
    for row in found.pop("rejections"):
        found[f"rejected {_by_hand(row)['at']}"] = row["reason"]
    for what in ("map", "set"):
        found |= {f"{what} {field}": value for field, value in found.pop(what).items()}
    for key, value in _by_hand(found).items():
        print(f"{key.replace('_', ' '):<25} {'-' if value is None else value}")


@source.command()
def test(
    context: typer.Context,
    name: Name,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A payload, as the tool sends it; - is standard input.")],
    as_json: Json = False,
) -> None:
    """Show what a payload would log and which answer goes where. It logs nothing, and no signature is needed.

    \b
    Example:
      afterhello source test "MassCUE sign-up" response.json
    Exit status 1 when it would be rejected.
    """
    config = command.read_settings()
    raw = typed.payload(file)
    found = _run(config, lambda conn: _find(conn, name))
    defaults = Defaults(time_zone=config.time_zone, phone_region=config.phone_region)
    try:
        rehearsed = rehearsal.rehearse(
            typed.provider(found.provider),
            raw,
            mapped_to=found.mapping,
            fixed=found.fixed,
            defaults=defaults.of_source(plan=found.plan, zone=found.zone, owner=found.owner),
            plans=_plans(context, config),
            now=datetime.now(UTC),
        )
    except (ValueError, Unreadable) as error:
        raise Refused(f"{file}: {found.provider} sends nothing like this: it {error}") from None
    if as_json:
        show_json(rehearsal.as_json(rehearsed))
    else:
        print("\n".join((*rehearsal.in_words(rehearsed), "", "This was a rehearsal: nothing was logged.")))
    if rehearsed.errors:
        raise typer.Exit(1)


@source.command()
def rotate(
    name: Name,
    secret: Secret = None,
    overlap: Annotated[str, typer.Option(help="How long the secret before it still counts.")] = "1 day",
    as_json: Json = False,
) -> None:
    """Give a source a new secret and print it. Its URL stays; paste the secret into the tool before the old one ends.

    \b
    Example:
      afterhello source rotate "MassCUE sign-up" --overlap "2 hours"
    """
    config = command.read_settings("secret_key")
    ends_in = typed.checked("--overlap", settings.duration, overlap)

    async def work(conn: Connection) -> dict[str, str]:
        one = await _find(conn, name)
        fresh = typed.secret(typed.provider(one.provider), secret)
        if not fresh:
            raise Refused(f"NAME: {one.provider} has no secret to change; add another source and paste its URL instead")
        await sources.rotate_secret(conn, Box(config.secret_key), one.id, secret=fresh, overlap=ends_in)
        return {"name": one.name, "provider": one.provider, "secret": fresh}

    new = _run(config, work)
    show_json(new) if as_json else print(f"secret  {new['secret']}\n\nThe one before it counts for {overlap} more.")


@source.command()
def disable(
    name: Name,
    undo: Annotated[bool, typer.Option("--undo", help="Take its submissions again.")] = False,
    as_json: Json = False,
) -> None:
    """Take no submissions from a source any more. They are answered 401, and what was logged stays."""

    async def work(conn: Connection) -> Source:
        await sources.set_disabled(conn, (await _find(conn, name)).id, disabled=not undo)
        return await _find(conn, name)

    one = _run(command.read_settings(), work)
    if as_json:
        show_json({"name": one.name, "disabled_at": one.disabled_at})
    else:
        print(f"{one.name}: {'submissions are taken again' if undo else 'submissions are not taken any more'}")


def _run(config: Settings, work: Callable[[Connection], Awaitable[T]]) -> T:
    async def connected() -> T:
        async with command.connection("intake", config) as conn:
            return await work(conn)

    return asyncio.run(connected())


def _plans(context: typer.Context, config: Settings) -> Collection[str]:
    """The names of the plans there are: those are the scheduler's, so `services.cli` brings them along."""
    names: Collection[str] = context.obj(config.plans_dir)
    return names


async def _find(conn: Connection, name: str) -> Source:
    if found := await sources.find_source(conn, name):
        return found
    raise Refused(f"NAME: there is no source {name[:60]!r}; `afterhello source list` lists them")


def _by_hand(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with instants as people write them."""
    return {k: f"{v:%Y-%m-%d %H:%M} UTC" if isinstance(v, datetime) else v for k, v in row.items()}
