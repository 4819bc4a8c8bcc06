"""One service in this process, as in production: `afterhello intake`, `scheduler`, `notifier`; and `migrate`."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from shared import db, embedded, log, settings, topology
from shared.bus import Bus
from shared.command import Failed, database_errors_in_words, read_settings, show_json
from shared.rabbit import RabbitBus
from shared.retry import TryAgain
from shared.serve import stop_on_signals
from shared.settings import Settings

Run = Callable[[Settings, Bus, asyncio.Event, int], Awaitable[None]]


def intake() -> None:
    """Run the service that takes meetings: webhooks, the API, the pages behind a nudge's links.

    \b
    Needs DATABASE_URL, AMQP_URL, SECRET_KEY and PUBLIC_URL. Listens on HOST, PORT (8080).
    Waits for a database or broker that is not there yet; GET /readyz says which.
    """
    from services.intake import app
    from services.scheduler.plan import Plans
    from services.scheduler.planner import Planner

    config = settings.read(required=("database_url", "amqp_url", "secret_key", "public_url"))
    planner = Planner(Plans.read(config.plans_dir))

    async def run(config: Settings, bus: Bus, stop: asyncio.Event, port: int) -> None:
        await app.run(config, bus, stop, planner=planner, port=port)

    _run(config, run, default_port=8080)


def scheduler() -> None:
    """Run the service that plans follow-ups and lets them fall due. As many as you like may run.

    \b
    Needs DATABASE_URL and AMQP_URL. Listens on HOST, PORT (8081) for /livez, /readyz and /metrics.
    """
    from services.scheduler import app

    async def run(config: Settings, bus: Bus, stop: asyncio.Event, port: int) -> None:
        await app.run(config, bus, stop, port=port)

    _run(settings.read(required=("database_url", "amqp_url")), run, default_port=8081)


def notifier() -> None:
    """Run the service that renders nudges and sends them. As many as you like may run.

    \b
    Needs DATABASE_URL, AMQP_URL, SMTP_URL, MAIL_FROM, SECRET_KEY and PUBLIC_URL.
    Listens on HOST, PORT (8082) for /livez, /readyz and /metrics.
    """
    from services.notifier import app

    required = ("database_url", "amqp_url", "smtp_url", "mail_from", "secret_key", "public_url")

    async def run(config: Settings, bus: Bus, stop: asyncio.Event, port: int) -> None:
        await app.run(config, bus, stop, port=port)

    _run(settings.read(required=required), run, default_port=8082)


def migrate(json: Annotated[bool, typer.Option("--json", help="Print what was applied as JSON.")] = False) -> None:
    """Bring every schema of the database up to date, and declare the broker's queues when AMQP_URL is set.

    \b
    Run it before a new version's services; those refuse to start on a schema they do not know.
    Two at once wait for one another; what was applied before is not applied again.
    """
    config = read_settings()
    applied = asyncio.run(_migrate(config))
    if json:
        show_json(applied)
        return
    for schema, names in applied.items():
        print(f"{schema}: {', '.join(names) if names else 'up to date'}")
    if config.amqp_url is not None:
        print("broker: queues declared")


async def _migrate(config: Settings) -> dict[str, list[str]]:
    with database_errors_in_words():
        async with embedded.database(config) as dsn:
            applied = {schema: await db.migrate(dsn, schema) for schema in db.SCHEMAS}
    if config.amqp_url is not None:
        try:
            await topology.declare(config.amqp_url.get_secret_value(), prefix=config.bus_prefix)
        except TryAgain as error:
            raise Failed(f"AMQP_URL: the broker {error}") from error
    return applied


def _run(config: Settings, run: Run, *, default_port: int) -> None:
    assert config.amqp_url is not None
    log.configure(config.log_level, config.log_format)
    port = default_port if config.port is None else config.port
    asyncio.run(_serve(config, run, port, config.amqp_url.get_secret_value()))


async def _serve(config: Settings, run: Run, port: int, amqp_url: str) -> None:
    stop = stop_on_signals()
    bus = RabbitBus(amqp_url, prefix=config.bus_prefix)
    try:
        await run(config, bus, stop, port)
    finally:
        await bus.close()
