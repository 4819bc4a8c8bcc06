"""The bus: what carries events between services, and which handler takes which event."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from shared.db import Connection
from shared.events import Event

E = TypeVar("E", bound=Event)
Handler = Callable[[Connection, Sequence[E], datetime], Awaitable[None]]
Receive = Callable[[Sequence[bytes]], Awaitable[None]]


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


class Bus(Protocol):
    """Carries messages at least once, in no promised order."""

    async def publish(self, messages: Sequence[Message]) -> None:
        """Return when every message is safe with the bus; raises `TryAgain` when that is not known of all of them."""

    async def consume(self, service: str, types: Collection[str], receive: Receive) -> None:
        """Hand bodies of messages of these types to `receive`, in batches, until cancelled.

        What `receive` returned from is done with; what it raised on, or was killed in, comes again.
        """

    async def check(self) -> str:
        """Return "ok", or what is wrong in words."""

    async def close(self) -> None:
        """Let go of every connection."""
