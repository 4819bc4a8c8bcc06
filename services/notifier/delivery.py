"""Delivery: lease what is due, ask the gate, send, record; try again or give up."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from services.notifier import on_behalf, store, store_attempts, store_channels, store_standing
from services.notifier.channels import Channel
from services.notifier.channels.receipt import Begin, Receipt
from services.notifier.claim import Attempt, Rules, claim, end_too_late
from services.notifier.gate import Go, Verdict, gate
from services.notifier.record import Crashed, Ended, Recorder
from shared import db, metrics, stops
from shared.db import UNAVAILABLE, Connection, Pool, is_unavailable
from shared.poll import poll

log = structlog.get_logger()

AHEAD: Final = 4  # claimed for each send that can be under way at once, so that one step claims for several
ENDED_AT_ONCE: Final = 500  # deliveries that have become too late, a step
GRACE_SECONDS: Final = 20.0  # for sends under way when we are told to stop
LOOK_AGAIN_SECONDS: Final = 30.0  # though nobody woke us
DATABASE_AWAY: Final = timedelta(seconds=2)


class Deliveries:
    """Sends what is due on every channel, several at once. Run by `run`; a test calls `step` and `finish`."""

    def __init__(
        self,
        pool: Pool,
        channels: Mapping[str, Channel],
        rules: Rules,
        *,
        wake: asyncio.Event,
        clock: Callable[[Connection], Awaitable[datetime]] = db.now,
    ) -> None:
        self._pool = pool
        self._channels = channels
        self._rules = rules
        self._wake = wake  # set from outside when there is something new, and by ourselves when there is room again
        self._clock = clock
        self._sending: dict[UUID, asyncio.Task[None]] = {}  # by token
        self._on: Counter[str] = Counter()  # sends under way on each channel
        self._recorder = Recorder(pool, retry_delays=rules.retry_delays, clock=clock, comes_again=wake.set)

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop` is set, then let what is under way come to its end."""
        async with asyncio.TaskGroup() as group:
            helpers = [group.create_task(self._recorder.run()), group.create_task(self._hold_on())]
            try:
                await poll("deliveries", self.step, stop=stop, wake=self._wake, idle=self.idle)
                await self.finish(GRACE_SECONDS)
            finally:
                for helper in helpers:
                    helper.cancel()

    async def step(self) -> int:
        """Begin what is due as far as there is room, end what must not go out any more; return how many of both."""
        attempts: list[Attempt] = []
        async with self._pool.acquire(timeout=5) as conn, conn.transaction():
            now = await self._clock(conn)
            ended = await end_too_late(conn, now=now, limit=ENDED_AT_ONCE, ours=self._ours())
            troubled = {trouble.name for trouble in await store_channels.troubles(conn, now=now)}
            for name, channel in self._channels.items():
                metrics.channel_paused.labels(channel=name).set(name in troubled)
                if name not in troubled and (room := self._room(name)):
                    claimed, others = await claim(
                        conn, name, host=channel.host, limit=room, rules=self._rules, now=now, ours=self._ours()
                    )
                    attempts += claimed
                    ended += others
        for attempt in attempts:
            self._begin(attempt)
        return len(attempts) + ended

    async def idle(self) -> float:
        """Return for how many seconds there is nothing to do, unless something wakes us."""
        async with self._pool.acquire(timeout=5) as conn:
            with_room = [name for name in self._channels if self._room(name)]
            at = await store.next_attempt_at(conn, with_room, ours=self._ours())
            if at is None:
                return LOOK_AGAIN_SECONDS
            # What is due and was not claimed is locked by another notifier just now: a moment, not a busy loop.
            return min(max((at - await self._clock(conn)).total_seconds(), 0.1), LOOK_AGAIN_SECONDS)

    async def finish(self, seconds: float) -> None:
        """Wait for what is under way to be sent and recorded; after so many seconds let go of it."""
        if self._sending:
            await asyncio.wait(self._sending.values(), timeout=seconds)
        if self._sending:
            for task in self._sending.values():
                task.cancel()
            await asyncio.wait(self._sending.values(), timeout=1)
        with suppress(TimeoutError, *UNAVAILABLE):
            await asyncio.wait_for(self._recorder.flush(), timeout=2)

    def _room(self, channel: str) -> int:
        """How many to claim now: none until it is worth a step."""
        all_of_it = AHEAD * self._channels[channel].slots
        room = all_of_it - self._on[channel]
        return room if 2 * room >= all_of_it else 0

    def _ours(self) -> set[UUID]:
        return self._sending.keys() | self._recorder.tokens

    def _begin(self, attempt: Attempt) -> None:
        channel = attempt.nudge.channel
        self._on[channel] += 1
        task = asyncio.create_task(self._send(attempt), name=f"nudge {attempt.nudge.nudge}")
        self._sending[attempt.token] = task

        def ended(_: asyncio.Task[None]) -> None:
            del self._sending[attempt.token]
            self._on[channel] -= 1
            if self._room(channel):
                self._wake.set()

        task.add_done_callback(ended)

    async def _send(self, attempt: Attempt) -> None:
        """Make this attempt and have its end recorded. It ends in no error."""
        began = time.monotonic()
        channel = attempt.nudge.channel
        last_look = _LastLook(self._pool, attempt, self._rules, self._clock)
        result: Receipt | Verdict | Crashed
        try:
            receipt = await self._tried(self._channels[channel], attempt, last_look)
            result = last_look.verdict or receipt if receipt.outcome == "dropped" else receipt
        except asyncio.CancelledError:
            # We are stopping. What has not begun is free for others at once; of the rest nobody can tell.
            if not last_look.begun:
                self._end(attempt, Receipt(outcome="held"))
            raise
        except Exception:
            log.exception("delivery.broke", nudge=str(attempt.nudge.nudge), begun=last_look.begun)
            result = Crashed(begun=last_look.begun)
        if last_look.lost:
            log.warning("delivery.lost", nudge=str(attempt.nudge.nudge))
        else:
            self._end(attempt, result)
        seconds = time.monotonic() - began
        outcome, reason = _in_words(result)
        metrics.deliveries.labels(channel=channel, outcome=outcome).inc()
        metrics.delivery_duration.observe(seconds)
        log.log(
            40 if isinstance(result, Receipt) and result.alert else 20,
            "delivery.attempted",
            nudge=str(attempt.nudge.nudge),
            channel=channel,
            outcome=outcome,
            reason=reason,
            ms=round(seconds * 1000),
            lateness_seconds=round((attempt.at - attempt.nudge.due_at).total_seconds(), 1),
        )

    async def _tried(self, channel: Channel, attempt: Attempt, begin: Begin) -> Receipt:
        """Send it, unless it turns out that an attempt before this one was taken, or must be taken to have been."""
        if attempt.may_have_been_sent and (
            earlier := await channel.look(attempt.nudge, unknowns=attempt.delivery.counts.unknowns)
        ):
            return earlier
        return await channel.send(attempt.nudge, attempt.message_id, now=attempt.at, before=attempt.before, begin=begin)

    def _end(self, attempt: Attempt, result: Receipt | Verdict | Crashed) -> None:
        self._recorder.add(Ended(delivery=attempt.delivery, token=attempt.token, result=result))

    async def _hold_on(self) -> None:
        """Extend the leases of what is under way, long before they end; a reply to the dot may take ten minutes."""
        while True:
            await asyncio.sleep(self._rules.send_lease.total_seconds() / 3)
            if tokens := self._ours():
                with suppress(*UNAVAILABLE):
                    async with self._pool.acquire(timeout=5) as conn:
                        await store_attempts.extend(conn, tokens, self._rules.send_lease)


