"""`afterhello doctor`: what is wrong with this installation, in sentences, and what to do next."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import asyncpg
import typer
import tzdata  # type: ignore[import-untyped]
from pydantic import ValidationError

from services import reach, reach_texts
from services.finding import Finding
from services.notifier import store_channels
from shared import db, dead_letter, embedded, outbox, standalone
from shared.command import Failed, Refused, database_errors_in_words, show_json
from shared.db import Connection
from shared.settings import Settings, SettingsError

NEEDS: Final = {
    "intake": ("database_url", "amqp_url", "public_url", "secret_key"),
    "scheduler": ("database_url", "amqp_url"),
    "notifier": ("database_url", "amqp_url", "smtp_url", "mail_from", "public_url", "secret_key"),
}
WORDS: Final = {True: "ok", False: "WRONG", None: "?"}
CLOCKS_MAY_DIFFER: Final = timedelta(seconds=2)
OUTBOX_MAY_WAIT: Final = timedelta(minutes=1)
# A mail goes out only after we recorded that it does: a record that a power cut takes back is a mail sent twice.
SAFE_SETTINGS: Final = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": ""}


class Service(StrEnum):
    """The services that may run alone."""

    intake = "intake"
    scheduler = "scheduler"
    notifier = "notifier"


def doctor(
    service: Annotated[
        Service | None,
        typer.Option(envvar="SERVICE", help="Look for the settings of this one alone; default: of all three."),
    ] = None,
    mail: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Send one mail there, and say what its receiver will make of it."),
    ] = None,
    received: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Judge a mail of ours as it arrived: its source, saved there. -: from stdin."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Look at everything this installation needs and say in sentences what is wrong and what to do next.

    \b
    Changes nothing, and sends nothing but the one mail of --mail. Reads the same settings as the services.
    "?" is what cannot be told from here, such as where DNS cannot be reached.
    Exit status: 0 when nothing is wrong, 1 when something is.
    """
    if mail is not None and received is not None:
        raise Refused("--mail sends a mail, --received judges one that has come: one of the two")
    if received is not None:
        findings = _judge(received)
    else:
        findings = asyncio.run(examine_mail(mail) if mail else examine(service.value if service else None))
    if json:
        show_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            print(f"{WORDS[finding.ok]:<6} {finding.check:<12} {finding.says}")
            if finding.do:
                print(f"{'':<6} {'':<12} -> {finding.do}")
        wrong = sum(finding.ok is False for finding in findings)
        well = "Nothing is wrong" if any(finding.ok is None for finding in findings) else "All is well"
        print(f"\n{f'{wrong} wrong' if wrong else well}, {len(findings)} looked at.")
    if any(finding.ok is False for finding in findings):
        raise typer.Exit(1)


async def examine_mail(address: str) -> list[Finding]:
    """Send one mail to this address and return what its receiver will make of it."""
    from services import mail_check
    from services.name_server import Names

    if wrong := _wrong_settings():
        return wrong
    try:
        config = standalone.read()
    except SettingsError as error:
        return [_named(str(error))]
    return await mail_check.send_one(config, address, Names(), now=datetime.now(UTC))


async def examine(service: str | None = None) -> list[Finding]:
    """Return a finding for everything looked at, wrong or not; of the settings, those this service needs."""
    if wrong := _wrong_settings():
        return wrong
    try:
        config = standalone.read()
    except SettingsError as error:
        return [_named(str(error))]
    # Only the single services need a broker; without one it is the all-in-one that is being set up.
    in_parts = config.amqp_url is not None
    findings = _settings(config, service, in_parts=in_parts)
    findings += await _database(config)
    findings += await reach.broker(config)
    findings += await reach.mail(config)
    findings += await reach_texts.texts(config)
    findings += await reach.public_url(config, in_parts=in_parts)
    return [*findings, _plans(config), _zones()]


def _judge(file: Path) -> list[Finding]:
    from services import mail_check
    from services.name_server import Names

    try:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise Refused(f"{file}: {(error.strerror or '').lower()}") from error
    return asyncio.run(mail_check.received(raw, Names()))


def _wrong_settings() -> list[Finding]:
    """Every setting that cannot be read, not only the first."""
    try:
        Settings()
    except ValidationError as error:
        return [
            _named(f"{str(problem['loc'][0]).upper()}: {problem['msg'].removeprefix('Value error, ')}")
            for problem in error.errors()
        ]
    except SettingsError as error:
        return [_named(str(error))]
    return []


def _named(message: str) -> Finding:
    name, _, problem = message.partition(":" if ":" in message else " ")
    return Finding(check=name, ok=False, says=problem.strip(), do="mend it in the environment: nothing starts before")


