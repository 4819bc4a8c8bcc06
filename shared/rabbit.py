"""RabbitBus: the bus over RabbitMQ, with confirmed batches out and acknowledgements after the commit in.

It never trusts a connection: whatever goes wrong with one, it is dropped, and the next call makes another and declares
everything anew.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange
from aiormq.exceptions import PublishError

from shared.bus import CONSUMERS, Message, NotAllSafe, Receive, retry_forever
from shared.rabbit_consumer import Consumer
from shared.retry import TryAgain, backoff
from shared.topology import BROKEN, CALL_SECONDS, Topology, WrongTopology, close, connect, ensure, in_words, within

log = structlog.get_logger()

CONFIRM_SECONDS: Final = 10.0  # well below the time a transaction of the relay may idle
BLOCKED_SECONDS: Final = 1.0
PAUSES: Final = tuple(timedelta(seconds=seconds) for seconds in (0.2, 0.5, 1, 2, 5))


class RabbitBus:
    """Carries messages over RabbitMQ. It opens nothing before it is used, and waits for a broker that is away."""

    def __init__(self, url: str, *, prefix: str) -> None:
        self._url = url
        self._topology = Topology(prefix)
        self._opening = asyncio.Lock()
        self._publishing: _Publishing | None = None
        self._consuming: dict[str, str] = {}  # what is wrong with each service's consumer, "" being nothing

    async def publish(self, messages: Sequence[Message]) -> None:
        try:
            publishing = await self._publisher()
            await _refuse_blocked(publishing.connection)
        except (*BROKEN, TryAgain) as error:
            raise NotAllSafe(f"broker: {in_words(error)}", [message.id for message in messages]) from error
        # All at once, and one wait for all confirms: one by one would be seven times slower.
        sent = [publishing.exchange.publish(_outgoing(m), m.routing_key, timeout=CONFIRM_SECONDS) for m in messages]
        results = await asyncio.gather(*sent, return_exceptions=True)
        unsafe = {m.id: error for m, error in zip(messages, results, strict=True) if isinstance(error, BaseException)}
        if not unsafe:
            return
        # A publish that timed out may yet arrive. While the broker does not read (memory or disk alarm) the connection
        # stays: each new one would leave one more copy in its buffers.
        if not await _is_blocked(publishing.connection):
            await self._drop(publishing)
        for wrong in unsafe.values():
            if not isinstance(wrong, (*BROKEN, asyncio.CancelledError)):  # a connection that goes away cancels
                raise wrong
        raise NotAllSafe("; ".join(sorted({_why(message, unsafe) for message in messages} - {""})), unsafe)

    async def consume(self, service: str, types: Collection[str], receive: Receive) -> None:
        if missing := set(types) - set(CONSUMERS.get(service, ())):
            raise ValueError(f"CONSUMERS does not say that {service} takes {', '.join(sorted(missing))}")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._consume_forever(service, receive))
                group.create_task(retry_forever(service, receive))
        except* WrongTopology as errors:
            raise errors.exceptions[0] from None
        finally:
            self._consuming.pop(service, None)

    async def check(self) -> str:
        try:
            async with asyncio.timeout(3):
                publishing = await self._publisher()
                await _refuse_blocked(publishing.connection)
        except (*BROKEN, TryAgain, WrongTopology) as error:
            return in_words(error)
        return next((problem for problem in self._consuming.values() if problem), "ok")

    async def close(self) -> None:
        if self._publishing is not None:
            await self._drop(self._publishing)

    async def _publisher(self) -> "_Publishing":
        async with self._opening:
            if self._publishing is not None and self._publishing.is_open():
                return self._publishing
            await self._forget()
            connection = await connect(self._url, f"{self._topology.prefix} publish")
            try:
                await ensure(connection, self._topology)
                async with within(CALL_SECONDS):
                    channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
                    exchange = await channel.get_exchange(self._topology.prefix, ensure=False)
            except BaseException:
                await close(connection)
                raise
            self._publishing = _Publishing(connection, channel, exchange)
            return self._publishing

    async def _drop(self, publishing: "_Publishing") -> None:
        async with self._opening:
            if self._publishing is publishing:
                await self._forget()

    async def _forget(self) -> None:
        publishing, self._publishing = self._publishing, None
        if publishing is not None:
            await close(publishing.connection)

    async def _consume_forever(self, service: str, receive: Receive) -> None:
        failures = 0
        while True:
            consuming = None
            try:
                consuming = await Consumer.open(self._url, self._topology, service)
                self._consuming[service] = ""
                failures = 0
                log.info("bus.consuming", service=service)
                await consuming.run(receive)
            except (*BROKEN, TryAgain) as error:
                failures += 1
                self._consuming[service] = f"not consuming: {in_words(error)}"
                log.warning("bus.waiting", service=service, failures=failures, why=in_words(error))
            finally:
                await close(consuming.connection if consuming else None)
            await asyncio.sleep(backoff(max(failures, 1), PAUSES).total_seconds())


@dataclass(frozen=True, slots=True)
class _Publishing:
    connection: AbstractConnection
    channel: AbstractChannel
    exchange: AbstractExchange

    def is_open(self) -> bool:
        return self.connection.connected.is_set() and not self.connection.is_closed and not self.channel.is_closed


async def _is_blocked(connection: AbstractConnection) -> bool:
    try:
        await _refuse_blocked(connection, seconds=0.01)
    except TryAgain:
        return True
    except BROKEN:
        return False
    return False


async def _refuse_blocked(connection: AbstractConnection, *, seconds: float = BLOCKED_SECONDS) -> None:
    transport = connection.transport
    if transport is None:
        raise ConnectionError("the connection was closed")
    try:
        async with asyncio.timeout(seconds):
            await transport.ready()
    except TimeoutError:
        raise TryAgain("takes no messages for now: it is short of memory or disk") from None


def _outgoing(message: Message) -> aio_pika.Message:
    return aio_pika.Message(
        message.body,
        content_type=message.content_type,
        message_id=message.id,
        type=message.routing_key,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )


def _why(message: Message, unsafe: Mapping[str, BaseException]) -> str:
    match unsafe.get(message.id):
        case None:
            return ""
        case PublishError():
            return f"broker: has no queue for {message.routing_key}"
        case error:
            return f"broker: {in_words(error)}"
