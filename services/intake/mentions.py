"""Mentions: who was erased stands with an address in what others wrote; the address is taken out, the rest stays."""

import re
from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from services.intake import meetings, store_erasing
from services.intake.meetings import Stored
from shared.db import Connection
from shared.events import MeetingChanged

GONE: Final = "[erased]"


async def take_out(
    conn: Connection, addresses: Collection[str], *, now: datetime, traceparent: str | None
) -> list[MeetingChanged]:
    """Take these addresses out of the words about meetings with others; return the events that tell of it."""
    if not addresses:
        return []
    pattern = re.compile("|".join(rf"(?<![\w.+-]){re.escape(one)}(?![\w-]|\.\w)" for one in addresses), re.IGNORECASE)
    told = []
    for stored in (await meetings.lock(conn, await store_erasing.mentioning(conn, addresses))).values():
        given, sent = _without(stored, pattern)
        told.append(await meetings.change(conn, stored, now=now, traceparent=traceparent, sent=sent, **given))
    for touch, note in await store_erasing.notes_mentioning(conn, addresses):
        await store_erasing.change_note(conn, touch, pattern.sub(GONE, note))
    return [event for event in told if event]


def _without(stored: Stored, pattern: re.Pattern[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the meeting is to be, as itself and in the API's words."""
    before = stored.meeting
    names = {name: pattern.sub(GONE, one) for name, one in before.event if isinstance(one, str)}
    document = before.document if not before.document or pattern.search(before.document) is None else None
    words = {
        "notes": before.notes and pattern.sub(GONE, before.notes),
        "promise": before.promise and pattern.sub(GONE, before.promise),
        "topics": tuple(pattern.sub(GONE, one) for one in before.topics),
        "document": document,
    }
    event = before.event.model_copy(update=names)
    sent: dict[str, Any] = {**words, "topics": list(words["topics"] or ()), "event": event.model_dump(mode="json")}
    return {**words, "event": event}, sent
