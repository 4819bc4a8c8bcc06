"""Pruning: the words about a meeting of which nothing is to come any more are not kept here.

They are intake's, whose owner may look at them; the scheduler has them for the nudges that are still to come.
"""

from datetime import timedelta
from typing import Final

import structlog

from services.scheduler import store_forgetting
from shared import db
from shared.db import Connection, Pool

log = structlog.get_logger()

AT_ONCE: Final = 500


async def prune(pool: Pool, *, keep: timedelta, limit: int = AT_ONCE) -> int:
    """Take the words off up to `limit` meetings whose last follow-up is older than that, and return how many: a step
    for `poll`. A change that intake tells of brings them back, with what is planned anew."""
    found = await db.in_transaction(pool, lambda conn: _prune(conn, keep, limit))
    if found:
        log.info("meetings.pruned", meetings=found, older_than_days=keep.days)
    return found


async def _prune(conn: Connection, keep: timedelta, limit: int) -> int:
    return await store_forgetting.forget_words(conn, before=await db.now(conn) - keep, limit=limit)
