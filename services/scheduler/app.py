"""The scheduler, put together: the consumer of its events, the timers, the relay of its outbox."""

import asyncio
from collections.abc import Callable
from typing import Final

from services.scheduler import pruning, school_days, store_calendars, store_due, store_held
from services.scheduler.calendars import Calendars
from services.scheduler.handlers import routes
from services.scheduler.plan import LOOKS_EVERY_SECONDS, Plans
from services.scheduler.plan_file import PlanError
from services.scheduler.rezoning import Rezoning
from services.scheduler.timers import Timers
from shared import db, metrics, outbox, vitals
from shared.bus import Bus
from shared.db import Pool
from shared.poll import poll
from shared.receive import receiver
from shared.serve import Check, Service, serve, until_stopped
from shared.settings import Settings, SettingsError
from shared.wake import listen
from shared.web import application

SERVICE: Final = "scheduler"
RELAY_LOOKS_EVERY_SECONDS: Final = 5.0  # also when nothing woke it
CALENDARS_EVERY_SECONDS: Final = 300.0  # whether one is to be read again
PRUNES_EVERY_SECONDS: Final = 3600.0
REZONING_LOOKS_EVERY_SECONDS: Final = 600.0  # whether another scheduler, which was at it, has died


async def run(
    config: Settings,
    bus: Bus,
    stop: asyncio.Event,
    *,
    port: int | None = None,
    started: Callable[[int], None] | None = None,
    beside: dict[str, Check] | None = None,
) -> None:
    """Plan and fire until `stop` is set; without a port there is no web server: its checks go into `beside`.

    Raises `SettingsError` for a missing setting, and for a plan that cannot be read.
    """
    if config.database_url is None:
        raise SettingsError("DATABASE_URL is not set: set it, or DATABASE_URL_FILE, in the environment")
    try:
        plans = Plans.read(config.plans_dir)
    except PlanError as error:
        raise SettingsError(f"{error.mistakes[0]} (`afterhello plan check` lists every mistake)") from None
    handled = routes(plans)
    dsn = config.database_url.get_secret_value()
    pool = await db.open_pool(dsn, schema=SERVICE)
    timers = Timers(
        pool, too_late_after=config.too_late_after, backlog_guard=config.backlog_guard, channels=config.channels
    )
    rezoning = Rezoning(pool=pool)
    relay_wake, timers_wake, clocks_wake = asyncio.Event(), asyncio.Event(), asyncio.Event()
    wakes = {"outbox": relay_wake, "due": timers_wake, "clocks": clocks_wake}
    receive = receiver(pool, handled, service=SERVICE)

    async def start() -> None:
        await db.wait_for_schema(pool, SERVICE)
        await db.in_transaction(pool, store_calendars.tell_all)
        # The first region costs half a second of reading tables; nobody should wait for it.
        await asyncio.to_thread(school_days.region, "US")

    async def relay(stop: asyncio.Event) -> None:
        await poll(
            "scheduler relay",
            lambda: outbox.relay(pool, bus),
            stop=stop,
            wake=relay_wake,
            idle=RELAY_LOOKS_EVERY_SECONDS,
        )

    async def fire(stop: asyncio.Event) -> None:
        await poll("timers", timers.step, stop=stop, wake=timers_wake, idle=timers.idle)

    async def rezone(stop: asyncio.Event) -> None:
        await poll("tzdata", rezoning.step, stop=stop, wake=clocks_wake, idle=REZONING_LOOKS_EVERY_SECONDS)

    async def look_at_plans(stop: asyncio.Event) -> None:
        await poll("plans", plans.step, stop=stop, wake=asyncio.Event(), idle=LOOKS_EVERY_SECONDS)

    async def read_calendars(stop: asyncio.Event) -> None:
        await poll(
            "calendars", Calendars(pool=pool).step, stop=stop, wake=asyncio.Event(), idle=CALENDARS_EVERY_SECONDS
        )

    async def prune(stop: asyncio.Event) -> None:
        await poll(
            "scheduler pruning",
            lambda: pruning.prune(pool, keep=config.keep_bodies),
            stop=stop,
            wake=asyncio.Event(),
            idle=PRUNES_EVERY_SECONDS,
        )

    async def consume() -> None:
        await bus.consume(SERVICE, [route.event.type for route in handled], receive)

    try:
        await serve(
            Service(
                name=SERVICE,
                app=application(),
                host=config.host,
                port=port,
                checks={
                    "database": lambda: vitals.answers(pool),
                    "broker": bus.check,
                    "backlog": lambda: _check_backlog(pool),
                    "people": lambda: _check_people(pool),
                },
                beside={} if beside is None else beside,
                vital=("database", "broker"),
                start=start,
                loops=(
                    ("wake", until_stopped(lambda: listen(dsn, SERVICE, wakes))),
                    ("relay", relay),
                    ("timers", fire),
                    ("tzdata", rezone),
                    ("plans", look_at_plans),
                    ("calendars", read_calendars),
                    ("pruning", prune),
                    ("consumer", until_stopped(consume)),
                    ("gauges", metrics.keep_fresh(lambda: _count(pool))),
                ),
            ),
            stop,
            started=started,
        )
    finally:
        await vitals.close(pool)


async def _check_backlog(pool: Pool) -> str:
    async with pool.acquire(timeout=2) as conn:
        if await store_held.held_since(conn) is None:
            return "ok"
        late = await store_held.late_rows(conn, now=await db.now(conn))
    return f"held: {late} follow-ups are more than an hour late; `afterhello release` lets them go"


async def _check_people(pool: Pool) -> str:
    async with pool.acquire(timeout=2) as conn:
        count = await store_held.people_set_aside(conn)
    return "ok" if count == 0 else f"{count} set aside: firing theirs fails (timers.set_aside in the log says why)"


async def _count(pool: Pool) -> None:
    await vitals.count(pool, SERVICE)
    async with pool.acquire(timeout=5) as conn:
        metrics.due_rows.labels(SERVICE).set(await store_due.due_rows(conn, await db.now(conn)))
