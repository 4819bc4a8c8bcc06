"""A service from its start to its stop."""

import asyncio
import os
import re
import signal
import socket
import zoneinfo
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import aiohttp.http_parser
import pytest
from aiohttp import web

from shared import metrics, serve
from shared.serve import Service, stop_on_signals, until_stopped
from shared.settings import SettingsError
from shared.web import application


async def nothing() -> None:
    pass


async def fine() -> str:
    return "ok"


async def until_told(stop: asyncio.Event) -> None:
    await stop.wait()


def service(**given: Any) -> Service:
    complete: dict[str, Any] = {
        "name": "test",
        "app": application(),
        "host": "127.0.0.1",
        "port": 0,
        "checks": {},
        "start": nothing,
        "loops": [("idle", until_told)],
    }
    return Service(**(complete | given))


@asynccontextmanager
async def running(given: Service) -> AsyncIterator[Callable[[str], Any]]:
    """Serve; the value gets a path and returns status and text."""
    stop = asyncio.Event()
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve.serve(given, stop, started=port.set_result))
    async with asyncio.timeout(5):
        await port
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port.result()}") as session:

        async def get(path: str) -> tuple[int, Any]:
            async with session.get(path) as response:
                is_json = response.content_type == "application/json"
                return response.status, await response.json() if is_json else await response.text()

        try:
            yield get
        finally:
            stop.set()
            async with asyncio.timeout(5):
                await task


async def until_ready(get: Callable[[str], Any]) -> None:
    async with asyncio.timeout(5):
        while "service" in (await get("/readyz"))[1]["checks"]:
            await asyncio.sleep(0)


async def test_it_answers_while_it_waits_for_what_it_needs() -> None:
    there, begun = asyncio.Event(), asyncio.Event()

    async def start() -> None:
        await there.wait()

    async def loop(stop: asyncio.Event) -> None:
        begun.set()
        await stop.wait()

    async with running(service(start=start, loops=[("loop", loop)])) as get:
        assert await get("/livez") == (200, "ok")
        status, answer = await get("/readyz")
        assert (status, answer["status"], answer["checks"]["service"]) == (503, "unavailable", "starting")
        assert not begun.is_set()
        there.set()
        await begun.wait()
        assert await get("/readyz") == (200, {"status": "ok", "checks": {}})


async def test_it_can_be_stopped_while_it_still_waits() -> None:
    async def start() -> None:
        await asyncio.Event().wait()

    async with running(service(start=start)) as get:
        assert (await get("/livez"))[0] == 200


@pytest.mark.parametrize(
    ("broken", "vital", "expected"),
    [
        ((), None, (200, "ok")),
        (("database",), None, (503, "unavailable")),
        (("broker",), None, (503, "unavailable")),
        (("broker",), ("database",), (200, "degraded")),
        (("broker", "channel email"), ("database",), (200, "degraded")),
        (("database", "broker"), ("database",), (503, "unavailable")),
    ],
)
async def test_ready_means_that_the_work_can_be_done(
    broken: tuple[str, ...], vital: tuple[str, ...] | None, expected: tuple[int, str]
) -> None:
    async def bad() -> str:
        return "is paused until 15:30"

    checks = {name: bad if name in broken else fine for name in ("database", "broker", "channel email")}
    async with running(service(checks=checks, vital=vital)) as get:
        await until_ready(get)
        status, answer = await get("/readyz")
    assert (status, answer["status"]) == expected
    assert answer["checks"] == {name: "is paused until 15:30" if name in broken else "ok" for name in checks}


async def test_a_check_that_hangs_or_fails_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "CHECK_SECONDS", 0.05)

    async def hangs() -> str:
        await asyncio.Event().wait()
        return "ok"

    async def fails() -> str:
        raise ConnectionRefusedError("postgresql://user:password@host")

    async with running(service(checks={"broker": hangs, "database": fails})) as get:
        status, answer = await get("/readyz")
    assert status == 503
    assert "does not answer within" in answer["checks"]["broker"]
    assert answer["checks"]["database"] == "does not answer (ConnectionRefusedError)"


