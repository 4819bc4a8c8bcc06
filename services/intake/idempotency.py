"""Idempotency keys: a caller names its request, and a repeat gets the first one's answer."""

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import orjson
from aiohttp import web

from services.intake.tokens import Token
from shared import db
from shared.db import Connection, Pool
from shared.problem import Problem

KEPT_FOR: Final = timedelta(days=7)  # callers try again for minutes, or the next morning
KEY: Final = re.compile(r"[\x20-\x7e]{1,255}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What was answered to a request that had named itself; `request` is its fingerprint."""

    request: str
    status: int
    answer: str  # JSON


def key(request: web.Request) -> str | None:
    """Return the request's `Idempotency-Key`, or None; raises `Problem` 400 for one that is none."""
    given = request.headers.getall("Idempotency-Key", [])
    if not given:
        return None
    if len(given) > 1 or not KEY.fullmatch(given[0]):
        raise Problem(
            400,
            "The Idempotency-Key cannot be read",
            errors=[{"field": "Idempotency-Key", "problem": "must be one, of 1 to 255 plain characters"}],
        )
    return given[0]


def fingerprint(request: web.Request, document: Mapping[str, Any]) -> str:
    """Return what tells one request from another, however its JSON is written."""
    body = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(b"\n".join((request.method.encode(), request.path.encode(), body))).hexdigest()


async def once(
    pool: Pool, token: Token, key: str | None, request: str, work: Callable[[Connection], Awaitable[Answered]]
) -> tuple[Answered, bool]:
    """Return the answer to this request and whether the work was done for it just now, in one transaction.

    A request that named itself and was answered before, be it only an instant ago, gets that answer again. Raises
    `Problem` 422 if that was another request.
    """
    if key and (before := await _before(pool, token, key, request)):
        return before, False

    async def named(conn: Connection) -> Answered:
        answered = await work(conn)
        if key and not await keep(conn, token, key, answered):
            raise _AnsweredMeanwhile
        return answered

    try:
        return await db.in_transaction(pool, named), True
    except _AnsweredMeanwhile:
        before = await _before(pool, token, str(key), request)
        assert before is not None, "it was committed, or we would have been first"
        return before, False


class _AnsweredMeanwhile(Exception):
    """Another request with this key was first: what this one did is undone."""


async def _before(pool: Pool, token: Token, key: str, request: str) -> Answered | None:
    async with pool.acquire(timeout=2) as conn:
        return await find(conn, token, key, request=request)


async def find(conn: Connection, token: Token, key: str, *, request: str) -> Answered | None:
    """Return the answer stored under this key of this token; raises `Problem` 422 if it was to another request."""
    row = await conn.fetchrow(
        "SELECT request, status, answer FROM idempotency_keys WHERE token = $1 AND key = $2", token.id, key
    )
    if row is not None and row["request"] != request:
        raise Problem(
            422,
            "This Idempotency-Key belongs to another request",
            errors=[{"field": "Idempotency-Key", "problem": "was used before, with another body"}],
        )
    return Answered(**row) if row else None


async def keep(conn: Connection, token: Token, key: str, answered: Answered) -> bool:
    """Store the answer; False when another request with this key was first, who then has committed."""
    status = await conn.execute(
        """
        INSERT INTO idempotency_keys (token, key, request, status, answer)
        VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (token, key) DO NOTHING
        """,
        token.id,
        key,
        answered.request,
        answered.status,
        answered.answer,
    )
    return status == "INSERT 0 1"


async def forget_old(pool: Pool, *, limit: int = 1000) -> int:
    """Delete answers that are a week old, so that their keys are free again; return how many."""
    async with pool.acquire() as conn:
        status = await conn.execute(
            """
            DELETE FROM idempotency_keys
             WHERE ctid = ANY (ARRAY (SELECT ctid FROM idempotency_keys
                                       WHERE answered_at < clock_timestamp() - $1::interval
                                       ORDER BY answered_at
                                       LIMIT $2
                                         FOR UPDATE SKIP LOCKED))
            """,
            KEPT_FOR,
            limit,
        )
    return int(status.removeprefix("DELETE "))
