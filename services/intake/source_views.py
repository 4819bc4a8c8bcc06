"""`afterhello source list|show|test`: how sources are set up, what they handed in, and what they would log."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from services.intake import activity, guarding, readers, rehearsal, typed
from services.intake.activity import Activity
from services.intake.answers import Delivery, Unreadable
from services.intake.meeting import Defaults
from services.intake.providers import PROVIDERS, roster
from services.intake.providers.roster import BadFile
from services.intake.reaching import served
from services.intake.source_command import Json, Name, by_hand, find, plans, run, secret_of
from services.intake.sources import Source
from shared import command, db
from shared.command import Refused, show, show_json
from shared.db import Connection
from shared.retry import TryAgain

LETTER_BYTES: Final = 16 * 1024 * 1024


def list_(
    silent_after: Annotated[
        int, typer.Option("--silent-after", metavar="DAYS", min=1, help="Days without a delivery that are told of.")
    ] = 7,
    as_json: Json = False,
) -> None:
    """List the sources: when each last handed something in, how much was taken, and why the last one was not.

    A form that was unhooked says nothing: so a source that fell silent is told of. What was refused with 401 (a wrong
    secret, a wrong URL) is counted in the metrics alone: it was not proven whose it was.
    """

    async def work(conn: Connection) -> list[dict[str, Any]]:
        rows = []
        for one, active in await activity.list_sources(conn):
            days = active.silent_days()
            is_silent = days is not None and days >= silent_after and _is_called(one)
            rows.append(
                {
                    "name": one.name,
                    "provider": one.provider,
                    "plan": one.plan,
                    "created_at": one.created_at,
                    "disabled_at": one.disabled_at,
                    "last_at": active.last_at,
                    "accepted": active.accepted,
                    "rejected": active.rejected,
                    "last_reason": active.last_reason,
                    "silent_days": days if is_silent else None,
                    "hint": _hint(one, active, days if is_silent else None),
                }
            )
        return rows

    rows = run(command.read_settings(), work)
    if not as_json:
        rows = [by_hand({key: row[key] for key in row if key != "silent_days"}) for row in rows]
    show(rows, as_json=as_json, empty='There are no sources. Add one: afterhello source add typeform "Sign-up"')


def _is_called(source: Source) -> bool:
    """A file comes when somebody imports it, and nothing comes to a source that is disabled."""
    return source.provider != "csv" and source.disabled_at is None


def _hint(source: Source, active: Activity, silent_days: int | None) -> str | None:
    if silent_days is not None:
        return f"silent for {silent_days} days: is it still hooked up?"
    if active.last_at is None and _is_called(source) and (active.now - source.created_at).days:
        return "nothing came yet: is it hooked up?"
    return None


def show_(name: Name, as_json: Json = False) -> None:
    """Show how a source is set up and its latest rejections. Its URL and secret are not known here any more."""

    async def work(conn: Connection) -> dict[str, Any]:
        one = await find(conn, name)
        rejections = await activity.last_rejections(conn, one.id, limit=5)
        return {
            "name": one.name,
            "provider": one.provider,
            "plan": one.plan,
            "zone": one.zone,
            "owner": one.owner,
            "map": dict(one.mapping),
            "set": dict(one.fixed),
            "confirm": one.confirm,
            "note": one.note,
            "created_at": one.created_at,
            "disabled_at": one.disabled_at,
            "rejections": [{"at": one.at, "reason": one.reason} for one in rejections],
        }

    found = run(command.read_settings(), work)
    if as_json:
        show_json(found)
        return
    for row in found.pop("rejections"):
        found[f"rejected {by_hand(row)['at']}"] = row["reason"]
    for what in ("map", "set"):
        found |= {f"{what} {field}": value for field, value in found.pop(what).items()}
    for key, value in by_hand(found).items():
        print(f"{key.replace('_', ' '):<25} {'-' if value is None else value}")


def test(
    context: typer.Context,
    name: Name,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A payload, as the tool sends it; - is standard input.")],
    as_json: Json = False,
) -> None:
    """Show what a payload would log and which answer goes where. It logs nothing, and no signature is needed.

    Of a roster it is the first line (`source import --dry-run` shows all); of letters, one that was saved as .eml.

    \b
    Example:
      afterhello source test "MassCUE sign-up" response.json
    Exit status 1 when it would be rejected.
    """
    config = command.read_settings()
    raw = typed.payload(file, limit=LETTER_BYTES)

    async def work(conn: Connection) -> tuple[Source, str, datetime]:
        found = await find(conn, name)
        return found, await secret_of(conn, config, found), await db.now(conn)

    found, secret, now = run(config, work)
    defaults = Defaults(
        zone_is_set="time_zone" in config.model_fields_set,
        served=served(config),
        time_zone=config.time_zone,
        phone_region=config.phone_region,
        guard=guarding.of_settings(config),
    )
    try:
        rehearsed = rehearsal.rehearse(
            _read(found, asyncio.run(readers.whole(found, raw, secret))),
            mapped_to=found.mapping,
            fixed=found.fixed,
            defaults=defaults.of_source(plan=found.plan, zone=found.zone, owner=found.owner),
            plans=plans(context, config),
            now=now,
        )
    except BadFile as error:
        raise Refused(f"{file}: {error}") from None
    except TryAgain as error:
        raise Refused(f"{file}: points to what cannot be fetched: {error.reason}") from None
    except (ValueError, Unreadable) as error:
        raise Refused(f"{file}: {found.provider} sends nothing like this: it {error}") from None
    if as_json:
        show_json(rehearsal.as_json(rehearsed))
    else:
        print("\n".join((*rehearsal.in_words(rehearsed), "", "This was a rehearsal: nothing was logged.")))
    if rehearsed.errors:
        raise typer.Exit(1)


def _read(source: Source, raw: bytes) -> Delivery:
    """What a payload is, without the headers that it came with."""
    typed.provider(source.provider)
    if source.provider == "csv":
        rows = roster.rows(raw)
        if not rows:
            raise BadFile("has no line below the titles")
        if rows[0].problem:
            raise BadFile(f"line {rows[0].line}: {rows[0].problem}")
        raw = rows[0].body
    elif source.provider in PROVIDERS and len(raw) > typed.FILE_BYTES:
        raise BadFile(f"has more than {typed.FILE_BYTES // 1024} KiB, which no hook takes")
    kept = PROVIDERS[source.provider].KEPT if source.provider in PROVIDERS else ()
    return readers.read(source, dict.fromkeys(kept, "rehearsal"), raw)
