"""The web side of a service: one strict reader of bodies, problems as JSON, safe pages, one log line a request."""

import asyncio
import re
import secrets
import time
import zlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypedDict
from urllib.parse import parse_qsl

import orjson
import structlog
from aiohttp import web
from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from shared import strict_json
from shared.db import UNAVAILABLE

log = structlog.get_logger()

BODY_BYTES: Final = 256 * 1024
BODY_SECONDS: Final = 10.0
PROBLEM_BYTES: Final = 4096
RETRY_AFTER_SECONDS: Final = 5
JSON: Final = ("application/json",)
FORM: Final = ("application/x-www-form-urlencoded",)

# For `web.AppRunner(app, **SERVER)` and `TestServer(app).start_server(**SERVER)`: bodies reach `read_body` as they were
# sent. aiohttp's own unpacking answers 500 to garbage and takes a truncated body for a whole one.
SERVER: Final[dict[str, Any]] = {
    "access_log": None,  # it would hold the paths, and those are secrets
    "auto_decompress": False,
    "keepalive_timeout": 75,
    "handle_signals": False,
}
QUIET_ROUTES: Final = ("/livez", "/readyz", "/metrics")


class FieldError(TypedDict):
    field: str  # a dotted name, `owner.email`; "body" for the body as a whole
    problem: str  # in words that complete the sentence: "is required"


class Problem(Exception):
    """An answer of 400 or more, sent as `application/problem+json` (RFC 9457)."""

    def __init__(
        self, status: int, title: str, *, errors: Sequence[FieldError] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{status} {title}")
        self.status = status
        self.title = title
        self.errors = tuple(errors)
        self.headers = dict(headers or {})

    def response(self) -> web.Response:
        """The answer itself: at most 4 KiB, and with nothing in it that a browser could take for markup."""
        errors = [{"field": error["field"][:100], "problem": error["problem"][:300]} for error in self.errors]
        document = {"type": "about:blank", "title": self.title[:300], "status": self.status, "errors": errors}
        body = _inert(orjson.dumps(document))
        while len(body) > PROBLEM_BYTES and errors:
            errors.pop()
            body = _inert(orjson.dumps(document))
        return web.Response(
            status=self.status, body=body, content_type="application/problem+json", headers=self.headers
        )


def bad_body(problem: str, *, status: int = 400, headers: Mapping[str, str] | None = None) -> Problem:
    """A problem of the body as a whole."""
    title = {408: "The body took too long", 413: "The body is too large", 415: "The body is of a kind not read here"}
    return Problem(
        status,
        title.get(status, "The body cannot be read"),
        errors=[{"field": "body", "problem": problem}],
        headers=headers,
    )


async def read_body(request: web.Request, *, types: Collection[str], limit: int = BODY_BYTES) -> bytes:
    """Return the body, unpacked, at most `limit` bytes of one of these media types, arrived within ten seconds.

    Raises the `Problem` that says why not: 400, 408, 413 or 415. Call it once for a request.
    """
    _check_type(request, types)
    encodings = [part.strip().lower() for part in ",".join(request.headers.getall("Content-Encoding", [])).split(",")]
    encodings = [part for part in encodings if part not in {"", "identity"}]
    if encodings not in ([], ["gzip"], ["x-gzip"]):
        raise bad_body("must not be encoded, or be encoded with gzip", status=415, headers={"Accept-Encoding": "gzip"})
    if request.content_length is not None and request.content_length > limit:
        raise _too_large(limit)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            raw = await _collect(request, limit)
    except TimeoutError:
        raise bad_body(
            f"did not arrive within {BODY_SECONDS:.0f} seconds", status=408, headers={"Connection": "close"}
        ) from None
    except (web.RequestPayloadError, OSError) as error:
        raise bad_body("broke off or was not sent as announced") from error
    return _gunzip(raw, limit) if encodings else raw


def read_json(raw: bytes) -> dict[str, Any]:
    """Return the object that these bytes hold as strict JSON; raises `Problem` 400 that says what is wrong."""
    try:
        return strict_json.read_object(raw)
    except ValueError as error:
        raise bad_body(str(error)) from None


async def read_form(request: web.Request, *, limit: int = BODY_BYTES) -> dict[str, str]:
    """Return the fields of a submitted HTML form (urlencoded); of a field given twice, the last one counts."""
    raw = await read_body(request, types=FORM, limit=limit)
    try:
        fields = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=200)
    except ValueError:
        raise bad_body("is no form as browsers send it") from None
    if any("\0" in part for field in fields for part in field):
        raise bad_body("holds a NUL character")
    return dict(fields)


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

    def render(self, name: str, *, status: int = 200, **values: object) -> web.Response:
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
        level = "error" if response.status >= 500 else "debug" if route in QUIET_ROUTES else "info"
        getattr(log, level)(
            "request",
            method=request.method[:16],
            route=route,
            status=response.status,
            milliseconds=round((time.monotonic() - started) * 1000, 1),
        )
    return response


async def _without_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Problem as problem:
        return problem.response()
    except web.HTTPException as error:
        if error.status < 400:
            raise
        kept = {name: value for name, value in error.headers.items() if name in {"Allow", "Retry-After"}}
        return Problem(error.status, error.reason, headers=kept).response()
    except UNAVAILABLE as error:
        log.warning("request.unavailable", error=type(error).__name__, exc_info=True)
        return Problem(
            503, "Not available for the moment", headers={"Retry-After": str(RETRY_AFTER_SECONDS)}
        ).response()
    except Exception:
        log.exception("request.failed")
        return Problem(500, "Something went wrong here").response()


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


def _check_type(request: web.Request, types: Collection[str]) -> None:
    given = request.headers.getall("Content-Type", [])
    media_type, _, parameters = (given[0] if len(given) == 1 else "").partition(";")
    charset = re.fullmatch(r'\s*charset\s*=\s*"?([\w-]+)"?\s*;?\s*', parameters, re.IGNORECASE) if parameters else None
    if media_type.strip().lower() not in types:
        raise bad_body(f"must be sent with Content-Type {' or '.join(sorted(types))}", status=415)
    if "charset" in parameters.lower() and (charset is None or charset[1].lower() not in {"utf-8", "utf8"}):
        raise bad_body("must be UTF-8", status=415)


async def _collect(request: web.Request, limit: int) -> bytes:
    body = bytearray()
    while chunk := await request.content.readany():
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


def _gunzip(raw: bytes, limit: int) -> bytes:
    """Unpack, never holding more than `limit` bytes and one."""
    body = b""
    try:
        while raw or not body:
            unpack = zlib.decompressobj(wbits=31)
            body += unpack.decompress(raw, limit + 1 - len(body))
            if len(body) > limit:
                raise _too_large(limit)
            if not unpack.eof:
                raise bad_body("is gzip that breaks off")
            raw = unpack.unused_data
            if not raw:
                break
    except zlib.error:
        raise bad_body("is not the gzip it claims to be") from None
    return body


def _too_large(limit: int) -> Problem:
    return bad_body(f"must have at most {limit // 1024} KiB", status=413)


def _inert(body: bytes) -> bytes:
    return body.replace(b"<", rb"\u003c").replace(b">", rb"\u003e").replace(b"&", rb"\u0026")
