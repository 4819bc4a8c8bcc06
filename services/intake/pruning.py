"""Pruning: what was submitted long ago is not kept as it came any more."""

from datetime import timedelta
from typing import Final

import structlog

from services.intake import store_forgetting
from shared import db
from shared.db import Pool

log = structlog.get_logger()

AT_ONCE: Final = 500


async def prune(pool: Pool, *, keep: timedelta, limit: int = AT_ONCE) -> int:
    """Forget up to `limit` submissions that came before that, and return how many: a step for `poll`.

    Of an accepted one its mark stays, so that a repeat is still recognised; a rejected one that nobody replayed goes.
    """
    accepted, rejected = await db.in_transaction(
        pool, lambda conn: store_forgetting.forget_submissions(conn, keep=keep, limit=limit)
    )
    if accepted or rejected:
        log.info("submissions.pruned", accepted=accepted, rejected=rejected, older_than_days=keep.days)
    return accepted + rejected
