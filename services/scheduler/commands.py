"""`afterhello plan`: the cadences, what is wrong with one, and when it would write."""

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar
from uuid import UUID

import typer

from services.scheduler import plan_file, school_days, texting, wishes
from services.scheduler.offset import NoSuchTime
from services.scheduler.plan import SHIPPED, PlannedFollowUp, Plans, read_named, schedule
from services.scheduler.plan_file import Plan, PlanError
from services.scheduler.school_days import NoSuchDay, SchoolDays
from services.scheduler.wall_clock import Clock
from shared import settings
from shared.command import Refused, connection, show, show_json, typed_as_text
from shared.events import Person

T = TypeVar("T")
USUAL = Person(id=UUID(int=0), revision=0)  # whose wishes are everybody's until they say otherwise

plan = typer.Typer(no_args_is_help=True, help="The cadences: which there are, what is wrong with one, when it writes.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@plan.command("list")
def list_(as_json: Json = False) -> None:
    """List the plans: the shipped ones, and your own in PLANS_DIR."""
    plans = _plans()
    rows = [
        {"name": one.name, "title": one.title, "steps": len(one.steps), "file": _where(one)}
        for one in (plans.get(name) for name in plans.names)
    ]
    show(rows, as_json=as_json, empty="There are no plans.")


@plan.command()
def check(
    files: Annotated[list[Path] | None, typer.Argument(help="Plan files; without any, all plans there are.")] = None,
    as_json: Json = False,
) -> None:
    """Say what is wrong with plan files: every mistake, with file and line. Exit status 2 when there is one."""
    rows: list[dict[str, object]] = []
    for file in files or _files():
        try:
            read = read_named(file)
            rows.append({"file": str(file), "plan": read.name, "steps": len(read.steps), "mistakes": []})
        except PlanError as error:
            rows.append({"file": str(file), "plan": None, "steps": None, "mistakes": error.mistakes})
    mistakes = [mistake for row in rows for mistake in row["mistakes"]]  # type: ignore[attr-defined]
    if as_json:
        show_json(rows)
    else:
        for row in rows:
            if not row["mistakes"]:
                print(f"{row['file']}: right, {row['steps']} step{'' if row['steps'] == 1 else 's'}")
    for mistake in mistakes:
        print(f"afterhello: {' '.join(mistake.split())}", file=sys.stderr)
    if mistakes:
        raise typer.Exit(2)


@plan.command()
def preview(
    name: Annotated[str | None, typer.Option("--plan", help="The name of a plan, such as conference.")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="A plan file instead.")] = None,
    met_at: Annotated[str | None, typer.Option(help="When they met: 2026-10-21T14:10 (default: now).")] = None,
    goal_at: Annotated[str | None, typer.Option(help="The shared goal, for steps that count back from it.")] = None,
    person: Annotated[
        str | None, typer.Option(help="Somebody's email: with their wishes, and the calendars imported for them.")
    ] = None,
    zone: Annotated[
        str | None, typer.Option(help="The person's time zone, such as America/New_York (default: UTC).")
    ] = None,
    send_at: Annotated[str | None, typer.Option(help="When they want to hear from us: 15:30.")] = None,
    days: Annotated[str | None, typer.Option(help="On which days: mon,tue,wed,thu,fri.")] = None,
    quiet: Annotated[str | None, typer.Option(help="When nothing may come: 21:00-07:00.")] = None,
    holidays: Annotated[str | None, typer.Option(help="Whose public holidays to leave out: US or US-MA.")] = None,
    breaks: Annotated[str | None, typer.Option(help="School breaks: 2026-12-21..2027-01-02,2027-02-15.")] = None,
    as_json: Json = False,
) -> None:
    """Show when a plan would write, without writing: local time, zone and instant of each step.

    It takes any date from 1900 to 2200, and skips nothing because it is past. It needs no database, and so knows of no
    imported calendar; with --person it asks the one of the services.
    """
    chosen = _chosen(name, file)
    known = _person(person) if person is not None else USUAL
    in_zone = _read("--zone", wishes.zone, known.time_zone if zone is None else zone)
    met = _typed("--met-at", lambda text: wishes.instant(text, in_zone), met_at)
    goal = _typed("--goal-at", lambda text: wishes.instant(text, in_zone), goal_at)
    region = _typed("--holidays", school_days.region, known.holidays if holidays is None else holidays)
    quiet_from, quiet_to = _typed("--quiet", wishes.quiet, quiet) or (known.quiet_from, known.quiet_to)
    clock = Clock(
        zone=in_zone,
        send_at=_typed("--send-at", wishes.local_time, send_at) or known.send_at,
        quiet_from=quiet_from,
        quiet_to=quiet_to,
        paused_until=known.paused_until,
        school_days=SchoolDays(
            days=_typed("--days", wishes.days, days) or known.days,
            holidays=region,
            breaks=(*known.breaks, *(_typed("--breaks", wishes.breaks, breaks) or ())),
        ),
    )
    if known.channel == "sms":
        clock = texting.heeding(clock, None if known.zone_is_known else known.phone)
    try:
        planned = schedule(chosen, clock, met_at=met or datetime.now(UTC).replace(microsecond=0), goal_at=goal)
    except (NoSuchDay, NoSuchTime) as error:
        raise Refused(str(error)) from None
    shows_to = not as_json and any(one.to == "contact" for one in planned)
    show([_row(one, shows_to=shows_to) for one in planned], as_json=as_json, empty="Nothing to send.")
    for remark in _remarks(chosen, planned, region, goal):
        print(f"afterhello: {remark}", file=sys.stderr)


