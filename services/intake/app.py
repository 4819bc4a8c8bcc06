"""Intake, put together: the web server with its routes, the relay of its outbox, the consumer of its events."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from aiohttp import web

from services.intake import (
    act_api,
    actions,
    api,
    api_connections,
    api_description,
    api_meetings,
    api_people,
    assumed,
    confirming,
    idempotency,
    letterbox,
    proofs,
    pruning,
    regions,
    short_page,
    snsbox,
    textbox,
    webhook,
)
from services.intake.handlers import routes
from services.intake.meeting import Planner
from services.intake.providers import eventbrite
from services.intake.rate import Rates
from services.intake.taking import Taker
from shared import db, metrics, outbox, vitals
from shared.bus import Bus
from shared.db import Pool
from shared.links import Links
from shared.poll import poll
from shared.problem import Problem
from shared.receive import receiver
from shared.serve import Check, Service, serve, until_stopped
from shared.settings import Settings, SettingsError
from shared.signing import Box
from shared.wake import listen
from shared.web import Handler, application

log = structlog.get_logger()

SERVICE: Final = "intake"
PORT: Final = 8080
RELAY_LOOKS_EVERY_SECONDS: Final = 5.0  # also when nothing woke it
CLEANS_UP_EVERY_SECONDS: Final = 3600.0
ASKS_EVERY_SECONDS: Final = 5.0  # whether there is anybody to be asked about their address
PLANS_EVERY_SECONDS: Final = 1.0  # whether a file has changed: what was right last holds, also when nobody asked
CONNECTIONS: Final = 12


async def run(
    config: Settings,
    bus: Bus,
    stop: asyncio.Event,
    *,
    planner: Planner,
    port: int | None = None,
    mount: Callable[[web.Application], None] | None = None,
    started: Callable[[int], None] | None = None,
    beside: dict[str, Check] | None = None,
) -> None:
    """Serve until `stop` is set. Until the schema is known to be right every route of ours answers 503.

    `/readyz` also asks the checks in `beside`, of services in this process that have no web server.
    """
    for name in ("database_url", "public_url", "secret_key"):
        if not getattr(config, name):
            raise SettingsError(f"{name.upper()} is not set: set it, or {name.upper()}_FILE, in the environment")
    assert config.database_url is not None
    dsn = config.database_url.get_secret_value()
    pool = await db.open_pool(dsn, schema=SERVICE, max_size=CONNECTIONS)
    opened, wake = asyncio.Event(), asyncio.Event()
    app = application(_closed_until(opened))
    add_routes(app, pool, config, planner)
    if mount is not None:
        mount(app)

    async def start() -> None:
        await asyncio.to_thread(regions.table)  # so that no submission waits for it
        await db.wait_for_schema(pool, SERVICE)
        opened.set()

    async def relay(stop: asyncio.Event) -> None:
        await poll(
            "intake relay", lambda: outbox.relay(pool, bus), stop=stop, wake=wake, idle=RELAY_LOOKS_EVERY_SECONDS
        )

    async def clean_up(stop: asyncio.Event) -> None:
        await poll(
            "intake clean-up",
            lambda: _forget_old(pool),
            stop=stop,
            wake=asyncio.Event(),
            idle=CLEANS_UP_EVERY_SECONDS,
        )

    async def prune(stop: asyncio.Event) -> None:
        await poll(
            "intake pruning",
            lambda: pruning.prune(pool, keep=config.keep_bodies),
            stop=stop,
            wake=asyncio.Event(),
            idle=CLEANS_UP_EVERY_SECONDS,
        )

    async def ask(stop: asyncio.Event) -> None:
        links = Links(config.public_url or "", config.secret_key)
        await poll(
            "confirmations",
            lambda: confirming.ask(pool, links),
            stop=stop,
            wake=asyncio.Event(),
            idle=ASKS_EVERY_SECONDS,
        )

    async def look_at_plans(stop: asyncio.Event) -> None:
        await poll("plans", planner.step, stop=stop, wake=asyncio.Event(), idle=PLANS_EVERY_SECONDS)

    handled = routes(Links(config.public_url or "", config.secret_key))
    receive = receiver(pool, handled, service=SERVICE)

    async def consume() -> None:
        await bus.consume(SERVICE, [route.event.type for route in handled], receive)

    try:
        await serve(
            Service(
                name=SERVICE,
                app=app,
                host=config.host,
                port=port if port is not None else PORT if config.port is None else config.port,
                checks={"database": lambda: vitals.answers(pool), "broker": bus.check},
                beside={} if beside is None else beside,
                vital=("database",),  # submissions are taken while the broker is away
                start=start,
                loops=(
                    ("wake", until_stopped(lambda: listen(dsn, SERVICE, {"outbox": wake}))),
                    ("relay", relay),
                    ("consumer", until_stopped(consume)),
                    ("clean-up", clean_up),
                    ("confirmations", ask),
                    ("pruning", prune),
                    ("plans", look_at_plans),
                    ("gauges", metrics.keep_fresh(lambda: vitals.count(pool, SERVICE))),
                ),
            ),
            stop,
            started=started,
        )
    finally:
        await vitals.close(pool)


def add_routes(
    app: web.Application, pool: Pool, config: Settings, planner: Planner, *, eventbrite_api: str = eventbrite.API
) -> None:
    """Give the application every route of intake; `eventbrite_api` is another in tests alone."""
    assert config.public_url is not None
    rates = Rates(config.rate_limit, clock=time.monotonic)
    defaults = assumed.of_settings(config)
    taker = Taker(
        pool=pool,
        plans=planner.names,
        defaults=defaults,
        public_url=config.public_url,
        eventbrite_api=eventbrite_api,
    )
    app.add_routes(webhook.routes(pool, Box(config.secret_key), rates, taker))
    app.add_routes(textbox.routes(pool, config))
    app.add_routes(snsbox.routes(pool, rates, config))
    app.add_routes(letterbox.routes(taker, rates, config))
    app.add_routes(api.routes(pool, planner, rates, defaults))
    app.add_routes(api_meetings.routes(pool, planner, defaults))
    app.add_routes(api_connections.routes(pool, defaults.guard))
    app.add_routes(api_people.routes(pool, defaults))
    app.add_routes(act_api.routes(pool))
    app.add_routes(api_description.routes())
    app.add_routes(actions.routes(pool, public_url=config.public_url, keys=config.secret_key))
    app.add_routes(short_page.routes(pool, public_url=config.public_url, keys=config.secret_key))


async def _forget_old(pool: Pool) -> int:
    return await idempotency.forget_old(pool) + await proofs.forget_old(pool)


def _closed_until(opened: asyncio.Event) -> Any:
    @web.middleware
    async def closed(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not opened.is_set() and request.path not in {"/livez", "/readyz", "/metrics"}:
            raise Problem(503, "Still starting", headers={"Retry-After": "2"})
        return await handler(request)

    return closed
