"""Claim deliveries: what is due and may go out gets an attempt; the rest gets its reason."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import structlog

from services.notifier import store, store_attempts, store_before, store_missed, store_standing
from services.notifier.channels.receipt import Before
from services.notifier.gate import Go, gate
from services.notifier.message import thread
from services.notifier.record import record
from services.notifier.store import Delivery
from services.notifier.verdict import Change, after_crash, after_gate
from shared.db import Connection
from shared.events import MissedFollowUp, NudgeData

log = structlog.get_logger()

MISSED_A_NUDGE: Final = 100  # as many as the scheduler names


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The operator's settings that concern sending."""

    retry_delays: tuple[timedelta, ...]
    send_lease: timedelta
    daily_cap: int
    sms_daily_cap: int

    def cap_on(self, channel: str) -> int:
        """Return how many messages a day may go to one person on this channel; all of them count to `daily_cap`."""
        return min(self.sms_daily_cap, self.daily_cap) if channel == "sms" else self.daily_cap


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One send that is ours to make, until the lease ends."""

    delivery: Delivery
    nudge: NudgeData  # with the follow-ups that remain
    token: UUID
    message_id: str
    at: datetime
    before: Before

    @property
    def may_have_been_sent(self) -> bool:
        """Whether an attempt before this one may have been taken after all."""
        return self.delivery.counts.refusals > 0 or self.delivery.counts.unknowns > 0


async def claim(
    conn: Connection, channel: str, *, host: str, limit: int, rules: Rules, now: datetime, ours: Collection[UUID]
) -> tuple[list[Attempt], int]:
    """Return up to `limit` attempts to make on this channel, and how many deliveries ended or wait instead."""
    due = await store.due(conn, channel, now=now, limit=limit, ours=ours)
    if not due:
        return [], 0
    waiting, ended = await _after_crashes(conn, due, now)
    standings = await store_standing.standings(conn, waiting, now)
    changes: list[Change] = []
    going: dict[UUID, tuple[Delivery, NudgeData, UUID]] = {}
    batch: Counter[UUID] = Counter()
    for delivery in waiting:
        person = delivery.nudge.recipient.id
        standing = standings[delivery.id]
        # Others of this very batch are under way to the same person too.
        standing = replace(
            standing,
            under_way=standing.under_way + batch[person],
            under_way_here=standing.under_way_here + batch[person],
        )
        verdict = gate(delivery.nudge, standing, now=now, daily_cap=rules.daily_cap, channel_cap=rules.cap_on(channel))
        if isinstance(verdict, Go):
            batch[person] += 1
            nudge = delivery.nudge.model_copy(update={"follow_ups": verdict.follow_ups})
            going[delivery.id] = (delivery, nudge, uuid4())
        else:
            changes.append(after_gate(verdict, delivery.id, None, now=now))
    expired = await store_missed.missed(conn, list(going))
    going |= {
        id: (delivery, _naming(nudge, expired[id]), token)
        for id, (delivery, nudge, token) in going.items()
        if id in expired
    }
    await record(conn, changes, now)
    for change in changes:
        log.info("delivery.gated", nudge=str(change.nudge), state=change.state, reason=change.reason)
    ids = await store_attempts.lease(
        conn,
        {id: token for id, (_, _, token) in going.items()},
        threads={id: thread(nudge) for id, (_, nudge, _) in going.items()},
        host=host,
        now=now,
        until=now + rules.send_lease,
    )
    before = await store_before.before(conn, list(going), now=now)
    attempts = [
        Attempt(delivery=delivery, nudge=nudge, token=token, message_id=ids[id], at=now, before=before[id])
        for id, (delivery, nudge, token) in going.items()
    ]
    return attempts, ended + len(changes)


async def end_too_late(conn: Connection, *, now: datetime, limit: int, ours: Collection[UUID]) -> int:
    """End what has waited too long, on whatever channel and though it be paused; return how many."""
    changes = await store.too_late(conn, now=now, limit=limit, ours=ours)
    await record(conn, changes, now)
    for change in changes:
        log.info("delivery.gated", nudge=str(change.nudge), state=change.state, reason=change.reason)
    return len(changes)


async def _after_crashes(conn: Connection, due: Sequence[Delivery], now: datetime) -> tuple[list[Delivery], int]:
    """End the attempts of leases that ran out; return what may be tried again, and how many are given up for it."""
    waiting = [delivery for delivery in due if delivery.lease is None]
    changes = []
    for delivery in due:
        if delivery.lease is None:
            continue
        change = after_crash(
            delivery.id, delivery.lease, delivery.counts, phase=delivery.phase or "lease", next_attempt_at=now
        )
        changes.append(change)
        log.warning("delivery.crashed", nudge=str(change.nudge), outcome=change.outcome, state=change.state)
        if change.state == "queued" and change.counts is not None:
            waiting.append(replace(delivery, counts=change.counts, lease=None, phase=None))
    await record(conn, changes, now)
    return waiting, len(due) - len(waiting)


def _naming(nudge: NudgeData, expired: Sequence[MissedFollowUp]) -> NudgeData:
    """Return the nudge naming what expired here too, the newest of all that was missed."""
    missed = sorted((*expired, *nudge.missed), key=lambda one: one.due_at)
    return nudge.model_copy(update={"missed": tuple(missed[-MISSED_A_NUDGE:])})