async def test_metrics_are_there() -> None:
    metrics.outbox_rows.labels(service="test").set(41)
    async with running(service()) as get:
        status, text = await get("/metrics")
    assert status == 200
    assert 'afterhello_outbox_rows{service="test"} 41.0' in text


async def test_loops_stop_in_reverse_order_and_finish_what_is_under_way() -> None:
    events: list[str] = []

    def loop(name: str) -> tuple[str, serve.Loop]:
        async def run(stop: asyncio.Event) -> None:
            await stop.wait()
            events.append(f"{name} told")
            await asyncio.sleep(0.01)
            events.append(f"{name} finished")

        return name, run

    async with running(service(loops=[loop("first"), loop("second"), loop("third")])) as get:
        await until_ready(get)
    assert events == [f"{name} {what}" for name in ("third", "second", "first") for what in ("told", "finished")]


async def test_a_loop_that_does_not_end_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "GRACE_SECONDS", 0.05)
    cancelled: list[str] = []

    async def stubborn(stop: asyncio.Event) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append("stubborn")
            raise

    async with running(service(loops=[("stubborn", stubborn), ("idle", until_told)])) as get:
        await until_ready(get)
    assert cancelled == ["stubborn"]


async def test_a_request_under_way_is_answered_before_the_end() -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def slow(_: web.Request) -> web.Response:
        begun.set()
        await may_end.wait()
        return web.Response(text="done")

    async def loop(stop: asyncio.Event) -> None:
        await stop.wait()
        asyncio.get_running_loop().call_later(0.05, may_end.set)

    app = application()
    app.router.add_get("/slow", slow)
    async with running(service(app=app, loops=[("loop", loop)])) as get:
        await until_ready(get)
        answer = asyncio.create_task(get("/slow"))
        await begun.wait()
    assert await answer == (200, "done")


@pytest.mark.parametrize("where", ["start", "loop"])
async def test_what_ends_a_part_ends_the_service_with_its_own_error(where: str) -> None:
    async def fails(*_: object) -> None:
        raise LookupError("schema intake lacks 0007")

    given = service(start=fails) if where == "start" else service(loops=[("idle", until_told), ("bad", fails)])
    with pytest.raises(LookupError, match="lacks 0007"):
        async with asyncio.timeout(5):
            await serve.serve(given, asyncio.Event())


async def test_a_loop_that_ends_by_itself_ends_the_service() -> None:
    async def returns(stop: asyncio.Event) -> None:
        pass

    with pytest.raises(RuntimeError, match="the loop relay ended by itself"):
        async with asyncio.timeout(5):
            await serve.serve(service(loops=[("relay", returns)]), asyncio.Event())


async def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"^PORT: {port} is taken"):
            await serve.serve(service(port=port), asyncio.Event())


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1"])
async def test_a_host_that_is_not_this_machine_is_named(host: str) -> None:
    with pytest.raises(SettingsError, match=rf"^HOST: cannot listen on {re.escape(host)}"):
        await serve.serve(service(host=host), asyncio.Event())


async def test_without_a_port_there_is_no_web_server() -> None:
    stop, begun = asyncio.Event(), asyncio.Event()

    async def loop(its_stop: asyncio.Event) -> None:
        begun.set()
        await its_stop.wait()

    task = asyncio.create_task(serve.serve(service(port=None, loops=[("loop", loop)]), stop))
    await begun.wait()
    stop.set()
    await task


async def test_what_never_ends_is_cancelled_at_the_stop() -> None:
    events: list[str] = []

    async def consume() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            events.append("closed")

    async with running(service(loops=[("consume", until_stopped(consume))])) as get:
        await until_ready(get)
    assert events == ["closed"]


async def test_the_first_signal_asks_and_the_second_is_left_to_the_system() -> None:
    before = signal.getsignal(signal.SIGTERM)
    try:
        stop = stop_on_signals()
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(5):
            await stop.wait()
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)


async def test_the_parser_in_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiohttp.http_parser, "HttpRequestParser", aiohttp.http_parser.HttpRequestParserPy)
    with pytest.raises(SettingsError, match=r"^AIOHTTP_NO_EXTENSIONS"):
        await serve.serve(service(), asyncio.Event())


def test_zones_come_from_the_package_alone() -> None:
    assert zoneinfo.TZPATH == ()
