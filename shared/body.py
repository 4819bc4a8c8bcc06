"""The one strict reader of request bodies: whatever is wrong with one is answered 4xx, and says so."""

import asyncio
import re
import zlib
from collections.abc import Collection, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from aiohttp import web

from shared import strict_json
from shared.problem import Problem

BODY_BYTES: Final = 256 * 1024
BODY_SECONDS: Final = 10.0
JSON: Final = ("application/json",)
FORM: Final = ("application/x-www-form-urlencoded",)
CHARSET: Final = re.compile(r";\s*charset\b\s*=?([^;]*)", re.IGNORECASE)


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


def _check_type(request: web.Request, types: Collection[str]) -> None:
    given = request.headers.getall("Content-Type", [])
    media_type, _, parameters = (given[0] if len(given) == 1 else "").partition(";")
    charset = CHARSET.search(f";{parameters}")
    if media_type.strip().lower() not in types:
        raise bad_body(f"must be sent with Content-Type {' or '.join(sorted(types))}", status=415)
    if charset and charset[1].strip().strip('"').lower() not in {"utf-8", "utf8"}:
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
