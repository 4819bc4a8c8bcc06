"""A running service: web server first, then its dependencies, then its loops; on stop all of it in reverse order."""

import asyncio
import errno
import signal
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import aiohttp.http_parser
import structlog
from aiohttp import web
from prometheus_client.aiohttp import make_aiohttp_handler

from shared.http_server import runner as make_runner
from shared.settings import SettingsError

log = structlog.get_logger()

CHECK_SECONDS: Final = 2.0
GRACE_SECONDS: Final = 25.0  # for all loops together; compose waits longer before it kills
DRAIN_SECONDS: Final = 20.0  # for requests under way

Check = Callable[[], Awaitable[str]]  # "ok", or what is wrong in words
Loop = Callable[[asyncio.Event], Awaitable[None]]  # runs until its event is set, then finishes what is under way


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    name: str
    app: web.Application  # its own routes; `serve` adds /livez, /readyz and /metrics
    host: str
    port: int | None  # None: no web server
    checks: Mapping[str, Check]
    start: Callable[[], Awaitable[None]]  # waits for the dependencies; the loops begin after it
    loops: Sequence[tuple[str, Loop]]  # begun in this order, stopped in reverse
    vital: Collection[str] | None = None  # the checks without which the work cannot be done; None: all of them
    beside: dict[str, Check] = field(default_factory=dict)  # of services in this process that have no web server


async def serve(service: Service, stop: asyncio.Event, *, started: Callable[[int], None] | None = None) -> None:
    """Run the service until `stop` is set; `started` is told the port once the web server listens.

    Whatever ends `start` or a loop by itself ends the service and is raised. A port that cannot be had raises
    `SettingsError`.
    """
    _refuse_slow_parser()
    standing = _Standing()
    runner: web.AppRunner | None = None
    if service.port is None:
        service.beside.update(service.checks)
    else:
        _add_routes(service, standing)
        runner = make_runner(service.app, shutdown_timeout=DRAIN_SECONDS)
        await runner.setup()
    try:
        if runner is not None:
            port = await _listen(runner, service)
            log.info("service.listening", service=service.name, host=service.host, port=port)
            if started is not None:
                started(port)
        if await _unless_stopped(service.start(), stop):
            standing.state = "running"
            log.info("service.started", service=service.name)
            await _run_loops(service, stop, standing)
        standing.state = "stopping"
    finally:
        if runner is not None:
            await runner.cleanup()
        log.info("service.stopped", service=service.name)


def stop_on_signals() -> asyncio.Event:
    """Return an event that the first SIGTERM or SIGINT sets; a second one ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        stop.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    return stop


def until_stopped(coroutine_function: Callable[[], Awaitable[None]]) -> Loop:
    """Return a loop that runs this, which never ends by itself, and cancels it at the stop."""

    async def loop(stop: asyncio.Event) -> None:
        await _unless_stopped(coroutine_function(), stop)

    return loop


@dataclass(slots=True)
class _Standing:
    state: str = "starting"


async def _listen(runner: web.AppRunner, service: Service) -> int:
    site = web.TCPSite(runner, service.host, service.port)
    try:
        await site.start()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise SettingsError(
                f"PORT: {service.port} is taken by another program on {service.host}; set PORT to a free one"
            ) from None
        reason = (error.strerror or str(error)).lower()
        # A name that leads nowhere, or an address of another machine.
        name = "HOST" if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL else "PORT"
        raise SettingsError(f"{name}: cannot listen on {service.host}, port {service.port}: {reason}") from None
    return site.port


async def _unless_stopped(work: Awaitable[None], stop: asyncio.Event) -> bool:
    """Await `work`, cancelled when `stop` is set; return whether it came to its end."""
    task = asyncio.ensure_future(work)
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([task, stopped], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
    if task.cancelled():
        return False
    task.result()
    return not stop.is_set()


async def _run_loops(service: Service, stop: asyncio.Event, standing: _Standing) -> None:
    stops = [asyncio.Event() for _ in service.loops]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_named(name, loop, its_stop), name=f"{service.name} {name}")
                for (name, loop), its_stop in zip(service.loops, stops, strict=True)
            ]
            await stop.wait()
            standing.state = "stopping"
            log.info("service.stopping", service=service.name)
            deadline = asyncio.get_running_loop().time() + GRACE_SECONDS
            for task, its_stop in reversed(list(zip(tasks, stops, strict=True))):
                its_stop.set()
                left = deadline - asyncio.get_running_loop().time()
                await asyncio.wait([task], timeout=max(left, 0.0))
                if not task.done():
                    log.warning("service.loop_cancelled", service=service.name, loop=task.get_name())
                    task.cancel()
                    await asyncio.wait([task], timeout=1.0)
    except BaseExceptionGroup as group_of_errors:
        raise _first(group_of_errors) from None


async def _named(name: str, loop: Loop, stop: asyncio.Event) -> None:
    await loop(stop)
    if not stop.is_set():
        raise RuntimeError(f"the loop {name} ended by itself")


def _first(error: BaseException) -> BaseException:
    """The error that ended the group, which is what a person can act on."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _add_routes(service: Service, standing: _Standing) -> None:
    async def livez(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def readyz(_: web.Request) -> web.Response:
        asked = {**service.beside, **service.checks}
        words = await asyncio.gather(*(_ask(check) for check in asked.values()))
        checks = dict(zip(asked, words, strict=True))
        vital = service.checks.keys() if service.vital is None else service.vital
        if standing.state != "running":
            status, checks["service"] = "unavailable", standing.state
        elif any(word != "ok" for name, word in checks.items() if name in vital):
            status = "unavailable"
        else:
            status = "ok" if all(word == "ok" for word in words) else "degraded"
        return web.json_response({"status": status, "checks": checks}, status=503 if status == "unavailable" else 200)

    service.app.router.add_get("/livez", livez)
    service.app.router.add_get("/readyz", readyz)
    service.app.router.add_get("/metrics", make_aiohttp_handler())


async def _ask(check: Check) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check()
    except TimeoutError:
        return f"does not answer within {CHECK_SECONDS:.0f} seconds"
    except Exception as error:
        return f"does not answer ({type(error).__name__})"


def _refuse_slow_parser() -> None:
    """The parser in Python reads some malformed requests otherwise than proxies do, which lets requests be smuggled."""
    if aiohttp.http_parser.HttpRequestParser is aiohttp.http_parser.HttpRequestParserPy:
        raise SettingsError("AIOHTTP_NO_EXTENSIONS: aiohttp runs without its C parser; unset it, or install a wheel")
