"""Nudges by the services that apprise speaks to: a real request of the library to a server here."""

import asyncio
import importlib.util
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from services.notifier.channels import apprise as channel
from services.notifier.channels.apprise import Apprise, open_apprise
from shared.db import Pool
from shared.settings import Settings
from tests.factories import contact, due_follow_up, recipient
from tests.notifier.sending import LINKS, MINUTE, Notifier, attempts, receive, state
from tests.notifier.texting import NO_MAIL, text_due

pytest.importorskip("apprise")


class Service:
    """A web hook that takes JSON, as `json://` sends it."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.status = 200
        self.port = 0
        self.silent = asyncio.Event()
        self.silent.set()

    @property
    def address(self) -> str:
        return f"json://user:hunter2@127.0.0.1:{self.port}/hook"

    async def take(self, request: web.Request) -> web.Response:
        self.got.append(await request.json())
        await self.silent.wait()
        return web.Response(status=self.status)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    app = web.Application()
    app.router.add_post("/{tail:.*}", service.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    service.port = site.port
    yield service
    service.silent.set()
    await runner.cleanup()


def notifier(pool: Pool, *, hosts: tuple[str, ...] = ("127.0.0.1",), time_out: float = 10) -> Notifier:
    return Notifier(pool, NO_MAIL, channels={"apprise": Apprise(LINKS, hosts=hosts, time_out=time_out)})


async def queued(pool: Pool, address: str, **given: Any) -> Any:
    due = text_due(channel="apprise", recipient=recipient(address=address), **given)
    await receive(pool, [due])
    return due


async def test_a_nudge_goes_to_the_service(notifier_pool: Pool, service: Service) -> None:
    name = "Professor Maximiliana Featherstonehaugh"
    due = await queued(notifier_pool, service.address, follow_ups=(due_follow_up(contact=contact(name=name)),))
    sends = notifier(notifier_pool)
    await sends.work()
    await sends.close()
    [got] = service.got
    assert name in got["message"] and LINKS.short(due.data.nudge) in got["message"]
    assert "rubric" not in got["message"] and "robotics" not in got["message"]
    assert await state(notifier_pool, due.data) == ("sent", None)


async def test_what_it_refuses_is_tried_again(notifier_pool: Pool, service: Service) -> None:
    due = await queued(notifier_pool, service.address)
    service.status = 500
    sends = notifier(notifier_pool)
    await sends.work()
    assert await state(notifier_pool, due.data) == ("queued", "service")
    service.status = 200
    sends.clock.ahead = 2 * MINUTE
    await sends.work()
    await sends.close()
    assert await attempts(notifier_pool, due.data) == ["deferred", "sent"]


async def test_what_it_does_not_answer_is_repeated_once(notifier_pool: Pool, service: Service) -> None:
    due = await queued(notifier_pool, service.address)
    service.silent.clear()
    sends = notifier(notifier_pool, time_out=0.3)
    await sends.work()
    assert await state(notifier_pool, due.data) == ("queued", "unknown")
    service.silent.set()
    sends.clock.ahead = 2 * MINUTE
    await sends.work()
    await sends.close()
    assert await attempts(notifier_pool, due.data) == ["unknown", "sent"]


@pytest.mark.parametrize(
    "address", ["json://127.0.0.1:9/x", "syslog://local7", "mailto://a:b@127.0.0.1", "tgram://nonsense"]
)
async def test_what_may_not_be_written_to_is_refused(notifier_pool: Pool, address: str) -> None:
    due = await queued(notifier_pool, address)
    sends = notifier(notifier_pool, hosts=())
    await sends.work()
    await sends.close()
    assert await state(notifier_pool, due.data) == ("failed", "bad-address")


async def test_the_address_is_in_no_log(
    notifier_pool: Pool, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    await queued(notifier_pool, service.address)
    service.status = 403
    sends = notifier(notifier_pool)
    with capture_logs() as logs, caplog.at_level("DEBUG"):
        await sends.work()
    await sends.close()
    assert service.got
    for text in (str(logs), caplog.text):
        assert "hunter2" not in text and "/hook" not in text


def test_without_the_extra_there_is_no_such_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_spec(name: str) -> Any:
        return None if name == "apprise" else importlib.util.find_spec(name)

    config = Settings(public_url="https://hello.school.example")
    assert open_apprise(config) is not None and "apprise" in config.channels
    monkeypatch.setattr(channel, "find_spec", find_spec)
    monkeypatch.setattr("shared.settings.find_spec", find_spec)
    assert open_apprise(config) is None and "apprise" not in config.channels
