"""What the others tell us: nudges that are due, and why some must not go out."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.notifier import on_behalf, reports, store, store_standing
from services.notifier.forgetting import bare_of_forgotten, forget_meetings, forget_people
from services.notifier.gate import Skip, gate
from services.notifier.record import record
from services.notifier.store import Delivery
from services.notifier.store_standing import Suppression
from services.notifier.verdict import after_gate
from shared import outbox, wake
from shared.bus import on
from shared.db import Connection
from shared.events import (
    AddressRestored,
    AddressSuppressed,
    DeliveryChanged,
    DeliveryData,
    DeliveryReported,
    FollowUpActed,
    MeetingsForgotten,
    NudgeData,
    NudgeDue,
    NudgeState,
    PersonErased,
)

NO_CAP = 2**31  # the daily cap only ever delays, or ends at the last look


async def queue_nudges(conn: Connection, events: Sequence[NudgeDue], now: datetime) -> None:
    """Give each nudge its delivery, once. What was stopped, done or suppressed before it came ends at once."""
    nudges = await bare_of_forgotten(conn, [_storable(event.data) for event in events])
    people = {nudge.recipient.id for nudge in nudges} | {id for nudge in nudges for id in on_behalf.owners(nudge)}
    gone = await store_standing.erased(conn, people)
    left = {nudge.nudge: on_behalf.without_owners(nudge, gone) for nudge in nudges if nudge.recipient.id not in gone}
    added = await store.add(conn, [nudge for nudge in left.values() if nudge], now)
    ended = await _end_what_must_not_go(conn, added, now)
    await _tell(conn, [nudge for nudge in nudges if not left.get(nudge.nudge)], "skipped", "erased", now)
    await _tell(conn, [one.nudge for one in added if one.id not in ended], "queued", None, now)
    await wake.notify(conn, "notifier", "due")


async def apply_acts(conn: Connection, events: Sequence[FollowUpActed], now: datetime) -> None:
    """Remember what was dealt with, also before its nudge has come, and end nudges of which nothing remains."""
    await store_standing.keep_acts(conn, [event.data for event in events])
    queued = await store.queued(conn, people={event.data.person for event in events})
    await _end_what_must_not_go(conn, queued, now)


async def suppress_addresses(conn: Connection, events: Sequence[AddressSuppressed], now: datetime) -> None:
    """Let nothing go to these addresses any more."""
    await store_standing.suppress(
        conn,
        [
            Suppression(
                address=event.data.address, channel=event.data.channel, reason=event.data.reason, at=event.data.at
            )
            for event in events
        ],
    )
    queued = await store.queued(conn, addresses={event.data.address.lower() for event in events})
    await _end_what_must_not_go(conn, queued, now)


async def restore_addresses(conn: Connection, events: Sequence[AddressRestored], now: datetime) -> None:
    """Let these addresses be written to again; what has ended meanwhile has ended."""
    del now
    await store_standing.restore(conn, [event.data for event in events])


async def apply_reports(conn: Connection, events: Sequence[DeliveryReported], now: datetime) -> None:
    """Show what has become of what was sent, and let nothing go any more where nothing arrives."""
    await reports.apply(conn, [event.data for event in events], now)


ROUTES = (
    on(NudgeDue, queue_nudges),
    on(FollowUpActed, apply_acts),
    on(AddressSuppressed, suppress_addresses),
    on(AddressRestored, restore_addresses),
    on(PersonErased, forget_people),
    on(MeetingsForgotten, forget_meetings),
    on(DeliveryReported, apply_reports),
)


async def _end_what_must_not_go(conn: Connection, queued: Sequence[Delivery], now: datetime) -> set[object]:
    """Skip those that the gate will never let out; what only has to wait is left to delivery."""
    if not queued:
        return set()
    standings = await store_standing.standings(conn, queued, now)
    changes = []
    for delivery in queued:
        verdict = gate(delivery.nudge, standings[delivery.id], now=now, daily_cap=NO_CAP)
        if isinstance(verdict, Skip):
            changes.append(after_gate(verdict, delivery.id, None, now=now))
    await record(conn, changes, now)
    return {change.nudge for change in changes}


async def _tell(
    conn: Connection, nudges: Sequence[NudgeData], state: NudgeState, reason: str | None, now: datetime
) -> None:
    """Tell of nudges as they are at the beginning."""
    await outbox.add(
        conn,
        [
            DeliveryChanged(
                time=now,
                subject=str(nudge.nudge),
                data=DeliveryData(
                    nudge=nudge.nudge,
                    revision=1,
                    person=nudge.recipient.id,
                    channel=nudge.channel,
                    state=state,
                    reason=reason,
                    at=now,
                    follow_ups=tuple(follow_up.id for follow_up in nudge.follow_ups),
                ),
            )
            for nudge in nudges
        ],
    )


def _storable(nudge: NudgeData) -> NudgeData:
    """The nudge without NUL, which PostgreSQL keeps in no text."""
    document = nudge.model_dump_json()
    if "\\u0000" not in document:
        return nudge
    return NudgeData.model_validate(_without_nul(json.loads(document)))


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_nul(item) for key, item in value.items()}
    return value
