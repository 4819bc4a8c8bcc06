"""`afterhello source import|replay`: rows of a file, and what was rejected before, are logged like a webhook's."""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Protocol
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.intake import activity, catching_up, readers, rehearsal, typed
from services.intake.catching_up import Outcome
from services.intake.providers import roster
from services.intake.providers.roster import BadFile, Row
from services.intake.source_command import Json, Name, find, plans, secret_of, taker
from services.intake.sources import Source
from services.intake.store import Received
from services.intake.taking import Taker
from shared import command, db
from shared.command import Refused, show_json

ROSTER_BYTES: Final = 32 * 1024 * 1024


class Report(Protocol):
    def __call__(self, words: str | None = None) -> None:
        """One is done; words about it, if it needs any."""


def import_(
    context: typer.Context,
    name: Name,
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="The roster; - is standard input.")],
    id_column: Annotated[
        str | None, typer.Option("--id", metavar="COLUMN", help="The column that tells rows apart, if it is not “id”.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Of a file that is not UTF-8, such as cp1252.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be logged, and log nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Log the meetings of a roster: its first line has the questions, every other line is a meeting.

    \b
    Importing it again logs only what is new in it: a row is known by its cell in COLUMN, else in a column called "id",
    else by all of its cells. A line that is wrong keeps no other from being logged. No intake needs to run, and nothing
    is sent at once: the first step of a plan waits for the owner's next send time.

    \b
    Examples:
      afterhello source add csv "Badge scans" --owner ada@school.example --set met_at=2026-10-21
      afterhello source import "Badge scans" scans.csv --dry-run
    Exit status 1 when a line was rejected.
    """
    config = command.read_settings()
    raw = typed.payload(file, limit=ROSTER_BYTES)
    try:
        rows = roster.rows(raw, encoding=encoding, id_column=id_column)
    except BadFile as error:
        raise Refused(f"{file}: {error}") from None
    names = plans(context, config)

    async def work() -> tuple[Source, list[tuple[Row, Outcome]]]:
        async with taker(config, names) as taking:
            async with taking.pool.acquire() as conn:
                source, now = await find(conn, name), await db.now(conn)
                known = await activity.accepted_keys(conn, source.id, [row.key for row in rows]) if dry_run else set()
            if source.provider != "csv":
                raise Refused(
                    f"NAME: {source.name!r} is a {source.provider} source; a roster needs one of its own: csv"
                )
            if source.disabled_at is not None and not dry_run:
                raise Refused(
                    f"NAME: {source.name!r} is disabled; `afterhello source disable --undo` takes it up again"
                )
            found = []
            with _progress("rows", len(rows), hidden=as_json) as report, command.database_errors_in_words():
                for row in rows:
                    if dry_run:
                        outcome = _rehearse(taking, source, row, known, now)
                    else:
                        outcome = await _take(taking, source, row, now)
                    found.append((row, outcome))
                    report(f"line {row.line}: {outcome.why()}" if outcome.what in {"rejected", "ignored"} else None)
            return source, found

    source, found = asyncio.run(work())
    counted: Counter[str] = Counter(outcome.what for _, outcome in found)
    if as_json:
        show_json(
            {"name": source.name, "dry_run": dry_run, "lines": len(found)}
            | {what: counted[what] for what in ("logged", "known", "rejected")}
            | {"meetings": [id for _, outcome in found for id in outcome.meetings]}
            | {"errors": [{"line": row.line, "errors": list(o.errors)} for row, o in found if o.what == "rejected"]}
        )
    else:
        logged = "would be logged" if dry_run else "logged"
        print(f"{_lines(len(found))}: {counted['logged']} {logged}, {_rest(counted)}")
    if counted["rejected"]:
        raise typer.Exit(1)


async def _take(taking: Taker, source: Source, row: Row, now: datetime) -> Outcome:
    if row.problem:
        return Outcome(what="rejected", errors=[{"field": "body", "problem": row.problem}])
    received = Received(source=source.id, key=row.key, headers={}, body=row.body, at=now)
    return await catching_up.take(taking, source, received)


def _rehearse(taking: Taker, source: Source, row: Row, known: set[str], now: datetime) -> Outcome:
    """What would become of a row; nothing is kept of it."""
    if row.problem:
        return Outcome(what="rejected", errors=[{"field": "body", "problem": row.problem}])
    if row.key in known:
        return Outcome(what="known")
    rehearsed = rehearsal.rehearse(
        readers.read(source, {}, row.body),
        mapped_to=source.mapping,
        fixed=source.fixed,
        defaults=taking.defaults.of_source(plan=source.plan, zone=source.zone, owner=source.owner),
        plans=taking.plans,
        now=now,
    )
    if rehearsed.errors:
        return Outcome(what="rejected", errors=rehearsed.errors)
    known.add(row.key)
    return Outcome(what="logged")


def replay(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Try again what was rejected, as the source is mapped now, and log what has become right.

    \b
    Example:
      afterhello source map "Club" --map contact.name="Who was it?"
      afterhello source replay "Club"
    Each counts as received when it came. Exit status 1 when one is still rejected.
    """
    config = command.read_settings("public_url")
    names = plans(context, config)

    async def work() -> list[tuple[UUID, Outcome]]:
        async with taker(config, names) as taking:
            async with taking.pool.acquire() as conn:
                source = await find(conn, name)
                waiting = await activity.rejected(conn, source.id)
                secret = await secret_of(conn, config, source)
            typed.provider(source.provider)
            found = []
            with _progress("submissions", len(waiting), hidden=as_json) as report, command.database_errors_in_words():
                for submission in waiting:
                    outcome = await catching_up.retake(taking, source, submission, secret=secret)
                    if outcome is not None:
                        found.append((submission, outcome))
                        report(f"{submission}: {_told(outcome)}")
            return found

    found = asyncio.run(work())
    counted: Counter[str] = Counter(outcome.what for _, outcome in found)
    if as_json:
        show_json([_shown(submission, outcome) for submission, outcome in found])
    elif not found:
        print("Nothing of this source is rejected.")
    else:
        number = "one submission" if len(found) == 1 else f"{len(found)} submissions"
        print(f"{number}: {counted['logged']} logged, {_rest(counted)}")
    if counted["rejected"]:
        raise typer.Exit(1)


def _told(outcome: Outcome) -> str:
    match outcome.what:
        case "logged":
            return "logged"
        case "known":
            return "was logged before"
        case "ignored":
            return f"submits nothing: it is {outcome.reason}"
        case "rejected":
            return f"still rejected: {outcome.why()}"


def _shown(submission: UUID, outcome: Outcome) -> dict[str, Any]:
    return {
        "submission": outcome.submission or submission,
        "outcome": outcome.what,
        "meetings": list(outcome.meetings),
        "errors": list(outcome.errors),
        "reason": outcome.why() or None,
    }


def _lines(number: int) -> str:
    return "one line" if number == 1 else f"{number} lines"


def _rest(counted: Counter[str]) -> str:
    ignored = f", {counted['ignored']} ignored" if counted["ignored"] else ""
    return f"{counted['known']} known from before, {counted['rejected']} rejected{ignored}"


@contextmanager
def _progress(what: str, total: int, *, hidden: bool) -> Iterator[Report]:
    """Show how far it is, on a terminal alone; words about one go to standard error."""
    columns: Sequence[Any] = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    with Progress(*columns, console=console, disable=hidden or not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task(what, total=total)

        def report(words: str | None = None) -> None:
            if words and not hidden:
                shown = "".join(one if one.isprintable() else " " for one in words)
                console.print(shown) if sys.stderr.isatty() else print(shown, file=sys.stderr)
            bar.advance(task)

        yield report
