"""Record what became of deliveries, and tell the others; an attempt is recorded until it is, and never made again."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

import structlog

from services.notifier import reports, store, store_channels, store_standing
from services.notifier.channels.receipt import Receipt
from services.notifier.gate import Verdict
from services.notifier.store import Delivery
from services.notifier.store_standing import Suppression
from services.notifier.verdict import Change, after, after_crash, after_gate
from shared import outbox
from shared.db import UNAVAILABLE, Connection, Pool, in_transaction, is_unavailable
from shared.events import AddressSuppressed, DeliveryChanged, SuppressedData
from shared.retry import backoff

log = structlog.get_logger()

A_BATCH: Final = 200
AWAY_DELAYS: Final = tuple(timedelta(seconds=seconds) for seconds in (0.2, 0.5, 1, 2))
DISABLED_FOR_GOOD: Final = timedelta(days=7)  # a mailbox that was disabled twice within these


async def record(conn: Connection, changes: Sequence[Change], now: datetime) -> None:
    """Write these changes, each only while its token holds the delivery, and tell the others of new states."""
    told = await store.write(conn, changes, now)
    await outbox.add(conn, [DeliveryChanged(time=now, subject=str(data.nudge), data=data) for data in told])
    if over := [change.nudge for change in changes if change.state in {"sent", "failed"}]:
        await reports.apply_kept(conn, over, now)


@dataclass(frozen=True, slots=True)
class Crashed:
    """An error of ours ended the attempt; `begun` says whether the send had begun."""

    begun: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An attempt that has ended, and how: what the channel answered, or what the gate said at last."""

    delivery: Delivery
    token: UUID
    result: Receipt | Verdict | Crashed


class Recorder:
    """Records the ends of attempts in batches, for as long as it takes."""

    def __init__(
        self,
        pool: Pool,
        *,
        retry_delays: Sequence[timedelta],
        clock: Callable[[Connection], Awaitable[datetime]],
        comes_again: Callable[[], None],
    ) -> None:
        self._pool = pool
        self._retry_delays = retry_delays
        self._clock = clock
        self._comes_again = comes_again
        self._waiting: list[Ended] = []
        self._some = asyncio.Event()
        self._writing = asyncio.Lock()

    @property
    def tokens(self) -> set[UUID]:
        """The leases that are ours until their end has been recorded."""
        return {ended.token for ended in self._waiting}

    def add(self, ended: Ended) -> None:
        """Have this recorded soon."""
        self._waiting.append(ended)
        self._some.set()

    async def run(self) -> None:
        """Record what is added, until cancelled. A database that is away is waited for."""
        failures = 0
        while True:
            await self._some.wait()
            try:
                await self.flush()
                failures = 0
            except UNAVAILABLE as error:
                failures += 1
                log.warning("delivery.unrecorded", waiting=len(self._waiting), error=type(error).__name__)
                await asyncio.sleep(backoff(failures, AWAY_DELAYS).total_seconds())

    async def flush(self) -> None:
        """Record everything that waits now; raises what `UNAVAILABLE` holds, and then it still waits."""
        async with self._writing:
            while self._waiting:
                batch = self._waiting[:A_BATCH]
                try:
                    await in_transaction(self._pool, partial(self._write, batch=batch))
                except Exception as error:
                    if is_unavailable(error):
                        raise
                    await self._singly(batch)
                done = {ended.token for ended in batch}
                self._waiting = [ended for ended in self._waiting if ended.token not in done]
                if any(not isinstance(ended.result, Receipt) or ended.result.outcome != "sent" for ended in batch):
                    self._comes_again()  # perhaps sooner than anybody looks
            self._some.clear()

    async def _singly(self, batch: Sequence[Ended]) -> None:
        for ended in batch:
            try:
                await in_transaction(self._pool, partial(self._write, batch=[ended]))
            except Exception as error:
                if is_unavailable(error):
                    raise
                # Its lease runs out, which counts as a crash: it comes to an end of its own.
                log.exception("delivery.unrecordable", nudge=str(ended.delivery.id))

    async def _write(self, conn: Connection, batch: Sequence[Ended]) -> None:
        now = await self._clock(conn)
        changes = [self._change(ended, now) for ended in batch]
        await record(conn, changes, now)
        worked = set()
        for ended, change in zip(batch, changes, strict=True):
            if isinstance(receipt := ended.result, Receipt):
                if receipt.outcome in {"sent", "found"}:
                    worked.add(ended.delivery.nudge.channel)
                await self._trouble(conn, ended.delivery, receipt, now)
                if receipt.suppress or await self._disabled_again(conn, change, now):
                    await suppress(conn, ended.delivery, receipt.reason or "refused", now)
        if worked:
            await store_channels.worked(conn, worked, now)

    def _change(self, ended: Ended, now: datetime) -> Change:
        delivery, token, result = ended.delivery, ended.token, ended.result
        if isinstance(result, Receipt):
            return after(
                result,
                delivery.id,
                token,
                delivery.counts,
                now=now,
                due_at=delivery.nudge.due_at,
                too_late_after=delivery.nudge.too_late_after,
                delays=self._retry_delays,
            )
        if isinstance(result, Crashed):
            phase = "data" if result.begun else "lease"
            at = now + backoff(delivery.counts.crashes + 1, self._retry_delays)
            return after_crash(delivery.id, token, delivery.counts, phase=phase, next_attempt_at=at)
        return after_gate(result, delivery.id, token, now=now)

    async def _trouble(self, conn: Connection, delivery: Delivery, receipt: Receipt, now: datetime) -> None:
        """Pause or stop the channel as the receipt asks, and say so once."""
        channel = delivery.nudge.channel
        if receipt.stop and await store_channels.stop(conn, channel, receipt.reason or "refused", now):
            log.error("channel.stopped", channel=channel, reason=receipt.reason)
        if receipt.pause and await store_channels.pause(conn, channel, receipt.pause, now):
            log.warning("channel.paused", channel=channel, reason=receipt.reason)

    async def _disabled_again(self, conn: Connection, change: Change, now: datetime) -> bool:
        return change.reason == "mailbox-disabled" and await store_standing.refused_before(
            conn, change.nudge, "mailbox-disabled", since=now - DISABLED_FOR_GOOD
        )


async def suppress(conn: Connection, delivery: Delivery, reason: str, now: datetime) -> None:
    """Let the address of this delivery not be written to any more, and tell the others when that is new."""
    recipient, channel = delivery.nudge.recipient, delivery.nudge.channel
    new = await store_standing.suppress(
        conn, [Suppression(address=recipient.address, channel=channel, reason=reason, at=now)]
    )
    data = SuppressedData(address=recipient.address, channel=channel, reason=reason, at=now, person=recipient.id)
    if new:
        await outbox.add(conn, [AddressSuppressed(time=now, subject=str(recipient.id), data=data)])
