"""What every request of a sender has: headers in plain text, a trace, a token of the API; and its answer in JSON."""

import re
import secrets
from collections.abc import Mapping
from typing import Final
from uuid import UUID

import orjson
from aiohttp import web

from services.intake import tokens
from services.intake.tokens import Token
from shared.db import Connection
from shared.problem import Problem
from shared.web import JSON

# W3C Trace Context, version 00; ids of nothing but zeros are invalid.
TRACE: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
MERGE_PATCH: Final = (*JSON, "application/merge-patch+json")  # RFC 7396
BEARER: Final = re.compile(r"bearer +([\x21-\x7e]{1,200})", re.IGNORECASE)


def headers(request: web.Request) -> dict[str, str]:
    """Return the headers by names in lower case; one that was sent twice holds both values, so matches nothing."""
    return {name.lower(): ", ".join(request.headers.getall(name)) for name in request.headers}


def traceparent(request: web.Request) -> str:
    """Return the trace that the request belongs to, or that it begins."""
    given = request.headers.getall("traceparent", [])
    if len(given) == 1 and TRACE.fullmatch(given[0]):
        return given[0]
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"


async def token(conn: Connection, request: web.Request) -> Token:
    """Return the API token that the request carries; raises `Problem` 401 when it has none of ours."""
    given = BEARER.fullmatch(request.headers.get("Authorization", "").strip())
    found = await tokens.find_token(conn, given[1]) if given else None
    if found is None:
        challenge = 'Bearer realm="afterhello"' + (', error="invalid_token"' if given else "")
        raise Problem(
            401,
            "The token is not one of ours, or was revoked" if given else "A token is required: Authorization: Bearer",
            headers={"WWW-Authenticate": challenge},
        )
    return found


def entity_id(request: web.Request) -> UUID:
    """Return the id in the path; raises `Problem` 404 for what cannot be one."""
    text = request.match_info["id"]
    if not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text):
        raise Problem(404, "There is nothing with this id")
    return UUID(text)


def json_response(value: object, *, status: int = 200) -> web.Response:
    """Return an answer in JSON: instants in UTC with a Z, ids as text."""
    return web.Response(status=status, body=to_json(value), content_type="application/json")


def to_json(value: object) -> bytes:
    """Return a value as answers have it."""
    return orjson.dumps(value, default=str, option=orjson.OPT_UTC_Z)


def kept(names: tuple[str, ...], given: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of these names, fit to be stored."""
    return {
        name: given[name].encode("utf-8", "replace").decode("utf-8")[:1000].replace("\0", "")
        for name in names
        if name in given
    }
