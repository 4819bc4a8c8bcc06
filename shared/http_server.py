"""aiohttp's server, set up so that bodies arrive as they were sent and garbage is answered without being repeated."""

from typing import Any, Final

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from shared.problem import Problem

log = structlog.get_logger()

# Bodies reach `read_body` as they were sent: aiohttp's own unpacking answers 500 to garbage and takes a truncated body
# for a whole one.
SERVER: Final[dict[str, Any]] = {
    "access_log": None,  # it would hold the paths, and those are secrets
    "auto_decompress": False,
    "keepalive_timeout": 75,
    "handle_signals": False,
}


def runner(app: web.Application, *, shutdown_timeout: float) -> web.AppRunner:
    """Return what runs the application; requests under way at the end have so many seconds."""
    return _Runner(app, shutdown_timeout=shutdown_timeout, **SERVER)


class _Runner(web.AppRunner):
    __slots__ = ()

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(made.request_handler, request_factory=made.request_factory, loop=made._loop, **made._kwargs)


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return _Protocol(self, loop=self._loop, **self._kwargs)


class _Protocol(RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it holds what was sent
    ) -> web.StreamResponse:
        """The answer to what is no HTTP. aiohttp's own repeats what was sent, which the whole internet may choose."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        if status >= 500:
            log.error("request.failed", exc_info=exc)
        else:
            log.info("request.not_http", status=status, error=type(exc).__name__)
        title = "This is not HTTP as it should be" if status < 500 else "Something went wrong here"
        response = Problem(status, title, headers={"Server": "afterhello"}).response()
        response.force_close()
        return response
