"""The bus: what carries events between services, which service takes which event, and which handler."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, Protocol, TypeVar

import structlog

from shared import db, events
from shared.db import Connection
from shared.events import Event
from shared.poll import poll
from shared.retry import TryAgain

log = structlog.get_logger()

E = TypeVar("E", bound=Event)
Handler = Callable[[Connection, Sequence[E], datetime], Awaitable[None]]

# Who takes what. Whoever meets the bus first declares the queues of all, so that an event published before its
# consumer ever started waits for it.
CONSUMERS: Final[dict[str, frozenset[str]]] = {
    "intake": frozenset(
        {
            events.FollowUpChanged.type,
            events.DeliveryChanged.type,
            events.AddressSuppressed.type,
            events.AddressRestored.type,
            events.BreaksChanged.type,
        }
    ),
    "scheduler": frozenset(
        {
            events.MeetingLogged.type,
            events.MeetingChanged.type,
            events.PersonChanged.type,
            events.PersonErased.type,
            events.MeetingsForgotten.type,
            events.FollowUpActed.type,
            events.AddressSuppressed.type,
            events.AddressRestored.type,
            events.ConnectionTouched.type,
            events.PromptWanted.type,
        }
    ),
    "notifier": frozenset(
        {
            events.NudgeDue.type,
            events.FollowUpActed.type,
            events.PersonErased.type,
            events.MeetingsForgotten.type,
            events.AddressSuppressed.type,
            events.AddressRestored.type,
            events.DeliveryReported.type,
        }
    ),
}
RETRY_IDLE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Route(Generic[E]):
    """One kind of event and the handler that applies a batch of it inside a transaction already open."""

    event: type[E]
    handler: Handler[E]


def on(event: type[E], handler: Handler[E]) -> Route[Any]:
    """Return the route of this event; mypy refuses a handler of another event."""
    return Route(event, handler)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What goes over the bus at once: one event, or neighbouring events of one type."""

    routing_key: str  # the events' type
    content_type: str
    body: bytes
    id: str


class Receive(Protocol):
    """What a service does with its messages: `shared.receive.receiver` makes one."""

    async def __call__(self, bodies: Sequence[bytes]) -> None:
        """Return when the messages are done with; raise when they must come again."""

    async def park(self, bodies: Sequence[bytes], reason: str) -> None:
        """Return when messages that may not be applied now are kept for later."""

    async def later(self) -> int:
        """Try again what is due of what was kept for later; return how many."""


class NotAllSafe(TryAgain):
    """Some messages are not known to be safe with the bus; all others are."""

    def __init__(self, reason: str, messages: Collection[str]) -> None:
        super().__init__(reason)
        self.messages = frozenset(messages)  # their ids


class Bus(Protocol):
    """Carries messages at least once, in no promised order."""

    async def publish(self, messages: Sequence[Message]) -> None:
        """Return when every message is safe with the bus; raises `NotAllSafe` when that is not known of all of them."""

    async def consume(self, service: str, types: Collection[str], receive: Receive) -> None:
        """Hand bodies of messages of these types to `receive`, in batches, until cancelled.

        What `receive` returned from is done with; what it raised on, or was killed in, comes again. Meanwhile
        `receive.later` is called whenever something may be due.
        """

    async def check(self) -> str:
        """Return "ok", or what is wrong in words."""

    async def close(self) -> None:
        """Let go of every connection."""


class LocalBus:
    """All services in one process: a message is safe once every service that wants it has applied it.

    It keeps nothing: what cannot be applied now stays in the outbox of the service that published it.
    """

    def __init__(self, consumers: Mapping[str, Collection[str]] = CONSUMERS) -> None:
        self._consumers = consumers
        self._receivers: dict[str, list[Receive]] = {}
        self._turn = 0

    async def publish(self, messages: Sequence[Message]) -> None:
        failed: dict[str, str] = {}
        unwanted = [m for m in messages if not any(m.routing_key in types for types in self._consumers.values())]
        failed |= {message.id: f"nobody takes {message.routing_key}" for message in unwanted}
        for service, types in self._consumers.items():
            if theirs := [message for message in messages if message.routing_key in types]:
                failed |= (
                    dict.fromkeys((m.id for m in theirs), why) if (why := await self._hand(service, theirs)) else {}
                )
        if failed:
            raise NotAllSafe("; ".join(sorted(set(failed.values()))), failed)

    async def consume(self, service: str, types: Collection[str], receive: Receive) -> None:
        missing = set(types) - set(self._consumers.get(service, ()))
        if missing:
            raise ValueError(f"CONSUMERS does not say that {service} takes {', '.join(sorted(missing))}")
        self._receivers.setdefault(service, []).append(receive)
        try:
            await retry_forever(service, receive)
        finally:
            self._receivers[service].remove(receive)

    async def check(self) -> str:
        return "ok"

    async def close(self) -> None:
        self._receivers.clear()

    async def _hand(self, service: str, messages: Sequence[Message]) -> str | None:
        """Return None once the service has applied these, or why it has not."""
        receivers = self._receivers.get(service)
        if not receivers:
            return f"{service} has not started"
        self._turn += 1
        try:
            await receivers[self._turn % len(receivers)]([message.body for message in messages])
        except Exception as error:
            if not db.is_unavailable(error):
                log.error("bus.receive_failed", service=service, exc_info=True)
            return f"{service}: {type(error).__name__}"
        return None


async def retry_forever(service: str, receive: Receive) -> None:
    """Call `receive.later` whenever something may be due, until cancelled."""
    never = asyncio.Event()
    await poll(f"{service} retry", receive.later, stop=never, wake=asyncio.Event(), idle=RETRY_IDLE_SECONDS)
