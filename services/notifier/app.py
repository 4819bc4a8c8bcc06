"""The notifier, put together: nudges in from the bus, messages out over the channels."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from services.notifier import pruning, store, store_channels
from services.notifier.asking import Asking
from services.notifier.channels import CHANNELS, Channel
from services.notifier.claim import Rules
from services.notifier.delivery import Deliveries
from services.notifier.handlers import ROUTES
from shared import db, metrics, outbox, vitals
from shared.bus import Bus
from shared.db import Pool
from shared.poll import poll
from shared.receive import receiver
from shared.serve import Check, Service, serve, until_stopped
from shared.settings import Settings, SettingsError
from shared.wake import listen
from shared.web import application

SERVICE: Final = "notifier"
RELAY_LOOKS_EVERY_SECONDS: Final = 5.0  # also when nothing woke it
RETRIES_LOOK_EVERY_SECONDS: Final = 5.0
ASKS_EVERY_SECONDS: Final = 30.0
PRUNES_EVERY_SECONDS: Final = 3600.0
CONNECTIONS: Final = 12  # a last look for each send under way, a step, a record, a batch of events, a check


async def run(
    config: Settings,
    bus: Bus,
    stop: asyncio.Event,
    *,
    port: int | None = None,
    started: Callable[[int], None] | None = None,
    beside: dict[str, Check] | None = None,
) -> None:
    """Send nudges until `stop` is set; without a port there is no web server: its checks go into `beside`.

    Raises `SettingsError` for what is missing, or cannot be used.
    """
    for name in ("database_url", "smtp_url", "mail_from", "public_url", "secret_key"):
        if not getattr(config, name):
            raise SettingsError(f"{name.upper()} is not set: set it, or {name.upper()}_FILE, in the environment")
    assert config.database_url is not None
    dsn = config.database_url.get_secret_value()
    opened = {name: open_channel(config) for name, open_channel in CHANNELS.items()}
    channels = {name: channel for name, channel in opened.items() if channel is not None}
    pool = await db.open_pool(dsn, schema=SERVICE, max_size=CONNECTIONS)
    due_wake, relay_wake = asyncio.Event(), asyncio.Event()
    rules = Rules(
        retry_delays=config.retry_delays,
        send_lease=config.send_lease,
        daily_cap=config.daily_cap,
        sms_daily_cap=config.sms_daily_cap,
    )
    deliveries = Deliveries(pool, channels, rules, wake=due_wake)
    asking = Asking(pool, channels)
    receive = receiver(pool, ROUTES, service=SERVICE)

    async def relay(stop: asyncio.Event) -> None:
        await poll(
            "notifier relay",
            lambda: outbox.relay(pool, bus),
            stop=stop,
            wake=relay_wake,
            idle=RELAY_LOOKS_EVERY_SECONDS,
        )

    async def consume() -> None:
        await bus.consume(SERVICE, [route.event.type for route in ROUTES], receive)

    async def ask(stop: asyncio.Event) -> None:
        await poll("notifier reports", asking.step, stop=stop, wake=asyncio.Event(), idle=ASKS_EVERY_SECONDS)

    async def prune(stop: asyncio.Event) -> None:
        await poll(
            "notifier pruning",
            lambda: pruning.prune(pool, keep=config.keep_bodies),
            stop=stop,
            wake=asyncio.Event(),
            idle=PRUNES_EVERY_SECONDS,
        )

    async def retry(stop: asyncio.Event) -> None:
        await poll("notifier retries", receive.later, stop=stop, wake=asyncio.Event(), idle=RETRIES_LOOK_EVERY_SECONDS)

    try:
        await serve(
            Service(
                name=SERVICE,
                app=application(),
                host=config.host,
                port=port,
                checks=checks(pool, bus, channels),
                beside={} if beside is None else beside,
                vital=("database", "broker"),  # while a channel is paused there is nothing that a restart would mend
                start=lambda: db.wait_for_schema(pool, SERVICE),
                loops=(
                    ("wake", until_stopped(lambda: listen(dsn, SERVICE, {"outbox": relay_wake, "due": due_wake}))),
                    ("relay", relay),
                    ("retries", retry),
                    ("gauges", metrics.keep_fresh(lambda: _count(pool))),
                    ("consumer", until_stopped(consume)),
                    ("reports", ask),
                    ("pruning", prune),
                    ("deliveries", deliveries.run),
                ),
            ),
            stop,
            started=started,
        )
    finally:
        for channel in channels.values():
            await channel.close()
        await vitals.close(pool)


def checks(pool: Pool, bus: Bus, channels: Mapping[str, Channel]) -> dict[str, Check]:
    """Return what `/readyz` asks: the database, the broker, and each channel as "channel NAME"."""

    def standing(name: str) -> Check:
        async def check() -> str:
            async with pool.acquire(timeout=2) as conn:
                troubles = await store_channels.troubles(conn, now=await db.now(conn))
            return next((trouble.in_words() for trouble in troubles if trouble.name == name), "ok")

        return check

    return {"database": lambda: vitals.answers(pool), "broker": bus.check} | {
        f"channel {name}": standing(name) for name in channels
    }


async def _count(pool: Pool) -> None:
    await vitals.count(pool, SERVICE)
    async with pool.acquire(timeout=5) as conn:
        metrics.due_rows.labels(SERVICE).set(await store.due_rows(conn, await db.now(conn)))
