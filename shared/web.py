"""The web side of a service: problems for failures, safe headers, safe pages, and one log line a request."""

import re
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import structlog
from aiohttp import web
from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from shared.body import BODY_BYTES, FORM, JSON, bad_body, read_body, read_form, read_json
from shared.db import is_unavailable
from shared.http_server import SERVER, runner
from shared.problem import FieldError, Problem

__all__ = [
    "FORM",
    "JSON",
    "SERVER",
    "FieldError",
    "Pages",
    "Problem",
    "application",
    "bad_body",
    "read_body",
    "read_form",
    "read_json",
    "runner",
]

log = structlog.get_logger()

RETRY_AFTER_SECONDS: Final = 5

QUIET_ROUTES: Final = ("/livez", "/readyz", "/metrics")


def application(*middlewares: Any) -> web.Application:
    """Return an application whose every answer is logged, has safe headers, and whose every failure is a problem."""
    app = web.Application(middlewares=[_answer, *middlewares], client_max_size=BODY_BYTES)
    app.on_response_prepare.append(_add_headers)
    return app


class Pages:
    """Renders a service's own templates: escaped, sandboxed, and never stored, framed, indexed or scripted."""

    def __init__(self, folder: Path) -> None:
        self._templates = ImmutableSandboxedEnvironment(
            loader=FileSystemLoader(folder),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def render(self, name: str, /, *, status: int = 200, **values: object) -> web.Response:
        """Return the page; the template writes its styles into `<style nonce="{{ nonce }}">`."""
        nonce = secrets.token_urlsafe(16)
        response = web.Response(
            status=status,
            text=self._templates.get_template(name).render(nonce=nonce, **values),
            content_type="text/html",
        )
        response.headers["Content-Security-Policy"] = (
            f"default-src 'none'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; form-action 'self'; "
            "frame-ancestors 'none'; base-uri 'none'"
        )
        return response


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    started = time.monotonic()
    given = request.headers.get("X-Request-Id", "")
    request_id = given if re.fullmatch(r"[A-Za-z0-9_-]{8,64}", given) else secrets.token_hex(8)
    route = _route(request)
    with structlog.contextvars.bound_contextvars(request=request_id):
        response = await _without_errors(request, handler)
        if not response.prepared:
            response.headers["X-Request-Id"] = request_id
        getattr(log, _level(response.status, route))(
            "request",
            method=request.method[:16],
            route=route,
            status=response.status,
            milliseconds=round((time.monotonic() - started) * 1000, 1),
        )
    return response


def _level(status: int, route: str) -> str:
    """What is worth an alarm is an error: that something we need is away for the moment is said once, by its loop."""
    if status == 503:
        return "warning"
    return "error" if status >= 500 else "debug" if route in QUIET_ROUTES else "info"


async def _without_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Problem as problem:
        return problem.response()
    except web.HTTPException as error:
        if error.status < 400:
            return web.Response(status=error.status, headers=error.headers)  # a redirect
        kept = {name: value for name, value in error.headers.items() if name in {"Allow", "Retry-After"}}
        return Problem(error.status, error.reason, headers=kept).response()
    except Exception as error:
        if not is_unavailable(error):
            log.exception("request.failed")
            return Problem(500, "Something went wrong here").response()
        log.warning("request.unavailable", error=type(error).__name__, exc_info=True)
        return Problem(
            503, "Not available for the moment", headers={"Retry-After": str(RETRY_AFTER_SECONDS)}
        ).response()


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    for name, value in (
        ("Cache-Control", "no-store"),
        ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("X-Robots-Tag", "noindex, nofollow"),
    ):
        response.headers.setdefault(name, value)
    response.headers["Server"] = "afterhello"  # aiohttp would tell its version and Python's


def _route(request: web.Request) -> str:
    """The pattern of the route, never the path: paths hold tokens."""
    resource = request.match_info.route.resource
    return "unknown" if resource is None else resource.canonical
