"""Receiving: bodies off the bus become events, and events take effect, each exactly once."""

import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid5

import orjson
import structlog

from shared import db, dead_letter, events, inbox
from shared.bus import Route
from shared.db import Connection, Pool
from shared.events import Event

log = structlog.get_logger()

RETRIES_AT_ONCE: Final = 50
PRUNE_EVERY_SECONDS: Final = 3600.0
UNREADABLE: Final = UUID("6f6c1c0e-5a0c-5f0e-9d0b-6a3d7b1f2c11")


def receiver(pool: Pool, routes: Sequence[Route[Any]], *, service: str) -> "Receiver":
    """Return what the bus hands this service's messages to."""
    return Receiver(pool, routes, service=service)


class Receiver:
    """Applies events with a service's handlers: batch by batch, else one by one, else later, else as a dead letter."""

    def __init__(self, pool: Pool, routes: Sequence[Route[Any]], *, service: str) -> None:
        self._pool = pool
        self._routes = tuple(routes)
        self._service = service
        self._pruned_at = time.monotonic()

    async def __call__(self, bodies: Sequence[bytes]) -> None:
        """Return when every event in these messages has taken effect, or is kept with what is wrong with it.

        Raises what `db.is_unavailable` knows while the database is away: then nothing is lost, and whatever had
        taken effect already does not again.
        """
        began = time.monotonic()
        arrived, unreadable = self._read(bodies)
        failed = 0
        if unreadable:
            await db.in_transaction(self._pool, lambda conn: _keep_unreadable(conn, unreadable))
        try:
            fresh = await self._apply([one.event for one in arrived]) if arrived else 0
        except Exception as error:
            if db.is_unavailable(error):
                raise
            log.warning("events.batch_failed", service=self._service, events=len(arrived), error=type(error).__name__)
            fresh, failed = await self._apply_singly(arrived)
        log.info(
            "events.received",
            service=self._service,
            messages=len(bodies),
            events=len(arrived),
            fresh=fresh,
            failed=failed,
            unreadable=len(unreadable),
            first=str(arrived[0].event.id) if arrived else None,
            ms=round((time.monotonic() - began) * 1000),
        )

    async def park(self, bodies: Sequence[bytes], reason: str) -> None:
        """Keep these messages unapplied, to be tried one event at a time; what may kill us is counted before we try."""
        arrived, unreadable = self._read(bodies)

        async def work(conn: Connection) -> None:
            await _keep_unreadable(conn, unreadable)
            for one in arrived:
                await _keep(conn, one, reason=reason, detail=None)

        await db.in_transaction(self._pool, work)
        log.warning("events.parked", service=self._service, events=len(arrived), reason=reason)

    async def later(self) -> int:
        """Try again what failed before and is due now, and return how many that were: a step for `poll`."""
        if time.monotonic() - self._pruned_at > PRUNE_EVERY_SECONDS:
            await db.in_transaction(self._pool, inbox.prune)
            self._pruned_at = time.monotonic()
        due = await db.in_transaction(self._pool, lambda conn: dead_letter.lease(conn, limit=RETRIES_AT_ONCE))
        for letter in due:
            await self._retry(letter)
        return len(due)

    def _read(self, bodies: Sequence[bytes]) -> "tuple[list[_Arrived], list[tuple[bytes, str]]]":
        arrived: list[_Arrived] = []
        unreadable: list[tuple[bytes, str]] = []
        for body in bodies:
            try:
                documents = events.split(body)
            except events.Unreadable as error:
                unreadable.append((body, str(error)))
                continue
            for document in documents:
                try:
                    arrived.append(_Arrived(self._event(document), document))
                except events.Unreadable as error:
                    unreadable.append((document, str(error)))
        return arrived, unreadable

    def _event(self, document: bytes) -> Event:
        event = events.read(document)
        # Two versions of a service run side by side for a moment; what only the other one handles must not be lost.
        if not any(isinstance(event, route.event) for route in self._routes):
            raise events.Unreadable(f"{self._service} has no handler of {event.type}")
        return event

    async def _apply(self, arrived: Sequence[Event], *, letter: UUID | None = None) -> int:
        """Apply those not applied before, in one transaction, and return how many that were."""

        async def work(conn: Connection) -> int:
            fresh = await inbox.unseen(conn, arrived)
            now = await db.now(conn)
            for route in self._routes:
                if batch := [event for event in fresh if isinstance(event, route.event)]:
                    await route.handler(conn, batch, now)
            if letter is not None:
                await dead_letter.drop(conn, [letter])
            return len(fresh)

        return await db.in_transaction(self._pool, work)

    async def _apply_singly(self, arrived: "Sequence[_Arrived]") -> tuple[int, int]:
        ids = [one.event.id for one in arrived]
        kept = await db.in_transaction(self._pool, lambda conn: dead_letter.kept(conn, ids))
        fresh = failed = 0
        for one in arrived:
            if one.event.id in kept:  # a copy of what is being tried again, at its own pace
                continue
            try:
                fresh += await self._apply([one.event])
            except Exception as error:
                if db.is_unavailable(error):
                    raise
                failed += 1
                kept.add(one.event.id)
                keep = partial(_keep, one=one, reason=_why(error), detail=traceback.format_exc())
                await db.in_transaction(self._pool, keep)
                log.exception("event.failed", service=self._service, id=str(one.event.id), type=one.event.type)
        return fresh, failed

    async def _retry(self, letter: dead_letter.DeadLetter) -> None:
        state: dead_letter.State = "retrying"
        try:
            await self._apply([self._event(letter.document)], letter=letter.id)
            log.info("event.retried", service=self._service, id=str(letter.id), attempts=letter.attempts)
            return
        except events.Unreadable as error:
            state, reason, detail = "dead", str(error), None
        except Exception as error:
            if db.is_unavailable(error):
                raise
            if letter.attempts >= dead_letter.ATTEMPTS:
                state = "dead"
            reason, detail = _why(error), traceback.format_exc()
        await db.in_transaction(
            self._pool, lambda conn: dead_letter.failed(conn, letter, reason=reason, detail=detail, state=state)
        )
        log.error("event.failed", service=self._service, id=str(letter.id), attempts=letter.attempts, state=state)


@dataclass(frozen=True, slots=True)
class _Arrived:
    event: Event
    document: bytes  # as it came: the event does not hold fields that a newer version added


async def _keep(conn: Connection, one: _Arrived, *, reason: str, detail: str | None) -> None:
    await dead_letter.keep(
        conn, one.event.id, one.document, type=one.event.type, reason=reason, detail=detail, state="retrying"
    )


async def _keep_unreadable(conn: Connection, unreadable: Sequence[tuple[bytes, str]]) -> None:
    for document, reason in unreadable:
        letter, kind = _as_far_as_readable(document)
        await dead_letter.keep(conn, letter, document, type=kind, reason=reason, state="dead")
        log.error("event.unreadable", id=str(letter), type=kind)


def _as_far_as_readable(document: bytes) -> tuple[UUID, str | None]:
    """Return the id and type of a document we cannot read; without an id one made of its bytes."""
    try:
        fields = orjson.loads(document)
        return UUID(fields["id"]), str(fields["type"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return uuid5(UNREADABLE, document.hex()), None


def _why(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
