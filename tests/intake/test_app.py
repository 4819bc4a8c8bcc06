"""Intake as a service: it waits, serves, relays, hears, and stops."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession, web
from pydantic import SecretStr

from services.intake import app as intake
from shared import db, settings
from shared.bus import LocalBus
from shared.db import Pool
from shared.settings import SettingsError
from tests.intake.serving import PLANNER, Intake, submission
from tests.servers.waiting import until


@asynccontextmanager
async def running(bus: LocalBus, **given: Any) -> AsyncIterator[ClientSession]:
    """Run the whole service on a port of its own until the test is done with it."""
    stop, ports = asyncio.Event(), asyncio.Queue[int]()
    config = settings.read(public_url="https://hello.school.example", port=0, **given)

    def mount(app: web.Application) -> None:
        app.router.add_get("/mailbox", hello)

    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="a page of others")

    task = asyncio.create_task(intake.run(config, bus, stop, planner=PLANNER, mount=mount, started=ports.put_nowait))
    asking = asyncio.create_task(ports.get())
    await asyncio.wait([task, asking], return_when=asyncio.FIRST_COMPLETED)
    if not asking.done():
        task.result()
    port = await asking
    try:
        async with ClientSession(f"http://127.0.0.1:{port}") as client:
            yield client
    finally:
        stop.set()
        await task


async def status(client: ClientSession, path: str, method: str = "GET") -> int:
    async with client.request(method, path) as answer:
        return answer.status


class Heard:
    """A scheduler that only listens."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, bodies: Sequence[bytes]) -> None:
        self.bodies.extend(bodies)

    async def park(self, bodies: Sequence[bytes], reason: str) -> None:
        raise AssertionError(reason)

    async def later(self) -> int:
        return 0


async def test_a_submission_leaves_over_the_bus_and_nothing_is_left_in_the_outbox(
    database_url: str, intake_pool: Pool, keys: tuple[SecretStr, ...], intake: Intake
) -> None:
    bus, heard = LocalBus(), Heard()
    listening = asyncio.create_task(bus.consume("scheduler", ["afterhello.meeting.logged.v1"], heard))
    sender = await intake.source()
    raw = b'{"owner": {"email": "ada@school.example"}, "contact": {"name": "Erin"}}'

    async with running(bus, database_url=SecretStr(database_url), secret_key=keys) as client:
        await until(lambda: is_ready(client))
        async with client.post(sender.path, data=raw, headers=sender.signed(raw)) as answer:
            assert answer.status == 202
        await until(lambda: bool(heard.bodies))
        assert await status(client, "/mailbox") == 200
        async with client.get("/metrics") as metrics:
            assert 'afterhello_submissions_total{outcome="accepted",provider="standard"}' in await metrics.text()
    listening.cancel()

    assert b"afterhello.meeting.logged.v1" in heard.bodies[0]
    assert await intake.count("outbox") == 0


async def is_ready(client: ClientSession) -> bool:
    return await status(client, "/readyz") == 200


async def test_until_the_database_was_seen_every_route_asks_to_come_again(keys: tuple[SecretStr, ...]) -> None:
    nowhere = SecretStr("postgresql://nobody@127.0.0.1:1/none")
    async with running(LocalBus(), database_url=nowhere, secret_key=keys) as client:
        for method, path in (
            ("POST", "/hooks/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
            ("POST", "/api/v1/meetings"),
            ("GET", "/a/x"),
            ("GET", "/nowhere"),
        ):
            async with client.request(method, path, json=submission()) as answer:
                assert (answer.status, answer.headers.get("Retry-After")) == (503, "2")
        assert (await status(client, "/livez"), await status(client, "/readyz")) == (200, 503)


async def test_a_schema_of_another_version_ends_the_service_saying_so(
    database_url: str, intake_pool: Pool, keys: tuple[SecretStr, ...]
) -> None:
    await intake_pool.execute("INSERT INTO schema_migrations (name, sha256) VALUES ('intake/9999_later', 'x')")
    config = settings.read(
        public_url="https://x.example", port=0, database_url=SecretStr(database_url), secret_key=keys
    )
    with pytest.raises(db.WrongSchema, match="9999_later"):
        await intake.run(config, LocalBus(), asyncio.Event(), planner=PLANNER)


@pytest.mark.parametrize("missing", ["database_url", "public_url", "secret_key"])
async def test_a_setting_that_is_missing_is_named(keys: tuple[SecretStr, ...], missing: str) -> None:
    given: dict[str, Any] = {
        "database_url": SecretStr("postgresql://x/y"),
        "public_url": "https://x.example",
        "secret_key": keys,
    }
    del given[missing]
    with pytest.raises(SettingsError, match=f"^{missing.upper()} is not set"):
        await intake.run(settings.read(**given), LocalBus(), asyncio.Event(), planner=PLANNER)