def _settings(config: Settings, service: str | None, *, in_parts: bool) -> list[Finding]:
    if not in_parts:
        where = f"files in {config.data_dir}, bus inside the process"
        return [Finding(check="settings", ok=True, says=f"for `afterhello run`: AMQP_URL is not set; {where}")]
    needed = NEEDS[service] if service else NEEDS["notifier"]  # who needs all there is
    missing = [name.upper() for name in needed if not getattr(config, name)]
    if missing:
        do = "set them, or NAME_FILE, in the environment of every service; deploy/env.example explains each"
        return [Finding(check="settings", ok=False, says=f"not set: {', '.join(missing)}", do=do)]
    whom = f"`afterhello {service}` needs" if service else "the services need"
    keys = f"; {len(config.secret_key)} in SECRET_KEY, long enough" if config.secret_key else ""
    return [Finding(check="settings", ok=True, says=f"all that {whom} is set{keys}")]


async def _database(config: Settings) -> list[Finding]:
    try:
        with database_errors_in_words():
            async with embedded.database(config) as dsn:
                findings = []
                async with db.connect(dsn, schema="pg_catalog") as conn:
                    findings += [await _server(conn), await _safety(conn), await _clock(conn)]
                for schema in db.SCHEMAS:
                    async with db.connect(dsn, schema=schema) as conn:
                        findings += [finding async for finding in _schema(conn, schema)]
                return findings
    except (Failed, SettingsError) as error:
        do = "start it, or mend DATABASE_URL: host, port, user, password and the database's name"
        return [Finding(check="database", ok=False, says=str(error).removeprefix("DATABASE_URL: "), do=do)]


async def _server(conn: Connection) -> Finding:
    version = await conn.fetchval("SELECT current_setting('server_version')")
    return Finding(check="database", ok=True, says=f"answers, PostgreSQL {version}")


async def _safety(conn: Connection) -> Finding:
    found = {name: await conn.fetchval("SELECT current_setting($1)", name) for name in SAFE_SETTINGS}
    off = [name for name, value in found.items() if value == "off"]
    if off:
        do = f"switch {' and '.join(off)} on: after a power cut a mail could go out twice, or never"
        return Finding(check="durability", ok=False, says=f"{', '.join(off)} is off", do=do)
    return Finding(check="durability", ok=True, says="what is committed is on disk (fsync, synchronous_commit)")


async def _clock(conn: Connection) -> Finding:
    began = time.monotonic()
    there = await db.now(conn)
    here = datetime.now(UTC) - timedelta(seconds=(time.monotonic() - began) / 2)
    difference = abs(there - here)
    says = f"this machine's and the database's differ by {difference.total_seconds():.3f} s"
    do = None if difference < CLOCKS_MAY_DIFFER else "switch time synchronisation (NTP) on; nudges go by the database's"
    return Finding(check="clock", ok=do is None, says=says, do=do)


async def _schema(conn: Connection, schema: str) -> AsyncIterator[Finding]:
    if not await db.may_use(conn, schema):
        yield Finding(check=schema, ok=True, says="belongs to another role; look at it with that one's DATABASE_URL")
        return
    try:
        await db.check_schema(conn, schema)
    except db.WrongSchema as error:
        yield Finding(check=schema, ok=False, says=error.wrong, do=error.do)
        return
    except asyncpg.InsufficientPrivilegeError as error:
        yield Finding(check=schema, ok=False, says=str(error), do="grant as deploy/postgres.sql does")
        return
    if schema == "stops":
        yield Finding(check=schema, ok=True, says="up to date")
        return
    waiting, oldest = await outbox.waiting(conn)
    late = timedelta(seconds=oldest) > OUTBOX_MAY_WAIT
    yield Finding(
        check=schema,
        ok=not late,
        says=f"up to date; {waiting} events wait to leave" + (f", the oldest {oldest:.0f} s" if waiting else ""),
        do=f"see whether `afterhello {schema}` runs and reaches the broker" if late else None,
    )
    if dead := (await dead_letter.counts(conn))["dead"]:
        do = f"`afterhello dead-letter list --service {schema}` says why; mend it, then replay or drop them"
        yield Finding(check=schema, ok=False, says=f"{dead} events could not be applied", do=do)
    if schema == "notifier":
        for trouble in await store_channels.troubles(conn, now=await db.now(conn)):
            until = f" until {trouble.paused_until:%Y-%m-%d %H:%M} UTC" if trouble.paused_until else ""
            says = f"channel {trouble.name} is {trouble.state}{until}: {trouble.reason}"
            do = f"mend the cause, then `afterhello channel resume {trouble.name}`"
            yield Finding(check="channel", ok=False, says=says, do=do)


def _plans(config: Settings) -> Finding:
    from services.scheduler.plan import Plans
    from services.scheduler.plan_file import PlanError

    try:
        names = sorted(Plans.read(config.plans_dir).names)
    except PlanError as error:
        return Finding(check="plans", ok=False, says=str(error), do="`afterhello plan check FILE` while you mend it")
    return Finding(check="plans", ok=True, says=f"{len(names)}: {', '.join(names)}")


def _zones() -> Finding:
    year = int(tzdata.IANA_VERSION[:4])
    do = None if datetime.now(UTC).year - year <= 1 else "upgrade Afterhello: rules of summer time may have changed"
    return Finding(check="time zones", ok=do is None, says=f"tzdata {tzdata.IANA_VERSION}", do=do)