@plan.command()
def apply(
    name: Annotated[str, typer.Argument(help="The name of a plan, such as conference.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it, only show what would change.")] = False,
    as_json: Json = False,
) -> None:
    """Move what waits to where the plan as it is now has it. A changed file moves nothing by itself."""
    from services.scheduler.plan_apply import apply_plan  # the only one that needs a database, and waits for it

    apply_plan(_chosen(name, None), yes=yes, as_json=as_json)


def release(as_json: Json = False) -> None:
    """Let go what is held because so much of it was late at once: `/readyz` of the scheduler says when."""

    async def work() -> tuple[bool, int]:
        async with connection("scheduler") as conn, conn.transaction():
            now = await db.now(conn)
            late = await store_held.late_rows(conn, now=now)
            released = await store_held.release_backlog(conn, now=now)
            await wake.notify(conn, "scheduler", "due")
            return released, late

    from services.scheduler import store_held
    from shared import db, wake

    released, late = asyncio.run(work())
    if as_json:
        show_json({"released": released, "late": late})
    else:
        print(f"{late} late follow-ups go on their way" if released else "nothing is held")


def _person(email: str) -> Person:
    """Return somebody as the scheduler knows them, with the breaks that were imported for them."""
    from services.scheduler import store_calendars  # needs a database, and people wait for it

    async def work() -> Person | None:
        async with connection("scheduler") as conn:
            return await store_calendars.person(conn, typed_as_text(email).strip())

    found = asyncio.run(work())
    if found is None:
        raise Refused(f"--person: nobody with the address {typed_as_text(email).strip()} has logged a meeting")
    return found


def _typed(option: str, read: Callable[[str], T], text: str | None) -> T | None:
    return None if text is None else _read(option, read, text)


def _read(option: str, read: Callable[[str], T], text: str) -> T:
    """Return what was typed after this option as what it stands for."""
    try:
        return read(text)
    except (wishes.Unreadable, NoSuchTime, NoSuchDay) as error:
        raise Refused(f"{option}: {error}") from None


def _plans() -> Plans:
    try:
        return Plans.read(settings.read().plans_dir)
    except PlanError as error:
        raise Refused(error.mistakes[0]) from None


def _files() -> list[Path]:
    own = settings.read().plans_dir
    if own is not None and not own.is_dir():
        raise Refused(f"PLANS_DIR: {own} is no directory")
    return [file for folder in (SHIPPED, own) if folder for file in sorted(folder.glob("*.toml"))]


def _chosen(name: str | None, file: Path | None) -> Plan:
    if (name is None) == (file is None):
        raise Refused("--plan or --file, exactly one of them, says which plan (`afterhello plan list` names them)")
    try:
        if file is not None:
            return plan_file.read(file)
        return _plans().get(name or "")
    except PlanError as error:
        raise Refused(f"{'--file' if file else '--plan'}: {error.mistakes[0]}") from None


def _where(one: Plan) -> str:
    return "shipped" if one.path.parent == SHIPPED else str(one.path)


def _row(one: PlannedFollowUp, *, shows_to: bool) -> dict[str, object]:
    to = {"to": one.to} if shows_to or one.to == "contact" else {}
    return {
        "step": one.step,
        "occurrence": one.occurrence,
        "playbook": one.playbook,
        "local": one.moment.local.isoformat(),
        "zone": one.moment.zone,
        "due_at": one.moment.due_at.replace(tzinfo=None).isoformat() + "Z",
        **to,
    }


def _remarks(
    chosen: Plan, planned: list[PlannedFollowUp], region: school_days.Region | None, goal: datetime | None
) -> list[str]:
    """Return what a reader of the dates should know about them."""
    remarks = []
    back = [str(step.number) for step in chosen.steps if step.rule == "before"]
    if back and goal is None:
        remarks.append(f"step {', '.join(back)} counts back from a goal: give --goal-at to see it")
    years = {one.moment.local.year for one in planned}
    if region and not all(region.first_year <= year <= region.last_year for year in years):
        known = f"{region.first_year} to {region.last_year}"
        remarks.append(f"--holidays: those of {region.name} are known from {known}; other years are shown without")
    return remarks
