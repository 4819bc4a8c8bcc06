"""`afterhello source add|map|rotate|disable`: how a source is set up, and how it proves itself."""

import shlex
from typing import Annotated, Any

import asyncpg
import typer

from services.intake import bringing, letter, pasting, sources, typed
from services.intake.providers import PROVIDERS
from services.intake.readers import BROUGHT, READERS
from services.intake.source_command import (
    Confirm,
    Fixed,
    Json,
    Mapped,
    Name,
    Note,
    Owner,
    Plan,
    Secret,
    Zone,
    find,
    plans,
    run,
    said,
)
from services.intake.sources import Source
from shared import command
from shared.command import Refused, show_json
from shared.db import Connection
from shared.settings import Settings
from shared.signing import Box


def add(
    context: typer.Context,
    provider: Annotated[str, typer.Argument(metavar="PROVIDER", help=f"The tool: {', '.join(READERS)}.")],
    name: Name,
    secret: Secret = None,
    plan: Plan = None,
    zone: Zone = None,
    owner: Owner = None,
    mapped: Mapped = None,
    fixed: Fixed = None,
    confirm: Confirm = None,
    note: Note = None,
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
      afterhello source add csv "Badge scans" --owner ada@school.example --set met_at=2026-10-21
      afterhello source add mail "Ada's letters" --owner ada@school.example
      afterhello source add standard "Our own code" --json
    """
    needed = () if provider == "csv" else ("inbound_address",) if provider == "mail" else ("public_url",)
    config = command.read_settings("secret_key", *needed)
    typed.provider(provider)
    name = typed.name(name)
    questions, values = typed.pairs("--map", "QUESTION", mapped), typed.pairs("--set", "VALUE", fixed)
    names = plans(context, config)
    typed.fields_of(questions, values, names)
    about = said(plan, zone, owner, names)
    if provider == "mail" and about["owner"] is None:
        raise Refused("--owner is missing: whose letters are these? Meetings that are logged by mail are one person's")
    path, secret = _new_path(provider), _new_secret(provider, secret)

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
                confirm=provider == "csv" if confirm is None else confirm,
                note=note,
                **about,
            )
        except asyncpg.UniqueViolationError:
            raise Refused(f"NAME: there is a source {name!r} already; `afterhello source list` lists them") from None

    run(config, work)
    new: dict[str, Any] = {"name": name, "provider": provider, **_ways_in(config, provider, path, secret)}
    show_json(new) if as_json else print(bringing.in_words(**new) if provider in BROUGHT else pasting.in_words(**new))


def map_(
    context: typer.Context,
    name: Name,
    plan: Plan = None,
    zone: Zone = None,
    owner: Owner = None,
    mapped: Mapped = None,
    fixed: Fixed = None,
    confirm: Confirm = None,
    note: Note = None,
    unset: Annotated[
        list[str] | None,
        typer.Option("--unset", metavar="FIELD", help="What is no longer mapped or set, or plan, zone, owner, note."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Mend how a source is mapped; what is not named stays. `source replay` then logs what was rejected.

    \b
    Examples:
      afterhello source map "Club" --map contact.name="Who was it?" --unset notes
      afterhello source replay "Club"
    """
    config = command.read_settings()
    questions, values = typed.pairs("--map", "QUESTION", mapped), typed.pairs("--set", "VALUE", fixed)
    names = plans(context, config)
    about = said(plan, zone, owner, names)
    taken = set(unset or ())
    about["note"] = note
    if not (questions or values or any(about.values()) or taken or confirm is not None):
        raise Refused("there is nothing to change: give --map, --set, --unset, --plan, --zone, --owner or --confirm")

    async def work(conn: Connection) -> Source:
        one = await find(conn, name)
        stood: dict[str, str | None] = {"plan": one.plan, "zone": one.zone, "owner": one.owner, "note": one.note}
        for field in taken:
            if field not in {*one.mapping, *one.fixed} and not stood.get(field):
                raise Refused(f"--unset {field[:60]}: is neither mapped nor set; `afterhello source show` says what is")
        gone = taken | questions.keys() | values.keys()  # what was mapped may be set now, and the other way
        mapping = {field: one.mapping[field] for field in one.mapping if field not in gone} | questions
        fixed = {field: one.fixed[field] for field in one.fixed if field not in gone} | values
        typed.fields_of(mapping, fixed, names)
        stood = {key: about[key] or (None if key in taken else stood[key]) for key in stood}
        if one.provider == "mail" and stood["owner"] is None:
            raise Refused("--unset owner: meetings that are logged by mail are one person's; give another --owner")
        confirms = one.confirm if confirm is None else confirm
        return await sources.set_up(conn, one.id, mapping=mapping, fixed=fixed, confirm=confirms, **stood)

    one = run(config, work)
    kept = {"plan": one.plan, "zone": one.zone, "owner": one.owner, "map": dict(one.mapping), "set": dict(one.fixed)}
    if as_json:
        show_json({"name": one.name} | kept)
    else:
        for what, pairs in (("map", one.mapping), ("set", one.fixed)):
            for field, value in pairs.items():
                print(f"{what} {field:<20} {value}")
        print(f"{one.name}: set up. What was rejected until now: afterhello source replay {shlex.quote(one.name)}")


def rotate(
    name: Name,
    secret: Secret = None,
    url: Annotated[
        bool, typer.Option("--url", help="A new URL; of a tool that cannot send a secret it is always that.")
    ] = False,
    keep: Annotated[
        str, typer.Option("--keep", "--overlap", metavar="DAYS", help="How long the old one still counts.")
    ] = "1 day",
    as_json: Json = False,
) -> None:
    """Give a source a new secret, or a new URL, and print it. Until DAYS have passed the old one counts as well.

    \b
    Examples:
      afterhello source rotate "MassCUE sign-up" --keep 7
      afterhello source rotate "Jotform" --keep "2 hours"
    """
    overlap = typed.checked("--keep", typed.days, keep)
    config = command.read_settings("secret_key")

    async def work(conn: Connection) -> dict[str, Any]:
        one = await find(conn, name)
        fresh, path = _fresh(one, secret, url=url)
        ways = _ways_in(config, one.provider, path, fresh)
        ends_at = await sources.rotate(conn, Box(config.secret_key), one.id, secret=fresh, path=path, overlap=overlap)
        return {"name": one.name, "provider": one.provider, **ways, "old_until": ends_at}

    new = run(config, work)
    if as_json:
        show_json(new)
        return
    for what in ("url", "secret", "address"):
        if new.get(what):
            print(f"{what:<8}{new[what]}")
    print(f"\nIt is shown this once. The one before it counts until {new['old_until']:%Y-%m-%d %H:%M} UTC.")


def disable(
    name: Name,
    undo: Annotated[bool, typer.Option("--undo", help="Take submissions again.")] = False,
    as_json: Json = False,
) -> None:
    """Take no submissions from a source any more. They are answered 401, and what was logged stays."""

    async def work(conn: Connection) -> Source:
        await sources.set_disabled(conn, (await find(conn, name)).id, disabled=not undo)
        return await find(conn, name)

    one = run(command.read_settings(), work)
    if as_json:
        show_json({"name": one.name, "disabled_at": one.disabled_at})
    else:
        print(f"{one.name}: {'submissions are taken again' if undo else 'submissions are not taken any more'}")


def _new_path(provider: str) -> str | None:
    """A path of the form that the provider is reached by."""
    return None if provider == "csv" else letter.new_token() if provider == "mail" else sources.new_path()


def _new_secret(provider: str, given: str | None) -> str:
    if provider in PROVIDERS:
        return typed.secret(PROVIDERS[provider], given)
    if given is not None:
        raise Refused(f"--secret: {provider} has none")
    return ""


def _fresh(source: Source, secret: str | None, *, url: bool) -> tuple[str | None, str | None]:
    """The new secret and the new path, None for what stays as it is."""
    if source.provider == "csv":
        raise Refused("NAME: it reads files, so there is neither a URL nor a secret to change")
    if source.provider in BROUGHT:
        return None, _new_path(source.provider)
    fresh = None if url and secret is None else _new_secret(source.provider, secret) or None
    return fresh, _new_path(source.provider) if url or fresh is None else None


def _ways_in(config: Settings, provider: str, path: str | None, secret: str | None) -> dict[str, str | None]:
    """What whoever sets the tool up has to know; None where there is nothing, or nothing new."""
    if provider == "mail":
        if config.inbound_address is None:
            raise Refused("INBOUND_ADDRESS is not set: set it in the environment, as for the service")
        domain = config.inbound_address.rpartition("@")[2]
        return {"url": None, "secret": None, "address": f"log+{path}@{domain}" if path else None}
    if path and config.public_url is None:
        raise Refused("PUBLIC_URL is not set: set it in the environment, as for the service")
    return {"url": f"{config.public_url}/hooks/{path}" if path else None, "secret": secret or None}
