"""Nudges to contacts, when somebody on whose behalf they go out is to be forgotten."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from services.notifier import on_behalf, store_contacts
from services.notifier.record import record
from services.notifier.verdict import Change
from shared.db import Connection


async def forget_owners(conn: Connection, people: Collection[UUID], now: datetime) -> None:
    """Keep nothing of what goes, or went, to contacts on behalf of these people; what waits for that is skipped.

    What a nudge carries on behalf of others goes out all the same.
    """
    known = await store_contacts.on_behalf_of(conn, people)
    if not known:
        return
    left = {nudge.nudge: on_behalf.without_owners(nudge, people) for nudge in known}
    gone = [id for id, nudge in left.items() if nudge is None]
    await record(conn, [Change(nudge=id, token=None, state="skipped", reason="erased") for id in gone], now)
    await store_contacts.delete(conn, gone)
    kept = [nudge for nudge in left.values() if nudge is not None]
    await store_contacts.keep(conn, kept, [on_behalf.owners(nudge) for nudge in kept])
