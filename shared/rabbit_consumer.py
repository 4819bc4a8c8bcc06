"""One service's end of RabbitMQ: what arrives is applied in batches, and acknowledged once that is committed."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any, Final, TypeVar

import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage

from shared import db
from shared.bus import Receive
from shared.retry import backoff
from shared.topology import CALL_SECONDS, Topology, close, connect, ensure, within

log = structlog.get_logger()

T = TypeVar("T")

PREFETCH: Final = 200
MESSAGES_A_BATCH: Final = 50
BYTES_A_BATCH: Final = 1024 * 1024
LINGER_SECONDS: Final = 0.002  # what arrives so soon after the first shares its transaction
SILENCE_SECONDS: Final = 30.0
FINISH_SECONDS: Final = 10.0  # what a batch under way gets when we are stopped
PAUSES: Final = tuple(timedelta(seconds=seconds) for seconds in (0.2, 0.5, 1, 2, 5))


class Consumer:
    """One connection that consumes one service's queues, until it breaks."""

    def __init__(self, connection: AbstractConnection, topology: Topology, service: str) -> None:
        self.connection = connection
        self._queues = ((topology.queue(service), False), (topology.dead_queue(service), True))
        self._channel: AbstractChannel | None = None
        self._arrived: asyncio.Queue[_Arrived | None] = asyncio.Queue()  # None: it has ended
        self._has_ended = False

    @classmethod
    async def open(cls, url: str, topology: Topology, service: str) -> "Consumer":
        connection = await connect(url, f"{topology.prefix} {service} consume")
        try:
            await ensure(connection, topology)
            self = cls(connection, topology, service)
            connection.close_callbacks.add(self._end)
            await self._subscribe()
        except BaseException:
            await close(connection)
            raise
        return self

    async def _subscribe(self) -> None:
        """Consume both queues on a fresh channel, and let go of the one before."""
        async with within(CALL_SECONDS):
            before, self._channel = self._channel, None
            if before is not None:
                await before.close()
            channel = await self.connection.channel(publisher_confirms=False)
            await channel.set_qos(prefetch_count=PREFETCH)
            underlay = await channel.get_underlay_channel()
            underlay.on_consumer_cancel_callbacks.add(self._end)  # the queue was deleted
            channel.close_callbacks.add(lambda *_: self._end() if self._channel is channel else None)
            for name, is_dead in self._queues:
                queue = await channel.get_queue(name, ensure=False)
                await queue.consume(partial(self._arrive, is_dead), timeout=CALL_SECONDS)
            self._channel = channel

    async def run(self, receive: Receive) -> None:
        while True:
            batch = await self._batch()
            for attempt in count(1):
                error = await _to_its_end(self._take(batch, receive))
                if error is None:
                    break
                log.warning("bus.receive_failed", attempt=attempt, error=type(error).__name__, exc_info=error)
                # While the database is away we hold what we have: handing it back would only bring it again. What
                # fails otherwise goes back in the end, and is set aside once it came too often.
                if not db.is_unavailable(error) and attempt == len(PAUSES):
                    for message, _ in batch:
                        async with within(CALL_SECONDS):
                            await message.reject(requeue=True)
                    break
                await asyncio.sleep(backoff(attempt, PAUSES).total_seconds())
                self._raise_when_ended()

    async def _take(self, batch: "_Batch", receive: Receive) -> Exception | None:
        """Have a batch applied, and only then acknowledge it; return why it was not applied."""
        try:
            if dead := [message.body for message, is_dead in batch if is_dead]:
                await receive.park(dead, "it came back from the broker too often")
            if bodies := [message.body for message, is_dead in batch if not is_dead]:
                await receive(bodies)
        except Exception as error:
            return error
        async with within(CALL_SECONDS):
            await batch[-1][0].ack(multiple=True)
        return None

    async def _batch(self) -> "_Batch":
        """Return what has arrived, at least one message."""
        batch: _Batch = []
        size = 0
        while len(batch) < MESSAGES_A_BATCH and size < BYTES_A_BATCH:
            if batch and self._arrived.empty():
                await asyncio.sleep(LINGER_SECONDS)
                if self._arrived.empty():
                    break
            next_one = await self._next()
            if next_one is None:
                raise ConnectionError("the connection was closed")
            batch.append(next_one)
            size += len(next_one[0].body)
        return batch

    async def _next(self) -> "_Arrived | None":
        while True:
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    return await self._arrived.get()
            except TimeoutError:
                # The line may be dead; or the queue was deleted and made anew so fast that the broker neither told us
                # nor serves us (3.10 does not, on that channel). Starting over finds out the one, and mends the other.
                await self._subscribe()

    async def _arrive(self, is_dead: bool, message: AbstractIncomingMessage) -> None:
        self._arrived.put_nowait((message, is_dead))

    def _end(self, *_: object) -> None:
        self._has_ended = True
        self._arrived.put_nowait(None)

    def _raise_when_ended(self) -> None:
        if self._has_ended:
            raise ConnectionError("the connection was closed")


_Arrived = tuple[AbstractIncomingMessage, bool]  # True: it came back too often
_Batch = list[_Arrived]


async def _to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` returns; when cancelled meanwhile, let it finish first, within bounds."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=FINISH_SECONDS)
        if not task.cancel() and not task.cancelled() and task.exception():
            log.warning("bus.stopped_in_batch", error=type(task.exception()).__name__)
        raise
