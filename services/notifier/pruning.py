"""Pruning: of what was sent, or was not, long ago the words are not kept any more."""

from datetime import timedelta
from typing import Final

import structlog

from services.notifier import store_forgetting
from services.notifier.forgetting import wordless
from shared import db
from shared.db import Connection, Pool

log = structlog.get_logger()

AT_ONCE: Final = 200


async def prune(pool: Pool, *, keep: timedelta, limit: int = AT_ONCE) -> int:
    """Take the words off up to `limit` deliveries that ended before that, and return how many: a step for `poll`.

    Their ids, states and times stay, so that a late report still finds them.
    """
    found = await db.in_transaction(pool, lambda conn: _prune(conn, keep, limit))
    if found:
        log.info("deliveries.pruned", deliveries=found, older_than_days=keep.days)
    return found


async def _prune(conn: Connection, keep: timedelta, limit: int) -> int:
    now = await db.now(conn)
    old = await store_forgetting.with_words(conn, before=now - keep, limit=limit)
    await store_forgetting.keep_facts(conn, [wordless(nudge) for nudge in old])
    await store_forgetting.keep_bare(conn, [nudge.nudge for nudge in old], now)
    return len(old)