class _LastLook:
    """The gate once more, right before the send: a stop that was answered by then has closed it."""

    def __init__(
        self, pool: Pool, attempt: Attempt, rules: Rules, clock: Callable[[Connection], Awaitable[datetime]]
    ) -> None:
        self.begun = False  # on record as begun, as far as we know
        self.lost = False  # another has taken the delivery over, or it is gone
        self.verdict: Verdict | Receipt | None = None  # why not
        self._pool = pool
        self._attempt = attempt
        self._rules = rules
        self._clock = clock

    async def __call__(self) -> bool:
        try:
            async with self._pool.acquire(timeout=5) as conn, conn.transaction():
                may_begin = await self._look(conn)
        except Exception as error:
            if not is_unavailable(error):
                raise
            # Without a record nothing is sent. Whether the record was made after all does not matter then.
            self.verdict = Receipt(outcome="held", after=DATABASE_AWAY)
            return False
        self.begun = may_begin
        return may_begin

    async def _look(self, conn: Connection) -> bool:
        delivery = self._attempt.delivery
        found = await stops.standing(
            conn,
            person=delivery.nudge.recipient.id,
            on_behalf_of=on_behalf.owners(delivery.nudge),
            connections=[one.connection for one in delivery.nudge.follow_ups],
            meetings=[one.meeting for one in delivery.nudge.follow_ups],
        )
        now = await self._clock(conn)  # after any stop that had to be waited for
        standing = (await store_standing.with_stops(conn, [delivery], found, now))[delivery.id]
        verdict = gate(
            delivery.nudge,
            standing,
            now=now,
            daily_cap=self._rules.daily_cap,
            channel_cap=self._rules.cap_on(delivery.nudge.channel),
        )
        if isinstance(verdict, Go) and verdict.follow_ups == self._attempt.nudge.follow_ups:
            until = now + self._rules.send_lease
            self.lost = not await store_attempts.begin(conn, self._attempt.token, now=now, until=until)
            return not self.lost
        self.verdict = verdict
        return False


def _in_words(result: Receipt | Verdict | Crashed) -> tuple[str, str | None]:
    if isinstance(result, Receipt):
        return result.outcome, result.reason
    if isinstance(result, Crashed):
        return "crashed", None
    return "dropped", getattr(result, "reason", None)
