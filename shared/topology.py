"""What the broker must hold for us: exchanges, queues, bindings; and how to connect to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, ExchangeType
from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity, ChannelPreconditionFailed
from pamqp.exceptions import PAMQPException
from yarl import URL

from shared.bus import CONSUMERS
from shared.retry import TryAgain

# What a broker that is away, restarting or full raises, or what breaks when it goes away under us.
BROKEN: Final = (
    aio_pika.exceptions.AMQPError,
    PAMQPException,
    OSError,
    TimeoutError,
    asyncio.InvalidStateError,
    RuntimeError,
)

CALL_SECONDS: Final = 10.0
HEARTBEAT_SECONDS: Final = 15  # three missed ones end a connection that has gone silent
# A message that came back so often (the process died with it, or its acknowledgement never arrived) is set aside. Our
# own failures are counted in the database and never return a message.
DELIVERY_LIMIT: Final = 20
NEVER: Final = 1_000_000  # since RabbitMQ 4.0 "no limit" has to be said, and 3.10 has no word for it


class WrongTopology(Exception):
    """The broker holds something of our name that is not what we need; the message names it and says what to do."""


@dataclass(frozen=True, slots=True)
class Topology:
    """The names of one installation on its broker."""

    prefix: str

    @property
    def dead(self) -> str:
        """The exchange of what came back too often."""
        return f"{self.prefix}.dead"

    def queue(self, service: str) -> str:
        return f"{self.prefix}.{service}"

    def dead_queue(self, service: str) -> str:
        """Where the service's messages wait that came back too often, until it parks them in its database."""
        return f"{self.prefix}.{service}.dead"

    def queues(self) -> dict[str, dict[str, Any]]:
        """Return every queue with its arguments."""
        declared: dict[str, dict[str, Any]] = {}
        for service in CONSUMERS:
            declared[self.dead_queue(service)] = {"x-queue-type": "quorum", "x-delivery-limit": NEVER}
            declared[self.queue(service)] = {
                "x-queue-type": "quorum",
                "x-delivery-limit": DELIVERY_LIMIT,
                "x-dead-letter-exchange": self.dead,
                "x-dead-letter-routing-key": service,
                # Both are needed for a message to leave this queue only when the dead one has it.
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish",
            }
        return declared


class _Connection(aio_pika.Connection):
    """One that is closed by `close` alone."""

    def __del__(self) -> None:
        """Nothing. One that was never made has nothing to close, and the garbage may be collected outside the loop."""


async def connect(url: str, name: str) -> AbstractConnection:
    """Return a connection; raises one of `BROKEN` when there is none to be had."""
    address = URL(url)
    if "heartbeat" not in address.query:
        address = address.update_query(heartbeat=HEARTBEAT_SECONDS)
    async with within(CALL_SECONDS):
        return await aio_pika.connect(
            address, client_properties={"connection_name": name}, connection_class=_Connection
        )


async def close(connection: AbstractConnection | None) -> None:
    """Let go of a connection, in whatever state it is."""
    if connection is not None:
        with suppress(*BROKEN):
            async with within(2):
                await connection.close()


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """Bound calls on a connection. It cancels them when it goes away: that is an error, not our own cancellation."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise ConnectionError("the connection was closed meanwhile") from error


async def declare(url: str, *, prefix: str) -> None:
    """Make everything that the services need on this broker, so that they need no right to.

    Raises `WrongTopology`, or `TryAgain` when the broker does not answer.
    """
    connection = None
    try:
        connection = await connect(url, f"{prefix} declare")
        await ensure(connection, Topology(prefix))
    except BROKEN as error:
        raise TryAgain(in_words(error)) from error
    finally:
        await close(connection)


async def ensure(connection: AbstractConnection, topology: Topology) -> None:
    """Declare what is missing; a user without the right to must find everything there.

    The queues of all services are declared by whoever comes first: an event published before its consumer ever
    started waits for it, instead of being returned.
    """
    async with within(3 * CALL_SECONDS):
        try:
            await _declare(connection, topology)
        except ChannelAccessRefused:
            await _find(connection, topology)


async def _declare(connection: AbstractConnection, topology: Topology) -> None:
    channel = await connection.channel()
    name = topology.prefix
    try:
        await channel.declare_exchange(name, ExchangeType.TOPIC, durable=True, timeout=CALL_SECONDS)
        name = topology.dead
        await channel.declare_exchange(name, ExchangeType.DIRECT, durable=True, timeout=CALL_SECONDS)
        for name, arguments in topology.queues().items():
            await channel.declare_queue(name, durable=True, arguments=arguments, timeout=CALL_SECONDS)
    except ChannelPreconditionFailed as error:
        raise WrongTopology(
            f"the broker has {name!r} declared otherwise ({error}); stop the services, let the queue run empty, delete "
            f"it (`rabbitmqctl delete_queue {name}`) and start again, or set BUS_PREFIX to another name"
        ) from error
    for service, types in CONSUMERS.items():
        await _bind(channel, topology.dead_queue(service), topology.dead, service)
        for routing_key in sorted(types):
            await _bind(channel, topology.queue(service), topology.prefix, routing_key)
    await channel.close()


async def _bind(channel: AbstractChannel, queue: str, exchange: str, routing_key: str) -> None:
    underlay = await channel.get_underlay_channel()
    await underlay.queue_bind(queue, exchange=exchange, routing_key=routing_key, timeout=CALL_SECONDS)


async def _find(connection: AbstractConnection, topology: Topology) -> None:
    """Look for all of it. What this user may not even look at (RabbitMQ 4 refuses that too) belongs to others."""
    for name in (topology.prefix, topology.dead, *topology.queues()):
        channel = await connection.channel()  # one for each: a refusal closes it
        try:
            if name in topology.queues():
                await channel.declare_queue(name, passive=True, timeout=CALL_SECONDS)
            else:
                await channel.declare_exchange(name, passive=True, timeout=CALL_SECONDS)
        except ChannelAccessRefused:
            continue
        except ChannelNotFoundEntity as error:
            raise TryAgain(
                f"the broker has no {name!r} and this user may not make it: run `afterhello migrate` with one who may"
            ) from error
        await channel.close()


def in_words(error: BaseException) -> str:
    """Return what is wrong with the broker, in one line without its address."""
    match error:
        case TryAgain() | WrongTopology():
            return str(error)
        case aio_pika.exceptions.AuthenticationError() | aio_pika.exceptions.ProbableAuthenticationError():
            return "refuses our user or password"
        case TimeoutError():
            return "does not answer in time"
        case aio_pika.exceptions.AMQPConnectionError() | OSError():
            return "cannot be reached"
        case _:
            return f"{type(error).__name__}: {error}".splitlines()[0][:200]
