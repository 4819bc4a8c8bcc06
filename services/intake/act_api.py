"""`POST /api/v1/follow-ups/{id}/acts`: what the buttons of a nudge do, for programs."""

from typing import Any, get_args

import structlog
from aiohttp import web

from services.intake import act_page, acts, later, requests
from services.intake.acts import About, Situation
from services.intake.later import Unclear
from services.intake.requests import entity_id, json_response
from shared import db
from shared.db import Connection, Pool
from shared.events import Act
from shared.problem import FieldError, Problem
from shared.web import JSON, read_body, read_json

log = structlog.get_logger()


def routes(pool: Pool) -> list[web.RouteDef]:
    """Return the route of acts."""

    async def act(request: web.Request) -> web.Response:
        """Answer 202 when it is done, also when it was before; 409 when it cannot be done any more."""
        async with pool.acquire(timeout=2) as conn:
            token = await requests.token(conn, request)
            about = await acts.find(conn, entity_id(request), owner=token.owner)
        if about is None:
            raise Problem(404, "There is no such follow-up")
        document = read_json(await read_body(request, types=JSON))
        wanted = _check(document)
        is_new = await db.in_transaction(pool, lambda conn: _do(conn, about, wanted, document))
        log.info("acted", via="api", act=wanted, follow_up=str(about.follow_up), is_new=is_new)
        return json_response({"follow_up": about.follow_up, "act": wanted, "new": is_new}, status=202)

    return [web.post("/api/v1/follow-ups/{id}/acts", act)]


def _check(document: dict[str, Any]) -> Act:
    errors: list[FieldError] = []
    act = document.get("act")
    if act not in get_args(Act):
        errors.append({"field": "act", "problem": "must be done, later or stop"})
    allowed = {"act", "until", "for"} if act == "later" else {"act"}
    for field in document:
        if field not in {"act", "until", "for"}:
            errors.append({"field": field, "problem": "is no field of an act"})
        elif field not in allowed and act in get_args(Act) and document[field] is not None:
            errors.append({"field": field, "problem": "goes with later alone"})
        elif field != "act" and not isinstance(document[field], str | None):
            errors.append({"field": field, "problem": "must be text"})
    if errors:
        raise Problem(422, "This is no act", errors=errors)
    checked: Act = document["act"]
    return checked


async def _do(conn: Connection, about: About, act: Act, document: dict[str, Any]) -> bool:
    match act:
        case "done":
            return await acts.done(conn, about, via="api")
        case "stop":
            return await acts.stop_connection(conn, about, via="api")
        case "later":
            known = await acts.situation(conn, about, lock=True)
            if known is None:
                raise Problem(404, "There is no such follow-up")
            today = act_page.today(known, await db.now(conn))
            try:
                how_long = later.read(span=document.get("for"), until=document.get("until"), today=today)
            except Unclear as problem:
                raise Problem(
                    422, "This is no act", errors=[{"field": problem.field, "problem": str(problem)}]
                ) from None
            _refuse_ended(known)
            return await acts.later(conn, about, how_long, via="api")


def _refuse_ended(known: Situation) -> None:
    if known.done_at or known.stopped_at:
        word = "done" if known.done_at else "stopped"
        raise Problem(409, f"It is {word} already", errors=[{"field": "act", "problem": f"is too late: it is {word}"}])
