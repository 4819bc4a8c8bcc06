"""`/api/v1/connections`: whom an owner met, what comes next with them, and real contacts noted."""

import base64
import re
from typing import Any, Final
from uuid import UUID

import structlog
from aiohttp import web

from services.intake import happened, idempotency, requests, store_connections
from services.intake.body import Invalid, Touched, checked
from services.intake.guard import NOTHING, Guard
from services.intake.idempotency import Answered
from services.intake.requests import entity_id, json_response
from services.intake.taking import unfit
from shared import db, outbox
from shared.db import Connection, Pool
from shared.events import ConnectionTouched, TouchData, new_id
from shared.problem import FieldError, Problem
from shared.web import JSON, read_body, read_json

log = structlog.get_logger()

A_PAGE: Final = 50
AT_MOST: Final = 200
Q_LENGTH: Final = 200


def routes(pool: Pool, guard: Guard = NOTHING) -> list[web.RouteDef]:
    """Return the routes of connections."""
    connections = Connections(pool, guard)
    return [
        web.get("/api/v1/connections", connections.list_),
        web.post("/api/v1/connections/{id}/touches", connections.touch),
    ]


class Connections:
    """Answers about connections."""

    def __init__(self, pool: Pool, guard: Guard) -> None:
        self._pool = pool
        self._guard = guard

    async def list_(self, request: web.Request) -> web.Response:
        """Answer with a page of connections, the newest first, and the cursor of the next one."""
        async with self._pool.acquire(timeout=2) as conn:
            token = await requests.token(conn, request)
            owner, q, limit, before = _query(request)
            if token.owner and owner and owner.lower() != token.owner:
                return json_response({"connections": [], "next": None})
            found = await store_connections.page(conn, owner=token.owner or owner, q=q, before=before, limit=limit + 1)
        page = found[:limit]
        return json_response({"connections": page, "next": _cursor(page[-1]["id"]) if len(found) > limit else None})

    async def touch(self, request: web.Request) -> web.Response:
        """Note a real contact and answer 201: what keeps in touch counts from it."""
        async with self._pool.acquire(timeout=2) as conn:
            token = await requests.token(conn, request)
        connection, key, traceparent = entity_id(request), idempotency.key(request), requests.traceparent(request)
        document = read_json(await read_body(request, types=JSON))
        request_is = idempotency.fingerprint(request, document)

        async def work(conn: Connection) -> Answered:
            answer = await _touch(conn, connection, document, self._guard, owner=token.owner, traceparent=traceparent)
            return Answered(request=request_is, status=201, answer=requests.to_json(answer).decode())

        try:
            answered, is_new = await idempotency.once(self._pool, token, key, request_is, work)
        except Invalid as invalid:
            raise unfit(invalid.errors) from None
        log.info("connection.touched", connection=str(connection), is_new=is_new)
        return web.Response(status=answered.status, text=answered.answer, content_type="application/json")


async def _touch(
    conn: Connection,
    connection: UUID,
    document: dict[str, Any],
    guard: Guard,
    *,
    owner: str | None,
    traceparent: str,
) -> dict[str, object]:
    whose = await store_connections.lock(conn, connection, owner=owner)
    if whose is None:
        raise Problem(404, "There is no such connection")
    touched, refused = guard.passed(checked(Touched, document))
    if refused:
        raise Invalid(refused)
    now = await db.now(conn)
    at = happened.at("at", touched.at, whose.zone, now=now) if touched.at else now
    id, note = new_id(), touched.note or None
    last = await store_connections.touch(conn, whose, id=id, kind="logged", at=at, note=note)
    data = TouchData(person=whose.person, connection=connection, at=at, how="logged")
    await outbox.add(conn, [ConnectionTouched(time=now, subject=str(connection), traceparent=traceparent, data=data)])
    return {"id": id, "connection": connection, "at": at, "note": note, "last_touch_at": last}


def _query(request: web.Request) -> tuple[str | None, str | None, int, UUID | None]:
    """What the query asks for: owner, words, how many, after which one."""
    given, errors = request.query, list[FieldError]()
    limit, before = A_PAGE, None
    for name in given:
        if name not in {"owner", "q", "limit", "cursor"}:
            errors.append({"field": name, "problem": "is not a parameter known here"})
        elif len(given.getall(name)) > 1:
            errors.append({"field": name, "problem": "is given twice"})
        elif "\0" in given[name]:
            errors.append({"field": name, "problem": "must be text"})
    if "limit" in given:
        if re.fullmatch(r"[1-9]\d{0,2}", given["limit"], re.ASCII) and int(given["limit"]) <= AT_MOST:
            limit = int(given["limit"])
        else:
            errors.append({"field": "limit", "problem": f"must be a whole number from 1 to {AT_MOST}"})
    if given.get("cursor"):
        try:
            before = UUID(bytes=base64.b64decode(given["cursor"] + "==", altchars=b"-_", validate=True))
        except ValueError:
            errors.append({"field": "cursor", "problem": "must be the `next` of an answer"})
    words = " ".join(given.get("q", "").split())
    if len(words) > Q_LENGTH:
        errors.append({"field": "q", "problem": f"must have at most {Q_LENGTH} characters"})
    if errors:
        raise Problem(422, "Some parameters are wrong", errors=errors)
    return given.get("owner", "").strip() or None, words or None, limit, before


def _cursor(id: UUID) -> str:
    return base64.urlsafe_b64encode(id.bytes).decode().rstrip("=")
